//! The developer commands of cardlink-obs.
//!
//! One module per command; `main.rs` only parses the command line. What a plain `cargo test` must know too (does the
//! committed BPF object match its sources?) lives in [`ebpf`] and is tested from there.

pub mod bench;
pub mod ci;
pub mod deb;
pub mod demo;
pub mod ebpf;
pub mod fuzz;
pub mod packages;
pub mod programs;
pub mod project;
pub mod service;
pub mod test;
pub mod tools;
pub mod vm;
