//! SQLite: connections, statements, and what became of each run of a statement.
//!
//! Uprobes, scoped by process; the cookie of a probe says what the function at hand is. A step may be taken a million times
//! for one run: its rows and its time are counted here, and the run is told once, at its end. Calls within calls are the
//! library's own (the schema, full-text indices), or those of functions that a statement calls: the outermost one tells.

use crate::{
    emit::{Source, emit_cut_text, emit_preemptible},
    ledger::settle_shared,
    library::{RETURN_ADDRESS, argument, stack},
    maps::{SQLITE_CALLS, SQLITE_STATEMENTS},
    task::{Caller, now},
};
use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_attach_cookie, bpf_get_current_pid_tgid, bpf_probe_read_user},
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use cardlink_obs_common::{SqliteCall, StatementKey, StatementState, fate, kind, sqlite};

/// A function of SQLite begins.
#[uprobe]
pub fn sqlite_enter(ctx: ProbeContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let registers: *const u64 = ctx.regs.cast();
    // SAFETY: the context of this program.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    let what = cookie & sqlite::FUNCTION;
    let object = argument::<0>(registers);
    if object == 0 && what != sqlite::OPEN {
        return 0;
    }
    let stack = stack(registers);
    let key = bpf_get_current_pid_tgid();
    let known = SQLITE_CALLS.get_ptr_mut(&key);
    if let Some(call) = known {
        // SAFETY: a map value that is there, and of this thread.
        let call = unsafe { &*call };
        if call.what != 0 && stack < call.stack {
            return 0;
        }
    }
    if what == sqlite::RESET || what == sqlite::FINALIZE {
        given_up(caller, object, what == sqlite::FINALIZE);
        return 0;
    }
    let call = match known {
        Some(call) => call,
        None => {
            if SQLITE_CALLS.insert(&key, &BLANK_CALL, 0).is_err() {
                settle_shared(fate::TABLE_FULL);
                return 0;
            }
            let Some(call) = SQLITE_CALLS.get_ptr_mut(&key) else { return 0 };
            call
        }
    };
    // SAFETY: a map value that is there, and of this thread.
    let call = unsafe { &mut *call };
    call.stack = stack;
    call.what = what;
    call.object = object;
    if what != sqlite::STEP {
        call.text = argument::<1>(registers);
        call.text_len = i64::from(argument::<2>(registers) as i32);
        let (second, fourth) = (argument::<1>(registers), argument::<3>(registers));
        let (fifth, sixth) = (argument::<4>(registers), argument::<5>(registers));
        call.out = match cookie >> sqlite::OUT_SHIFT {
            1 => second,
            3 => fourth,
            4 => fifth,
            _ => sixth,
        };
    }
    call.enter_ns = now();
    0
}

/// It returns.
#[uretprobe]
pub fn sqlite_return(ctx: RetProbeContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let Some(call) = SQLITE_CALLS.get_ptr_mut(&bpf_get_current_pid_tgid()) else { return 0 };
    // SAFETY: a map value that is there, and of this thread.
    let call = unsafe { &mut *call };
    if call.what == 0 || stack(ctx.regs.cast()) != call.stack + RETURN_ADDRESS {
        return 0;
    }
    let what = call.what;
    call.what = 0;
    let result = ctx.ret::<u64>() as i32;
    if what == sqlite::STEP {
        call.steps += 1;
        stepped(caller, call.object, call.enter_ns, result);
    } else if what == sqlite::PREPARE {
        prepared(caller, call, result);
    } else {
        changed(caller, call, what, result);
    }
    0
}

#[inline(always)]
fn stepped(caller: Caller, statement: u64, enter_ns: u64, result: i32) {
    let Some(state) = state(caller, statement) else {
        settle_shared(fate::TABLE_FULL);
        return;
    };
    let now = now();
    // SAFETY: a map value that is there.
    let state = unsafe { &mut *state };
    if state.first_ns == 0 {
        state.first_ns = enter_ns;
        state.inside_ns = 0;
        state.rows = 0;
    }
    state.inside_ns += now.wrapping_sub(enter_ns);
    if result == sqlite::ROW {
        state.rows += 1;
        return;
    }
    ended(caller, statement, state, now, result);
}

