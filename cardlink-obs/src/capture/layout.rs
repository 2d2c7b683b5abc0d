//! Offsets of kernel structure members, from the kernel's own BTF.

use btf_rs::{Btf, BtfType as _, Type};
use cardlink_obs_common::KernelLayout;
use std::{fs, path::Path};

/// Where the kernel keeps its type information.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Offset of the status of a task's system call in `struct thread_info`, as the programs have it built in.
const CALL_STATUS: u32 = 16;

/// Why the layout could not be found.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error(
        "this kernel has no type information at {VMLINUX}: use a kernel built with CONFIG_DEBUG_INFO_BTF=y (all Debian kernels since 5.10 are)"
    )]
    NoBtf,
    #[error("the kernel's type information at {VMLINUX} cannot be read: {0}")]
    Unreadable(String),
    #[error(
        "this kernel's `struct {structure}` has no member `{member}` where it is looked for: please report it with the output of `uname -r`"
    )]
    NoMember { structure: &'static str, member: &'static str },
}

/// Reads the layout of the running kernel.
pub fn running_kernel() -> Result<KernelLayout, LayoutError> {
    if !Path::new(VMLINUX).exists() {
        return Err(LayoutError::NoBtf);
    }
    // Read at once: the parser would otherwise fetch it in pieces of a few bytes.
    let bytes = fs::read(VMLINUX).map_err(|error| LayoutError::Unreadable(error.to_string()))?;
    let btf = Btf::from_bytes(&bytes).map_err(|error| LayoutError::Unreadable(error.to_string()))?;
    from_btf(&btf)
}

fn from_btf(btf: &Btf) -> Result<KernelLayout, LayoutError> {
    let at = |structure, path: &[&'static str]| offset(btf, structure, path);
    // The programs look there by itself whether a call is a 32-bit program's.
    if at("task_struct", &["thread_info"])? != 0 || at("thread_info", &["status"])? != CALL_STATUS {
        return Err(LayoutError::NoMember { structure: "thread_info", member: "status" });
    }
    // Linux 6.13 changed the reference count of files: `f_ref` counts from 0, `f_count` from 1.
    let (file_count, file_count_one) = match at("file", &["f_count"]) {
        Ok(offset) => (offset, 1),
        Err(_) => (at("file", &["f_ref"])?, 0),
    };
    Ok(KernelLayout {
        task_files: at("task_struct", &["files"])?,
        files_fdt: at("files_struct", &["fdt"])?,
        fdt_max_fds: at("fdtable", &["max_fds"])?,
        fdt_fd: at("fdtable", &["fd"])?,
        file_inode: at("file", &["f_inode"])?,
        file_private: at("file", &["private_data"])?,
        file_flags: at("file", &["f_flags"])?,
        file_count,
        file_count_one,
        inode_number: at("inode", &["i_ino"])?,
        inode_mode: at("inode", &["i_mode"])?,
        inode_rdev: at("inode", &["i_rdev"])?,
        socket_sk: at("socket", &["sk"])?,
        socket_type: at("socket", &["type"])?,
        sk_family: at("sock", &["__sk_common", "skc_family"])?,
        sk_state: at("sock", &["__sk_common", "skc_state"])?,
        sk_peer_port: at("sock", &["__sk_common", "skc_dport"])?,
        sk_local_port: at("sock", &["__sk_common", "skc_num"])?,
        sk_peer_v4: at("sock", &["__sk_common", "skc_daddr"])?,
        sk_local_v4: at("sock", &["__sk_common", "skc_rcv_saddr"])?,
        sk_peer_v6: at("sock", &["__sk_common", "skc_v6_daddr"])?,
        sk_local_v6: at("sock", &["__sk_common", "skc_v6_rcv_saddr"])?,
        sk_error: at("sock", &["sk_err"])?,
        // `struct minmax` holds three samples of a time and a value each; the first is the least.
        tcp_least_rtt: at("tcp_sock", &["rtt_min", "s"])? + 4,
        tcp_retransmits: at("tcp_sock", &["total_retrans"])?,
        task_exit_live: at("signal_struct", &["live"])?,
        task_signal: at("task_struct", &["signal"])?,
        unix_addr: at("unix_sock", &["addr"])?,
        unix_peer: at("unix_sock", &["peer"])?,
        unix_address_len: at("unix_address", &["len"])?,
        unix_address_name: at("unix_address", &["name"])?,
        sk_peer_pid: at("sock", &["sk_peer_pid"]).unwrap_or(0),
        pid_number: at("pid", &["numbers"]).unwrap_or(0),
        task_exit_code: at("task_struct", &["exit_code"])?,
        task_mm: at("task_struct", &["mm"])?,
        mm_arg_start: at("mm_struct", &["arg_start"])?,
        mm_arg_end: at("mm_struct", &["arg_end"])?,
        task_tgid: at("task_struct", &["tgid"])?,
    })
}

/// Byte offset of a member, through named members (`path`) and anonymous structs and unions.
fn offset(btf: &Btf, structure: &'static str, path: &[&'static str]) -> Result<u32, LayoutError> {
    let member = path.last().copied().unwrap_or_default();
    let missing = || LayoutError::NoMember { structure, member };
    let mut current = btf
        .resolve_types_by_name(structure)
        .map_err(|_| missing())?
        .into_iter()
        .find(|found| matches!(found, Type::Struct(_)))
        .ok_or_else(missing)?;
    let mut bits = 0;
    for name in path {
        let (at, next) = member_of(btf, &current, name).ok_or_else(missing)?;
        bits += at;
        current = next;
    }
    Ok(bits / 8)
}

/// Bit offset and type of a member, looked for in anonymous members too.
fn member_of(btf: &Btf, holder: &Type, name: &str) -> Option<(u32, Type)> {
    let (Type::Struct(holder) | Type::Union(holder)) = holder else { return None };
    for member in &holder.members {
        let member_name = btf.resolve_name(member).unwrap_or_default();
        let Some(member_type) = member.get_type_id().and_then(|id| btf.resolve_type_by_id(id).ok()) else { continue };
        if member_name == name {
            return Some((member.bit_offset(), member_type));
        }
        if member_name.is_empty()
            && let Some((at, found)) = member_of(btf, &member_type, name)
        {
            return Some((member.bit_offset() + at, found));
        }
    }
    None
}
