//! Bytes that moved through a tracked stream.

use crate::{
    bounds::opaque,
    descriptor::{Stream, stream},
    emit::{Source, emit},
    ledger::settle,
    library,
    maps::{IN_LIBRARIES, POLICY, TOLD_APPLICATION_BYTES, TOLD_APPLICATION_CHUNKS},
    record, suite,
    syscall::{EAGAIN, EINTR, restarted},
    task::Caller,
};
use aya_ebpf::helpers::bpf_probe_read_user;
use cardlink_obs_common::{EventHeader, MAX_PAYLOAD, RecordState, class, fate, flag, how, kind, mode, policy};

/// Buffers of a vectored call that are followed.
const MAX_VECTORS: u64 = 8;
/// Bytes told of a chunk that is pure application data.
const APPLICATION_BYTES: u32 = 64;
/// Bytes told of each direction of a stream that is not TLS, until the agent says what it wants of it.
const OTHER_BYTES: u32 = 32_768;

/// How a request or response of HTTP begins, as far as a card's do: `POST`, `HTTP`.
const HTTP_STARTS: [[u8; 4]; 2] = [*b"POST", *b"HTTP"];
/// How a request to the adb server goes on after the four digits of its length.
const ADB_REQUEST: [u8; 4] = *b"host";
// A server of MySQL greets with a length below 512, the number 0, 10 for the version of the handshake, and its own version as a
// text (MySQL documentation, "Protocol::HandshakeV10"). PostgreSQL's StartupMessage has the version, 3.x, after its length; its
// requests for encryption have 1234 and a number from 5678 on (PostgreSQL documentation, "Message Formats").

/// Events that one buffer may become.
const MAX_PIECES: u64 = 16;

/// Content types of TLS records (RFC 8446 §5.1): a stream that was open before may begin with any of them.
const TLS_RECORDS: core::ops::RangeInclusive<u8> = 20..=23;
/// The major version that follows.
const TLS_MAJOR: u8 = 3;

/// A finished read or write.
pub struct Transfer {
    pub caller: Caller,
    pub fd: i32,
    pub write: bool,
    pub result: i64,
    /// A buffer, or an array of `struct iovec`.
    pub address: u64,
    /// 0 for a plain buffer, else the number of vectors.
    pub vectors: u64,
    pub peek: bool,
    /// The buffer's size where the result may be larger (MSG_TRUNC); `u64::MAX` otherwise.
    pub capacity: u64,
}

