//! Runs the agent against real peers: starts and ends programs, reads what the agent says, and waits with a limit.
//!
//! Nothing here uses the agent's own decoders (`plain` its capture only): a page of metrics is text, an observation is JSON, and the truth comes from
//! the lab's programs or from what a peer was told to do.

pub mod adb;
pub mod admin;
pub mod agent;
pub mod collector;
pub mod conversation;
pub mod echo;
pub mod http;
pub mod mariadb;
pub mod page;
pub mod peers;
pub mod place;
pub mod plain;
pub mod postgres;
pub mod program;
pub mod prometheus;
pub mod readers;
pub mod trace;
pub mod visitor;
pub mod wait;

pub type Result<T = ()> = anyhow::Result<T>;

/// The identity and key that all peers know.
pub const IDENTITY: &str = "card-1";
pub const KEY: &str = "00112233445566778899aabbccddeeff";
