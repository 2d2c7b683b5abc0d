//! Calls of functions that the user named, as lines for people.

use super::{BAD, DIM, HEAD, Text, duration};
use crate::observation::{Call, FunctionCall};
use std::io::{self, Write};

/// Calls within one call that are shown.
const SHOWN: usize = 50;

impl<W: Write> Text<W> {
    pub(super) fn function(&mut self, call: &FunctionCall) -> io::Result<()> {
        let Some(outermost) = call.calls.first() else { return Ok(()) };
        // Whatever comes next needs its own heading.
        self.heading = None;
        let time = self.time(outermost.end);
        let (process, tid) = (&call.process, call.tid);
        let session = call.cause.session.map(|number| format!(", session {number}")).unwrap_or_default();
        writeln!(
            self.out,
            "{time} {HEAD}{}{HEAD:#} {}   {DIM}function of {} (pid {}, thread {tid}{session}){DIM:#}",
            outermost.name,
            duration(outermost.duration()),
            process.comm,
            process.pid,
        )?;
        let mut depths: Vec<usize> = Vec::new();
        for (place, inner) in call.calls.iter().enumerate() {
            let depth = inner.within.and_then(|above| depths.get(above)).map_or(0, |above| above + 1);
            depths.push(depth);
            if place > 0 && place <= SHOWN {
                self.inner(inner, depth)?;
            }
        }
        let more = call.calls.len().saturating_sub(SHOWN + 1) as u64;
        if more + call.left_out > 0 {
            writeln!(self.out, "    {BAD}and {} calls more{BAD:#}", more + call.left_out)?;
        }
        Ok(())
    }

    fn inner(&mut self, call: &Call, depth: usize) -> io::Result<()> {
        let indent = "  ".repeat(depth.min(20));
        writeln!(self.out, "  {indent}{:<24} {}", call.name, duration(call.duration()))
    }
}
