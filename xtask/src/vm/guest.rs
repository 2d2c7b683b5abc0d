//! One boot: QEMU with the host's root as a read-only share, a job, its output as it comes, its exit code.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::initramfs;
use super::kernel::Kernel;
use super::usb::Usb;
use crate::project::root;

/// Emulated processors are 10 to 40 times slower than the host's.
const TIME_SCALE: &str = "20";
/// Two show more races than one.
const PROCESSORS: &str = "2";
/// All processors in one thread. With a thread each, what one writes over the code of another (a static key, a text poke)
/// may never be seen by the other: it then hangs at, or dies of, a breakpoint that is long gone. That is QEMU's, not the kernel's.
const ACCELERATOR: &str = "tcg,thread=single";
const START: &str = include_str!("start.sh");
/// Where, in the job share, the guest leaves the exit code.
const EXIT: &str = "exit";

/// What runs in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The command and its arguments.
    pub words: Vec<String>,
    /// Its environment, besides the variables of this process whose names begin with `CARDLINK_` or `RUST_`.
    pub env: Vec<(&'static str, OsString)>,
    /// The folder of the lab's programs, when its modem and its card are to be plugged in.
    pub lab: Option<PathBuf>,
}

/// A prepared guest.
#[derive(Debug)]
pub struct Guest<'a> {
    kernel: &'a Kernel,
    /// Console, initramfs and the share with the job.
    dir: PathBuf,
    limit: Duration,
    lab: Option<PathBuf>,
}

impl Job {
    fn script(&self) -> String {
        let mut script = String::from("#!/bin/sh\n");
        for (name, value) in env::vars().filter(|(name, _)| name.starts_with("CARDLINK_") || name.starts_with("RUST_"))
        {
            let _ = writeln!(script, "export {name}={}", quote(&value));
        }
        for (name, value) in &self.env {
            let _ = writeln!(script, "export {name}={}", quote(&value.to_string_lossy()));
        }
        let _ = writeln!(script, "export CARDLINK_VM=1 CARDLINK_TIME_SCALE=\"${{CARDLINK_TIME_SCALE:-{TIME_SCALE}}}\"");
        let words: Vec<String> = self.words.iter().map(|word| quote(word)).collect();
        let _ = writeln!(script, "exec {}", words.join(" "));
        script
    }
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The job ended with this code.
    Exited(u8),
    /// The machine stopped before the job did.
    NoExitCode,
    TimedOut,
}

impl<'a> Guest<'a> {
    /// Lays out everything that a boot needs in `dir`.
    pub fn prepare(kernel: &'a Kernel, dir: PathBuf, job: &Job, limit: Duration) -> Result<Self> {
        let guest = Self { kernel, dir, limit, lab: job.lab.clone() };
        let share = guest.share();
        if share.exists() {
            fs::remove_dir_all(&share).with_context(|| format!("cannot remove {}", share.display()))?;
        }
        fs::create_dir_all(&share).with_context(|| format!("cannot create {}", share.display()))?;
        fs::copy("/bin/busybox", share.join("busybox")).context("cannot copy /bin/busybox (package busybox-static)")?;
        let start = format!(
            "VM_MODULES={}\nVM_DIR={}\n{START}",
            quote(&kernel.modules().to_string_lossy()),
            quote(&root().to_string_lossy())
        );
        fs::write(share.join("start"), start).context("cannot write the start script")?;
        initramfs::write_executable(&share.join("job"), &job.script())?;
        initramfs::build(kernel, &guest.dir)?;
        Ok(guest)
    }

    /// Boots, prints the job's output line by line, and waits for the end.
    pub fn boot(&self) -> Result<End> {
        let exit = self.share().join(EXIT);
        if exit.exists() {
            fs::remove_file(&exit).with_context(|| format!("cannot remove {}", exit.display()))?;
        }
        let mut qemu = self.qemu();
        let mut usb = match &self.lab {
            Some(lab) => Some(Usb::start(lab, &self.dir, &self.share())?),
            None => None,
        };
        if let Some(usb) = &usb {
            usb.plug(&mut qemu);
        }
        let mut child = qemu.spawn().context("cannot start qemu-system-x86_64 (package qemu-system-x86)")?;
        let output = child.stdout.take().context("QEMU's output is a pipe")?;
        let label = self.kernel.series.name();
        let printer = thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                println!("{label} | {}", String::from_utf8_lossy(&line).trim_end());
            }
        });
        let ended = wait(&mut child, self.limit, usb.as_mut());
        if !matches!(ended, Ok(Some(_))) {
            child.kill().context("cannot stop QEMU")?;
            child.wait().context("cannot wait for QEMU")?;
        }
        let _ = printer.join();
        if ended?.is_none() {
            return Ok(End::TimedOut);
        }
        let code = fs::read_to_string(&exit).ok().and_then(|text| text.trim().parse().ok());
        Ok(code.map_or(End::NoExitCode, End::Exited))
    }

    /// What the guest's kernel wrote.
    pub fn console(&self) -> String {
        fs::read(self.console_path())
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn console_path(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    fn share(&self) -> PathBuf {
        self.dir.join("share")
    }

    fn qemu(&self) -> Command {
        let fsdev = |id: &str, path: &Path, more: &str| {
            format!("local,id={id},path={},security_model=none,multidevs=remap{more}", path.display())
        };
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-accel", ACCELERATOR, "-cpu", "max", "-m", "2G"])
            .args(["-smp", PROCESSORS])
            .args(["-nodefaults", "-nic", "none", "-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(self.kernel.image())
            .arg("-initrd")
            .arg(self.dir.join("initramfs.cpio"))
            .args(["-append", "console=ttyS0 panic=-1 rdinit=/init"])
            .arg("-serial")
            .arg(format!("file:{}", self.console_path().display()))
            .args(["-device", "virtio-serial-pci", "-chardev", "stdio,id=job,signal=off"])
            .args(["-device", "virtserialport,chardev=job,name=job"])
            .args(["-fsdev", &fsdev("root", Path::new("/"), ",readonly=on")])
            .args(["-device", "virtio-9p-pci,fsdev=root,mount_tag=host"])
            .args(["-fsdev", &fsdev("job", &self.share(), "")])
            .args(["-device", "virtio-9p-pci,fsdev=job,mount_tag=job"])
            // Not read, but open: at its end QEMU would take the port's other side for gone, and the job would block.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        qemu
    }
}

/// Polls: a thread that waits could not be told to stop.
fn wait(child: &mut Child, limit: Duration, mut usb: Option<&mut Usb>) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().context("cannot wait for QEMU")? {
            return Ok(Some(status));
        }
        if let Some(usb) = usb.as_deref_mut() {
            usb.serve()?;
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(None)
}

/// A word for the shell, whatever is in it.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_job_as_they_are() {
        let words = ["sh", "-c", "echo 'a b' $HOME"].map(str::to_owned).to_vec();
        let script = Job { words, env: vec![("A", "b c".into())], lab: None }.script();
        assert!(script.contains("export A='b c'\n"), "{script}");
        assert!(script.ends_with("exec 'sh' '-c' 'echo '\\''a b'\\'' $HOME'\n"), "{script}");
    }
}
