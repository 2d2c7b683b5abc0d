//! The kernel's side: loader, targets, descriptors, event reader. The only code that knows aya.

pub mod layout;
pub mod loader;
pub mod probes;
pub mod tracefs;
mod ttys;
