//! Lets go of the privileges that are not needed any more once the probes are attached.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// What is still needed, and for what.
const KEPT: &[(Capability, &str)] = &[
    (Capability::CAP_BPF, "maps, and programs that are attached for targets to come"),
    (Capability::CAP_PERFMON, "attaching to tracepoints and reading what they see"),
    (Capability::CAP_SYS_PTRACE, "procfs of other users' processes"),
    (Capability::CAP_DAC_READ_SEARCH, "procfs of other users' processes"),
    (Capability::CAP_CHECKPOINT_RESTORE, "the files that other users' processes have mapped"),
];

/// Keeps what is needed, drops everything else, for good. Returns the names of what was kept.
///
/// `libraries`: TLS libraries may be probed later, and kernels want `CAP_SYS_ADMIN` for a uprobe. Privileges belong to a thread: to be
/// called before any other is started.
pub fn drop_unneeded(libraries: bool) -> Result<Vec<String>, CapsError> {
    let mut wanted: CapsHashSet = KEPT.iter().map(|(capability, _)| *capability).collect();
    if libraries {
        wanted.insert(Capability::CAP_SYS_ADMIN);
    }
    let have = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = have.intersection(&wanted).copied().collect();
    // The bounding set first: it takes CAP_SETPCAP. Without that nothing that this process starts could gain anything
    // from it either, since it starts nothing.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::read(None, CapSet::Bounding)? {
            if !wanted.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability)?;
            }
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    let mut names: Vec<String> = kept.iter().map(ToString::to_string).collect();
    names.sort();
    Ok(names)
}
