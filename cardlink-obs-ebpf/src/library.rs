//! TLS libraries: the plaintext that their functions take in and give out, and the connection that it belongs to.
//!
//! Uprobes, scoped by process. The cookie of a probe says what the function at hand is. What a call moved is known at its
//! return only: a write that would block is made again with the same bytes, and may be accepted in part.
//!
//! The connection of a session is learnt from the system calls that its thread makes within a call for it. Nothing here
//! knows the layout of a library's objects.

use crate::{
    descriptor::Stream,
    emit::{Source, emit_preemptible},
    ledger::{settle, settle_shared},
    maps::{IN_LIBRARIES, SESSIONS, TRIALS},
    syscall::user_stack,
    task::{Caller, now},
};
use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_attach_cookie, bpf_probe_read_user},
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use cardlink_obs_common::{
    EventHeader, LibraryCall, MAX_PAYLOAD, SessionKey, SessionState, ThreadState, call, class, fate, flag, kind, mode,
};

/// Events that one call may become.
const MAX_PIECES: u32 = 16;

/// What a function's return takes from the stack: the return address, where the call put it there.
#[cfg(bpf_target_arch = "x86_64")]
pub const RETURN_ADDRESS: u64 = 8;
#[cfg(bpf_target_arch = "aarch64")]
pub const RETURN_ADDRESS: u64 = 0;

/// Positions in `struct pt_regs`, in 8-byte words: the stack pointer, and the first six arguments of a function.
#[cfg(bpf_target_arch = "x86_64")]
const STACK_POINTER: usize = 19;
#[cfg(bpf_target_arch = "x86_64")]
const ARGUMENTS: [usize; 6] = [14, 13, 12, 11, 9, 8];
#[cfg(bpf_target_arch = "aarch64")]
const STACK_POINTER: usize = 31;
#[cfg(bpf_target_arch = "aarch64")]
const ARGUMENTS: [usize; 6] = [0, 1, 2, 3, 4, 5];

#[inline(always)]
pub fn stack(registers: *const u64) -> u64 {
    // SAFETY: within the registers that the program was given.
    unsafe { *registers.add(STACK_POINTER) }
}

/// Argument `N` of the function that begins. Volatile: a choice between two of them must not become a choice between
/// two addresses, which the verifier refuses.
#[inline(always)]
pub fn argument<const N: usize>(registers: *const u64) -> u64 {
    // SAFETY: within the registers that the program was given.
    unsafe { core::ptr::read_volatile(registers.add(ARGUMENTS[N])) }
}

/// A function of a library begins.
#[uprobe]
pub fn library_enter(ctx: ProbeContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let registers: *const u64 = ctx.regs.cast();
    let session = argument::<0>(registers);
    if session == 0 {
        return 0;
    }
    // SAFETY: the context of this program.
    let what = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    if what & call::END != 0 {
        let _ = SESSIONS.remove(&key(caller, session));
        return 0;
    }
    let Some(thread) = caller.thread_or_new() else { return 0 };
    let stack = stack(registers);
    let (fourth, fifth) = (argument::<3>(registers), argument::<4>(registers));
    // SAFETY: a map value that is there, and of this thread.
    let under_way = unsafe { &mut (*thread).library };
    if under_way.session != 0 && stack < under_way.stack {
        // Within another call: the outermost one tells. A call for another session hides the first.
        let hidden = under_way.inner_stack != 0 && stack < under_way.inner_stack;
        if session != under_way.session && !hidden {
            under_way.inner_stack = stack;
        }
        return 0;
    }
    *under_way = LibraryCall {
        session,
        stack,
        inner_stack: 0,
        buffer: argument::<1>(registers),
        count_at: if what & call::RESULT == call::RESULT_AT_FIFTH { fifth } else { fourth },
        enter_ns: now(),
        moved_ns: 0,
        what,
    };
    0
}

/// It returns.
#[uretprobe]
pub fn library_return(ctx: RetProbeContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let Some(thread) = caller.thread() else { return 0 };
    let stack = stack(ctx.regs.cast());
    // SAFETY: a map value that is there, and of this thread.
    let under_way = unsafe { &mut (*thread).library };
    if under_way.session == 0 {
        return 0;
    }
    if stack != under_way.stack + RETURN_ADDRESS {
        if stack == under_way.inner_stack + RETURN_ADDRESS {
            under_way.inner_stack = 0;
        }
        return 0;
    }
    let ended = *under_way;
    under_way.session = 0;
    under_way.inner_stack = 0;
    if ended.what & call::HANDSHAKE != 0 {
        return 0;
    }
    let moved = moved(&ended, ctx.ret::<u64>());
    if moved <= 0 {
        settle_shared(fate::FILTERED);
        return 0;
    }
    tell(caller, thread, &ended, moved as u64);
    0
}

