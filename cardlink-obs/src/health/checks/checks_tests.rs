//! Each check, healthy and not, against peers that are made up here.

use super::make;
use crate::{
    client::Deadline,
    config::{CheckConfig, Loaded},
    health::{Facts, Status, Verdict},
    sink::metrics::{Registry, page::Page, table},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixListener,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

fn facts() -> Arc<Facts> {
    let registry = Arc::new(Registry::new());
    registry.set(&table::OWN_STREAMS, &[], 1.0);
    let page = Page::start(Arc::clone(&registry)).expect("a page");
    Arc::new(Facts::new(registry, page))
}

fn config(kind: &str, options: &str) -> CheckConfig {
    let text = format!("[health.checks.x]\nkind = \"{kind}\"\n{options}");
    let loaded = Loaded::of_text(Path::new("x"), &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    loaded.checks["x"].0.clone()
}

fn look_with(facts: &Arc<Facts>, kind: &str, options: &str) -> Verdict {
    make(&config(kind, options).what, facts).look(Deadline::after(Duration::from_secs(1)))
}

fn look(kind: &str, options: &str) -> Verdict {
    look_with(&facts(), kind, options)
}

#[track_caller]
fn is(verdict: &Verdict, status: Status, message: &str) {
    assert_eq!(verdict.status, status, "{verdict:?}");
    assert!(verdict.message.contains(message), "{verdict:?}");
}

/// A peer that reads at most once (when `reads`), says this, and hangs up.
fn peer(reads: bool, says: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    let says = says.to_vec();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            if reads {
                let _ = stream.read(&mut [0; 4096]);
            }
            let _ = stream.write_all(&says);
        }
    });
    address
}

/// A port that nobody has.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.local_addr().expect("an address").to_string()
}

/// A peer that takes the connection and is silent.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

