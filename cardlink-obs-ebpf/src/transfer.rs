//! Bytes that moved through a tracked stream.

use crate::{
    descriptor::{Stream, stream},
    emit::{Source, emit},
    ledger::settle,
    maps::{POLICY, TOLD_APPLICATION_BYTES, TOLD_APPLICATION_CHUNKS},
    record,
    syscall::{EAGAIN, EINTR, restarted},
    task::Caller,
};
use aya_ebpf::helpers::bpf_probe_read_user;
use cardlink_obs_common::{EventHeader, MAX_PAYLOAD, RecordState, class, fate, flag, how, kind, mode, policy};

/// Buffers of a vectored call that are followed.
const MAX_VECTORS: u32 = 8;
/// Bytes told of a chunk that is pure application data.
const APPLICATION_BYTES: u32 = 64;
/// Bytes told of a stream that is not TLS, at its start.
const OTHER_BYTES: u32 = 256;

/// Content types of TLS records (RFC 8446 §5.1): a stream that was open before may begin with any of them.
const TLS_RECORDS: core::ops::RangeInclusive<u8> = 20..=23;

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
        return;
    }
    let mut left = moved;
    let mut index = 0u32;
    while index < MAX_VECTORS && left > 0 && u64::from(index) < transfer.vectors {
        // SAFETY: the helper checks the address.
        let Ok(vector) =
            (unsafe { bpf_probe_read_user((transfer.address + 16 * u64::from(index)) as *const [u64; 2]) })
        else {
            settle(fate::READ_FAULT);
            return;
        };
        let part = if vector[1] < left { vector[1] } else { left };
        if part > 0 {
            header.total = part as i64;
            segment(header, &stream, vector[0], part as u32);
        }
        left -= part;
        index += 1;
    }
    if left > 0 {
        settle(fate::OVERSIZED);
    }
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
        let first = unsafe { bpf_probe_read_user(address as *const u8) }.unwrap_or(0);
        state.mode = if TLS_RECORDS.contains(&first) { mode::TLS } else { mode::OTHER };
    }
    header.flags &= !(flag::RECORD_START | flag::ELIDED | flag::CUT);
    let mut limit = len;
    if state.mode == mode::TLS {
        if record::at_start(record_state) {
            header.flags |= flag::RECORD_START;
        }
        let interesting = record::follow(record_state, address, len);
        if !interesting {
            // SAFETY: part of a map value that is there.
            let (told, told_bytes) = unsafe { (&mut (*record_state).told, &mut (*record_state).told_bytes) };
            let enough = *told >= TOLD_APPLICATION_CHUNKS && *told_bytes >= TOLD_APPLICATION_BYTES;
            match wanted(stream.identity) {
                policy::ALL => {}
                policy::QUIET => {
                    skip(header, record_state, len);
                    return;
                }
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
        let other = state.mode == mode::OTHER && wanted != policy::ALL;
        if wanted == policy::QUIET || (other && header.offset >= u64::from(OTHER_BYTES)) {
            skip(header, record_state, len);
            return;
        }
        if other && len > OTHER_BYTES {
            limit = OTHER_BYTES;
        }
    }
    tell(header, address, len, limit);
}

/// What the agent wants of a stream: 0 when it has not said.
#[inline(always)]
fn wanted(identity: u64) -> u8 {
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

/// Submits one event for `len` bytes, with `limit` of them in it.
#[inline(always)]
fn tell(header: &mut EventHeader, address: u64, len: u32, limit: u32) {
    // `total` is what the event stands for: its own bytes, and what follows them unseen.
    header.total = i64::from(len);
    let carried = if limit > MAX_PAYLOAD as u32 {
        header.flags |= flag::CUT;
        settle(fate::OVERSIZED);
        MAX_PAYLOAD as u32
    } else {
        if limit < len {
            header.flags |= flag::ELIDED;
        }
        limit
    };
    emit(header, Source::User(address), carried);
    header.offset += u64::from(len);
}