/// A statement is reset, or is no more. When that is a run's end, it was given up.
#[inline(always)]
fn given_up(caller: Caller, statement: u64, finalized: bool) {
    let key = key(caller, statement);
    let Some(state) = SQLITE_STATEMENTS.get_ptr_mut(&key) else { return };
    // SAFETY: a map value that is there.
    let state = unsafe { &mut *state };
    if state.first_ns != 0 {
        ended(caller, statement, state, now(), sqlite::ROW);
    }
    if finalized {
        let _ = SQLITE_STATEMENTS.remove(&key);
    }
}

#[inline(always)]
fn ended(caller: Caller, statement: u64, state: &mut StatementState, at: u64, result: i32) {
    let mut header = caller.header(kind::SQLITE, -1);
    header.offset = sqlite::ENDED;
    header.exit_ns = at;
    header.enter_ns = state.first_ns;
    header.identity = statement;
    header.generation = state.prepared_ns;
    header.total = state.rows as i64;
    header.polled_ns = state.inside_ns;
    header.skipped = result as u32;
    state.first_ns = 0;
    emit_preemptible(&header, Source::None, 0);
}

#[inline(always)]
fn prepared(caller: Caller, call: &SqliteCall, result: i32) {
    let mut statement = 0;
    if result == sqlite::OK {
        // SAFETY: the helper checks the address.
        statement = unsafe { bpf_probe_read_user(call.out as *const u64) }.unwrap_or(0);
        if statement == 0 {
            // Nothing but a comment.
            return;
        }
    }
    let mut header = caller.header(kind::SQLITE, -1);
    header.offset = sqlite::PREPARED;
    header.enter_ns = call.enter_ns;
    header.identity = statement;
    header.total = call.object as i64;
    header.skipped = result as u32;
    if statement != 0 {
        let new = StatementState { prepared_ns: header.exit_ns, first_ns: 0, inside_ns: 0, rows: 0 };
        if SQLITE_STATEMENTS.insert(&key(caller, statement), &new, 0).is_err() {
            settle_shared(fate::TABLE_FULL);
        }
    }
    emit_cut_text(&header, call.text, call.text_len);
}

/// A connection was opened or closed.
#[inline(always)]
fn changed(caller: Caller, call: &SqliteCall, what: u64, result: i32) {
    let mut header = caller.header(kind::SQLITE, -1);
    header.enter_ns = call.enter_ns;
    header.skipped = result as u32;
    if what == sqlite::OPEN {
        header.offset = sqlite::OPENED;
        // SAFETY: the helper checks the address.
        header.identity = unsafe { bpf_probe_read_user(call.out as *const u64) }.unwrap_or(0);
    } else {
        header.offset = sqlite::CLOSED;
        header.identity = call.object;
    }
    emit_preemptible(&header, Source::None, 0);
}

#[inline(always)]
fn key(caller: Caller, statement: u64) -> StatementKey {
    StatementKey { statement, tgid: caller.tgid, reserved: 0 }
}

/// The state of a statement; of one that was prepared unseen it is made now.
#[inline(always)]
fn state(caller: Caller, statement: u64) -> Option<*mut StatementState> {
    let key = key(caller, statement);
    if let Some(state) = SQLITE_STATEMENTS.get_ptr_mut(&key) {
        return Some(state);
    }
    let new = StatementState { prepared_ns: 0, first_ns: 0, inside_ns: 0, rows: 0 };
    SQLITE_STATEMENTS.insert(&key, &new, 0).ok()?;
    SQLITE_STATEMENTS.get_ptr_mut(&key)
}

const BLANK_CALL: SqliteCall =
    SqliteCall { stack: 0, what: 0, object: 0, text: 0, text_len: 0, out: 0, enter_ns: 0, steps: 0 };
