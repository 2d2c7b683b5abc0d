//! Walks of kernel structures by the offsets that the loader found in BTF.

use crate::maps::LAYOUT;
use aya_ebpf::helpers::{bpf_get_current_task, bpf_probe_read_kernel};

const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
const S_IFCHR: u16 = 0o020_000;
const TCP_SYN_SENT: u8 = 2;

/// An open file of the current process.
#[derive(Clone, Copy)]
pub struct File(pub u64);

/// What TCP knows of a connection.
pub struct TcpFigures {
    /// The shortest round-trip time, microseconds; all bits set when none was measured.
    pub rtt: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// It was asked for, and the peer has not answered.
    pub unanswered: bool,
    /// An errno that the program has not asked for yet; 0 for none.
    pub error: i32,
}

pub enum Kind {
    Socket,
    Character { rdev: u32 },
    Other,
}

#[inline(always)]
pub fn read<T>(base: u64, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

impl File {
    /// The file behind a descriptor of the current process.
    #[inline(always)]
    pub fn of(fd: i32) -> Option<Self> {
        if fd < 0 {
            return None;
        }
        let layout = LAYOUT.load();
        // SAFETY: no arguments.
        let task = unsafe { bpf_get_current_task() };
        let files: u64 = read(task, layout.task_files)?;
        let table: u64 = read(files, layout.files_fdt)?;
        let size: u32 = read(table, layout.fdt_max_fds)?;
        if fd as u32 >= size {
            return None;
        }
        let array: u64 = read(table, layout.fdt_fd)?;
        let file: u64 = read(array + 8 * fd as u64, 0)?;
        // The low bits may carry flags in some kernels' tables; a file is at least 8-byte aligned.
        let file = file & !7;
        if file == 0 { None } else { Some(Self(file)) }
    }

    /// Kind and inode number.
    #[inline(always)]
    pub fn kind(self) -> Option<(Kind, u64)> {
        let layout = LAYOUT.load();
        let inode: u64 = read(self.0, layout.file_inode)?;
        let mode: u16 = read(inode, layout.inode_mode)?;
        let number: u64 = read(inode, layout.inode_number)?;
        let kind = match mode & S_IFMT {
            S_IFSOCK => Kind::Socket,
            S_IFCHR => Kind::Character { rdev: read(inode, layout.inode_rdev)? },
            _ => Kind::Other,
        };
        Some((kind, number))
    }

    #[inline(always)]
    pub fn flags(self) -> u32 {
        read(self.0, LAYOUT.load().file_flags).unwrap_or(0)
    }

    /// Whether the reference that is asked about is the only one left.
    #[inline(always)]
    pub fn last_reference(self) -> bool {
        let layout = LAYOUT.load();
        let count: u64 = read(self.0, layout.file_count).unwrap_or(u64::MAX);
        count == u64::from(layout.file_count_one)
    }

    /// What TCP knows, of a file that is a TCP socket.
    #[inline(always)]
    pub fn tcp_figures(self) -> Option<TcpFigures> {
        let (Kind::Socket, _) = self.kind()? else { return None };
        let layout = LAYOUT.load();
        let (_, sk) = self.sock()?;
        Some(TcpFigures {
            rtt: read(sk, layout.tcp_least_rtt)?,
            retransmits: read(sk, layout.tcp_retransmits)?,
            unanswered: read::<u8>(sk, layout.sk_state)? == TCP_SYN_SENT,
            error: read(sk, layout.sk_error)?,
        })
    }

    /// The protocol's side of a socket.
    #[inline(always)]
    pub fn sock(self) -> Option<(u16, u64)> {
        let layout = LAYOUT.load();
        let socket: u64 = read(self.0, layout.file_private)?;
        let kind: u16 = read(socket, layout.socket_type)?;
        let sk: u64 = read(socket, layout.socket_sk)?;
        if sk == 0 { None } else { Some((kind, sk)) }
    }
}
