//! A command that says how it is, by its exit code: the convention of monitoring plug-ins.

use crate::{
    client::Deadline,
    health::{Check, Verdict},
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Of what it prints, so much is read.
const MOST: u64 = 4096;

pub(super) struct Run {
    pub(super) words: Vec<String>,
}

impl Check for Run {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        let Some((program, arguments)) = self.words.split_first() else {
            return Verdict::unhealthy("no command is named");
        };
        let mut command = Command::new(program);
        // A group of its own: what it starts ends with it.
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        match command.spawn() {
            Ok(child) => ended(child, deadline, program),
            Err(error) => Verdict::unhealthy(format!("{program} cannot be started: {error}")),
        }
    }
}

fn ended(mut child: Child, deadline: Deadline, program: &str) -> Verdict {
    let reader = child.stdout.take().map(|output| {
        thread::spawn(move || {
            let mut text = Vec::new();
            let mut output = output;
            let _ = output.by_ref().take(MOST).read_to_end(&mut text);
            // Who prints more is not to be stopped by a full pipe.
            let _ = io::copy(&mut output, &mut io::sink());
            text
        })
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if deadline.left().is_ok() => thread::sleep(LOOK_EVERY),
            Ok(None) | Err(_) => {
                kill(&mut child);
                return Verdict::unhealthy(format!("{program} did not end in time"));
            }
        }
    };
    // What it left behind in its group would hold the pipe.
    kill_group(&child);
    let text = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line: String = text.lines().next().unwrap_or_default().trim().chars().filter(|c| !c.is_control()).collect();
    let message = match (line.is_empty(), status.code()) {
        (false, _) => line,
        (true, Some(code)) => format!("{program} ended with {code}"),
        (true, None) => format!("{program} was ended by a signal"),
    };
    match status.code() {
        Some(0) => Verdict::healthy(message),
        Some(1) => Verdict::degraded(message),
        _ => Verdict::unhealthy(message),
    }
}

fn kill_group(child: &Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn kill(child: &mut Child) {
    kill_group(child);
    let _ = child.wait();
}
