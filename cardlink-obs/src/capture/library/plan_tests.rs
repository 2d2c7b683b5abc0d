use super::{Plan, Site};
use cardlink_obs_common::call;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles a library of this source; `None` where there is no compiler.
fn library(folder: &Path, name: &str, source: &str) -> Option<PathBuf> {
    let (from, to) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&from, source).ok()?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-fPIC", "-shared", "-Wl,-z,lazy", "-o"]).arg(&to).arg(&from);
    compiler.status().is_ok_and(|status| status.success()).then_some(to)
}

fn sites(source: &str) -> Option<Vec<Site>> {
    let folder = tempfile::tempdir().ok()?;
    Some(Plan::of(&library(folder.path(), "lib", source)?).expect("a plan").sites)
}

fn site<'a>(sites: &'a [Site], function: &str) -> &'a Site {
    sites.iter().find(|site| site.functions.iter().any(|name| name == function)).expect("a site")
}

const WORK: &str = r#"
#include <stddef.h>
volatile int sink;
static __attribute__((noinline)) int work(void *s, void *b, size_t n, size_t *done) {
    if (n) *done = n;
    for (size_t i = 0; i < n; i++) { sink += ((char *)b)[i]; __builtin_printf("%p", s); }
    return sink != 3;
}
"#;

/// As OpenSSL has it: both forms end in one function, and one probe sees the calls of both.
#[test]
fn both_forms_share_the_function_that_does_the_work() {
    let source = format!(
        "{WORK}
int SSL_read_ex(void *s, void *b, size_t n, size_t *done) {{ int r = work(s, b, n, done); return r < 0 ? 0 : r; }}
int SSL_read(void *s, void *b, int n) {{
    size_t done; int r;
    if (n < 0) {{ sink = 1; return -1; }}
    r = work(s, b, (size_t)n, &done);
    return r > 0 ? (int)done : r;
}}"
    );
    let Some(sites) = sites(&source) else { return };
    assert_eq!(sites.len(), 1, "{sites:?}");
    assert_eq!(sites[0].functions, ["SSL_read_ex", "SSL_read"]);
    assert_eq!(sites[0].cookie & call::RESULT, call::RESULT_AT_FOURTH);
    assert!(!sites[0].stepped && sites[0].returns);
}

/// As OpenSSL 3.3 has it: the long form has flags in between, and the way leads through the table of the linker.
#[test]
fn arguments_that_move_are_followed_through_the_linkers_table() {
    let source = format!(
        "{WORK}
static __attribute__((noinline)) int flagged(void *s, const void *b, size_t n, unsigned long f, size_t *done) {{
    if (f) return -1;
    return work(s, (void *)b, n, done) + 1;
}}
int SSL_write_ex2(void *s, const void *b, size_t n, unsigned long f, size_t *done) {{
    int r = flagged(s, b, n, f, done); return r < 0 ? 0 : r;
}}
int SSL_write_ex(void *s, const void *b, size_t n, size_t *done) {{ return SSL_write_ex2(s, b, n, 0, done); }}
int SSL_write(void *s, const void *b, int n) {{ size_t done; return n < 0 ? -1 : SSL_write_ex(s, b, n, &done); }}"
    );
    let Some(sites) = sites(&source) else { return };
    let long = site(&sites, "SSL_write_ex2");
    assert_eq!(site(&sites, "SSL_write_ex"), long, "{sites:?}");
    assert_eq!(long.cookie & call::RESULT, call::RESULT_AT_FIFTH);
    assert_ne!(long.cookie & call::WRITE, 0);
}

/// As LibreSSL has it: the long form keeps its fourth argument and calls the short one.
#[test]
fn a_function_that_keeps_its_arguments_is_probed_itself() {
    let source = format!(
        "{WORK}
int SSL_read(void *s, void *b, int n) {{ size_t done; work(s, b, n, &done); return (int)done + sink; }}
int SSL_read_ex(void *s, void *b, size_t n, size_t *done) {{
    int r = SSL_read(s, b, (int)n);
    if (r < 0) r = 0;
    *done = r;
    return r > 0;
}}"
    );
    let Some(sites) = sites(&source) else { return };
    assert_eq!(site(&sites, "SSL_read_ex").functions, ["SSL_read_ex"]);
    assert_eq!(site(&sites, "SSL_read_ex").cookie & call::RESULT, call::RESULT_AT_FOURTH);
    assert_eq!(site(&sites, "SSL_read").functions, ["SSL_read"]);
    assert_eq!(site(&sites, "SSL_read").cookie & call::RESULT, call::RESULT_INT);
}

#[test]
fn other_files_have_no_plan() {
    let plan = Plan::of(Path::new("/proc/self/exe")).expect("this test is a program");
    assert_eq!(plan.sites, []);
    assert!(Plan::of(Path::new("/dev/null")).is_err());
    assert!(Plan::of(Path::new("/nowhere")).is_err());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cut");
    let whole = std::fs::read("/proc/self/exe").expect("this test");
    for len in [0, 3, 16, 63, 64, 100, 1000, 5000] {
        std::fs::write(&file, &whole[..len]).expect("a file");
        let _ = Plan::of(&file);
    }
}

/// What is on this host, when it is there: of each library reads and writes are found.
#[test]
fn the_libraries_of_this_host_can_be_probed() {
    let functions = [
        ("libssl.so.3", "SSL_read", "SSL_write"),
        ("libgnutls.so.30", "gnutls_record_recv", "gnutls_record_send"),
        ("libmbedtls.so.14", "mbedtls_ssl_read", "mbedtls_ssl_write"),
        ("libwolfssl.so.35", "wolfSSL_read", "wolfSSL_write"),
    ];
    for (file, read, write) in functions {
        let path = Path::new("/usr/lib/x86_64-linux-gnu").join(file);
        if !path.exists() {
            continue;
        }
        let plan = Plan::of(&path).expect("a plan");
        println!("{file}: {:#?}", plan.sites);
        assert!(site(&plan.sites, read).cookie & call::WRITE == 0);
        assert!(site(&plan.sites, write).cookie & call::WRITE != 0);
    }
}
