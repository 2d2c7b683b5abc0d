//! The agent as a library: probes, streams, decoders, trackers and sinks. `docs/architecture.md` shows how they fit.

pub mod capture;
pub mod event;
pub mod observation;
pub mod protocol;
pub mod stream;
pub mod track;
