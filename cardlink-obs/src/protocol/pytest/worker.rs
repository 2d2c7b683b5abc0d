//! Reports of phases that workers of pytest-xdist send to who started them: messages of execnet, with a dictionary in
//! execnet's own serialization.
//!
//! Not the whole of it is read: a report is recognised by its keys, each a text (`N`, its length in 32 bits of network
//! order, UTF-8), followed by values of known form. The other keys are looked for before and behind the node id, which may
//! be any text.

use super::node::{NodeId, Phase};

/// A phase of a test has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerReport {
    pub node: NodeId,
    pub phase: Phase,
    /// `passed`, `failed`, `skipped`.
    pub outcome: Plain,
    /// Whether the test was expected to fail; `None` when the message was cut before that.
    pub xfail: Option<bool>,
    id: String,
}

/// As pytest's own reports have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plain {
    Passed,
    Failed,
    Skipped,
    /// pytest-rerunfailures runs it again.
    Rerun,
}

const PLAIN: [(&str, Plain); 4] =
    [("passed", Plain::Passed), ("failed", Plain::Failed), ("skipped", Plain::Skipped), ("rerun", Plain::Rerun)];
const MOST_ID: usize = 2048;
/// Kind, channel, length.
const HEAD: usize = 9;

/// Reads the beginning of a message.
pub fn report(message: &[u8]) -> Option<WorkerReport> {
    let (head, body) = message.split_at_checked(HEAD)?;
    let length = head.get(5..9).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)? as usize;
    let whole = body.len() >= length;
    let (id, rest) = text(after(body, "nodeid")?)?;
    let around = [body.get(..body.len() - rest.len() - id.len())?, rest];
    let value = |key| around.iter().find_map(|part| after(part, key));
    let (outcome, _) = text(value("outcome")?)?;
    let outcome = PLAIN.iter().find(|(word, _)| *word == outcome).map(|(_, plain)| *plain)?;
    let phase = Phase::parse(text(value("when")?)?.0)?;
    let xfail = value("wasxfail").is_some();
    if id.len() > MOST_ID {
        return None;
    }
    Some(WorkerReport {
        node: NodeId::parse(id),
        phase,
        outcome,
        xfail: if xfail { Some(true) } else { whole.then_some(false) },
        id: id.to_owned(),
    })
}

impl WorkerReport {
    /// The same as a message with nothing else in it.
    pub fn encoded(&self) -> Vec<u8> {
        self.encode(&self.id)
    }

    /// The same with its parameters replaced.
    pub fn masked(&self, mask: &mut dyn FnMut(&str) -> String) -> Vec<u8> {
        self.encode(&super::with_parameters(&self.id, mask))
    }

    fn encode(&self, id: &str) -> Vec<u8> {
        let mut body = Vec::new();
        let outcome = PLAIN.iter().find(|(_, plain)| *plain == self.outcome).map_or("", |(word, _)| word);
        for (key, value) in [("nodeid", id), ("outcome", outcome), ("when", self.phase.as_str())] {
            put(&mut body, key);
            put(&mut body, value);
        }
        if self.xfail == Some(true) {
            put(&mut body, "wasxfail");
        }
        // One that was cut stays so.
        let missing = usize::from(self.xfail.is_none());
        let mut message = vec![4, 0, 0, 0, 1];
        message.extend(u32::try_from(body.len() + missing).unwrap_or(u32::MAX).to_be_bytes());
        message.extend(body);
        message
    }
}

fn put(body: &mut Vec<u8>, text: &str) {
    body.push(b'N');
    body.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend(text.as_bytes());
}

/// What follows a text of this value.
fn after<'a>(body: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut wanted = Vec::with_capacity(key.len() + 5);
    put(&mut wanted, key);
    let at = body.windows(wanted.len()).position(|window| window == wanted)?;
    body.get(at + wanted.len()..)
}

/// A text, and what follows it.
fn text(body: &[u8]) -> Option<(&str, &[u8])> {
    let (b'N', rest) = body.split_first()? else { return None };
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::{Plain, put, report};
    use crate::protocol::pytest::Phase;

    #[test]
    fn a_node_id_that_looks_like_a_key_is_a_node_id() {
        for id in ["outcome", "when", "wasxfail", "N\0\0\0\u{7}outcomeN\0\0\0\u{6}failed"] {
            let found =
                report(&message(&[("nodeid", id), ("outcome", "passed"), ("when", "call")], 0)).expect("a report");
            assert_eq!((found.outcome, found.xfail, found.id.as_str()), (Plain::Passed, Some(false), id));
            assert_eq!(report(&found.encoded()), Some(found));
            // As pytest-xdist sends it: the node id last.
            let last =
                report(&message(&[("outcome", "passed"), ("when", "call"), ("nodeid", id)], 0)).expect("a report");
            assert_eq!((last.outcome, last.xfail, last.id.as_str()), (Plain::Passed, Some(false), id));
        }
    }

    fn message(fields: &[(&str, &str)], more: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, value) in fields {
            put(&mut body, key);
            put(&mut body, value);
        }
        let mut message = vec![4, 0, 0, 0, 1];
        message.extend(((body.len() + more) as u32).to_be_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn reports_of_workers() {
        let fields = [("nodeid", "a/test_b.py::test_c[1]"), ("outcome", "skipped"), ("when", "call")];
        let found = report(&message(&fields, 0)).expect("a report");
        assert_eq!((found.node.class.as_str(), found.node.name.as_str()), ("a.test_b", "test_c"));
        assert_eq!((found.outcome, found.phase, found.xfail), (Plain::Skipped, Phase::Call, Some(false)));
        let cut = report(&message(&fields, 100)).expect("a report");
        assert_eq!(cut.xfail, None);
        let expected = report(&message(&[fields[0], fields[1], fields[2], ("wasxfail", "")], 0)).expect("a report");
        assert_eq!(expected.xfail, Some(true));
        assert_eq!(report(&message(&fields[..2], 0)), None);
        let masked = found.masked(&mut |_| String::from("~9"));
        assert_eq!(report(&masked).expect("a report").node.parameters.as_deref(), Some("~9"));
    }
}
