//! One program: what it is, what it has open, what of it cannot be seen.

use super::host_report::{Finding, Mark};
use crate::capture::{host, sockets, ttys};
use std::{collections::BTreeSet, fs, io::Read as _, net::SocketAddr, path::Path};

/// TLS libraries, by the beginning of their file's name.
const LIBRARIES: [(&str, &str); 9] = [
    ("libssl.so", "OpenSSL"),
    ("libgnutls.so", "GnuTLS"),
    ("libmbedtls.so", "mbedTLS"),
    ("libwolfssl.so", "wolfSSL"),
    ("libnss3.so", "NSS"),
    ("libsqlite3.so", "SQLite"),
    ("libpcsclite.so", "PC/SC"),
    ("libpython3", "CPython"),
    ("libserialport.so", "libserialport"),
];

/// What is known of one process.
#[derive(Debug)]
pub struct TargetReport {
    pub pid: u32,
    pub comm: String,
    pub exe: Option<String>,
    pub listens: Vec<SocketAddr>,
    pub connections: usize,
    pub libraries: Vec<String>,
    pub ttys: Vec<String>,
    pub findings: Vec<Finding>,
}

pub fn examine(pid: u32) -> TargetReport {
    let descriptors = host::descriptors(pid);
    let sockets = sockets::of(pid);
    let inodes: BTreeSet<u64> = descriptors.iter().filter_map(|(_, link)| host::socket_inode(link)).collect();
    let mut listens: Vec<SocketAddr> =
        inodes.iter().filter_map(|inode| sockets.listening.get(inode).copied()).collect();
    listens.sort();
    let connections = inodes.iter().filter(|inode| sockets.connected.contains_key(inode)).count();
    let ttys: BTreeSet<String> = descriptors
        .iter()
        .filter(|(fd, link)| link.starts_with("/dev/") && ttys::is_terminal(pid, *fd))
        .map(|(_, link)| link.clone())
        .collect();
    let mut findings = Vec::new();
    let blind = blind_ways(pid, &descriptors.iter().map(|(_, link)| link.as_str()).collect::<Vec<_>>());
    findings.extend(blind);
    findings.extend(ttys.iter().filter_map(|tty| shared_tty(pid, tty)));
    let libraries = libraries(pid);
    if !listens.is_empty() || connections > 0 {
        findings.push(Finding::new(Mark::Good, "handshakes: from the wire, whatever the TLS library"));
        let sealed = "contents of TLS sessions: not in this version (only NULL suites are in the clear on the wire)";
        findings.push(Finding::new(Mark::None, sealed));
    }
    if !ttys.is_empty() {
        findings.push(Finding::new(Mark::Good, "AT commands: from the tty's reads and writes"));
    }
    TargetReport {
        pid,
        comm: host::comm(pid).unwrap_or_else(|| String::from("gone")),
        exe: host::exe(pid).map(|path| path.display().to_string()),
        listens,
        connections,
        libraries,
        ttys: ttys.into_iter().collect(),
        findings,
    }
}

/// Libraries that matter, from the process's mappings.
fn libraries(pid: u32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mut found = BTreeSet::new();
    for path in maps.lines().filter_map(|line| line.split_whitespace().nth(5)) {
        let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some((_, what)) = LIBRARIES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
            found.insert(format!("{what} ({name})"));
        }
    }
    let exe = host::exe(pid).and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    if exe.is_some_and(|name| name.starts_with("python3")) && !found.iter().any(|what| what.starts_with("CPython")) {
        found.insert(String::from("CPython"));
    }
    found.into_iter().collect()
}

/// Ways in which bytes may pass unseen.
fn blind_ways(pid: u32, links: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if links.iter().any(|link| link.contains("[io_uring]")) {
        let text = "uses io_uring: what it moves that way cannot be seen";
        findings.push(Finding::new(Mark::Warn, text));
    }
    if is_32_bit(pid) == Some(true) {
        findings
            .push(Finding::new(Mark::Bad, "is a 32-bit program: its system calls cannot be seen on a 64-bit kernel"));
    }
    if let Some(filter) = seccomp(pid) {
        findings.push(Finding::new(Mark::None, format!("has a seccomp {filter}: tracepoints are not affected by it")));
    }
    findings
}

/// `EI_CLASS` of the executable (System V ABI, ELF header).
fn is_32_bit(pid: u32) -> Option<bool> {
    let mut header = [0; 5];
    fs::File::open(format!("/proc/{pid}/exe")).ok()?.read_exact(&mut header).ok()?;
    match header {
        [0x7f, b'E', b'L', b'F', 1] => Some(true),
        [0x7f, b'E', b'L', b'F', _] => Some(false),
        _ => None,
    }
}

fn seccomp(pid: u32) -> Option<&'static str> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    match status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?.trim() {
        "1" => Some("strict mode"),
        "2" => Some("filter"),
        _ => None,
    }
}

/// Who else has this tty open: two programs on one modem is a fault that shows as nonsense in both.
fn shared_tty(pid: u32, tty: &str) -> Option<Finding> {
    let others: Vec<String> = host::pids()
        .into_iter()
        .filter(|other| *other != pid && host::descriptors(*other).iter().any(|(_, link)| link == tty))
        .filter_map(|other| Some(format!("{}({other})", host::comm(other)?)))
        .collect();
    (!others.is_empty()).then(|| Finding::new(Mark::Warn, format!("{tty} is also open in {}", others.join(", "))))
}
