//! Puts calls of named functions together: those within a call return before it does.

use crate::observation::{Call, Cause, FunctionCall, Process, Stamp};
use std::{collections::HashMap, sync::Arc};

/// Calls within one call that are kept, and those of all threads together.
const MOST_WITHIN: usize = 1024;
const MOST_HELD: usize = 65_536;

/// A call that has returned.
#[derive(Debug, Clone, Copy)]
pub struct Returned<'a> {
    pub name: &'a str,
    pub start: Stamp,
    pub end: Stamp,
    /// Another call of the thread is under way around it.
    pub nested: bool,
}

/// Calls that wait for the one around them, by process and thread.
#[derive(Debug, Default)]
pub struct Functions {
    threads: HashMap<(u32, u32), Waiting>,
    held: usize,
    /// Names that were told.
    names: HashMap<String, Arc<str>>,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: Vec<Call>,
    left_out: u64,
}

impl Functions {
    /// Takes in a call; those that are complete by it are put out, without a session.
    pub fn returned(&mut self, process: &Arc<Process>, tid: u32, call: Returned<'_>, out: &mut Vec<FunctionCall>) {
        let name = self.name(call.name);
        let call_here = Call { name, start: call.start, end: call.end, within: None };
        let key = (process.pid, tid);
        if call.nested {
            let waiting = self.threads.entry(key).or_default();
            if waiting.calls.len() < MOST_WITHIN && self.held < MOST_HELD {
                waiting.calls.push(call_here);
                self.held += 1;
            } else {
                waiting.left_out += 1;
            }
            return;
        }
        let Waiting { mut calls, left_out } = self.threads.remove(&key).unwrap_or_default();
        self.held -= calls.len();
        calls.push(call_here);
        trees(process, tid, calls, left_out, out);
    }

    /// A process is gone: what its calls were made within never returned.
    pub fn process_ended(&mut self, process: &Arc<Process>, out: &mut Vec<FunctionCall>) {
        if self.threads.is_empty() {
            return;
        }
        let mut keys: Vec<(u32, u32)> = self.threads.keys().filter(|(pid, _)| *pid == process.pid).copied().collect();
        keys.sort_unstable();
        for key in keys {
            let Waiting { calls, left_out } = self.threads.remove(&key).unwrap_or_default();
            self.held -= calls.len();
            trees(process, key.1, calls, left_out, out);
        }
    }

    /// The names are few: those of the configuration.
    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(name);
        if self.names.len() < MOST_WITHIN {
            self.names.insert(name.to_owned(), Arc::clone(&new));
        }
        new
    }
}

/// Orders calls of one thread by what they were made within. Usually that is one tree; more when the return of a call that
/// was around others was missed.
fn trees(process: &Arc<Process>, tid: u32, mut calls: Vec<Call>, left_out: u64, out: &mut Vec<FunctionCall>) {
    calls.sort_by_key(|call| (call.start, std::cmp::Reverse(call.end)));
    let first = out.len();
    let mut open: Vec<usize> = Vec::new();
    for mut call in calls {
        let tree = out.get_mut(first..).and_then(<[FunctionCall]>::last_mut);
        if let Some(tree) = tree {
            while let Some(&above) = open.last()
                && tree.calls.get(above).is_some_and(|above| above.end < call.end)
            {
                open.pop();
            }
            if let Some(&above) = open.last() {
                call.within = Some(above);
                open.push(tree.calls.len());
                tree.calls.push(call);
                continue;
            }
        }
        open = vec![0];
        out.push(FunctionCall {
            process: Arc::clone(process),
            tid,
            cause: Cause::default(),
            calls: vec![call],
            left_out: 0,
        });
    }
    if let Some(last) = out.get_mut(first..).and_then(<[FunctionCall]>::last_mut) {
        last.left_out = left_out;
    }
}

#[cfg(test)]
mod tests {
    use super::{Functions, MOST_WITHIN, Returned};
    use crate::observation::{FunctionCall, Process, Stamp};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn process() -> Arc<Process> {
        Arc::new(Process { pid: 7, comm: Arc::from("server"), target: Arc::from("server") })
    }

