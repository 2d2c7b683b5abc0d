//! Services that greet: the adb server, the PC/SC daemon, databases. Nobody logs in.

use super::{failed, timed};
use crate::{
    client::{Deadline, dial, dial_unix},
    config::checks::Engine,
    health::{Check, Facts, Verdict},
};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(super) struct Adb {
    pub(super) address: String,
    pub(super) device: String,
    pub(super) facts: Arc<Facts>,
}

/// An answer of the adb server that is longer is none.
const MOST_ADB: usize = 1 << 16;

impl Check for Adb {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        timed(Duration::MAX, deadline, |deadline| {
            if self.device.is_empty() {
                let version = self.ask("host:version", deadline)?;
                return Ok(format!("the adb server of version {} answers", version.trim_start_matches('0')));
            }
            let devices = self.ask("host:devices", deadline)?;
            let state = devices.lines().find_map(|line| line.strip_prefix(self.device.as_str())?.strip_prefix('\t'));
            match state {
                Some("device") => Ok(String::from("the device is ready")),
                Some(state) => Err(format!("the device is {state}")),
                None => Err(String::from("the adb server does not know the device")),
            }
        })
    }
}

impl Adb {
    /// A request of the smart socket: a length in four hex digits, then the name of the service.
    fn ask(&self, service: &str, deadline: Deadline) -> Result<String, String> {
        let told = |error: io::Error| failed(&self.address, &error);
        let mut stream = dial(&self.address, deadline, Some(&self.facts.own)).map_err(told)?;
        stream.write_all(format!("{:04x}{service}", service.len()).as_bytes()).map_err(told)?;
        let mut status = [0; 4];
        stream.read_exact(&mut status).map_err(told)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).map_err(told)?;
        let length = std::str::from_utf8(&length).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let length = length.filter(|length| *length <= MOST_ADB);
        let Some(length) = length.filter(|_| matches!(&status, b"OKAY" | b"FAIL")) else {
            return Err(format!("what answers at {} is no adb server", self.address));
        };
        let mut body = vec![0; length];
        stream.read_exact(&mut body).map_err(told)?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if &status == b"OKAY" { Ok(text) } else { Err(format!("the adb server refuses: {text}")) }
    }
}

pub(super) struct Pcscd {
    pub(super) path: PathBuf,
}

impl Check for Pcscd {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        let path = self.path.display().to_string();
        timed(Duration::MAX, deadline, |deadline| {
            dial_unix(&self.path, deadline).map_err(|error| failed(&path, &error))?;
            Ok(format!("{path} accepts"))
        })
    }
}

pub(super) struct Database {
    pub(super) engine: Engine,
    pub(super) address: String,
    pub(super) slow: Duration,
    pub(super) facts: Arc<Facts>,
}

impl Check for Database {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        timed(self.slow, deadline, |deadline| self.greet(deadline))
    }
}

impl Database {
    fn greet(&self, deadline: Deadline) -> Result<String, String> {
        let told = |error: &io::Error| failed(&self.address, error);
        if self.engine == Engine::Sqlite {
            return sqlite(Path::new(&self.address));
        }
        if self.address.starts_with('/') {
            let stream = dial_unix(Path::new(&self.address), deadline).map_err(|error| told(&error))?;
            return self.talk(stream);
        }
        let stream = dial(&self.address, deadline, Some(&self.facts.own)).map_err(|error| told(&error))?;
        self.talk(stream)
    }

    fn talk(&self, stream: impl Read + Write) -> Result<String, String> {
        let answer = if self.engine == Engine::Mysql { mysql(stream) } else { postgresql(stream) };
        answer.map_err(|error| failed(&self.address, &error))?
    }
}

/// An `SSLRequest` is answered by one byte, `S` or `N` (protocol 3.0, "SSL Session Encryption"). An `E` is an error:
/// too many clients, a start or a stop under way.
fn postgresql(mut stream: impl Read + Write) -> io::Result<Result<String, String>> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];
    stream.write_all(&SSL_REQUEST)?;
    let mut answer = [0; 1];
    stream.read_exact(&mut answer)?;
    Ok(match &answer {
        b"S" => Ok(String::from("PostgreSQL answers, with TLS")),
        b"N" => Ok(String::from("PostgreSQL answers")),
        b"E" => Err(String::from("PostgreSQL refuses: too many clients, or it starts or stops")),
        _ => Err(String::from("what answers is no PostgreSQL")),
    })
}

/// The server speaks first: a packet with the protocol's version and its own, or an error (Handshake V10, `ERR_Packet`).
fn mysql(mut stream: impl Read + Write) -> io::Result<Result<String, String>> {
    let none = || Ok(Err(String::from("what answers is no MySQL")));
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let [low, middle, high, _] = header;
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    if !(4..=1 << 16).contains(&length) {
        return none();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let text = |bytes: &[u8]| -> String {
        String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(200).collect()
    };
    match body.split_first() {
        Some((10, rest)) => {
            let version = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = if version.windows(7).any(|part| part == b"MariaDB") { "MariaDB" } else { "MySQL" };
            Ok(Ok(format!("{name} {} answers", text(version))))
        }
        Some((0xFF, rest)) => Ok(Err(format!("MySQL refuses: {}", text(rest.get(2..).unwrap_or_default())))),
        _ => none(),
    }
}

/// The first hundred bytes (SQLite file format §1.3).
fn sqlite(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let told = |error: io::Error| format!("{shown}: {error}");
    let mut file = fs::File::open(path).map_err(told)?;
    let size = file.metadata().map_err(told)?.len();
    if size == 0 {
        return Ok(format!("{shown} is an empty database"));
    }
    let mut header = [0; 100];
    file.read_exact(&mut header).map_err(|_| format!("{shown} is no SQLite database"))?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(format!("{shown} is no SQLite database"));
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    if page < 512 || !page.is_power_of_two() || size % page != 0 {
        return Err(format!("{shown} is damaged: its length is not one of whole pages"));
    }
    Ok(format!("{shown} has {} pages", size / page))
}
