//! One program: what it is, what it has open, what of it cannot be seen.

use super::{
    host_report::{Finding, Mark},
    interfaces::{self, Interface},
};
use crate::capture::{
    host,
    library::{self, LibraryVerdict},
    sockets, ttys,
};
use std::{collections::BTreeSet, fs, io::Read as _, net::SocketAddr, path::Path};

/// Libraries that matter, by the beginning of their file's name.
const LIBRARIES: [(&str, &str); 12] = [
    ("libssl.so", "OpenSSL"),
    ("libgnutls.so", "GnuTLS"),
    ("libmbedtls.so", "mbedTLS"),
    ("libwolfssl.so", "wolfSSL"),
    ("libnss3.so", "NSS"),
    ("libsqlite3.so", "SQLite"),
    ("libpcsclite.so", "PC/SC"),
    ("libpq.so", "libpq"),
    ("libmariadb.so", "MariaDB's client library"),
    ("libmysqlclient.so", "MySQL's client library"),
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
    /// What it speaks beside TLS and AT.
    pub interfaces: Vec<Interface>,
    /// Probes for plaintext that were tried out.
    pub plaintext: Vec<library::Finding>,
    pub findings: Vec<Finding>,
    /// Its system calls can be seen.
    pub seen: bool,
}

pub fn examine(pid: u32, plaintext: Vec<library::Finding>) -> TargetReport {
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
    let comm = host::comm(pid).unwrap_or_else(|| String::from("gone"));
    let peers = inodes.iter().filter_map(|inode| sockets.connected.get(inode)).flat_map(|ends| [ends.local, ends.peer]);
    let addresses: Vec<SocketAddr> = listens.iter().copied().chain(peers).collect();
    let interfaces = interfaces::of(&comm, &libraries, &addresses);
    findings.extend(interfaces.iter().map(|one| Finding::new(Mark::Good, format!("{}: {}", one.gives, one.source))));
    let seen = is_32_bit(pid) != Some(true);
    if seen && (!listens.is_empty() || connections > 0) {
        findings.push(Finding::new(Mark::Good, "handshakes: from the wire, whatever the TLS library"));
        findings.extend(contents(&plaintext));
    }
    if seen && !ttys.is_empty() {
        findings.push(Finding::new(Mark::Good, "AT commands: from the tty's reads and writes"));
    }
    TargetReport {
        seen,
        pid,
        comm,
        exe: host::exe(pid).map(|path| path.display().to_string()),
        listens,
        connections,
        libraries,
        ttys: ttys.into_iter().collect(),
        interfaces,
        plaintext,
        findings,
    }
}

/// Whether plaintext can be had from the TLS libraries.
fn contents(plaintext: &[library::Finding]) -> Vec<Finding> {
    let mut files: Vec<&str> = plaintext.iter().map(|probe| probe.file.as_str()).collect();
    files.dedup();
    if files.is_empty() {
        let none =
            "contents of TLS sessions: plain PSK suites with --psk-file; it has no TLS library that can be probed";
        return vec![Finding::new(Mark::None, none)];
    }
    let mut findings = Vec::new();
    for file in files {
        let of_file = || plaintext.iter().filter(|probe| probe.file == file);
        let libraries: BTreeSet<String> =
            of_file().filter_map(|probe| probe.site.library).map(|library| library.to_string()).collect();
        let what = format!("{} ({file})", libraries.into_iter().collect::<Vec<_>>().join(", "));
        findings.push(match of_file().find(|probe| probe.verdict != LibraryVerdict::Ok) {
            None => Finding::new(
                Mark::Good,
                format!("contents of TLS sessions: plain PSK suites with --psk-file, others by probes in {what}"),
            ),
            Some(probe) => {
                let mark = if matches!(probe.verdict, LibraryVerdict::Broken(_)) { Mark::Warn } else { Mark::None };
                let reason = probe.verdict.reason().unwrap_or_default();
                Finding::new(
                    mark,
                    format!(
                        "contents of TLS sessions: plain PSK suites with --psk-file; not by probes in {what}: {reason}"
                    ),
                )
            }
        });
        let stepped: Vec<&str> = of_file()
            .filter(|probe| probe.site.stepped)
            .flat_map(|probe| &probe.site.functions)
            .map(String::as_str)
            .collect();
        if !stepped.is_empty() {
            let text = format!("probes would cost it some 10 µs more for each call of {}", stepped.join(", "));
            findings.push(Finding::new(Mark::None, text));
        }
    }
    findings
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
        let text = format!(
            "has a seccomp {filter}: tracepoints are not affected by it; whether probes in libraries are is tried out"
        );
        findings.push(Finding::new(Mark::None, text));
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
