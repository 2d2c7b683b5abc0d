//! The agent as a library: probes, streams, decoders, trackers and sinks. `docs/architecture.md` shows how they fit.

pub mod agent;
pub mod capture;
pub mod cli;
pub mod client;
pub mod compare;
pub mod config;
pub mod control;
pub mod doctor;
pub mod event;
pub mod health;
pub mod keys;
pub mod logging;
pub mod memory;
pub mod monitoring;
pub mod observation;
pub mod pipeline;
pub mod privileges;
pub mod protocol;
pub mod server;
pub mod service;
pub mod sink;
pub mod stream;
pub mod track;
pub mod words;
