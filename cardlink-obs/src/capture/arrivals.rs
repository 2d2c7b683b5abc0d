//! Processes that come, change and go, and what is put into them.

use super::{
    ACCOUNTS_EVERY, AFTERMATH, Capture, LOOK_EVERY, Pending, WITH_TARGET, host, loader::LoadError, now, sampler,
    snapshot, targets::Change,
};
use crate::event::{Event, ProcessOrigin, ProgramNote};
use cardlink_obs_common::FdKey;
use std::borrow::Cow;

impl Capture {
    pub(super) fn settle(&mut self, pending: Pending) -> Result<(), LoadError> {
        self.received.decoded += 1;
        match pending {
            Pending::Forked { at, parent, child } => {
                if let Some(target) = self.targets.forked(parent, child) {
                    let comm = host::comm(child).or_else(|| host::comm(parent)).unwrap_or_else(|| target.clone());
                    self.seen(at, child, comm, target, ProcessOrigin::Forked { parent });
                    self.look_inside(child, ProcessOrigin::Forked { parent });
                }
                Ok(())
            }
            Pending::Exec { at, pid, comm, stranger } => self.executed(at, pid, comm, stranger),
            Pending::Report(notice) => {
                let found = self.reports.take(notice);
                self.made.extend(found);
                Ok(())
            }
            Pending::Exited { at, pid, status } => {
                if self.targets.ended(pid) {
                    let reports = self.reports.left(at, pid);
                    self.made.extend(reports);
                    self.forget(pid);
                    let lost = self.losses.before(at, &mut self.ledger);
                    self.made.extend(lost);
                    if let Some(status) = status {
                        self.made.push_back(Event::Program { at, pid, note: ProgramNote::Ended(status) });
                    }
                    self.made.push_back(Event::ProcessEnded { at, pid });
                }
                Ok(())
            }
        }
    }

    pub(super) fn executed(&mut self, at: u64, pid: u32, comm: String, stranger: bool) -> Result<(), LoadError> {
        if let Some(target) = self.targets.name(pid).map(str::to_owned) {
            self.seen(at, pid, comm, target, ProcessOrigin::Exec);
            let fds = host::descriptors(pid).into_iter().map(|(fd, _)| fd).collect();
            self.made.push_back(Event::Held { at, tgid: pid, fds });
            self.look_inside(pid, ProcessOrigin::Exec);
            return Ok(());
        }
        if !stranger {
            // The kernel side took it in by its name.
            self.kernel.attach(&WITH_TARGET)?;
            self.targets.taken_in(pid, &comm);
            let target = comm.clone();
            self.seen(at, pid, comm, target, ProcessOrigin::Exec);
            self.look_inside(pid, ProcessOrigin::Exec);
            return Ok(());
        }
        if self.targets.selectors().by_program()
            && self.targets.selectors().matches(pid, &std::collections::HashSet::new())
        {
            let name = self.targets.selectors().name_of(pid);
            self.kernel.attach(&WITH_TARGET)?;
            return self.take_in(pid, &name, None, ProcessOrigin::Exec, at);
        }
        Ok(())
    }

    pub(super) fn seen(&mut self, at: u64, pid: u32, comm: String, target: String, origin: ProcessOrigin) {
        self.reports.came(pid, origin);
        if let Some(parent) = self.contexts.begun(pid, origin) {
            self.made.push_back(Event::TraceContext { at, pid, parent: Cow::Owned(parent.to_string()) });
        }
        self.made.push_back(Event::ProcessSeen { at, pid, comm: Cow::Owned(comm), target: Cow::Owned(target), origin });
    }

    /// Watches a process and tells what it has open.
    pub(super) fn take_in(
        &mut self,
        pid: u32,
        target: &str,
        comm: Option<&str>,
        origin: ProcessOrigin,
        at: u64,
    ) -> Result<(), LoadError> {
        self.targets.add(pid, target, at)?;
        let comm = comm.map(str::to_owned).or_else(|| host::comm(pid)).unwrap_or_else(|| target.to_owned());
        self.seen(at, pid, comm, target.to_owned(), origin);
        self.made.extend(snapshot::of(pid, at));
        self.look_inside(pid, origin);
        Ok(())
    }

    /// Once a second: who came, who went, what was lost, what the figures are.
    pub(super) fn look(&mut self, now: u64) -> Result<(), LoadError> {
        self.next_look = now + u64::try_from(LOOK_EVERY.as_nanos()).unwrap_or(u64::MAX);
        // Before the ends of processes: what they had open is judged by what is known to be missing.
        let lost = self.losses.since(now.saturating_sub(AFTERMATH), now, &mut self.ledger);
        self.made.extend(lost);
        self.made.extend(self.reports.look(now));
        for change in self.targets.look() {
            match change {
                Change::Came { pid, target } => {
                    self.kernel.attach(&WITH_TARGET)?;
                    self.take_in(pid, &target, None, ProcessOrigin::Found, now)?;
                }
                Change::Went { pid } => {
                    self.forget(pid);
                    self.made.push_back(Event::ProcessEnded { at: now, pid });
                }
            }
        }
        self.made.extend(self.ttys.gone(now));
        self.detach_without_targets(now);
        if now >= self.next_accounts {
            self.next_accounts = now + ACCOUNTS_EVERY;
            self.accounts = self.kernel.accounts();
            self.received.missed = self.accounts.iter().map(|(_, account)| account.missed).sum();
        }
        if !self.sample_every.is_zero() && now >= self.next_sample {
            self.next_sample = now + u64::try_from(self.sample_every.as_nanos()).unwrap_or(u64::MAX);
            let own = std::process::id();
            let pids: Vec<u32> = self.targets.iter().map(|(pid, _)| pid).chain([own]).collect();
            for pid in pids {
                if let Some(figures) = sampler::sample(pid) {
                    self.made.push_back(Event::Sample { at: now, pid, own: pid == own, figures });
                }
            }
        }
        Ok(())
    }

    pub(super) fn look_inside(&mut self, pid: u32, origin: ProcessOrigin) {
        let Some(name) = self.targets.name(pid) else { return };
        self.inside.came(&mut self.kernel, pid, name, origin, now());
    }

    /// A connection of this process cannot be read from the wire: perhaps from its TLS library.
    pub fn need_libraries(&mut self, pid: u32) {
        let Some(name) = self.targets.name(pid).map(str::to_owned) else { return };
        if self.inside.need_tls(&name) {
            tracing::info!("{name}: a connection cannot be read from the wire: its TLS library is probed from now on");
            let same = |(pid, target): (u32, &str)| (target == name).then_some(pid);
            let pids: Vec<u32> = self.targets.iter().filter_map(same).collect();
            for pid in pids {
                self.inside.needs_tls(&mut self.kernel, pid, &name, now());
            }
        }
    }

    /// Takes the descriptors of a process that ended out of the kernel side's table.
    pub(super) fn forget(&mut self, pid: u32) {
        self.inside.left(pid);
        self.contexts.forget(pid);
        let gone: Vec<FdKey> = self.descriptors.keys().flatten().filter(|key| key.tgid == pid).collect();
        for key in gone {
            let _ = self.descriptors.remove(&key);
        }
    }

    /// Every probe taxes the whole host a little: without a target only those stay that wait for one. Not at once: a
    /// target that comes back in a moment is to be seen from its first call.
    pub(super) fn detach_without_targets(&mut self, now: u64) {
        if !self.targets.is_empty() {
            self.idle_since = None;
            return;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.saturating_sub(since) >= self.linger {
            self.kernel.detach(&WITH_TARGET);
        }
    }
}
