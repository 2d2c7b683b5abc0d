//! Other users of the host: the agent's command line as one of them, and the BPF programs that there are.

use crate::{
    Result, agent,
    place::{self, Place},
};
use anyhow::Context as _;
use nix::libc;
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

/// `nobody` of most systems.
pub const NOBODY: u32 = 65534;

/// The command line of the agent as this user with this group, without any rights. Others may enter the place from then on.
pub fn command(place: &Place, user: u32, group: u32) -> Result<Command> {
    fs::set_permissions(place.path(""), Permissions::from_mode(0o755))?;
    // The folder that it was built in may be closed to others.
    let program = place.path("cardlink-obs");
    if !program.exists() {
        let built = place::program("cardlink-obs")?;
        fs::hard_link(&built, &program).or_else(|_| fs::copy(&built, &program).map(drop))?;
    }
    let mut command = Command::new(program);
    for (name, value) in agent::command(place)?.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir("/").uid(user).gid(group);
    Ok(command)
}

/// The numbers of all BPF programs that the kernel has.
pub fn programs() -> Result<BTreeSet<u32>> {
    const BPF_PROG_GET_NEXT_ID: libc::c_int = 11;
    let mut found = BTreeSet::new();
    // start_id, next_id, open_flags, and room for what newer kernels look at.
    let mut words = [0_u32; 32];
    loop {
        // SAFETY: the kernel reads and writes within the array, whose length it is told.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_GET_NEXT_ID, words.as_mut_ptr(), size_of_val(&words)) };
        if result != 0 {
            let error = std::io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::ENOENT) {
                return Ok(found);
            }
            return Err(error).context("the BPF programs cannot be counted");
        }
        let [_, next, ..] = words;
        found.insert(next);
        words = [0; 32];
        words[0] = next;
    }
}