#[inline(always)]
pub fn transferred(transfer: &Transfer) {
    let Some(stream) = stream(transfer.caller, transfer.fd, how::SEEN) else { return };
    if transfer.result == EAGAIN || transfer.result == EINTR {
        settle(fate::FILTERED);
        return;
    }
    // SAFETY: a map value that is there.
    if unsafe { (*stream.state).class } == class::USB {
        // What is read there are descriptors; its transfers are ioctls.
        settle(fate::FILTERED);
        return;
    }
    if restarted(transfer.result) {
        settle(fate::RESTARTED);
        return;
    }
    if transfer.peek {
        settle(fate::PEEKED);
        return;
    }
    let Some(thread) = transfer.caller.thread_or_new() else { return };
    // SAFETY: a map value that is there; nothing else uses the event of this thread meanwhile.
    let header = unsafe { &mut (*thread).event };
    *header = transfer.caller.header(kind::DATA, transfer.fd);
    header.identity = stream.identity;
    header.total = transfer.result;
    if transfer.write {
        header.flags = flag::WRITE;
    }
    // SAFETY: a map value that is there.
    unsafe {
        if !transfer.write {
            header.enter_ns = (*thread).enter_ns;
        }
        header.polled_ns = (*thread).polled_ns;
    }
    // SAFETY: a map value that is there.
    let state = unsafe { &mut *stream.state };
    header.generation = state.generation;
    if state.class == class::TTY {
        header.flags |= flag::TTY;
    }
    header.offset = if transfer.write { state.write_offset } else { state.read_offset };
    if transfer.result <= 0 {
        header.flags |= if transfer.result < 0 { flag::ERROR } else { flag::EOF };
        if transfer.result == 0 && transfer.write {
            settle(fate::FILTERED);
            return;
        }
        emit(header, Source::None, 0);
        return;
    }
    let moved = transfer.result as u64;
    if transfer.write {
        state.write_offset += moved;
    } else {
        state.read_offset += moved;
    }
    if transfer.vectors == 0 {
        let kept = if moved < transfer.capacity { moved } else { transfer.capacity };
        header.total = kept as i64;
        segment(header, &stream, transfer.address, kept as u32);
        library::bind(transfer.caller, thread, &stream, transfer.fd);
        return;
    }
    // SAFETY: map values that are there. What is left is kept there, so that the verifier does not follow its values.
    let left = unsafe { &raw mut (*thread).pending.result };
    unsafe { left.write_volatile(moved as i64) };
    let mut index = 0u64;
    while opaque(index) < MAX_VECTORS && unsafe { left.read_volatile() } > 0 && index < transfer.vectors {
        // SAFETY: the helper checks the address.
        let Ok(vector) = (unsafe { bpf_probe_read_user((transfer.address + 16 * index) as *const [u64; 2]) }) else {
            settle(fate::READ_FAULT);
            return;
        };
        let whole = unsafe { left.read_volatile() } as u64;
        let part = if vector[1] < whole { vector[1] } else { whole };
        unsafe { left.write_volatile((whole - part) as i64) };
        if part > 0 {
            header.total = part as i64;
            segment(header, &stream, vector[0], part as u32);
        }
        index += 1;
    }
    if unsafe { left.read_volatile() } > 0 {
        settle(fate::OVERSIZED);
    }
    library::bind(transfer.caller, thread, &stream, transfer.fd);
}

/// Tells one contiguous buffer, as far as anybody needs it. Leaves `header.offset` behind it.
#[inline(never)]
fn segment(header: &mut EventHeader, stream: &Stream, address: u64, len: u32) {
    // SAFETY: a map value that is there.
    let state = unsafe { &mut *stream.state };
    let write = header.flags & flag::WRITE != 0;
    let record_state = if write { &raw mut state.tx } else { &raw mut state.rx };
    // SAFETY: part of a map value that is there.
    header.skipped = unsafe { (*record_state).skipped };
    if state.mode == mode::UNDECIDED {
        // SAFETY: the helper checks the address.
        let first = unsafe { bpf_probe_read_user(address as *const [u8; 4]) }.unwrap_or([0; 4]);
        // SAFETY: as above; the first byte alone may be all there is.
        let kind = unsafe { bpf_probe_read_user(address as *const u8) }.unwrap_or(0);
        state.mode = if TLS_RECORDS.contains(&kind) && (len < 4 || first[1] == TLS_MAJOR) {
            mode::TLS
        } else if len >= 4 && (first == HTTP_STARTS[0] || first == HTTP_STARTS[1]) {
            mode::HTTP
        } else if len >= 8 && is_known(first, address) {
            mode::WHOLE
        } else {
            mode::OTHER
        };
    }
    header.flags &= !(flag::RECORD_START | flag::ELIDED | flag::CUT);
    let mut limit = len;
    if state.mode == mode::TLS {
        if record::at_start(record_state) {
            header.flags |= flag::RECORD_START;
        }
        let interesting = record::follow(record_state, &raw mut state.suite, address, len);
        if !interesting {
            // SAFETY: part of a map value that is there.
            let (told, told_bytes) = unsafe { (&mut (*record_state).told, &mut (*record_state).told_bytes) };
            let enough = if suite::is_opaque(state.suite) && IN_LIBRARIES.load() == 0 {
                *told >= 1
            } else {
                *told >= TOLD_APPLICATION_CHUNKS && *told_bytes >= TOLD_APPLICATION_BYTES
            };
            match wanted(stream.identity) {
                policy::ALL => {}
                policy::QUIET => {
                    skip(header, record_state, len);
                    return;
                }
                _ if suite::is_readable(state.suite) => {}
                _ if enough => {
                    skip(header, record_state, len);
                    return;
                }
                _ => {
                    limit = if len < APPLICATION_BYTES { len } else { APPLICATION_BYTES };
                    *told += 1;
                    *told_bytes = told_bytes.saturating_add(limit as u16);
                }
            }
        }
    } else {
        let wanted = wanted(stream.identity);
        let quiet = match wanted {
            policy::QUIET => true,
            policy::QUIET_READ => !write,
            policy::QUIET_WRITE => write,
            _ => false,
        };
        let other = state.mode == mode::OTHER && (wanted == 0 || wanted == policy::QUIET);
        if quiet || (other && header.offset >= u64::from(OTHER_BYTES)) {
            skip(header, record_state, len);
            return;
        }
        if other && len > OTHER_BYTES {
            limit = OTHER_BYTES;
        }
    }
    tell(header, address, len, limit);
}

