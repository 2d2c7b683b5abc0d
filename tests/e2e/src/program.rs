//! Child processes: their lines are kept, their end is waited for with a limit, and none outlives its test.

use crate::{
    Result,
    wait::{self, PATIENCE},
};
use anyhow::{Context as _, anyhow, bail};
use nix::{
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

type Lines = Arc<Mutex<Vec<String>>>;

/// A running program.
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    out: Lines,
    err: Lines,
    readers: Vec<thread::JoinHandle<()>>,
    status: Option<ExitStatus>,
}

impl Program {
    /// Starts it with its input held open and its output collected.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: one system call between fork and exec. It is for a test that is killed itself; the thread that starts
        // a program is the test's own and lives as long as it.
        unsafe {
            command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let (out, err) = (Lines::default(), Lines::default());
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(collect(pipe, &out));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(collect(pipe, &err));
        }
        let input = child.stdin.take();
        Ok(Self { name, child, input, out, err, readers, status: None })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub fn out(&self) -> Vec<String> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has written to standard error so far.
    pub fn err(&self) -> Vec<String> {
        self.err.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line on either output of which `find` makes something.
    pub fn line<T>(&mut self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            // Whether it has ended is looked at first: what it said before is in by the time that its lines are read.
            let ended = self.ended()?;
            if ended.is_some() {
                self.join();
            }
            if let Some(found) = self.out().iter().chain(&self.err()).find_map(|line| find(line)) {
                return Ok(found);
            }
            if let Some(status) = ended {
                bail!("{} ended ({status}) before {what}:{}", self.name, self.said());
            }
            if began.elapsed() > wait::scaled(PATIENCE) {
                bail!("{} did not say {what}:{}", self.name, self.said());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its exit status, when it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.wait_for(PATIENCE)
    }

    pub fn wait_for(&mut self, limit: Duration) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                self.join();
                return Ok(status);
            }
            if began.elapsed() > wait::scaled(limit) {
                bail!("{} does not end:{}", self.name, self.said());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it ends, and wants it to end well.
    pub fn success(&mut self) -> Result {
        let status = self.wait()?;
        if !status.success() {
            bail!("{} ended with {status}:{}", self.name, self.said());
        }
        Ok(())
    }

    pub fn signal(&self, signal: Signal) -> Result {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Ends it with a signal and waits. Of an agent that is killed the kernel takes the hooks away one by one before it is gone:
    /// that takes its time on a busy machine.
    pub fn stop(&mut self, signal: Signal) -> Result<ExitStatus> {
        if self.ended()?.is_none() {
            self.signal(signal)?;
        }
        self.wait_for(if signal == Signal::SIGKILL { 4 * PATIENCE } else { PATIENCE })
    }

    /// Writes a line to its input.
    pub fn tell(&mut self, line: &str) -> Result {
        let input = self.input.as_mut().ok_or_else(|| anyhow!("the input of {} is closed", self.name))?;
        // In one piece: a program may end at its first byte.
        input.write_all(format!("{line}\n").as_bytes())?;
        Ok(input.flush()?)
    }

    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// All that it said, for an error message.
    pub fn said(&self) -> String {
        let lines: Vec<String> = self.out().into_iter().chain(self.err()).collect();
        let skipped = lines.len().saturating_sub(30);
        lines.iter().skip(skipped).fold(String::new(), |text, line| text + "\n    " + line)
    }

    fn join(&mut self) {
        // A child of its own may hold the pipe: what it has said by now is enough.
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until && !self.readers.iter().all(thread::JoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.status.is_none() && matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn collect(pipe: impl Read + Send + 'static, lines: &Lines) -> thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            line.clear();
        }
    })
}
