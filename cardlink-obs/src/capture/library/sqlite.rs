//! The functions of SQLite that are probed, in its library or in a program that it is linked into.

use super::{
    image::{Image, ImageError, Tables},
    mapped::Mapped,
    plan::Plan,
    prologue::{self, Target, Value},
    site::Site,
};
use cardlink_obs_common::sqlite;
use std::{ops::Range, path::Path};

/// What stands in the name of each file that may have them, but for programs.
const FILE: &str = "sqlite";

/// A function.
struct Function {
    name: &'static str,
    what: u64,
    /// The argument that points at where the new object will be.
    out: u8,
    /// Arguments that the probe looks at.
    arguments: u8,
}

const fn function(name: &'static str, what: u64, out: u8, arguments: u8) -> Function {
    Function { name, what, out, arguments }
}

/// All of them. `sqlite3_exec` prepares and steps by these, too.
const FUNCTIONS: [Function; 11] = [
    // int sqlite3_open(const char *, sqlite3 **).
    function("sqlite3_open", sqlite::OPEN, 1, 2),
    function("sqlite3_open_v2", sqlite::OPEN, 1, 2),
    function("sqlite3_open16", sqlite::OPEN, 1, 2),
    function("sqlite3_close", sqlite::CLOSE, 1, 1),
    function("sqlite3_close_v2", sqlite::CLOSE, 1, 1),
    // int sqlite3_prepare(sqlite3 *, const char *, int, sqlite3_stmt **, const char **).
    function("sqlite3_prepare", sqlite::PREPARE, 3, 4),
    function("sqlite3_prepare_v2", sqlite::PREPARE, 3, 4),
    // With flags before the sqlite3_stmt **.
    function("sqlite3_prepare_v3", sqlite::PREPARE, 4, 5),
    function("sqlite3_step", sqlite::STEP, 0, 1),
    function("sqlite3_reset", sqlite::RESET, 0, 1),
    function("sqlite3_finalize", sqlite::FINALIZE, 0, 1),
];

/// Arguments that are looked at for where the new object will be.
const OUT: Range<u8> = 3..6;

/// Whether a file may have them.
pub(super) fn may_be_in(file: &Mapped, programs: bool) -> bool {
    (file.program && programs) || file.name.to_ascii_lowercase().contains(FILE)
}

/// Where the probes go.
pub(super) fn plan(path: &Path) -> Result<Plan, ImageError> {
    let pick = |symbol: &str| FUNCTIONS.iter().any(|known| known.name == symbol).then(|| symbol.to_owned());
    let image = Image::open(path, Tables::First, &pick)?;
    let mut plan = Plan::default();
    // A name or two of a program's own are not the library.
    if image.function("sqlite3_step").is_none() {
        return Ok(plan);
    }
    for function in &FUNCTIONS {
        let Some(address) = image.function(function.name) else { continue };
        let (at, out, stepped) = place(&image, function, address);
        let cookie = function.what | (u64::from(out) << sqlite::OUT_SHIFT);
        let Some(offset) = image.offset(at) else { continue };
        if let Some(shared) = plan.sites.iter_mut().find(|site| site.offset == offset && site.cookie == cookie) {
            shared.functions.push(function.name.to_owned());
            continue;
        }
        plan.sites.push(Site {
            library: None,
            functions: vec![function.name.to_owned()],
            cookie,
            offset,
            returns: !matches!(function.what, sqlite::RESET | sqlite::FINALIZE),
            stepped,
        });
    }
    Ok(plan)
}

/// Where a function is probed, which argument is then where the new object will be, and whether the kernel has to
/// single-step there.
///
/// All ways to prepare a statement end in one function, which takes more arguments than they do.
fn place(image: &Image, function: &Function, address: u64) -> (u64, u8, bool) {
    let code = |address| image.code(address).unwrap_or_default();
    if let Some(cheap) = prologue::cheap_site(code(address), address, function.arguments) {
        return (cheap, function.out, false);
    }
    let behind = || {
        let next = prologue::hands_on(code(address), address, function.arguments.min(3))?;
        let Target::Address(target) = next.target else { return None };
        let same = (0..3).all(|index| next.registers.argument(index) == Value::Argument(index));
        let out = OUT.into_iter().find(|index| next.registers.argument(*index) == Value::Argument(function.out))?;
        let cheap = prologue::cheap_site(code(target), target, 6)?;
        (same && function.what == sqlite::PREPARE).then_some((cheap, out, false))
    };
    behind().unwrap_or((address, function.out, true))
}

#[cfg(test)]
mod tests {
    use super::plan;
    use cardlink_obs_common::sqlite;
    use std::path::Path;

    /// Debian's library, when it is installed.
    const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0";

    #[test]
    fn the_systems_library_is_probed_cheaply_where_it_matters() {
        if !Path::new(LIBRARY).exists() {
            return;
        }
        let plan = plan(Path::new(LIBRARY)).expect("a library");
        for what in [sqlite::STEP, sqlite::RESET, sqlite::FINALIZE, sqlite::PREPARE] {
            let of: Vec<_> = plan.sites.iter().filter(|site| site.cookie & sqlite::FUNCTION == what).collect();
            assert!(!of.is_empty(), "{what}");
            assert!(of.iter().any(|site| !site.stepped), "{what}: {of:?}");
        }
        let of = |name: &str| plan.sites.iter().filter(|site| site.functions.iter().any(|known| known == name)).count();
        assert!(super::FUNCTIONS.iter().all(|function| of(function.name) == 1), "each stands once: {plan:?}");
    }

    #[test]
    fn a_program_without_it_has_no_sites() {
        let plan = plan(Path::new("/proc/self/exe")).expect("a program");
        assert!(plan.sites.is_empty());
    }
}
