//! Ports that two programs have open at once: each takes answers that are the other's.

use super::modems::Modems;
use crate::{
    event::PortHolder,
    observation::{DeviceFinding, FindingKind, Observation, Process, Stamp},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Ports that are kept in mind.
const MOST: usize = 1024;
/// Pairs of programs that were told of one port.
const MOST_TOLD: usize = 256;

/// A program at a port.
#[derive(Debug, Clone)]
struct Program {
    pid: u32,
    comm: Arc<str>,
    /// The eldest process that it descends from, among those at the port.
    family: u32,
}

#[derive(Debug, Default)]
struct Port {
    /// Watched programs that use it, by the open file: a child that inherited it is no other user.
    users: HashMap<u64, Arc<Process>>,
    /// All that have it open, as procfs has it.
    holders: Vec<Program>,
    /// A modem is spoken to there: a terminal is shared by all who run in it.
    speaks: bool,
    /// Pids of pairs that were told.
    told: HashSet<(u32, u32)>,
    /// It is to be looked at again.
    news: bool,
}

/// All ports in use, by their paths.
#[derive(Debug, Default)]
pub struct Ports {
    ports: HashMap<String, Port>,
    /// By the open file.
    open: HashMap<u64, String>,
}

impl Ports {
    /// A watched program uses a port.
    pub fn opened(&mut self, path: &str, identity: u64, process: &Arc<Process>) {
        if self.ports.len() >= MOST && !self.ports.contains_key(path) {
            return;
        }
        let port = self.ports.entry(path.to_owned()).or_default();
        port.users.entry(identity).or_insert_with(|| Arc::clone(process));
        port.news = true;
        self.open.insert(identity, path.to_owned());
    }

    /// An open file is closed for good.
    pub fn closed(&mut self, identity: u64) {
        let Some(path) = self.open.remove(&identity) else { return };
        let Some(port) = self.ports.get_mut(&path) else { return };
        port.users.remove(&identity);
        if port.users.is_empty() {
            port.holders.clear();
        }
    }

    /// What was told of a process that has ended may be told of another.
    pub fn process_ended(&mut self, pid: u32) {
        for port in self.ports.values_mut() {
            port.told.retain(|(one, other)| *one != pid && *other != pid);
            port.holders.retain(|holder| holder.pid != pid);
        }
        self.ports.retain(|_, port| !port.users.is_empty() || !port.told.is_empty());
    }

    /// These have a port open.
    pub fn held(&mut self, path: &str, holders: &[PortHolder<'_>]) {
        let Some(port) = self.ports.get_mut(path) else { return };
        if port.users.is_empty() {
            return;
        }
        let program = |one: &PortHolder<'_>| Program { pid: one.pid, comm: Arc::from(&*one.comm), family: one.family };
        port.holders = holders.iter().map(program).collect();
        let here =
            |pid: u32| port.holders.iter().any(|one| one.pid == pid) || port.users.values().any(|user| user.pid == pid);
        port.told.retain(|(one, other)| here(*one) && here(*other));
        port.news = true;
    }

    /// Takes in what was told from `before` on, and tells who gets in whose way.
    pub fn see(&mut self, modems: &Modems, at: Stamp, out: &mut Vec<Observation>, before: usize) {
        for observation in out.iter().skip(before) {
            if let Observation::AtCommand(command) = observation
                && let Some(port) = self.ports.get_mut(&*command.tty.path)
            {
                port.news |= !std::mem::replace(&mut port.speaks, true);
            }
        }
        for (path, port) in &mut self.ports {
            if !(port.news && (port.speaks || modems.has_named(path))) {
                continue;
            }
            port.news = false;
            for (user, other) in port.rivals() {
                if port.told.len() >= MOST_TOLD || !port.told.insert(pair(user.pid, other.pid)) {
                    continue;
                }
                out.push(Observation::DeviceFinding(Box::new(DeviceFinding {
                    kind: FindingKind::PortShared,
                    at,
                    device: Arc::clone(&modems.tty(Arc::clone(&user), path).device),
                    detail: format!("{}({}) and {}({}) have {path} open", user.comm, user.pid, other.comm, other.pid),
                    process: user,
                    connection: None,
                    counted_elsewhere: false,
                })));
            }
        }
    }
}

impl Port {
    /// A watched program, and another one that has the port, too.
    fn rivals(&self) -> Vec<(Arc<Process>, Program)> {
        let family = |pid: u32| self.holders.iter().find(|one| one.pid == pid).map_or(pid, |one| one.family);
        let mut users: Vec<&Arc<Process>> = self.users.values().collect();
        users.sort_by_key(|user| user.pid);
        let mut rivals = Vec::new();
        for user in &users {
            let own = family(user.pid);
            let watched = users.iter().filter(|other| other.pid > user.pid).map(|other| Program {
                pid: other.pid,
                comm: Arc::clone(&other.comm),
                family: family(other.pid),
            });
            let others = watched.chain(self.holders.iter().filter(|other| other.pid != user.pid).cloned());
            rivals.extend(others.filter(|other| other.family != own).map(|other| (Arc::clone(user), other)));
        }
        rivals
    }
}

const fn pair(one: u32, other: u32) -> (u32, u32) {
    if one < other { (one, other) } else { (other, one) }
}

#[cfg(test)]
mod tests {
    use super::Ports;
    use crate::{
        event::PortHolder,
        observation::{AtCommand, AtResult, Cause, Observation, Process, Stamp, Tty},
        pipeline::modems::Modems,
    };
    use std::{borrow::Cow, sync::Arc, time::Duration};

    const PATH: &str = "/dev/pts/7";

    fn process(pid: u32) -> Arc<Process> {
        Arc::new(Process { pid, comm: Arc::from("tool"), target: Arc::from("tool") })
    }

    fn holder(pid: u32, family: u32) -> PortHolder<'static> {
        PortHolder { pid, comm: Cow::Borrowed("other"), family }
    }

    struct Bench {
        ports: Ports,
        modems: Modems,
    }

    impl Bench {
        fn new() -> Self {
            Self { ports: Ports::default(), modems: Modems::default() }
        }

        /// What is told when a command was seen, or nothing was.
        fn told(&mut self, command: bool) -> Vec<String> {
            let mut out = Vec::new();
            if command {
                let at = Stamp::from_nanos(1);
                out.push(Observation::AtCommand(Box::new(AtCommand {
                    tty: Arc::new(Tty::new(process(1), PATH)),
                    name: String::from("AT"),
                    line: vec![String::from("AT")],
                    result: AtResult::Ok,
                    start: at,
                    first_byte: None,
                    end: at,
                    prompt: None,
                    unattended: Duration::ZERO,
                    information_lines: 0,
                    incomplete: false,
                    cause: Cause::default(),
                })));
            }
            self.ports.see(&self.modems, Stamp::from_nanos(2), &mut out, 0);
            let finding = |one: &Observation| match one {
                Observation::DeviceFinding(finding) => Some(finding.detail.clone()),
                _ => None,
            };
            out.iter().filter_map(finding).collect()
        }
    }

    #[test]
    fn two_watched_programs_are_told_once_when_a_modem_is_spoken_to() {
        let mut bench = Bench::new();
        bench.ports.opened(PATH, 100, &process(1));
        assert!(bench.told(true).is_empty());
        bench.ports.opened(PATH, 200, &process(2));
        assert_eq!(bench.told(false), ["tool(1) and tool(2) have /dev/pts/7 open"]);
        bench.ports.held(PATH, &[holder(1, 1), holder(2, 2)]);
        assert!(bench.told(true).is_empty(), "procfs knows no more");
        // It closes and opens it again.
        bench.ports.closed(200);
        bench.ports.opened(PATH, 300, &process(2));
        assert!(bench.told(true).is_empty());
        bench.ports.process_ended(2);
        bench.ports.closed(300);
        bench.ports.opened(PATH, 400, &process(3));
        assert_eq!(bench.told(true).len(), 1, "another one");
    }

    #[test]
    fn a_stranger_is_told_and_one_of_the_family_is_not() {
        let mut bench = Bench::new();
        bench.ports.opened(PATH, 100, &process(1));
        bench.ports.held(PATH, &[holder(1, 1), holder(5, 1), holder(9, 9)]);
        assert!(bench.told(false).is_empty(), "nobody spoke AT: it may be a terminal");
        assert_eq!(bench.told(true), ["tool(1) and other(9) have /dev/pts/7 open"]);
        bench.ports.held(PATH, &[holder(1, 1)]);
        assert!(bench.told(true).is_empty());
        bench.ports.held(PATH, &[holder(1, 1), holder(9, 9)]);
        assert_eq!(bench.told(true).len(), 1, "it came back");
    }

    #[test]
    fn a_usb_port_need_not_speak() {
        let mut bench = Bench::new();
        bench.modems.named("/dev/ttyUSB0", "usb-ACME-if00-port0", None);
        bench.ports.opened("/dev/ttyUSB0", 100, &process(1));
        bench.ports.held("/dev/ttyUSB0", &[holder(1, 1), holder(9, 9)]);
        assert_eq!(bench.told(false), ["tool(1) and other(9) have /dev/ttyUSB0 open"]);
    }
}
