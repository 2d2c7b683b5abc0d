//! Whether this kernel lets a return probe through a seccomp filter, tried out on a process of the agent's own.
//!
//! Some kernels implement return probes by a system call that the probed process makes without knowing. Where seccomp
//! does not know of it, a strict filter ends the process. So a child goes behind a filter that ends it at every call that
//! it does not need, and then through a return probe.

use nix::{
    libc,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, pipe2, read, write},
};
use std::{
    fs, io,
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

/// Set to `fail`, the trial fails: for tests of what the agent does then.
pub const OUTCOME: &str = "CARDLINK_OBS_RETURN_PROBE_TRIAL";

/// What a process may be confined by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confinement {
    Filter,
    Strict,
}

/// How long the child may take. The kernel may keep it waiting while it lets go of many other probes.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why return probes are not to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: String,
    /// Nothing was found out: another trial may.
    pub open: bool,
}

fn refusal(reason: impl Into<String>) -> Refusal {
    Refusal { reason: reason.into(), open: false }
}

fn open(reason: impl Into<String>) -> Refusal {
    Refusal { reason: reason.into(), open: true }
}

/// What the child goes through.
#[inline(never)]
extern "C" fn probed(value: u64) -> u64 {
    std::hint::black_box(value).wrapping_add(1)
}

/// Lets a child go through a return probe, which `attach` puts on a process and an offset in the agent's own program;
/// `runs` says how often the probe's program has run. An error says why return probes are not to be used.
pub fn run<L>(
    confinement: Confinement,
    attach: impl FnOnce(u32, u64) -> Result<L, String>,
    runs: impl Fn() -> u64,
) -> Result<(), Refusal> {
    if std::env::var_os(OUTCOME).is_some_and(|value| value == "fail") {
        return Err(refusal("the trial was told to fail"));
    }
    let offset =
        offset_of(probed as *const () as u64).ok_or_else(|| refusal("the agent does not find its own program"))?;
    let failed = |error: nix::errno::Errno| open(format!("no trial of a return probe was possible: {error}"));
    let (go_reader, go_writer) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(failed)?;
    let before = runs();
    // SAFETY: the child makes only system calls.
    let child = match unsafe { fork() }.map_err(failed)? {
        ForkResult::Child => {
            drop(go_writer);
            in_child(confinement, &go_reader)
        }
        ForkResult::Parent { child } => child,
    };
    drop(go_reader);
    let link = match attach(child.as_raw().unsigned_abs(), offset) {
        Ok(link) => link,
        Err(error) => {
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
            return Err(refusal(error));
        }
    };
    let _ = write(&go_writer, &[1]);
    let outcome = outcome(child);
    drop(link);
    match outcome {
        Ok(WaitStatus::Exited(_, 0)) if runs() > before => Ok(()),
        Ok(WaitStatus::Exited(_, 0)) => Err(refusal("in the trial a return probe did not fire")),
        Ok(WaitStatus::Signaled(_, signal, _)) => Err(refusal(format!(
            "on this kernel a return probe ends a process behind a seccomp filter (tried out, with {signal})"
        ))),
        Ok(status) => Err(refusal(format!("the trial of a return probe ended with {status:?}"))),
        Err(reason) => Err(open(reason)),
    }
}

/// How the child ended.
fn outcome(child: Pid) -> Result<WaitStatus, String> {
    let began = Instant::now();
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(1)),
            Ok(WaitStatus::StillAlive) => {
                let _ = kill(child, Signal::SIGKILL);
                let _ = waitpid(child, None);
                return Err(String::from("the trial of a return probe did not end"));
            }
            Ok(status) => return Ok(status),
            Err(errno) => return Err(format!("the trial of a return probe cannot be waited for: {errno}")),
        }
    }
}

/// Waits until the probe is there, goes behind the filter, through the probe, and ends.
fn in_child(confinement: Confinement, go: &OwnedFd) -> ! {
    let started = read(go, &mut [0; 1]) == Ok(1);
    let confined = started
        && match confinement {
            Confinement::Filter => filter(),
            // SAFETY: touches nothing but this process.
            Confinement::Strict => unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) == 0 },
        };
    let code = i32::from(!confined || probed(std::hint::black_box(41)) != 42);
    // SAFETY: ends this thread, which is the only one. Under strict confinement no other way to end is allowed.
    unsafe {
        libc::syscall(libc::SYS_exit, code);
        libc::_exit(code)
    }
}

/// A filter that ends the process at every call but its end.
fn filter() -> bool {
    const LOAD_NUMBER: libc::sock_filter =
        libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: 0 };
    #[expect(clippy::cast_sign_loss, reason = "numbers of system calls are small and positive")]
    const fn skip_unless(number: i64) -> libc::sock_filter {
        libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf: 1, k: number as u32 }
    }
    const fn give(value: u32) -> libc::sock_filter {
        libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: value }
    }
    let mut program = [
        LOAD_NUMBER,
        skip_unless(libc::SYS_exit),
        give(libc::SECCOMP_RET_ALLOW),
        skip_unless(libc::SYS_exit_group),
        give(libc::SECCOMP_RET_ALLOW),
        give(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program outlives the calls; they touch nothing but this process, which leaves no core file.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) == 0
    }
}

/// Where in its file an address of this program is.
fn offset_of(address: u64) -> Option<u64> {
    fs::read_to_string("/proc/self/maps").ok()?.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (from, to) = fields.next()?.split_once('-')?;
        let offset = fields.nth(1)?;
        let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
        let (from, to) = (hexadecimal(from)?, hexadecimal(to)?);
        if (from..to).contains(&address) { hexadecimal(offset)?.checked_add(address - from) } else { None }
    })
}

/// What of a process makes return probes a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concerns {
    pub confinement: Option<Confinement>,
    /// Return addresses are kept a second time by the processor: a return probe changes the one that is compared.
    pub shadow_stack: bool,
}

impl Concerns {
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(format!("/proc/{pid}/status"))?))
    }

    fn parse(status: &str) -> Self {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        Self {
            confinement: match field("Seccomp:").trim() {
                "1" => Some(Confinement::Strict),
                "2" => Some(Confinement::Filter),
                _ => None,
            },
            shadow_stack: field("x86_Thread_features:").split_whitespace().any(|feature| feature == "shstk"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Concerns, Confinement, offset_of, probed};

    #[test]
    fn a_status_tells_of_filters_and_shadow_stacks() {
        let plain = "Name:\tx\nSeccomp:\t0\nx86_Thread_features:\t\n";
        assert_eq!(Concerns::parse(plain), Concerns { confinement: None, shadow_stack: false });
        let both =
            "Seccomp:\t2\nSeccomp_filters:\t1\nx86_Thread_features:\tshstk wrss \nx86_Thread_features_locked:\t\n";
        assert_eq!(Concerns::parse(both), Concerns { confinement: Some(Confinement::Filter), shadow_stack: true });
        assert_eq!(Concerns::parse("Seccomp:\t1\n").confinement, Some(Confinement::Strict));
    }

    #[test]
    fn the_agent_finds_its_own_code() {
        assert!(offset_of(probed as *const () as u64).is_some_and(|offset| offset > 0));
        assert_eq!(offset_of(0), None);
    }
}
