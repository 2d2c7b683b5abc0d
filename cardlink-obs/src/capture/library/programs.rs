//! The programs for libraries: loaded once, attached to every target by itself.

use super::{
    LibraryVerdict,
    trial::{self, Confinement, Refusal},
};
use crate::capture::{
    loader::{Kernel, chain, program},
    probes::{Family, Verdict},
};
use aya::{
    maps::Array,
    programs::{
        UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeScope},
    },
};
use std::{cell::RefCell, num::NonZeroU32, path::Path};

impl Kernel {
    /// Puts a program onto an offset of a file, for one process; whoever drops the result detaches.
    pub(super) fn attach_in_library(
        &mut self,
        name: &'static str,
        file: &Path,
        offset: u64,
        cookie: u64,
        pid: u32,
    ) -> Result<Box<dyn Send>, String> {
        let process = NonZeroU32::new(pid).ok_or("no process")?;
        let probe = program::<UProbe>(&mut self.bpf, name).map_err(|error| chain(&error))?;
        let point = UProbeAttachPoint { location: UProbeAttachLocation::AbsoluteOffset(offset), cookie: Some(cookie) };
        let link = probe.attach(point, file, UProbeScope::OneProcess(process)).map_err(|error| chain(&error))?;
        Ok(Box::new(probe.take_link(link).map_err(|error| chain(&error))?))
    }

    /// Tries out whether a confined process survives a return probe.
    pub(super) fn try_return_probe(&mut self, confinement: Confinement) -> Result<(), Refusal> {
        let loaded = program::<UProbe>(&mut self.bpf, "library_trial").and_then(|probe| match probe.fd() {
            Ok(_) => Ok(()),
            Err(_) => probe.load(),
        });
        loaded.map_err(|error| Refusal { reason: chain(&error), open: false })?;
        let kernel = RefCell::new(self);
        let attach = |pid, offset| {
            kernel.borrow_mut().attach_in_library("library_trial", Path::new("/proc/self/exe"), offset, 0, pid)
        };
        trial::run(confinement, attach, || kernel.borrow().trial_runs())
    }

    fn trial_runs(&self) -> u64 {
        let runs = self.bpf.map("TRIALS").and_then(|map| Array::<_, u64>::try_from(map).ok());
        runs.and_then(|runs| runs.get(&0, 0).ok()).unwrap_or(0)
    }

    /// Why the programs of this family were not loaded, when they were not.
    pub(super) fn not_loaded(&self, family: Family) -> Option<LibraryVerdict> {
        self.probes.iter().filter(|attached| attached.probe.family == family).find_map(|attached| {
            let loaded = self.bpf.program(attached.probe.program).is_some_and(|program| program.fd().is_ok());
            match &attached.verdict {
                _ if loaded => None,
                Verdict::Broken(reason) => Some(LibraryVerdict::Broken(reason.clone())),
                _ => Some(LibraryVerdict::Unsupported(String::from("this kernel has no uprobes"))),
            }
        })
    }

    /// Keeps the verdict of the program for `setenv`: what works somewhere works.
    pub(super) fn judge_environment(&mut self, works: bool) {
        for attached in &mut self.probes {
            if attached.probe.family == Family::Test && attached.verdict != Verdict::Ok {
                attached.verdict = if works {
                    Verdict::Ok
                } else {
                    Verdict::Broken(String::from("it could not be attached to a process that runs tests"))
                };
            }
        }
    }

    /// Keeps the verdict of the programs of this family.
    pub(super) fn judge(&mut self, family: Family, verdict: &Verdict) {
        for attached in &mut self.probes {
            if attached.probe.family == family {
                attached.verdict = verdict.clone();
            }
        }
    }
}
