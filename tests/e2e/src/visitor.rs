//! Other users of the host: the agent's command line as one of them, and what a process holds of BPF.

use crate::{
    Result, agent,
    place::{self, Place},
};
use anyhow::Context as _;
use std::{
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

/// So many BPF programs, maps, links and perf events this process holds.
pub fn probes(pid: u32) -> Result<usize> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).with_context(|| format!("the descriptors of {pid}"))?;
    let links = folder.filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()));
    Ok(links.filter(|link| link.contains("bpf") || link.contains("perf_event")).count())
}