#[test]
fn silence_ends_with_the_time_out() {
    let (_listener, address) = silent();
    let began = Instant::now();
    for (kind, options) in [
        ("http", format!("url = \"http://{address}/\"\n")),
        ("adb", format!("address = \"{address}\"\n")),
        ("database", format!("engine = \"postgresql\"\naddress = \"{address}\"\n")),
        ("database", format!("engine = \"mysql\"\naddress = \"{address}\"\n")),
    ] {
        let mut check = make(&config(kind, &options).what, &facts());
        let verdict = check.look(Deadline::after(Duration::from_millis(150)));
        assert_eq!(verdict.status, Status::Unhealthy, "{kind}: {verdict:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn tcp() {
    let (_listener, address) = silent();
    is(&look("tcp", &format!("address = \"{address}\"\n")), Status::Healthy, "accepts in");
    let slow = format!("address = \"{address}\"\ndegraded_after = \"0s\"\n");
    is(&look("tcp", &slow), Status::Degraded, "accepts in");
    is(&look("tcp", &format!("address = \"{}\"\n", nobody())), Status::Unhealthy, "nobody listens");
}

#[test]
fn http() {
    let address = peer(true, b"HTTP/1.1 200 OK\r\n\r\nall is well");
    is(&look("http", &format!("url = \"http://{address}/\"\n")), Status::Healthy, "answers 200");
    let with = |text: &str| format!("url = \"http://{address}/\"\ncontains = \"{text}\"\n");
    is(&look("http", &with("well")), Status::Healthy, "200");
    is(&look("http", &with("bad")), Status::Unhealthy, "without `bad`");
    let teapot = peer(true, b"HTTP/1.1 418 No\r\n\r\n");
    is(&look("http", &format!("url = \"http://{teapot}/\"\n")), Status::Unhealthy, "answers 418");
    is(&look("http", &format!("url = \"http://{teapot}/\"\nstatus = [418]\n")), Status::Healthy, "418");
    is(&look("http", &format!("url = \"https://{address}/\"\nca_file = \"/no\"\n")), Status::Unhealthy, "/no");
}

#[test]
fn adb() {
    let of = |answer: &[u8], more: &str| look("adb", &format!("address = \"{}\"\n{more}", peer(true, answer)));
    is(&of(b"OKAY00040029", ""), Status::Healthy, "version 29 answers");
    let devices = b"OKAY0017one\tdevice\ntwo\toffline\n";
    is(&of(devices, "device = \"one\"\n"), Status::Healthy, "ready");
    is(&of(devices, "device = \"two\"\n"), Status::Unhealthy, "offline");
    is(&of(devices, "device = \"three\"\n"), Status::Unhealthy, "does not know");
    is(&of(b"FAIL0002no", ""), Status::Unhealthy, "refuses: no");
    is(&of(b"HTTP/1.1 400 Bad", ""), Status::Unhealthy, "no adb server");
}

#[test]
fn pcscd() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pcscd.comm");
    let options = format!("path = \"{}\"\n", path.display());
    is(&look("pcscd", &options), Status::Unhealthy, "No such file");
    let listener = UnixListener::bind(&path).expect("a socket");
    is(&look("pcscd", &options), Status::Healthy, "accepts");
    drop(listener);
    is(&look("pcscd", &options), Status::Unhealthy, "nobody listens");
}

#[test]
fn databases_that_listen() {
    let of = |engine: &str, answer: &[u8]| {
        let address = peer(engine == "postgresql", answer);
        look("database", &format!("engine = \"{engine}\"\naddress = \"{address}\"\n"))
    };
    is(&of("postgresql", b"N"), Status::Healthy, "PostgreSQL answers");
    is(&of("postgresql", b"S"), Status::Healthy, "with TLS");
    is(&of("postgresql", b"E"), Status::Unhealthy, "too many clients");
    is(&of("postgresql", b"?"), Status::Unhealthy, "no PostgreSQL");
    is(&of("postgresql", b""), Status::Unhealthy, "hangs up");
    let greeting = |body: &[u8]| [&[body.len() as u8, 0, 0, 0], body].concat();
    is(&of("mysql", &greeting(b"\x0a8.0.36\0rest")), Status::Healthy, "MySQL 8.0.36 answers");
    is(&of("mysql", &greeting(b"\x0a5.5.5-10.11.6-MariaDB\0rest")), Status::Healthy, "MariaDB 5.5.5-10.11.6-MariaDB");
    is(&of("mysql", &greeting(b"\xff\x10\x04Too many connections")), Status::Unhealthy, "Too many connections");
    is(&of("mysql", b"SSH-2.0-OpenSSH_9\r\n"), Status::Unhealthy, "no MySQL");
}

#[test]
fn a_database_that_is_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    let options = format!("engine = \"sqlite\"\naddress = \"{}\"\n", path.display());
    is(&look("database", &options), Status::Unhealthy, "No such file");
    let mut file = b"SQLite format 3\0\x10\0".to_vec();
    file.resize(8192, 0);
    fs::write(&path, &file).expect("written");
    is(&look("database", &options), Status::Healthy, "2 pages");
    fs::write(&path, &file[..5000]).expect("written");
    is(&look("database", &options), Status::Unhealthy, "damaged");
    fs::write(&path, "hello").expect("written");
    is(&look("database", &options), Status::Unhealthy, "no SQLite database");
}

