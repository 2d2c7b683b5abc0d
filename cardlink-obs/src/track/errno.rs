//! Linux errno values that say something of the peer; the same on every architecture that eBPF runs on but MIPS, SPARC
//! and Alpha.

pub const EPIPE: i32 = 32;
pub const ENETUNREACH: i32 = 101;
pub const ECONNRESET: i32 = 104;
pub const ETIMEDOUT: i32 = 110;
pub const EHOSTUNREACH: i32 = 113;
