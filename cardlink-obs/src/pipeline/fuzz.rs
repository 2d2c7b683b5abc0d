//! Any list of events, in any order, must be survived: a recording may be damaged, and the ring may lose anything.

use super::{Pipeline, PipelineSettings};
use crate::event::Event;

/// Takes `data` for events in postcard form, one after the other, each with its length (`u16`, little endian) before it.
pub fn fuzz(data: &[u8]) {
    let mut pipeline = Pipeline::new(PipelineSettings::default());
    let mut observations = Vec::new();
    let mut rest = data;
    let mut last = 0;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(*len));
        let Some((record, after)) = after.split_at_checked(len) else { break };
        rest = after;
        if let Ok(event) = postcard::from_bytes::<Event<'_>>(record) {
            last = event.at();
            pipeline.handle(&event, &mut observations);
            observations.clear();
        }
    }
    pipeline.finish(last, &mut observations);
}
