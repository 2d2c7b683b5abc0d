//! The table of probes: which program goes where, for what, and what became of it.

use cardlink_obs_common::SYSTEM_CALLS;
use nix::libc;
use std::fmt;

/// What a probe is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Who is watched.
    Process,
    /// Bytes that move.
    Transfer,
    /// Births and ends of descriptors.
    Descriptor,
    /// Time spent in polls: without it a server that waits in a poll looks busy.
    Poll,
    /// Ways past the probes.
    Blind,
    /// Plaintext, from the TLS libraries of targets.
    Library,
    /// Reports of test runs.
    Report,
    /// Test runs as they go on: the C library's `setenv` in targets that run pytest.
    Test,
    /// Calls of functions that the user named.
    Function,
    /// What targets ask SQLite.
    Sqlite,
    /// The hooks of all system calls: the programs of the others are gone on in from there.
    Call,
    /// Transfers of USB devices that a program drives by itself, and settings of serial lines: both are `ioctl`.
    Usb,
}

impl Family {
    /// Its probes are put into each target by itself.
    pub const fn is_inside(self) -> bool {
        matches!(self, Self::Library | Self::Function | Self::Test | Self::Sqlite)
    }
}

impl Family {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Transfer => "transfer",
            Self::Descriptor => "descriptor",
            Self::Poll => "poll",
            Self::Blind => "blind",
            Self::Library => "library",
            Self::Function => "function",
            Self::Report => "report",
            Self::Test => "test",
            Self::Sqlite => "sqlite",
            Self::Call => "call",
            Self::Usb => "usb",
        }
    }
}

/// Where a program is attached. Kept apart from its body: another kind of hook may carry the same program one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Tracepoint {
        name: &'static str,
    },
    /// All system calls, by a raw tracepoint whose arguments the kernel has types for.
    Calls {
        side: Side,
    },
    /// Gone on in by the hooks of all system calls, for the one of this number.
    Call {
        number: u32,
        side: Side,
    },
    /// Continued in from others, by this index of the map `TAILS`.
    Tail {
        index: u32,
    },
    /// In functions of each target.
    Inside {
        family: Family,
        returns: bool,
    },
}

/// Where in a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Entry,
    Exit,
}

impl Side {
    /// The tracepoint that the kernel has there.
    pub const fn tracepoint(self) -> &'static str {
        match self {
            Self::Entry => "sys_enter",
            Self::Exit => "sys_exit",
        }
    }

    /// The map of the programs.
    pub const fn map(self) -> &'static str {
        match self {
            Self::Entry => "ENTRIES",
            Self::Exit => "EXITS",
        }
    }
}

impl Site {
    /// The kernel runs the program there by itself.
    pub const fn is_hook(self) -> bool {
        matches!(self, Self::Tracepoint { .. } | Self::Calls { .. } | Self::Inside { .. })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracepoint { name } => write!(f, "raw:{name}"),
            Self::Calls { side } => write!(f, "tp_btf:{}", side.tracepoint()),
            Self::Call { number, side: Side::Entry } => write!(f, "enter:{number}"),
            Self::Call { number, side: Side::Exit } => write!(f, "exit:{number}"),
            Self::Tail { index } => write!(f, "tail:{index}"),
            Self::Inside { family, returns: false } => write!(f, "uprobe:{}", family.as_str()),
            Self::Inside { family, returns: true } => write!(f, "uretprobe:{}", family.as_str()),
        }
    }
}

/// A probe.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// The BPF program's name.
    pub program: &'static str,
    pub site: Site,
    pub family: Family,
    /// Without it the agent cannot do its work.
    pub required: bool,
}

impl Probe {
    const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Attached.
    Ok,
    /// Loaded, and attached when it is needed.
    Standby,
    /// It cannot be had on this kernel, or in this target.
    Unsupported,
    /// It should work and did not: the error, and the verifier's last lines.
    Broken(String),
}

impl Verdict {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Standby => "not_applicable",
            Self::Unsupported => "unsupported",
            Self::Broken(_) => "broken",
        }
    }
}

const fn tracepoint(name: &'static str, family: Family) -> Probe {
    Probe { program: name, site: Site::Tracepoint { name }, family, required: true }
}

const fn calls(side: Side) -> Probe {
    Probe { program: side.tracepoint(), site: Site::Calls { side }, family: Family::Call, required: true }
}

const fn entry(program: &'static str, number: libc::c_long, family: Family) -> Probe {
    call(program, number, Side::Entry, family)
}

const fn exit(program: &'static str, number: libc::c_long, family: Family) -> Probe {
    call(program, number, Side::Exit, family)
}

const fn call(program: &'static str, number: libc::c_long, side: Side, family: Family) -> Probe {
    assert!(number >= 0 && number < SYSTEM_CALLS as libc::c_long, "not a number that the programs look at");
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "checked above")]
    let number = number as u32;
    Probe { program, site: Site::Call { number, side }, family, required: false }
}

const fn inside(program: &'static str, family: Family, returns: bool) -> Probe {
    Probe { program, site: Site::Inside { family, returns }, family, required: false }
}

