//! Which session a thread is serving: that of the connection whose bytes it moved last.

use super::Pipeline;
use crate::event::StreamId;
use std::collections::HashMap;

/// Threads that are kept in mind.
const MOST: usize = 65_536;
/// Streams of each: a thread that serves a card may ask a database meanwhile.
const EACH: usize = 4;

/// The streams that each thread moved bytes of, the last one first; by process and thread.
#[derive(Debug, Default)]
pub(super) struct Serving {
    threads: HashMap<(u32, u32), [Option<StreamId>; EACH]>,
}

impl Serving {
    pub fn moved(&mut self, pid: u32, tid: u32, stream: StreamId) {
        let key = (pid, tid);
        if self.threads.len() >= MOST && !self.threads.contains_key(&key) {
            return;
        }
        let streams = self.threads.entry(key).or_default();
        let place = streams.iter().position(|known| *known == Some(stream)).unwrap_or(EACH - 1);
        if let Some(before) = streams.get_mut(..=place) {
            before.rotate_right(1);
        }
        streams[0] = Some(stream);
    }

    pub fn process_ended(&mut self, pid: u32) {
        self.threads.retain(|(of, _), _| *of != pid);
    }

    fn streams(&self, pid: u32, tid: u32) -> impl Iterator<Item = StreamId> {
        self.threads.get(&(pid, tid)).into_iter().flatten().flatten().copied()
    }
}

impl Pipeline {
    /// The session that a thread is serving now.
    pub(super) fn session_of_thread(&mut self, pid: u32, tid: u32) -> Option<u64> {
        let streams: Vec<StreamId> = self.serving.streams(pid, tid).collect();
        streams.into_iter().find_map(|stream| {
            let number = self.streams.find(stream)?.value.connection()?.connection().number;
            self.sessions.on_connection(number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{EACH, Serving};
    use crate::event::StreamId;

    fn stream(identity: u64) -> StreamId {
        StreamId { identity, generation: 1, tty: false }
    }

    #[test]
    fn the_last_stream_comes_first() {
        let mut serving = Serving::default();
        for identity in [1, 2, 1, 3, 3, 2] {
            serving.moved(7, 1, stream(identity));
        }
        serving.moved(7, 2, stream(9));
        let of = |tid| serving.streams(7, tid).map(|stream| stream.identity).collect::<Vec<_>>();
        assert_eq!(of(1), [2, 3, 1]);
        assert_eq!(of(2), [9]);
        for identity in 10..20 {
            serving.moved(7, 1, stream(identity));
        }
        assert_eq!(serving.streams(7, 1).count(), EACH);
        serving.process_ended(7);
        assert_eq!(serving.threads.len(), 0);
    }
}
