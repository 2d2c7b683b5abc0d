//! Another reader of the same bytes: Wireshark's `tshark`, where it is installed.

use super::recorded::{Recorded, files};
use super::*;
use std::process::Command;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const PORT: u16 = 4433;

/// A capture file of IPv4 packets (`LINKTYPE_RAW`) in which each connection is a TCP stream of its own.
struct Capture(Vec<u8>);

impl Capture {
    fn new() -> Self {
        let mut header = 0xA1B2_C3D4_u32.to_be_bytes().to_vec();
        header.extend([0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 101]);
        Self(header)
    }

    fn connection(&mut self, client_port: u16, wire: &[(Sender, Vec<u8>)]) {
        const SYN: u8 = 2;
        const ACK: u8 = 16;
        let (mut client, mut server) = (1_u32, 1_u32);
        self.packet(Sender::Client, client_port, (client - 1, 0), SYN, &[]);
        self.packet(Sender::Server, client_port, (server - 1, client), SYN | ACK, &[]);
        self.packet(Sender::Client, client_port, (client, server), ACK, &[]);
        for (sender, bytes) in wire {
            for segment in bytes.chunks(1400) {
                let (from, to) = match sender {
                    Sender::Client => (&mut client, &mut server),
                    Sender::Server => (&mut server, &mut client),
                };
                self.packet(*sender, client_port, (*from, *to), ACK, segment);
                *from += segment.len() as u32;
            }
        }
    }

    fn packet(
        &mut self,
        sender: Sender,
        client_port: u16,
        (sequence, acknowledged): (u32, u32),
        flags: u8,
        data: &[u8],
    ) {
        let (from, to) = match sender {
            Sender::Client => ((1, client_port), (2, PORT)),
            Sender::Server => ((2, PORT), (1, client_port)),
        };
        let len = 40 + data.len() as u32;
        self.0.extend([0; 8]);
        self.0.extend(len.to_be_bytes());
        self.0.extend(len.to_be_bytes());
        self.0.extend([0x45, 0]);
        self.0.extend((len as u16).to_be_bytes());
        self.0.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, from.0, 10, 0, 0, to.0]);
        self.0.extend(from.1.to_be_bytes());
        self.0.extend(to.1.to_be_bytes());
        self.0.extend(sequence.to_be_bytes());
        self.0.extend(acknowledged.to_be_bytes());
        self.0.extend([0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        self.0.extend(data);
    }
}

/// What `-z follow,tls,raw` prints of a stream: the data of client and server. The lines of one of the two, `Node 1`, are
/// indented; which one that is changes.
fn followed(text: &str, stream: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, part) = text.split_once(&format!("Filter: tcp.stream eq {stream}\n"))?;
    let (part, _) = part.split_once("=====")?;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for line in part.lines().filter(|line| !line.starts_with("Node")) {
        match line.strip_prefix('\t') {
            Some(line) => second.extend(hex(line)),
            None => first.extend(hex(line)),
        }
    }
    let server_first = part.contains(&format!("Node 0: 10.0.0.2:{PORT}\n"));
    Some(if server_first { (second, first) } else { (first, second) })
}

#[test]
fn tshark_reads_the_same() {
    let version = Command::new("tshark").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED: the plaintext was not compared with tshark's, for tshark is not installed.");
        return;
    }
    let is_tested = |connection: &Recorded| connection.key == hex(KEY);
    let connections: Vec<Recorded> = files("openssl_")
        .into_iter()
        .chain(files("gnutls_"))
        .filter(|(name, _)| !name.contains("NULL"))
        .flat_map(|(_, connections)| connections.into_iter().filter(is_tested))
        .collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("connections.pcap");
    let mut capture = Capture::new();
    for (number, connection) in connections.iter().enumerate() {
        capture.connection(10_000 + number as u16, &connection.wire);
    }
    std::fs::write(&path, &capture.0).expect("written");
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-q", "-o", &format!("tls.psk:{KEY}"), "-d", &format!("tcp.port=={PORT},tls"), "-r"]).arg(&path);
    for stream in 0..connections.len() {
        tshark.args(["-z", &format!("follow,tls,raw,{stream}")]);
    }
    let output = tshark.env("HOME", directory.path()).output().expect("tshark runs");
    let text = String::from_utf8(output.stdout).expect("hex and headings");
    let vault = vault(b"card-01", &hex(KEY));
    for (stream, connection) in connections.iter().enumerate() {
        let mut reader = Reader::new(&vault);
        reader.all(&connection.wire);
        let ours = (reader.data(Sender::Client), reader.data(Sender::Server));
        let theirs = followed(&text, stream).expect("every stream is followed");
        assert_eq!(ours, theirs, "{}", connection.name);
        assert_eq!(ours, (connection.request.clone(), connection.answer.clone()), "{}", connection.name);
    }
    assert!(connections.len() > 200, "{}", connections.len());
}
