//! The modem.

use crate::support::{Bench, Program};
use cardlink_lab::truth::{self, ModemRecord};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

const MILLISECOND: u64 = 1_000_000;

struct Port {
    bench: Bench,
    modem: Program,
    file: File,
}

impl Port {
    fn open(arguments: &[&str]) -> Self {
        let bench = Bench::new();
        let truth = bench.path("modem");
        let link = bench.path("port");
        let mut all = ["--max-seconds", "30", "--truth", truth.to_str().expect("a path")].map(str::to_owned).to_vec();
        all.extend(["--link".to_owned(), link.to_str().expect("a path").to_owned()]);
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let modem = Program::start(env!("CARGO_BIN_EXE_lab-modem"), &all);
        assert_eq!(std::fs::read_link(&link).expect("a link").to_str(), Some(modem.at.as_str()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits())
            .open(&link)
            .expect("a port");
        Self { bench, modem, file }
    }

    fn send(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).expect("the modem reads");
    }

    /// What comes until `end` is there, or until `limit`.
    fn read_until(&mut self, end: &str, limit: Duration) -> String {
        let start = Instant::now();
        let mut text = String::new();
        while !text.contains(end) && start.elapsed() < limit {
            let mut wanted = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            if poll(&mut wanted, PollTimeout::from(20_u8)).expect("a poll") == 0 {
                continue;
            }
            let mut piece = [0; 256];
            match self.file.read(&mut piece) {
                Ok(0) => break,
                Ok(size) => text.push_str(&String::from_utf8_lossy(&piece[..size])),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        text
    }

    fn ask(&mut self, command: &str) -> String {
        self.ask_for(command, "OK\r\n")
    }

    /// An answer that ends otherwise.
    fn ask_for(&mut self, command: &str, end: &str) -> String {
        self.send(&format!("{command}\r"));
        self.read_until(end, Duration::from_secs(10))
    }

    fn end(mut self) -> Vec<ModemRecord> {
        self.modem.terminate();
        assert!(self.modem.wait().success());
        assert!(std::fs::read_link(self.bench.path("port")).is_err(), "the link goes with the modem");
        truth::read(&self.bench.path("modem")).expect("the modem's truth")
    }
}

#[test]
fn a_dialogue() {
    let mut port = Port::open(&[]);
    assert_eq!(port.ask("AT"), "AT\r\r\nOK\r\n");
    assert_eq!(port.ask("ATE0"), "ATE0\r\r\nOK\r\n");
    assert_eq!(port.ask("AT+CSQ"), "\r\n+CSQ: 21,99\r\n\r\nOK\r\n");
    assert_eq!(port.ask("AT+CMEE=1;+CREG?"), "\r\n+CREG: 0,1\r\n\r\nOK\r\n");
    assert_eq!(port.ask_for("AT+NOPE", "+CME ERROR: 4\r\n"), "\r\n+CME ERROR: 4\r\n");
    assert_eq!(port.ask(r#"AT+CSIM=14,"00A4000C022FE2""#), "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
    assert_eq!(port.ask("AT+CRSM=176,12258,0,0,10"), "\r\n+CRSM: 144,0,\"98942000002143658709\"\r\n\r\nOK\r\n");
    assert_eq!(port.ask(r#"AT+CCHO="A0000000871002""#), "\r\n+CCHO: 1\r\n\r\nOK\r\n");
    assert_eq!(port.ask(r#"AT+CGLA=1,14,"00A4000C026F07""#), "\r\n+CGLA: 4,\"9000\"\r\n\r\nOK\r\n");
    assert_eq!(port.ask("AT+CCHC=1"), "\r\nOK\r\n");
    port.send("ATV0\rAT\r");
    assert_eq!(port.read_until("0\r0\r", Duration::from_secs(5)), "0\r0\r");

    let told = port.end();
    let results: Vec<(&str, &str)> = told.iter().map(|told| (told.line.as_str(), told.result.as_str())).collect();
    assert_eq!(results.first(), Some(&("AT", "OK")));
    assert_eq!(results.get(4), Some(&("AT+NOPE", "+CME ERROR: 4")));
    assert_eq!((results.len(), results.last()), (12, Some(&("AT", "OK"))));
    for told in &told {
        assert!(Some(told.received_ns) < told.first_byte_written_ns);
        assert!(told.first_byte_written_ns <= told.final_written_ns && told.bytes > 0);
    }
}

#[test]
fn a_message_goes_out_after_the_prompt() {
    let mut port = Port::open(&["--echo", "off", "--delay", "AT+CMGS=30"]);
    port.send("AT+CMGS=14\r");
    assert_eq!(port.read_until("> ", Duration::from_secs(5)), "\r\n> ");
    port.send("0001000A9194710000AA0568656C6C6F\x1a");
    assert_eq!(port.read_until("OK\r\n", Duration::from_secs(5)), "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    port.send("AT+CMGS=14\r");
    port.read_until("> ", Duration::from_secs(5));
    port.send("00\x1b");
    assert_eq!(port.read_until("OK\r\n", Duration::from_secs(5)), "\r\nOK\r\n");

    let told = port.end();
    assert_eq!(told.len(), 2);
    for told in told {
        let (prompt, data) = (told.prompt_written_ns.expect("a prompt"), told.data_received_ns.expect("data"));
        assert!(prompt >= told.received_ns + 30 * MILLISECOND && data > prompt);
        assert!(told.final_written_ns.expect("an end") >= data + 30 * MILLISECOND);
    }
}

#[test]
fn faults() {
    let mut port = Port::open(&[
        "--echo",
        "off",
        "--fault",
        "+CGMI=silent",
        "--fault",
        "AT+CGMM=late:60",
        "--fault",
        "CSQ=cme:30",
        "--fault",
        "AT+CMGL=cms:321",
        "--fault",
        "+CIMI=error",
        "--fault",
        "AT+CGSN=no-final",
        "--fault",
        "AT+COPS=?=hangup",
    ]);
    port.send("AT+CGMI\r");
    assert_eq!(port.read_until("anything", Duration::from_millis(100)), "");
    assert_eq!(port.ask("AT+CGMM"), "\r\nLab Modem\r\n\r\nOK\r\n");
    assert_eq!(port.ask_for("AT+CSQ", "+CME ERROR: 30\r\n"), "\r\n+CME ERROR: 30\r\n");
    assert_eq!(port.ask_for("AT+CMGL=4", "+CMS ERROR: 321\r\n"), "\r\n+CMS ERROR: 321\r\n");
    assert_eq!(port.ask_for("AT+CIMI", "ERROR\r\n"), "\r\nERROR\r\n");
    assert_eq!(port.ask_for("AT+CGSN", "490154203237518\r\n"), "\r\n490154203237518\r\n");
    assert!(port.ask("AT+COPS?").ends_with("OK\r\n"));
    port.send("AT+COPS=?\r");
    assert!(port.modem.wait().success(), "it goes away by itself");

    let told: Vec<ModemRecord> = truth::read(&port.bench.path("modem")).expect("the modem's truth");
    let told: Vec<_> = told.iter().map(|told| (told.fault.as_str(), told.result.as_str())).collect();
    assert_eq!(
        told,
        [
            ("silent", "none"),
            ("late:60", "OK"),
            ("cme:30", "+CME ERROR: 30"),
            ("cms:321", "+CMS ERROR: 321"),
            ("error", "ERROR"),
            ("no-final", "none"),
            ("none", "OK"),
            ("hangup", "none")
        ]
    );
}

#[test]
fn a_wrong_echo() {
    let mut port = Port::open(&["--fault", "+CSQ=wrong-echo"]);
    assert_eq!(port.ask("AT"), "AT\r\r\nOK\r\n");
    assert_eq!(port.ask("AT+CSQ"), "T*CSQ\r\r\n+CSQ: 21,99\r\n\r\nOK\r\n");
    port.end();
}

#[test]
fn answers_come_in_pieces_and_late_and_codes_in_between() {
    let mut port = Port::open(&[
        "--echo",
        "off",
        "--tear",
        "1",
        "--final-delay",
        "+CSQ=120",
        "--urc",
        "+CREG: 5:50",
        "--delay",
        "1",
    ]);
    let text = port.ask("AT+CSQ");
    let start = text.find("+CSQ: 21,99").expect("the information");
    let code = start + text[start..].find("+CREG: 5").expect("a code");
    let end = text.find("\r\nOK\r\n").expect("the final result code");
    assert!(code < end, "{text:?}");
    let told = port.end();
    let (commands, codes): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.kind == "command");
    assert!(!codes.is_empty() && codes.iter().all(|code| code.line == "+CREG: 5"));
    let command = commands.first().expect("the command");
    let first = command.first_byte_written_ns.expect("a first byte");
    assert!(command.final_written_ns.expect("an end") >= first + 100 * MILLISECOND);
}

#[test]
fn answers_of_ones_own() {
    let bench = Bench::new();
    let answers = bench.path("answers");
    std::fs::write(&answers, "# Vendor commands.\nAT+QGMR => +QGMR: 1\\n+QGMR: 2\nAT+QDEAD=1 => COMMAND NOT SUPPORT\n")
        .expect("a file");
    let mut port = Port::open(&["--echo", "off", "--answers", answers.to_str().expect("a path")]);
    assert_eq!(port.ask("AT+QGMR"), "\r\n+QGMR: 1\r\n\r\n+QGMR: 2\r\n\r\nOK\r\n");
    assert_eq!(port.ask_for("AT+QDEAD=1", "COMMAND NOT SUPPORT\r\n"), "\r\nCOMMAND NOT SUPPORT\r\n");
    port.end();
}

#[test]
fn a_program_that_does_not_read_stops_nothing() {
    let mut port = Port::open(&["--urc", "+CREG: 1:1"]);
    let mut written = 0;
    while written < 100 << 10 {
        match port.file.write("AT+COPS=?\r".repeat(20).as_bytes()) {
            Ok(size) => written += size,
            Err(_) => break,
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    let told = port.end();
    assert!(told.iter().any(|told| told.line == "AT+COPS=?"));
}
