//! Starts the lab's programs and sees that they end.

use cardlink_lab::truth::{self, ConnectionRecord};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub const IDENTITY: &str = "card-1";
pub const KEY: &str = "00112233445566778899aabbccddeeff";
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that is ended when the test is over, however it is over.
pub struct Program {
    child: Child,
    /// Its first line on stdout, without the words before the last one.
    pub at: String,
}

impl Program {
    pub fn start(path: &str, arguments: &[String]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built along with the test");
        let out = child.stdout.take().expect("stdout is a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a first line");
        let at = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Self { child, at }
    }

    pub fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM).expect("it runs");
    }

    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the program does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended by now, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a key file, and truth files to come.
pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("psk"), format!("{IDENTITY}:{KEY}\n")).expect("a file");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn server(&self, more: &str) -> Program {
        let mut arguments = vec!["--psk-file".to_owned(), text(&self.path("psk"))];
        arguments.extend(["--truth".to_owned(), text(&self.path("server"))]);
        arguments.extend(words(more));
        Program::start(env!("CARGO_BIN_EXE_lab-server"), &arguments)
    }

    pub fn card(&self, server: &Program, more: &str) {
        let mut arguments = vec!["--connect".to_owned(), server.at.clone()];
        arguments.extend(["--identity", IDENTITY, "--key", KEY, "--truth"].map(str::to_owned));
        arguments.push(text(&self.path("card")));
        arguments.extend(words(more));
        let mut card = Program::start(env!("CARGO_BIN_EXE_lab-card"), &arguments);
        assert!(card.wait().success());
    }

    /// `sessions` connections of both programs, each server's record with its card's, in the card's order.
    pub fn meet(&self, sessions: u32, server: &str, card: &str) -> Vec<(ConnectionRecord, ConnectionRecord)> {
        let mut serving = self.server(&format!("--max-connections {sessions} {server}"));
        self.card(&serving, &format!("--sessions {sessions} {card}"));
        assert!(serving.wait().success());
        self.pairs()
    }

    pub fn pairs(&self) -> Vec<(ConnectionRecord, ConnectionRecord)> {
        let servers: Vec<ConnectionRecord> = truth::read(&self.path("server")).expect("the server's truth");
        let mut cards: Vec<ConnectionRecord> = truth::read(&self.path("card")).expect("the card's truth");
        assert_eq!(servers.len(), cards.len(), "each connection is told once by each end");
        cards.sort_by_key(|card| card.conn);
        let mut by_peer: HashMap<String, ConnectionRecord> =
            servers.into_iter().map(|server| (server.peer.clone(), server)).collect();
        cards
            .into_iter()
            .map(|card| {
                let server = by_peer.remove(&card.local).expect("the server tells of the same connection");
                (server, card)
            })
            .collect()
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}
