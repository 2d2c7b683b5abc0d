//! Maps and globals. Sizes are set by the loader; those here are the smallest that make sense.

use aya_ebpf::{
    Global,
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray, RingBuf},
};
use cardlink_obs_common::{
    Accounts, CallKey, CallStart, Comm, FdKey, FdRef, KernelLayout, SYSTEM_CALLS, SessionKey, SessionState, SqliteCall,
    StatementKey, StatementState, StreamState, TargetInfo, ThreadState, ledger, tail,
};

/// Events on their way to the agent.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

/// 1 while the agent sleeps for long: the next event is to wake it.
#[map]
pub static SLEEPS: Array<u32> = Array::with_max_entries(1, 0);

/// Who is watched, by tgid.
#[map]
pub static TARGETS: HashMap<u32, TargetInfo> = HashMap::with_max_entries(1024, 0);

/// What a descriptor of a watched process is.
#[map]
pub static FDS: HashMap<FdKey, FdRef> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// Streams, by identity.
#[map]
pub static STREAMS: HashMap<u64, StreamState> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// What the agent wants of a stream, by identity. Only the agent writes it.
#[map]
pub static POLICY: HashMap<u64, u8> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// Threads of watched processes, by `pid_tgid`.
#[map]
pub static THREADS: HashMap<u64, ThreadState> = HashMap::with_max_entries(8192, BPF_F_NO_PREALLOC);

/// Process names that make a process a target at its exec.
#[map]
pub static COMMS: HashMap<Comm, u8> = HashMap::with_max_entries(64, 0);

/// Character device majors of terminals: 1 where the major (the index) is one.
#[map]
pub static TTY_MAJORS: Array<u8> = Array::with_max_entries(512, 0);

/// What a new thread's state is copied from: a program's stack is small.
#[map]
pub static BLANK_THREAD: Array<ThreadState> = Array::with_max_entries(1, 0);

/// What a new stream's state is copied from.
#[map]
pub static BLANK_STREAM: Array<StreamState> = Array::with_max_entries(1, 0);

/// The programs of system calls that matter, by number: at their entry, and at their exit.
#[map]
pub static ENTRIES: ProgramArray = ProgramArray::with_max_entries(SYSTEM_CALLS, 0);
#[map]
pub static EXITS: ProgramArray = ProgramArray::with_max_entries(SYSTEM_CALLS, 0);

/// Programs that others continue in: what is long to verify is verified once.
#[map]
pub static TAILS: ProgramArray = ProgramArray::with_max_entries(tail::COUNT, 0);

/// Fates and numbers of events.
#[map]
pub static LEDGER: PerCpuArray<Accounts> = PerCpuArray::with_max_entries(ledger::COUNT, 0);

/// Sessions of TLS libraries.
#[map]
pub static SESSIONS: HashMap<SessionKey, SessionState> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Calls of functions that the user named, until they return: of one whose return is missed, until the room is needed.
#[map]
pub static CALLS: LruHashMap<CallKey, CallStart> = LruHashMap::with_max_entries(1, 0);

/// Calls of SQLite under way, by `pid_tgid`.
#[map]
pub static SQLITE_CALLS: LruHashMap<u64, SqliteCall> = LruHashMap::with_max_entries(1, 0);

/// Statements of SQLite.
#[map]
pub static SQLITE_STATEMENTS: LruHashMap<StatementKey, StatementState> = LruHashMap::with_max_entries(1, 0);

/// Runs of the return probe that tries out whether this kernel lets one through.
#[map]
pub static TRIALS: Array<u64> = Array::with_max_entries(1, 0);

/// Processes that have had `PYTEST_CURRENT_TEST` in their environment.
#[map]
pub static TESTING: HashMap<u32, u8> = HashMap::with_max_entries(1, 0);

/// Whether test runs are probed: otherwise nobody asks whether a process is one.
#[unsafe(no_mangle)]
pub static TESTS: Global<u8> = Global::new(0);

/// Offsets of kernel structure members.
#[unsafe(no_mangle)]
pub static LAYOUT: Global<KernelLayout> = Global::new(EMPTY_LAYOUT);

/// Bytes of the ring at which a waiting reader is woken.
#[unsafe(no_mangle)]
pub static WAKE_BYTES: Global<u64> = Global::new(u64::MAX);

/// Whether execs of processes that are not watched are told.
#[unsafe(no_mangle)]
pub static TELL_STRANGERS: Global<u8> = Global::new(0);

/// Whether the records of plain PSK suites are told whole, not only those without encryption: the agent has keys, or records for
/// somebody who has.
#[unsafe(no_mangle)]
pub static PSK_RECORDS: Global<u8> = Global::new(0);

/// Whether functions of targets are probed: otherwise nobody asks whether a thread is in one.
#[unsafe(no_mangle)]
pub static IN_LIBRARIES: Global<u8> = Global::new(0);

/// Chunks of pure application data that are told per direction before a TLS stream is only counted, and the bytes that
/// must have been told by then: the Finished of TLS 1.3 looks like application data, and may come byte by byte. Up to TLS 1.2 one
/// chunk says that the handshake is over.
pub const TOLD_APPLICATION_CHUNKS: u32 = 8;
pub const TOLD_APPLICATION_BYTES: u16 = 256;

const EMPTY_LAYOUT: KernelLayout = KernelLayout {
    task_files: 0,
    files_fdt: 0,
    fdt_max_fds: 0,
    fdt_fd: 0,
    file_inode: 0,
    file_private: 0,
    file_flags: 0,
    file_count: 0,
    file_count_one: 0,
    inode_number: 0,
    inode_mode: 0,
    inode_rdev: 0,
    socket_sk: 0,
    socket_type: 0,
    sk_family: 0,
    sk_state: 0,
    sk_peer_port: 0,
    sk_local_port: 0,
    sk_peer_v4: 0,
    sk_local_v4: 0,
    sk_peer_v6: 0,
    sk_local_v6: 0,
    sk_error: 0,
    tcp_least_rtt: 0,
    tcp_retransmits: 0,
    task_exit_live: 0,
    task_signal: 0,
    unix_addr: 0,
    unix_peer: 0,
    unix_address_len: 0,
    unix_address_name: 0,
    sk_peer_pid: 0,
    pid_number: 0,
    task_exit_code: 0,
    task_mm: 0,
    mm_arg_start: 0,
    mm_arg_end: 0,
    task_tgid: 0,
};
