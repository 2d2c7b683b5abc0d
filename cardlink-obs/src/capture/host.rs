//! What procfs says about processes.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Inode of the initial pid namespace (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Whether pids here are those that BPF programs see.
pub fn in_initial_pid_namespace() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|metadata| metadata.ino() == INITIAL_PID_NAMESPACE)
}

/// All processes that can be seen.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

pub fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).is_dir()
}

/// Whether a process still has a program: it is neither gone nor only waits for its parent.
pub fn is_running(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

pub fn comm(pid: u32) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(printable(text.strip_suffix(b"\n").unwrap_or(&text)))
}

/// A name that a program has chosen, without what would break a line or move a cursor.
pub fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace(char::is_control, "\u{FFFD}")
}

/// The executable; the mark of one that was replaced or deleted is taken off.
pub fn exe(pid: u32) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) => Some(PathBuf::from(text)),
        None => Some(path),
    }
}

/// The command line, arguments joined by single spaces.
pub fn cmdline(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_end_matches('\0').replace('\0', " "))
}

/// The environment, as it was when the program started; none of a process that has ended.
pub fn environment(pid: u32) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    // Of a process that waits to be reaped it reads as empty.
    let ended = environment.is_empty() && parent(pid).is_none_or(|(_, zombie)| zombie);
    (!ended).then_some(environment)
}

/// A variable of an environment.
pub fn variable(environment: &[u8], name: &str) -> Option<String> {
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Paths of the control groups that the process is in, of every hierarchy.
pub fn cgroups(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).map(str::to_owned).collect()
}

/// Parent, and whether it is a zombie: the third and fourth field of `stat`, after a name that may hold anything.
pub fn parent(pid: u32) -> Option<(u32, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    Some((fields.next()?.parse().ok()?, state == "Z" || state == "X"))
}

/// Every process with its parent.
pub fn parents() -> HashMap<u32, u32> {
    pids().into_iter().filter_map(|pid| Some((pid, parent(pid)?.0))).collect()
}

/// Open descriptors and what they point to: `socket:[123]`, `/dev/ttyUSB2`, …
pub fn descriptors(pid: u32) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            Some((fd, target.to_string_lossy().into_owned()))
        })
        .collect()
}

/// The inode in `socket:[123]`.
pub fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Inode of the network namespace of a process.
pub fn network_namespace(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::{environment, variable};
    use std::process::{Command, Stdio};

    #[test]
    fn one_variable_of_an_environment() {
        let mut cat = Command::new("cat");
        cat.env_clear().env("TRACEPARENTS", "no").env("XTRACEPARENT", "no").env("TRACEPARENT", "a=b").env("EMPTY", "");
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts");
        // Its environment is there once exec has returned, which spawn waits for.
        let read = environment(child.id()).expect("it runs");
        let of = |name| variable(&read, name);
        assert_eq!(of("TRACEPARENT").as_deref(), Some("a=b"));
        assert_eq!(of("EMPTY").as_deref(), Some(""));
        assert_eq!(of("TRACE"), None);
        child.kill().expect("cat is a child");
        // Ended, not reaped.
        while !super::parent(child.id()).is_none_or(|(_, zombie)| zombie) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(environment(child.id()), None);
        child.wait().expect("cat ends");
        assert_eq!(environment(u32::MAX), None);
    }
}