/// All probes, in the order in which they are attached: processes first, so that no child is missed, and the hooks of
/// system calls when all is there that they go on in.
pub const PROBES: &[Probe] = &[
    tracepoint("task_newtask", Family::Process),
    tracepoint("sched_process_exec", Family::Process),
    tracepoint("sched_process_exit", Family::Process),
    entry("sys_enter_close", libc::SYS_close, Family::Descriptor).required(),
    entry("sys_enter_close_range", libc::SYS_close_range, Family::Descriptor),
    entry("sys_enter_dup2", libc::SYS_dup2, Family::Descriptor),
    entry("sys_enter_dup3", libc::SYS_dup3, Family::Descriptor),
    exit("sys_exit_dup", libc::SYS_dup, Family::Descriptor),
    exit("sys_exit_dup2", libc::SYS_dup2, Family::Descriptor),
    exit("sys_exit_dup3", libc::SYS_dup3, Family::Descriptor),
    exit("sys_exit_fcntl", libc::SYS_fcntl, Family::Descriptor),
    exit("sys_exit_shutdown", libc::SYS_shutdown, Family::Descriptor),
    exit("sys_exit_accept", libc::SYS_accept, Family::Descriptor),
    exit("sys_exit_accept4", libc::SYS_accept4, Family::Descriptor),
    entry("sys_enter_connect", libc::SYS_connect, Family::Descriptor),
    exit("sys_exit_connect", libc::SYS_connect, Family::Descriptor),
    exit("sys_exit_getsockopt", libc::SYS_getsockopt, Family::Descriptor),
    entry("sys_enter_read", libc::SYS_read, Family::Transfer).required(),
    exit("sys_exit_read", libc::SYS_read, Family::Transfer).required(),
    exit("sys_exit_write", libc::SYS_write, Family::Transfer).required(),
    Probe {
        program: "transfer_vectors",
        site: Site::Tail { index: cardlink_obs_common::tail::VECTORS },
        family: Family::Transfer,
        required: false,
    },
    entry("sys_enter_readv", libc::SYS_readv, Family::Transfer),
    exit("sys_exit_readv", libc::SYS_readv, Family::Transfer),
    exit("sys_exit_writev", libc::SYS_writev, Family::Transfer),
    entry("sys_enter_recvfrom", libc::SYS_recvfrom, Family::Transfer),
    exit("sys_exit_recvfrom", libc::SYS_recvfrom, Family::Transfer),
    exit("sys_exit_sendto", libc::SYS_sendto, Family::Transfer),
    entry("sys_enter_recvmsg", libc::SYS_recvmsg, Family::Transfer),
    exit("sys_exit_recvmsg", libc::SYS_recvmsg, Family::Transfer),
    exit("sys_exit_sendmsg", libc::SYS_sendmsg, Family::Transfer),
    exit("sys_exit_recvmmsg", libc::SYS_recvmmsg, Family::Transfer),
    exit("sys_exit_sendmmsg", libc::SYS_sendmmsg, Family::Transfer),
    entry("sys_enter_poll", libc::SYS_poll, Family::Poll),
    exit("sys_exit_poll", libc::SYS_poll, Family::Poll),
    entry("sys_enter_ppoll", libc::SYS_ppoll, Family::Poll),
    exit("sys_exit_ppoll", libc::SYS_ppoll, Family::Poll),
    entry("sys_enter_select", libc::SYS_select, Family::Poll),
    exit("sys_exit_select", libc::SYS_select, Family::Poll),
    entry("sys_enter_pselect6", libc::SYS_pselect6, Family::Poll),
    exit("sys_exit_pselect6", libc::SYS_pselect6, Family::Poll),
    exit("sys_exit_epoll_ctl", libc::SYS_epoll_ctl, Family::Poll),
    entry("sys_enter_epoll_wait", libc::SYS_epoll_wait, Family::Poll),
    exit("sys_exit_epoll_wait", libc::SYS_epoll_wait, Family::Poll),
    entry("sys_enter_epoll_pwait", libc::SYS_epoll_pwait, Family::Poll),
    exit("sys_exit_epoll_pwait", libc::SYS_epoll_pwait, Family::Poll),
    entry("sys_enter_epoll_pwait2", libc::SYS_epoll_pwait2, Family::Poll),
    exit("sys_exit_epoll_pwait2", libc::SYS_epoll_pwait2, Family::Poll),
    exit("sys_exit_io_uring_setup", libc::SYS_io_uring_setup, Family::Blind),
    exit("sys_exit_setsockopt", libc::SYS_setsockopt, Family::Blind),
    exit("sys_exit_sendfile64", libc::SYS_sendfile, Family::Blind),
    exit("sys_exit_splice", libc::SYS_splice, Family::Blind),
    exit("sys_exit_ioctl", libc::SYS_ioctl, Family::Usb),
    exit("sys_exit_openat", libc::SYS_openat, Family::Report),
    exit("sys_exit_rename", libc::SYS_rename, Family::Report),
    exit("sys_exit_renameat", libc::SYS_renameat, Family::Report),
    exit("sys_exit_renameat2", libc::SYS_renameat2, Family::Report),
    calls(Side::Entry),
    calls(Side::Exit),
    inside("library_enter", Family::Library, false),
    inside("library_return", Family::Library, true),
    inside("function_enter", Family::Function, false),
    inside("function_return", Family::Function, true),
    inside("environment_set", Family::Test, false),
    inside("sqlite_enter", Family::Sqlite, false),
    inside("sqlite_return", Family::Sqlite, true),
];
