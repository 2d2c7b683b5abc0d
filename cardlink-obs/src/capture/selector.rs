//! Who is to be watched: *or* within a kind of selector, *and* across kinds.

use super::{host, sockets};
use regex::Regex;
use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
};

/// The selectors of a command line or configuration.
#[derive(Debug, Clone, Default)]
pub struct Selectors {
    pub pids: Vec<u32>,
    pub ports: Vec<u16>,
    pub comms: Vec<String>,
    pub exes: Vec<PathBuf>,
    pub cmdlines: Vec<Regex>,
    pub units: Vec<String>,
    pub cgroups: Vec<String>,
}

impl Selectors {
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty() && !self.looks_for_others()
    }

    /// Whether processes that do not exist yet may match.
    pub fn looks_for_others(&self) -> bool {
        !(self.ports.is_empty()
            && self.comms.is_empty()
            && self.exes.is_empty()
            && self.cmdlines.is_empty()
            && self.units.is_empty()
            && self.cgroups.is_empty())
    }

    /// Whether an exec alone can tell a match: everything but ports.
    pub fn by_program(&self) -> bool {
        self.ports.is_empty() && self.pids.is_empty() && self.looks_for_others()
    }

    /// Whether names are all that counts: the kernel side can tell by itself.
    pub fn only_comms(&self) -> bool {
        !self.comms.is_empty()
            && self.by_program()
            && self.exes.is_empty()
            && self.cmdlines.is_empty()
            && self.units.is_empty()
            && self.cgroups.is_empty()
    }

    /// All processes that match now, without `except`.
    pub fn matching(&self, except: u32) -> Vec<u32> {
        let pids = host::pids();
        let listening = if self.ports.is_empty() { HashSet::new() } else { sockets::listeners(&self.ports, &pids) };
        pids.into_iter().filter(|pid| *pid != except && self.matches(*pid, &listening)).collect()
    }

    /// Whether a process matches; `listening` are the inodes of sockets on the wanted ports.
    pub fn matches(&self, pid: u32, listening: &HashSet<u64>) -> bool {
        if self.is_empty() {
            return false;
        }
        wanted(&self.pids, |want| *want == pid)
            && by(&self.comms, || host::comm(pid), |want, comm| want == comm)
            && by(&self.exes, || host::exe(pid), |want, exe| same_program(want, exe))
            && by(&self.cmdlines, || host::cmdline(pid), |want, line| want.is_match(line))
            && by(
                &self.units,
                || Some(host::cgroups(pid)),
                |want, groups| groups.iter().any(|group| in_unit(group, want)),
            )
            && by(
                &self.cgroups,
                || Some(host::cgroups(pid)),
                |want, groups| groups.iter().any(|group| in_cgroup(group, want)),
            )
            && (self.ports.is_empty() || holds(pid, listening))
    }

    /// The name of a target that matched: the selector's own where it names one, else the program's.
    pub fn name_of(&self, pid: u32) -> String {
        if let [unit] = self.units.as_slice() {
            return unit.strip_suffix(".service").unwrap_or(unit).to_owned();
        }
        host::comm(pid).unwrap_or_else(|| "unknown".to_owned())
    }
}

fn wanted<T>(wants: &[T], is: impl FnMut(&T) -> bool) -> bool {
    wants.is_empty() || wants.iter().any(is)
}

fn by<W, T>(wants: &[W], look: impl FnOnce() -> Option<T>, is: impl Fn(&W, &T) -> bool) -> bool {
    wants.is_empty() || look().is_some_and(|found| wants.iter().any(|want| is(want, &found)))
}

/// A full path means that file; a bare name means any file of that name.
fn same_program(want: &Path, exe: &Path) -> bool {
    if want.components().count() > 1 { want == exe } else { exe.file_name() == Some(want.as_os_str()) }
}

/// `/system.slice/psk-server.service/worker` is in `psk-server` and in `psk-server.service`.
fn in_unit(group: &str, unit: &str) -> bool {
    group.split('/').any(|part| part == unit || part.strip_suffix(".service") == Some(unit))
}

fn in_cgroup(group: &str, want: &str) -> bool {
    let want = want.strip_prefix("/sys/fs/cgroup").unwrap_or(want).trim_end_matches('/');
    group == want || group.strip_prefix(want).is_some_and(|rest| rest.starts_with('/'))
}

fn holds(pid: u32, inodes: &HashSet<u64>) -> bool {
    !inodes.is_empty()
        && host::descriptors(pid)
            .iter()
            .any(|(_, link)| host::socket_inode(link).is_some_and(|inode| inodes.contains(&inode)))
}

/// In words (`--pid 1 or --pid 2 and --comm x`); in the alternate form (`{:#}`) as options of a command line.
impl fmt::Display for Selectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (or, and) = if f.alternate() { (" ", " ") } else { (" or ", " and ") };
        let mut parts = Vec::new();
        let mut add = |flag: &str, values: Vec<String>| {
            if !values.is_empty() {
                parts.push(values.iter().map(|value| format!("--{flag} {value}")).collect::<Vec<_>>().join(or));
            }
        };
        add("pid", self.pids.iter().map(ToString::to_string).collect());
        add("port", self.ports.iter().map(ToString::to_string).collect());
        add("comm", self.comms.clone());
        add("exe", self.exes.iter().map(|path| path.display().to_string()).collect());
        add("cmdline", self.cmdlines.iter().map(|regex| format!("'{regex}'")).collect());
        add("unit", self.units.clone());
        add("cgroup", self.cgroups.clone());
        f.write_str(&parts.join(and))
    }
}

#[cfg(test)]
mod tests {
    use super::{in_cgroup, in_unit, same_program};
    use std::path::Path;

    #[test]
    fn units_and_cgroups_hold_what_is_below_them() {
        assert!(in_unit("/system.slice/psk-server.service", "psk-server"));
        assert!(in_unit("/system.slice/psk-server.service/worker", "psk-server.service"));
        assert!(!in_unit("/system.slice/psk-server-2.service", "psk-server"));
        assert!(in_cgroup("/system.slice/a/b", "/sys/fs/cgroup/system.slice/a"));
        assert!(!in_cgroup("/system.slice/ab", "/system.slice/a"));
    }

    #[test]
    fn a_bare_name_is_any_file_of_that_name() {
        assert!(same_program(Path::new("openssl"), Path::new("/usr/bin/openssl")));
        assert!(same_program(Path::new("/usr/bin/openssl"), Path::new("/usr/bin/openssl")));
        assert!(!same_program(Path::new("/opt/openssl"), Path::new("/usr/bin/openssl")));
    }
}
