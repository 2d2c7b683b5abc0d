//! Pure decoders: bytes in, values out. No clock, no I/O, no globals, no panic on any input.

pub mod at;
pub mod tls;