/// Whether the first bytes are those of a request to the adb server, or of a session of PostgreSQL or MySQL.
#[inline(always)]
fn is_known(first: [u8; 4], address: u64) -> bool {
    // SAFETY: the helper checks the address.
    let word = unsafe { bpf_probe_read_user((address + 4) as *const [u8; 4]) }.unwrap_or([0; 4]);
    if first[0].is_ascii_hexdigit() && word == ADB_REQUEST {
        return true;
    }
    if first[0] == 0 && first[1] == 0 {
        return (word[0] == 0 && word[1] == 3 && word[2] == 0) || (word[0] == 4 && word[1] == 210 && word[2] == 22);
    }
    first[1] < 2 && first[2] == 0 && first[3] == 0 && word[0] == 10 && word[1].is_ascii_digit()
}

/// What the agent wants of a stream: 0 when it has not said.
#[inline(always)]
pub fn wanted(identity: u64) -> u8 {
    POLICY.get_ptr(&identity).map_or(0, |value| {
        // SAFETY: a map value that is there.
        unsafe { *value }
    })
}

/// Passes over a chunk that nobody needs.
#[inline(always)]
fn skip(header: &mut EventHeader, state: *mut RecordState, len: u32) {
    // SAFETY: part of a map value that is there.
    unsafe { (*state).skipped = (*state).skipped.wrapping_add(len) };
    header.offset += u64::from(len);
    settle(fate::FILTERED);
}

/// Submits `len` bytes, with `limit` of them told: in one event, or when they are more than one can carry and all are
/// wanted, in several.
#[inline(always)]
fn tell(header: &mut EventHeader, address: u64, len: u32, limit: u32) {
    header.len = len;
    if limit == len && len > MAX_PAYLOAD as u32 {
        tell_pieces(header, address + u64::from(len));
    }
    let left = left(header);
    let limit = if limit == len { left } else { limit };
    // `total` is what the event stands for: its own bytes, and what follows them unseen.
    header.total = i64::from(left);
    let carried = if limit > MAX_PAYLOAD as u32 {
        header.flags |= flag::CUT;
        settle(fate::OVERSIZED);
        MAX_PAYLOAD as u32
    } else {
        if limit < left {
            header.flags |= flag::ELIDED;
        }
        limit
    };
    emit(header, Source::User(address + u64::from(len) - u64::from(left)), carried);
    header.offset += u64::from(left);
}

/// Submits what fills whole events of the bytes that end at `end`. What is left stands in `header.len`.
#[inline(never)]
fn tell_pieces(header: &mut EventHeader, end: u64) {
    let mut pieces = 1u64;
    while opaque(pieces) < MAX_PIECES && left(header) > MAX_PAYLOAD as u32 {
        header.total = MAX_PAYLOAD as i64;
        emit(header, Source::User(end - u64::from(left(header))), MAX_PAYLOAD as u32);
        header.offset += MAX_PAYLOAD as u64;
        header.flags &= !flag::RECORD_START;
        header.len = left(header) - MAX_PAYLOAD as u32;
        pieces += 1;
    }
}

/// Bytes that are still to be told. From the map, so that the verifier does not follow each value that it can have.
#[inline(always)]
fn left(header: &EventHeader) -> u32 {
    // SAFETY: a reference.
    unsafe { core::ptr::read_volatile(&raw const header.len) }
}
