//! The agent as a library: probes, streams, decoders, trackers and sinks. `docs/architecture.md` shows how they fit.

pub mod agent;
pub mod capture;
pub mod cli;
pub mod doctor;
pub mod event;
pub mod logging;
pub mod observation;
pub mod pipeline;
pub mod protocol;
pub mod server;
pub mod sink;
pub mod stream;
pub mod track;
