//! The probes in one file of one process, and what became of them.

use super::{Library, Plan, Site};
use crate::capture::probes::Verdict;
use std::sync::Arc;

/// What became of a probe in a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibraryVerdict {
    Ok,
    /// This kernel, or this process, does not allow it: why.
    Unsupported(String),
    /// It should work and did not.
    Broken(String),
}

impl LibraryVerdict {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unsupported(_) => "unsupported",
            Self::Broken(_) => "broken",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ok => None,
            Self::Unsupported(reason) | Self::Broken(reason) => Some(reason),
        }
    }
}

/// A probe of a target, as it is told.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    pub pid: u32,
    /// The file's name.
    pub file: &'a str,
    pub site: &'a Site,
    pub verdict: &'a LibraryVerdict,
}

pub(super) struct Probed {
    pub file: String,
    pub plan: Arc<Plan>,
    /// Of the plan's sites.
    pub verdicts: Vec<LibraryVerdict>,
    pub links: Vec<Box<dyn Send>>,
    /// It was not found out whether probes may be used: to be tried again.
    pub again: bool,
}

impl Probed {
    pub fn reports(&self, pid: u32) -> impl Iterator<Item = Report<'_>> {
        self.plan.sites.iter().zip(&self.verdicts).map(move |(site, verdict)| Report {
            pid,
            file: &self.file,
            site,
            verdict,
        })
    }

    pub fn works(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|verdict| *verdict == LibraryVerdict::Ok)
    }

    /// The worst of all.
    pub fn overall(&self) -> Option<Verdict> {
        let broken = self.verdicts.iter().find_map(|verdict| match verdict {
            LibraryVerdict::Broken(reason) => Some(Verdict::Broken(reason.clone())),
            _ => None,
        });
        let refused = self.verdicts.iter().any(|verdict| matches!(verdict, LibraryVerdict::Unsupported(_)));
        broken.or_else(|| refused.then_some(Verdict::Unsupported)).or_else(|| self.works().then_some(Verdict::Ok))
    }

    pub fn log(&self, pid: u32) {
        let libraries: Vec<String> = self.plan.libraries().iter().map(Library::to_string).collect();
        let functions = self.plan.sites.iter().flat_map(|site| &site.functions).map(String::as_str);
        let what = if libraries.is_empty() {
            format!("calls of {}", functions.collect::<Vec<_>>().join(", "))
        } else {
            format!("plaintext from {}", libraries.join(", "))
        };
        let file = &self.file;
        let unable = self.verdicts.iter().find(|verdict| **verdict != LibraryVerdict::Ok);
        if let Some(reason) = unable.and_then(LibraryVerdict::reason) {
            tracing::warn!("no {what} ({file}) of process {pid}: {reason}");
            return;
        }
        tracing::debug!("{what} ({file}) of process {pid}");
        let stepped = self.plan.sites.iter().filter(|site| site.stepped).flat_map(|site| &site.functions);
        let stepped: Vec<&str> = stepped.map(String::as_str).collect();
        if !stepped.is_empty() {
            tracing::debug!("each call of {} costs process {pid} some 10 µs more", stepped.join(", "));
        }
    }
}