    fn returned(name: &str, start: u64, end: u64, nested: bool) -> Returned<'_> {
        Returned { name, start: Stamp::from_nanos(start), end: Stamp::from_nanos(end), nested }
    }

    fn told(calls: &[FunctionCall]) -> Vec<Vec<(String, Option<usize>)>> {
        calls.iter().map(|tree| tree.calls.iter().map(|call| (call.name.to_string(), call.within)).collect()).collect()
    }

    #[test]
    fn calls_within_a_call_are_told_with_it() {
        let (mut functions, mut out) = (Functions::default(), Vec::new());
        functions.returned(&process(), 1, returned("query", 20, 30, true), &mut out);
        functions.returned(&process(), 2, returned("other_thread", 0, 99, false), &mut out);
        functions.returned(&process(), 1, returned("script", 15, 40, true), &mut out);
        functions.returned(&process(), 1, returned("script", 50, 60, true), &mut out);
        assert_eq!(out.len(), 1);
        functions.returned(&process(), 1, returned("serve", 10, 70, false), &mut out);
        let of = |name: &str, within| (name.to_owned(), within);
        let serve = [of("serve", None), of("script", Some(0)), of("query", Some(1)), of("script", Some(0))];
        assert_eq!(told(&out), [vec![of("other_thread", None)], serve.to_vec()]);
    }

    #[test]
    fn a_function_that_calls_itself_is_within_itself() {
        let (mut functions, mut out) = (Functions::default(), Vec::new());
        functions.returned(&process(), 1, returned("walk", 3, 4, true), &mut out);
        functions.returned(&process(), 1, returned("walk", 2, 5, true), &mut out);
        functions.returned(&process(), 1, returned("walk", 1, 6, false), &mut out);
        let within: Vec<_> = out[0].calls.iter().map(|call| call.within).collect();
        assert_eq!(within, [None, Some(0), Some(1)]);
    }

    #[test]
    fn what_was_within_a_call_that_never_returned_is_told_at_the_end() {
        let (mut functions, mut out) = (Functions::default(), Vec::new());
        functions.returned(&process(), 1, returned("script", 1, 2, true), &mut out);
        functions.returned(&process(), 1, returned("script", 3, 4, true), &mut out);
        functions.process_ended(&process(), &mut out);
        assert_eq!(out.len(), 2, "neither is within the other");
        assert_eq!(functions.held, 0);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (mut functions, mut out) = (Functions::default(), Vec::new());
        for at in 0..MOST_WITHIN as u64 + 5 {
            functions.returned(&process(), 1, returned("step", at * 2 + 1, at * 2 + 2, true), &mut out);
        }
        functions.returned(&process(), 1, returned("all", 0, 1 << 20, false), &mut out);
        assert_eq!((out[0].calls.len(), out[0].left_out), (MOST_WITHIN + 1, 5));
    }

    proptest! {
        #[test]
        fn whatever_comes_every_call_is_told_once_and_lies_within_the_one_above(
            calls in prop::collection::vec((0u32..3, 0u64..50, 0u64..50, any::<bool>()), 0..60)
        ) {
            let (mut functions, mut out) = (Functions::default(), Vec::new());
            for (tid, start, end, nested) in &calls {
                functions.returned(&process(), *tid, returned("f", *start, *end, *nested), &mut out);
            }
            functions.process_ended(&process(), &mut out);
            prop_assert_eq!(out.iter().map(|tree| tree.calls.len()).sum::<usize>(), calls.len());
            prop_assert_eq!(functions.held, 0);
            for tree in &out {
                for (place, call) in tree.calls.iter().enumerate() {
                    prop_assert_eq!(call.within.is_none(), place == 0);
                    if let Some(above) = call.within {
                        prop_assert!(above < place);
                        prop_assert!(tree.calls[above].start <= call.start && tree.calls[above].end >= call.end);
                    }
                }
            }
        }
    }
}
