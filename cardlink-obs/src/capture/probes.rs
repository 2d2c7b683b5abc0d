//! The table of probes: which program goes where, for what, and what became of it.

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
            Self::Usb => "usb",
        }
    }
}

/// Where a program is attached. Kept apart from its body: another kind of hook may carry the same program one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Tracepoint {
        category: &'static str,
        name: &'static str,
    },
    RawTracepoint {
        name: &'static str,
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

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracepoint { category, name } => write!(f, "{category}:{name}"),
            Self::RawTracepoint { name } => write!(f, "raw:{name}"),
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

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Attached.
    Ok,
    /// Loaded, and attached when it is needed.
    Standby,
    /// This kernel has no such hook.
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

const fn syscall(name: &'static str, family: Family, required: bool) -> Probe {
    Probe { program: name, site: Site::Tracepoint { category: "syscalls", name }, family, required }
}

const fn inside(program: &'static str, family: Family, returns: bool) -> Probe {
    Probe { program, site: Site::Inside { family, returns }, family, required: false }
}

/// All probes, in the order in which they are attached: processes first, so that no child is missed.
pub const PROBES: &[Probe] = &[
    Probe {
        program: "task_newtask",
        site: Site::Tracepoint { category: "task", name: "task_newtask" },
        family: Family::Process,
        required: true,
    },
    Probe {
        program: "sched_process_exec",
        site: Site::RawTracepoint { name: "sched_process_exec" },
        family: Family::Process,
        required: true,
    },
    Probe {
        program: "sched_process_exit",
        site: Site::RawTracepoint { name: "sched_process_exit" },
        family: Family::Process,
        required: true,
    },
    syscall("sys_enter_close", Family::Descriptor, true),
    syscall("sys_enter_close_range", Family::Descriptor, false),
    syscall("sys_enter_dup2", Family::Descriptor, false),
    syscall("sys_enter_dup3", Family::Descriptor, false),
    syscall("sys_exit_dup", Family::Descriptor, false),
    syscall("sys_exit_dup2", Family::Descriptor, false),
    syscall("sys_exit_dup3", Family::Descriptor, false),
    syscall("sys_exit_fcntl", Family::Descriptor, false),
    syscall("sys_exit_shutdown", Family::Descriptor, false),
    syscall("sys_exit_accept", Family::Descriptor, false),
    syscall("sys_exit_accept4", Family::Descriptor, false),
    syscall("sys_enter_connect", Family::Descriptor, false),
    syscall("sys_exit_connect", Family::Descriptor, false),
    syscall("sys_exit_getsockopt", Family::Descriptor, false),
    syscall("sys_enter_read", Family::Transfer, true),
    syscall("sys_exit_read", Family::Transfer, true),
    syscall("sys_exit_write", Family::Transfer, true),
    Probe {
        program: "transfer_vectors",
        site: Site::Tail { index: cardlink_obs_common::tail::VECTORS },
        family: Family::Transfer,
        required: false,
    },
    syscall("sys_enter_readv", Family::Transfer, false),
    syscall("sys_exit_readv", Family::Transfer, false),
    syscall("sys_exit_writev", Family::Transfer, false),
    syscall("sys_enter_recvfrom", Family::Transfer, false),
    syscall("sys_exit_recvfrom", Family::Transfer, false),
    syscall("sys_exit_sendto", Family::Transfer, false),
    syscall("sys_enter_recvmsg", Family::Transfer, false),
    syscall("sys_exit_recvmsg", Family::Transfer, false),
    syscall("sys_exit_sendmsg", Family::Transfer, false),
    syscall("sys_exit_recvmmsg", Family::Transfer, false),
    syscall("sys_exit_sendmmsg", Family::Transfer, false),
    syscall("sys_enter_poll", Family::Poll, false),
    syscall("sys_exit_poll", Family::Poll, false),
    syscall("sys_enter_ppoll", Family::Poll, false),
    syscall("sys_exit_ppoll", Family::Poll, false),
    syscall("sys_enter_select", Family::Poll, false),
    syscall("sys_exit_select", Family::Poll, false),
    syscall("sys_enter_pselect6", Family::Poll, false),
    syscall("sys_exit_pselect6", Family::Poll, false),
    syscall("sys_exit_epoll_ctl", Family::Poll, false),
    syscall("sys_enter_epoll_wait", Family::Poll, false),
    syscall("sys_exit_epoll_wait", Family::Poll, false),
    syscall("sys_enter_epoll_pwait", Family::Poll, false),
    syscall("sys_exit_epoll_pwait", Family::Poll, false),
    syscall("sys_enter_epoll_pwait2", Family::Poll, false),
    syscall("sys_exit_epoll_pwait2", Family::Poll, false),
    syscall("sys_exit_io_uring_setup", Family::Blind, false),
    syscall("sys_exit_setsockopt", Family::Blind, false),
    syscall("sys_exit_sendfile64", Family::Blind, false),
    syscall("sys_exit_splice", Family::Blind, false),
    syscall("sys_exit_ioctl", Family::Usb, false),
    syscall("sys_exit_openat", Family::Report, false),
    syscall("sys_exit_rename", Family::Report, false),
    syscall("sys_exit_renameat", Family::Report, false),
    syscall("sys_exit_renameat2", Family::Report, false),
    inside("library_enter", Family::Library, false),
    inside("library_return", Family::Library, true),
    inside("function_enter", Family::Function, false),
    inside("function_return", Family::Function, true),
    inside("environment_set", Family::Test, false),
    inside("sqlite_enter", Family::Sqlite, false),
    inside("sqlite_return", Family::Sqlite, true),
];