#[test]
fn a_command() {
    let of = |script: &str| look("command", &format!("command = [\"sh\", \"-c\", \"{script}\"]\n"));
    is(&of("echo fine; echo more"), Status::Healthy, "fine");
    is(&of("echo so so; exit 1"), Status::Degraded, "so so");
    is(&of("exit 2"), Status::Unhealthy, "sh ended with 2");
    is(&of("kill -9 $$"), Status::Unhealthy, "by a signal");
    is(&look("command", "command = [\"/no/such/program\"]\n"), Status::Unhealthy, "cannot be started");
    // A child in the background holds the pipe, and would hold the check.
    let began = Instant::now();
    is(&of("sleep 30 & echo left"), Status::Healthy, "left");
    let mut check = make(&config("command", "command = [\"sleep\", \"30\"]\n").what, &facts());
    is(&check.look(Deadline::after(Duration::from_millis(100))), Status::Unhealthy, "did not end in time");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn space_and_memory() {
    is(&look("disk", "degraded_free = \"0%\"\nunhealthy_free = \"0%\"\n"), Status::Healthy, "% free");
    is(&look("disk", "degraded_free = \"100%\"\nunhealthy_free = \"0%\"\n"), Status::Degraded, "% free");
    is(&look("disk", "unhealthy_free = \"100%\"\n"), Status::Unhealthy, "% free");
    is(&look("disk", "path = \"/no/such/folder\"\n"), Status::Unhealthy, "No such file");
    is(&look("memory", "degraded_available = \"0%\"\nunhealthy_available = \"0%\"\n"), Status::Healthy, "available");
    is(&look("memory", "unhealthy_available = \"100%\"\n"), Status::Unhealthy, "available");
}

#[test]
fn a_serial_port() {
    is(&look("serial", "path = \"/no/such/port\"\n"), Status::Unhealthy, "is not there");
    is(&look("serial", "path = \"/etc/passwd\"\n"), Status::Unhealthy, "no device");
    // Closed on exec: other tests start programs meanwhile.
    let flags = nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_NOCTTY | nix::fcntl::OFlag::O_CLOEXEC;
    let master = nix::pty::posix_openpt(flags).expect("a pty");
    nix::pty::grantpt(&master).expect("granted");
    nix::pty::unlockpt(&master).expect("unlocked");
    let name = nix::pty::ptsname_r(&master).expect("a name");
    let options = format!("path = \"{name}\"\n");
    let port = fs::OpenOptions::new().read(true).write(true).open(&name).expect("the port");
    let facts = facts();
    let own = std::process::id();
    // Between fork and exec a child of another test has it, too.
    let of = |options: &str, status: Status, message: &str| {
        for _ in 0..20 {
            let verdict = look_with(&facts, "serial", options);
            if verdict.status == status && verdict.message.contains(message) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        is(&look_with(&facts, "serial", options), status, message);
    };
    of(&options, Status::Degraded, &format!("(pid {own}), which is not watched"));
    facts.beat([(own, "me")].into_iter());
    of(&options, Status::Healthy, "in the hands of");
    drop(port);
    of(&options, Status::Healthy, "is free");
    of(&format!("{options}open = true\n"), Status::Healthy, "is free and opens");
}

#[test]
fn otlp() {
    let (_listener, address) = silent();
    let of = |address: &str, protocol: &str| {
        look("otlp", &format!("endpoint = \"http://{address}\"\nprotocol = \"{protocol}\"\n"))
    };
    is(&of(&address, "grpc"), Status::Healthy, "accepts");
    is(&of(&nobody(), "grpc"), Status::Unhealthy, "nobody listens");
    is(&of(&peer(true, b"HTTP/1.1 200 OK\r\n\r\n"), "http"), Status::Healthy, "takes exports");
    is(&of(&peer(true, b"HTTP/1.1 401 No\r\n\r\n"), "http"), Status::Unhealthy, "wants to know who");
    is(&of(&peer(true, b"HTTP/1.1 404 No\r\n\r\n"), "http"), Status::Unhealthy, "answers 404");
}

#[test]
fn targets() {
    let facts = facts();
    let of = || look_with(&facts, "process", "");
    is(&of(), Status::Degraded, "no target has come yet");
    facts.registry.set(&table::TARGET_PROCESSES, &["server"], 2.0);
    is(&of(), Status::Healthy, "2 processes of 1 target");
    facts.registry.set(&table::TARGET_PROCESSES, &["modem"], 0.0);
    is(&of(), Status::Degraded, "left of modem");
    facts.registry.set(&table::TARGET_PROCESSES, &["server"], 0.0);
    is(&of(), Status::Unhealthy, "left of modem, server");
}

#[test]
fn probes() {
    let facts = facts();
    let of = || look_with(&facts, "probes", "");
    is(&of(), Status::Unhealthy, "no probe");
    facts.registry.set(&table::OWN_PROBE_STATUS, &["a", "ok"], 1.0);
    is(&of(), Status::Healthy, "1 probe attached");
    facts.registry.set(&table::OWN_PROBE_STATUS, &["b", "broken"], 1.0);
    is(&of(), Status::Degraded, "broken: b");
}

#[test]
fn the_ledger() {
    let facts = facts();
    let registry = Arc::clone(&facts.registry);
    let mut check = make(&config("ledger", "").what, &facts);
    let mut of = || check.look(Deadline::after(Duration::from_secs(1)));
    let add = |fate: &str, count: f64| registry.add(&table::OWN_EVENTS, &[fate], count);
    add("seen", 3.0);
    add("submitted", 3.0);
    registry.add(&table::OWN_RECEIVED, &["decoded"], 3.0);
    is(&of(), Status::Healthy, "3 events, 0 lost");
    add("seen", 2.0);
    add("ring_full", 2.0);
    is(&of(), Status::Degraded, "2 events were lost");
    is(&of(), Status::Healthy, "2 lost since the start");
    // Submitted and never received: at first that may be a matter of when each was read.
    add("seen", 1.0);
    add("submitted", 1.0);
    for _ in 0..3 {
        is(&of(), Status::Healthy, "6 events");
    }
    is(&of(), Status::Unhealthy, "1 events are unaccounted for");
}

#[test]
fn a_server_by_its_handshakes() {
    let facts = facts();
    let registry = Arc::clone(&facts.registry);
    let mut check = make(&config("server", "window = \"1s\"\nleast = 4\n").what, &facts);
    let mut of = || check.look(Deadline::after(Duration::from_secs(1)));
    let add = |result: &str, count: f64| {
        registry.add(&table::TLS_HANDSHAKES, &["server", result, "", "", ""], count);
    };
    is(&of(), Status::Healthy, "too few to judge");
    add("success", 20.0);
    is(&of(), Status::Healthy, "0 of 20");
    add("failed", 3.0);
    is(&of(), Status::Degraded, "3 of 23");
    add("failed", 30.0);
    is(&of(), Status::Unhealthy, "33 of 53");
    thread::sleep(Duration::from_millis(1100));
    is(&of(), Status::Healthy, "0 handshakes");
    add("success", 4.0);
    is(&of(), Status::Healthy, "0 of 4");
}

#[test]
fn a_server_by_its_ports() {
    let (listener, address) = silent();
    let port = address.rsplit_once(':').expect("a port").1.to_owned();
    let facts = facts();
    facts.beat([(std::process::id(), "me")].into_iter());
    let mut wanted = make(&config("server", &format!("port = [{port}]\n")).what, &facts);
    is(&wanted.look(Deadline::after(Duration::from_secs(1))), Status::Healthy, "handshakes");
    drop(listener);
    is(&wanted.look(Deadline::after(Duration::from_secs(1))), Status::Unhealthy, &format!("listens on {port}"));
}

#[test]
fn the_page() {
    let facts = facts();
    is(&look_with(&facts, "metrics", ""), Status::Healthy, "bytes");
    facts.page.stop();
    let mut check = make(&config("metrics", "oldest = \"1s\"\n").what, &facts);
    thread::sleep(Duration::from_millis(1500));
    is(&check.look(Deadline::after(Duration::from_secs(1))), Status::Unhealthy, "last rendered");
}

#[test]
fn tls_psk_says_what_is_wrong_with_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    fs::write(&keys, "check:00112233445566778899aabbccddeeff\n").expect("written");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("permissions");
    let of = |address: &str, identity: &str| {
        let file = keys.display();
        look("tls-psk", &format!("address = \"{address}\"\nidentity = \"{identity}\"\npsk_file = \"{file}\"\n"))
    };
    is(&of(&nobody(), "check"), Status::Unhealthy, "nobody listens");
    is(&of(&nobody(), "another"), Status::Unhealthy, "no key for the identity");
    is(&of(&peer(true, b"HTTP/1.1 400 Bad\r\n\r\n"), "check"), Status::Unhealthy, "does not speak TLS");
    is(&of(&peer(true, &[21, 3, 3, 0, 2, 2, 40]), "check"), Status::Unhealthy, "alert 40 handshake_failure");
    is(&of(&peer(true, &[]), "check"), Status::Unhealthy, "hangs up");
}
