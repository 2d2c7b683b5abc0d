//! The trace context that each target was given in its environment (`TRACEPARENT`).
//!
//! A process may be gone when its beginning is heard of, and its environment with it. A program hands on the
//! environment that it has unless it is told otherwise, so what is known of the program before, or of the parent,
//! holds until it is known better.

use super::host;
use crate::{event::ProcessOrigin, observation::TraceParent};
use std::collections::HashMap;

#[derive(Debug)]
pub struct Contexts {
    known: HashMap<u32, TraceParent>,
    wanted: bool,
}

impl Contexts {
    /// Without `wanted` nobody's environment is looked at.
    pub fn new(wanted: bool) -> Self {
        Self { known: HashMap::new(), wanted }
    }

    /// A process was given this, whatever its environment says yet.
    pub fn given(&mut self, pid: u32, parent: TraceParent) {
        self.known.insert(pid, parent);
    }

    /// The context of a process that has just begun, or has another program from here on.
    pub fn begun(&mut self, pid: u32, origin: ProcessOrigin) -> Option<TraceParent> {
        if !self.wanted {
            return None;
        }
        // Nothing else of the environment is looked at.
        let context = match host::environment(pid) {
            // A command that was not let go yet still has the environment of the agent.
            Some(_) if origin == ProcessOrigin::Found && self.known.contains_key(&pid) => self.known.get(&pid).copied(),
            Some(environment) => host::variable(&environment, "TRACEPARENT").and_then(|text| text.parse().ok()),
            None => match origin {
                ProcessOrigin::Forked { parent } => self.known.get(&parent).copied(),
                ProcessOrigin::Found | ProcessOrigin::Exec => self.known.get(&pid).copied(),
            },
        };
        match context {
            Some(context) => self.known.insert(pid, context),
            None => self.known.remove(&pid),
        };
        context
    }

    pub fn forget(&mut self, pid: u32) {
        self.known.remove(&pid);
    }
}

#[cfg(test)]
mod tests {
    use super::Contexts;
    use crate::{event::ProcessOrigin, observation::TraceParent};
    use std::process::{Child, Command, Stdio};

    const GONE: u32 = u32::MAX;

    fn context(span: u8) -> TraceParent {
        TraceParent { trace: [1; 16], span: [span; 8], sampled: true }
    }

    /// A program that runs, with this in its environment.
    fn running(parent: Option<TraceParent>) -> Child {
        let mut cat = Command::new("cat");
        cat.env_clear().envs(parent.map(|parent| ("TRACEPARENT", parent.to_string())));
        cat.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts")
    }

    fn end(mut child: Child) {
        child.kill().expect("it is a child");
        child.wait().expect("it ends");
    }

    #[test]
    fn a_program_that_runs_says_so_itself() {
        let mut contexts = Contexts::new(true);
        let (with, without) = (running(Some(context(1))), running(None));
        assert_eq!(contexts.begun(with.id(), ProcessOrigin::Found), Some(context(1)));
        contexts.given(without.id(), context(2));
        assert_eq!(contexts.begun(without.id(), ProcessOrigin::Found), Some(context(2)), "not let go yet");
        assert_eq!(contexts.begun(without.id(), ProcessOrigin::Exec), None, "it was not handed on");
        assert_eq!(contexts.begun(without.id(), ProcessOrigin::Found), None, "and that is known");
        assert_eq!(Contexts::new(false).begun(with.id(), ProcessOrigin::Found), None);
        end(with);
        end(without);
    }

    #[test]
    fn what_is_gone_had_what_it_was_given() {
        let mut contexts = Contexts::new(true);
        assert_eq!(contexts.begun(GONE, ProcessOrigin::Exec), None);
        contexts.given(GONE, context(3));
        assert_eq!(contexts.begun(GONE, ProcessOrigin::Exec), Some(context(3)));
        assert_eq!(contexts.begun(GONE - 1, ProcessOrigin::Forked { parent: GONE }), Some(context(3)));
        contexts.forget(GONE);
        assert_eq!(contexts.begun(GONE, ProcessOrigin::Exec), None);
        assert_eq!(contexts.begun(GONE - 1, ProcessOrigin::Exec), Some(context(3)), "its own");
    }
}
