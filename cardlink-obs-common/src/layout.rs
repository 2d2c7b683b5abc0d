//! Where the kernel keeps what the BPF programs look at.

use core::mem::size_of;

/// Offsets of kernel structure members, from BTF; a global that the loader sets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelLayout {
    pub task_files: u32,
    pub files_fdt: u32,
    pub fdt_max_fds: u32,
    pub fdt_fd: u32,
    pub file_inode: u32,
    pub file_private: u32,
    pub file_flags: u32,
    pub file_count: u32,
    /// The value of the reference count when one reference is left: 1 for `f_count`, 0 for `f_ref`.
    pub file_count_one: u32,
    pub inode_number: u32,
    pub inode_mode: u32,
    pub inode_rdev: u32,
    pub socket_sk: u32,
    pub socket_type: u32,
    pub sk_family: u32,
    pub sk_state: u32,
    pub sk_peer_port: u32,
    pub sk_local_port: u32,
    pub sk_peer_v4: u32,
    pub sk_local_v4: u32,
    pub sk_peer_v6: u32,
    pub sk_local_v6: u32,
    pub sk_error: u32,
    /// The shortest round trip of the last minutes, microseconds.
    pub tcp_least_rtt: u32,
    pub tcp_retransmits: u32,
    pub task_exit_live: u32,
    pub task_signal: u32,
    pub unix_addr: u32,
    pub unix_peer: u32,
    pub unix_address_len: u32,
    pub unix_address_name: u32,
    /// 0 where the kernel has none.
    pub sk_peer_pid: u32,
    pub pid_number: u32,
    pub task_exit_code: u32,
    pub task_mm: u32,
    pub mm_arg_start: u32,
    pub mm_arg_end: u32,
    pub task_tgid: u32,
}

const _: () = assert!(size_of::<KernelLayout>() == 38 * 4);
