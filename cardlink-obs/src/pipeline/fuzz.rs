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

#[cfg(test)]
mod tests {
    use super::fuzz;
    use crate::sink::recording::Recording;
    use std::path::Path;

    /// The seed of the fuzz target: a real recording in its input format.
    fn seed() -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/first-light.rec");
        let mut recording = Recording::open(&path).expect("the recording");
        let mut seed = Vec::new();
        while let Some(event) = recording.next_event().expect("an event") {
            let bytes = postcard::to_allocvec(&event).expect("it was read");
            seed.extend(u16::try_from(bytes.len()).expect("events of a lab are small").to_le_bytes());
            seed.extend(bytes);
        }
        seed
    }

    #[test]
    fn a_recording_may_lose_and_repeat_any_of_its_events() {
        let seed = seed();
        fuzz(&seed);
        let mut records = Vec::new();
        let mut rest = seed.as_slice();
        while let Some((len, _)) = rest.split_first_chunk::<2>() {
            let (record, after) = rest.split_at(2 + usize::from(u16::from_le_bytes(*len)));
            records.push(record);
            rest = after;
        }
        for step in 2..9 {
            let some: Vec<u8> =
                records.iter().enumerate().filter(|(at, _)| at % step != 0).flat_map(|(_, r)| r.to_vec()).collect();
            fuzz(&some);
            let twice: Vec<u8> = records.iter().flat_map(|record| record.repeat(2)).collect();
            fuzz(&twice);
            let backwards: Vec<u8> = records.iter().rev().step_by(step).flat_map(|record| record.to_vec()).collect();
            fuzz(&backwards);
        }
        if let Some(path) = std::env::var_os("CARDLINK_OBS_WRITE_SEED") {
            std::fs::write(path, &seed).expect("written");
        }
    }
}