/// How many bytes a call has moved; not positive when it moved none.
#[inline(always)]
fn moved(ended: &LibraryCall, returned: u64) -> i64 {
    match ended.what & call::RESULT {
        call::RESULT_INT => i64::from(returned as i32),
        call::RESULT_LONG => returned as i64,
        _ if returned as i32 <= 0 => 0,
        // SAFETY: the helper checks the address.
        _ => unsafe { bpf_probe_read_user(ended.count_at as *const i64) }.unwrap_or(0),
    }
}

#[inline(always)]
fn tell(caller: Caller, thread: *mut ThreadState, ended: &LibraryCall, moved: u64) {
    let Some(state) = session(caller, ended.session) else {
        settle_shared(fate::TABLE_FULL);
        return;
    };
    let write = ended.what & call::WRITE != 0;
    // SAFETY: map values that are there; nothing else uses the event of this thread meanwhile.
    let (header, state) = unsafe { (&mut (*thread).event, &mut *state) };
    *header = caller.header(kind::PLAIN, state.fd);
    header.enter_ns = ended.enter_ns;
    if ended.moved_ns != 0 {
        // The bytes were on their way, or here, by then: the call's own return may be late.
        header.exit_ns = ended.moved_ns;
    }
    header.identity = state.identity;
    header.generation = state.generation;
    header.skipped = ended.what as u8 as u32;
    header.polled_ns = ended.session;
    header.flags = if write { flag::WRITE } else { 0 };
    let offset = if write { &mut state.write_offset } else { &mut state.read_offset };
    header.offset = *offset;
    *offset += moved;
    let mut left = moved;
    let mut address = ended.buffer;
    let mut pieces = 0u32;
    while pieces < MAX_PIECES && left > 0 {
        let part = if left > MAX_PAYLOAD as u64 { MAX_PAYLOAD as u64 } else { left };
        piece(header, address, part as u32);
        address += part;
        left -= part;
        pieces += 1;
    }
    if left > 0 {
        header.total = left as i64;
        header.flags |= flag::CUT;
        settle_shared(fate::OVERSIZED);
        emit_preemptible(header, Source::None, 0);
    }
}

/// Tells bytes that fit into one event. Leaves `header.offset` behind them.
#[inline(never)]
fn piece(header: &mut EventHeader, address: u64, len: u32) {
    header.total = i64::from(len);
    emit_preemptible(header, Source::User(address), len);
    header.offset += u64::from(len);
}

#[inline(always)]
fn key(caller: Caller, session: u64) -> SessionKey {
    SessionKey { session, tgid: caller.tgid, reserved: 0 }
}

/// The state of a session, made on first use.
#[inline(always)]
fn session(caller: Caller, session: u64) -> Option<*mut SessionState> {
    let key = key(caller, session);
    if let Some(state) = SESSIONS.get_ptr_mut(&key) {
        return Some(state);
    }
    let new = SessionState { identity: 0, generation: now(), read_offset: 0, write_offset: 0, fd: -1, reserved: 0 };
    SESSIONS.insert(&key, &new, 0).ok()?;
    SESSIONS.get_ptr_mut(&key)
}

/// A thread has moved bytes of a stream: within a call of a TLS library the stream is the session's connection.
#[inline(always)]
pub fn bind(caller: Caller, thread: *mut ThreadState, stream: &Stream, fd: i32) {
    if IN_LIBRARIES.load() == 0 {
        return;
    }
    // SAFETY: map values that are there, and the call of this thread.
    let (under_way, stream_state) = unsafe { (&mut (*thread).library, &*stream.state) };
    if under_way.session == 0 {
        return;
    }
    let stack = user_stack();
    if stack >= under_way.stack {
        // Its return was not seen.
        under_way.session = 0;
        return;
    }
    if under_way.inner_stack != 0 {
        if stack < under_way.inner_stack {
            return;
        }
        under_way.inner_stack = 0;
    }
    // A callback may talk to a database: that is not what the session is about.
    if stream_state.class != class::TCP || stream_state.mode != mode::TLS {
        return;
    }
    // SAFETY: a map value that is there; its event is that of the system call that ends.
    let event = unsafe { &(*thread).event };
    if (event.flags & flag::WRITE != 0) == (under_way.what & call::WRITE != 0) {
        under_way.moved_ns = event.exit_ns;
    }
    let Some(state) = session(caller, under_way.session) else {
        settle(fate::TABLE_FULL);
        return;
    };
    // SAFETY: a map value that is there.
    let state = unsafe { &mut *state };
    if state.identity != stream.identity || state.generation != stream_state.generation {
        if state.identity != 0 {
            // The object serves another connection now.
            state.read_offset = 0;
            state.write_offset = 0;
        }
        state.identity = stream.identity;
        state.generation = stream_state.generation;
        state.fd = fd;
    }
}

/// For the agent's own trial: whether a return probe is reached, and what follows it too.
#[uretprobe]
pub fn library_trial(_ctx: RetProbeContext) -> u32 {
    if let Some(runs) = TRIALS.get_ptr_mut(0) {
        // SAFETY: a map value that is there; one process runs this at a time.
        unsafe { *runs += 1 };
    }
    0
}
