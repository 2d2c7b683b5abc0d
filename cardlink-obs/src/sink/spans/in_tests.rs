//! What lies under a test is sent with it, or not at all.
//!
//! Of a test that is chosen by its trace's id, or by its parent, all is sent at once. Of others it waits for the end: when the
//! test fails or is slow, or something in it would be sent by itself, then all of it is sent.

use super::{LINGER, MOST_HELD, MOST_OF_ONE, Omitted, Span, Trace};
use crate::observation::{Stamp, TestKey};
use std::collections::{HashMap, VecDeque};

/// Tests that something is kept of.
const MOST: usize = 16_384;
/// Tests that are over and decided, and kept in mind: what began in them may be told later.
const MOST_OVER: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct InTests {
    tests: HashMap<TestKey, OfTest>,
    /// Tests that are over, oldest first, and when.
    over: VecDeque<(TestKey, Stamp)>,
    /// Spans and events of all that waits.
    held: usize,
}

#[derive(Debug)]
struct OfTest {
    fate: Fate,
    /// Sessions in it that are under way.
    sessions: usize,
}

#[derive(Debug)]
enum Fate {
    Waits { spans: Vec<Span>, weight: usize },
    Kept,
    Dropped,
}

impl InTests {
    pub fn held(&self) -> usize {
        self.held
    }

    /// A test begins; `chosen`: it is sent however it ends.
    pub fn begin(&mut self, key: TestKey, chosen: bool) {
        if self.tests.len() < MOST {
            let fate = if chosen { Fate::Kept } else { Fate::Waits { spans: Vec::new(), weight: 0 } };
            self.tests.insert(key, OfTest { fate, sessions: 0 });
        }
    }

    /// A session in it has begun, or has been told.
    pub fn session(&mut self, key: TestKey, begins: bool) {
        if let Some(of) = self.tests.get_mut(&key) {
            of.sessions = if begins { of.sessions + 1 } else { of.sessions.saturating_sub(1) };
        }
    }

    /// Takes what lies under a test, or the test itself. `keeps`: it would be sent by itself.
    pub fn put(&mut self, key: TestKey, trace: Trace, keeps: bool, out: &mut Vec<Trace>, omitted: &mut Omitted) {
        let Some(of) = self.tests.get_mut(&key) else {
            judge(trace, keeps, out, omitted);
            return;
        };
        match &mut of.fate {
            Fate::Kept => out.push(trace),
            Fate::Dropped => judge(trace, keeps, out, omitted),
            Fate::Waits { spans, weight } if keeps => {
                self.held -= *weight;
                if !spans.is_empty() {
                    out.push(std::mem::take(spans));
                }
                out.push(trace);
                of.fate = Fate::Kept;
            }
            Fate::Waits { spans, weight } => {
                let more: usize = trace.iter().map(Span::weight).sum();
                if self.held + more > MOST_HELD || *weight + more > MOST_OF_ONE {
                    // What it cannot hold whole it does not hold.
                    omitted.no_room += (spans.len() + trace.len()) as u64;
                    self.held -= *weight;
                    of.fate = Fate::Dropped;
                } else {
                    *weight += more;
                    self.held += more;
                    spans.extend(trace);
                }
            }
        }
    }

    /// A test is over.
    pub fn end(&mut self, key: TestKey, at: Stamp, omitted: &mut Omitted) {
        if self.tests.contains_key(&key) {
            self.over.push_back((key, at));
        }
        while self.over.len() > MOST_OVER {
            let oldest = self.over.pop_front();
            if let Some(of) = oldest.and_then(|(key, _)| self.tests.remove(&key)) {
                self.held -= conclude(of.fate, omitted);
            }
        }
        self.expire(at, omitted);
    }

    /// Time has passed: of what went well, and was not chosen, nothing more is told.
    pub fn expire(&mut self, now: Stamp, omitted: &mut Omitted) {
        for (key, _) in self.over.iter().take_while(|(_, at)| now.since(*at) >= LINGER) {
            if let Some(of) = self.tests.get_mut(key).filter(|of| of.sessions == 0)
                && matches!(of.fate, Fate::Waits { .. })
            {
                self.held -= conclude(std::mem::replace(&mut of.fate, Fate::Dropped), omitted);
            }
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self, omitted: &mut Omitted) {
        for (_, of) in self.tests.drain() {
            self.held -= conclude(of.fate, omitted);
        }
        self.over.clear();
    }
}

/// What still waits is not sent. How much room that gives back.
fn conclude(fate: Fate, omitted: &mut Omitted) -> usize {
    let Fate::Waits { spans, weight } = fate else { return 0 };
    omitted.sampled_out += spans.len() as u64;
    weight
}

fn judge(trace: Trace, keeps: bool, out: &mut Vec<Trace>, omitted: &mut Omitted) {
    if keeps {
        out.push(trace);
    } else {
        omitted.sampled_out += trace.len() as u64;
    }
}
