//! Who is watched: processes, their children, their programs, their end.

use crate::{
    emit::{Source, emit},
    kernel,
    ledger::settle,
    maps::{BLANK_THREAD, COMMS, LAYOUT, SQLITE_CALLS, TARGETS, TELL_STRANGERS, THREADS},
    program_runs,
    syscall::is_compat,
    tests,
};
use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_ktime_get_boot_ns},
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use aya_log_ebpf::debug;
use cardlink_obs_common::{EventHeader, FORMAT_VERSION, TargetInfo, ThreadState, fate, flag, kind, program};

const CLONE_THREAD: u64 = 0x0001_0000;

/// The thread that made the call, of a watched process.
#[derive(Clone, Copy)]
pub struct Caller {
    pub tgid: u32,
    pub tid: u32,
    pub target: *mut TargetInfo,
}

impl Caller {
    /// The current thread, when its process is watched.
    #[inline(always)]
    pub fn watched() -> Option<Self> {
        let id = bpf_get_current_pid_tgid();
        let tgid = (id >> 32) as u32;
        let target = TARGETS.get_ptr_mut(&tgid)?;
        Some(Self { tgid, tid: id as u32, target })
    }

    #[inline(always)]
    pub fn epoch(self) -> u64 {
        // SAFETY: a map value that the verifier knows to be there.
        unsafe { (*self.target).epoch }
    }

    #[inline(always)]
    fn thread_key(self) -> u64 {
        (u64::from(self.tgid) << 32) | u64::from(self.tid)
    }

    /// The current thread in a system call, when its process is watched and the call is a 64-bit one.
    #[inline(always)]
    pub fn in_call() -> Option<Self> {
        let caller = Self::watched()?;
        if is_compat() { None } else { Some(caller) }
    }

    /// The state of this thread, when there is one.
    #[inline(always)]
    pub fn thread(self) -> Option<*mut ThreadState> {
        THREADS.get_ptr_mut(&self.thread_key())
    }

    /// The state of this thread, made on first use.
    #[inline(always)]
    pub fn thread_or_new(self) -> Option<*mut ThreadState> {
        let key = self.thread_key();
        if let Some(state) = THREADS.get_ptr_mut(&key) {
            return Some(state);
        }
        let blank = BLANK_THREAD.get(0)?;
        if THREADS.insert(&key, blank, 0).is_err() {
            settle(fate::TABLE_FULL);
            return None;
        }
        let state = THREADS.get_ptr_mut(&key)?;
        // SAFETY: a map value that is there.
        unsafe { (*state).poll_fd = -1 };
        Some(state)
    }

    /// Notes when a call of this thread began.
    #[inline(always)]
    pub fn begins(self) {
        if let Some(thread) = self.thread_or_new() {
            // SAFETY: a map value that is there.
            unsafe { (*thread).enter_ns = now() };
        }
    }

    /// An event header with what is known of the caller.
    #[inline(always)]
    pub fn header(self, kind: u8, fd: i32) -> EventHeader {
        header(kind, self.tgid, self.tid, fd)
    }
}

#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// An event header with what is known of the current thread, whether it is watched or not.
#[inline(always)]
pub fn header_of(kind: u8) -> EventHeader {
    let id = bpf_get_current_pid_tgid();
    header(kind, (id >> 32) as u32, id as u32, -1)
}

#[inline(always)]
fn header(kind: u8, tgid: u32, tid: u32, fd: i32) -> EventHeader {
    EventHeader {
        version: FORMAT_VERSION,
        kind,
        flags: 0,
        len: 0,
        enter_ns: 0,
        exit_ns: now(),
        tgid,
        tid,
        fd,
        skipped: 0,
        generation: 0,
        identity: 0,
        offset: 0,
        total: 0,
        polled_ns: 0,
        sequence: 0,
    }
}

/// A new task (`struct task_struct *`, clone flags): a child of a watched process is watched from its first instruction.
#[raw_tracepoint(tracepoint = "task_newtask")]
pub fn task_newtask(ctx: RawTracePointContext) -> i32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let (task, flags): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    let pid: u32 = kernel::read(task, LAYOUT.load().task_tgid).unwrap_or(0);
    if flags & CLONE_THREAD != 0 || pid == 0 {
        return 0;
    }
    // SAFETY: a map value that is there.
    let mut info = unsafe { *caller.target };
    info.epoch = now();
    // What it runs becomes known at its exec.
    info.program = 0;
    info.errors = 0;
    if TARGETS.insert(&pid, &info, 0).is_err() {
        settle(fate::TABLE_FULL);
        return 0;
    }
    let mut header = caller.header(kind::FORK, -1);
    header.total = i64::from(pid);
    emit(&header, Source::None, 0);
    debug!(&ctx, "{} forked {}", caller.tgid, pid);
    0
}

/// A new program in a process: its descriptors may have changed, and its name may make it a target.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn sched_process_exec(_ctx: RawTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    let Ok(comm) = bpf_get_current_comm() else { return 0 };
    let mut header = header(kind::EXEC, tgid, id as u32, -1);
    if let Some(target) = TARGETS.get_ptr_mut(&tgid) {
        // SAFETY: a map value that is there.
        unsafe { *target = TargetInfo::new(header.exit_ns, &comm) };
    } else if COMMS.get_ptr(&comm).is_some() {
        let info = TargetInfo::new(header.exit_ns, &comm);
        if TARGETS.insert(&tgid, &info, u64::from(BPF_NOEXIST)).is_err() {
            settle(fate::TABLE_FULL);
            return 0;
        }
    } else if TELL_STRANGERS.load() != 0 {
        header.flags |= flag::STRANGER;
    } else {
        return 0;
    }
    emit(&header, Source::Kernel(comm.as_ptr()), 16);
    if program::of(&comm) != 0 {
        program_runs::began(header.exit_ns);
    }
    0
}

/// A task ends; the process with its last thread.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn sched_process_exit(_ctx: RawTracePointContext) -> i32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let _ = THREADS.remove(&caller.thread_key());
    let _ = SQLITE_CALLS.remove(&caller.thread_key());
    if threads_alive() {
        return 0;
    }
    let mut header = caller.header(kind::EXIT, -1);
    // SAFETY: a map value that is there.
    if unsafe { (*caller.target).program } != 0 {
        header.offset = 1;
        header.total = i64::from(program_runs::status());
    }
    emit(&header, Source::None, 0);
    tests::ended(caller);
    let _ = TARGETS.remove(&caller.tgid);
    0
}

/// Whether other threads of the current process are alive (`signal->live`, already counted down for this one).
#[inline(always)]
fn threads_alive() -> bool {
    let layout = LAYOUT.load();
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    let Some(signal) = kernel::read::<u64>(task, layout.task_signal) else { return false };
    kernel::read::<i32>(signal, layout.task_exit_live).unwrap_or(0) > 0
}
