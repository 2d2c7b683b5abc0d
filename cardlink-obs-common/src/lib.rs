//! What crosses the boundary between the BPF programs and the agent: events of the ring and values of the maps.
//!
//! Every type is `#[repr(C)]` without implicit padding; sizes are asserted, because the two sides are compiled
//! by different compilers for different targets.

#![no_std]

mod accounts;
mod event;
mod layout;
mod state;
mod vocabulary;

pub use accounts::{Accounts, fate, ledger};
pub use event::*;
pub use layout::KernelLayout;
pub use state::*;
pub use vocabulary::*;

#[cfg(feature = "user")]
mod user {
    // SAFETY: all are `#[repr(C)]`, `Copy`, without padding and without references.
    unsafe impl aya::Pod for super::Accounts {}
    unsafe impl aya::Pod for super::EventHeader {}
    unsafe impl aya::Pod for super::Descriptor {}
    unsafe impl aya::Pod for super::FdKey {}
    unsafe impl aya::Pod for super::FdRef {}
    unsafe impl aya::Pod for super::TargetInfo {}
    unsafe impl aya::Pod for super::StreamState {}
    unsafe impl aya::Pod for super::ThreadState {}
    unsafe impl aya::Pod for super::SessionKey {}
    unsafe impl aya::Pod for super::SessionState {}
    unsafe impl aya::Pod for super::KernelLayout {}
    unsafe impl aya::Pod for super::SqliteCall {}
    unsafe impl aya::Pod for super::StatementKey {}
    unsafe impl aya::Pod for super::StatementState {}
}
