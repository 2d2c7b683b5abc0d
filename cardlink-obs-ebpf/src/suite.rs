//! The cipher suite that a server chose says whether anybody can read what follows.

use crate::maps::PSK_RECORDS;
use aya_ebpf::helpers::bpf_probe_read_user;

const SERVER_HELLO: u8 = 2;
/// Type, length, version and random stand before the session id (RFC 5246 §7.4.1.3).
const SESSION_ID: u64 = 4 + 2 + 32;
/// A `ServerHello` that was cut before its suite: not assigned, and for the agent to find out.
const TORN: u16 = 0xFFFF;
/// The first byte of the suites of TLS 1.3 (RFC 8446 §B.4).
const TLS13: u16 = 0x13;

/// Keeps the suite of the `ServerHello` at `address`, if it is one; [`TORN`] when its suite is not among the `left` bytes
/// there.
#[inline(always)]
pub fn of_server_hello(suite: *mut u16, address: u64, left: u32) {
    // SAFETY: the helper checks the addresses.
    unsafe {
        if bpf_probe_read_user(address as *const u8).unwrap_or(0) != SERVER_HELLO {
            return;
        }
        let id = u64::from(bpf_probe_read_user((address + SESSION_ID) as *const u8).unwrap_or(0) & 63);
        // The caller passes a map value that is there.
        if SESSION_ID + 1 + id + 2 > u64::from(left) {
            *suite = TORN;
            return;
        }
        let chosen = bpf_probe_read_user((address + SESSION_ID + 1 + id) as *const [u8; 2]).unwrap_or([0; 2]);
        *suite = u16::from_be_bytes(chosen);
    }
}

/// Whether records under this suite can be read: without encryption by anyone, of a plain PSK suite by who has the key (IANA numbers of RFC 4279, RFC 4785, RFC 5487, RFC 5489). Of a suite that is not known here the agent says
/// whether it wants no more.
#[inline(always)]
pub fn is_readable(suite: u16) -> bool {
    match suite {
        0x0001 | 0x0002 | 0x003B | 0x002C..=0x002E | 0x00B0 | 0x00B1 | 0x00B4 | 0x00B5 | 0x00B8 | 0x00B9 => true,
        0xC001 | 0xC006 | 0xC00B | 0xC010 | 0xC015 | 0xC039..=0xC03B => true,
        0x008B..=0x008D | 0x00A8 | 0x00A9 | 0x00AE | 0x00AF => PSK_RECORDS.load() != 0,
        TORN => true,
        _ => false,
    }
}

/// Whether application data under this suite is that and nothing else, and nobody reads it: up to TLS 1.2. The Finished of
/// TLS 1.3 looks like it.
#[inline(always)]
pub fn is_opaque(suite: u16) -> bool {
    suite != 0 && suite >> 8 != TLS13 && !is_readable(suite)
}
