//! Two ends that bytes go through: one byte is read at a time, and what is to be read lies ready.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Bytes that lie ready: less than a pipe or a socket takes without anybody reading.
pub const FILL: usize = 32 << 10;

/// `handshake` (22), TLS 1.2, of this length.
fn record(content_type: u8, body: usize) -> Vec<u8> {
    let mut record = vec![content_type, 3, 3];
    record.extend(u16::try_from(body).unwrap_or(u16::MAX).to_be_bytes());
    record.resize(5 + body, 0);
    record
}

/// A TCP connection over loopback that has begun with a TLS handshake record, so that it is followed as TLS.
pub struct Tcp {
    pub reader: TcpStream,
    writer: TcpStream,
    /// Bytes of the current record of application data that were not written yet.
    left: usize,
}

/// Body of a record of application data.
const BODY: usize = 16 << 10;
/// Body of a handshake record.
pub const SHORT_BODY: usize = 32;

impl Tcp {
    pub fn new() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let writer = TcpStream::connect(listener.local_addr()?)?;
        let (reader, _) = listener.accept()?;
        let mut tcp = Self { reader, writer, left: 0 };
        let first = record(22, SHORT_BODY);
        tcp.writer.write_all(&first)?;
        tcp.reader.read_exact(&mut vec![0; first.len()])?;
        Ok(tcp)
    }

    /// Makes bytes of application data ready.
    pub fn fill(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(FILL + BODY);
        bytes.resize(self.left.min(FILL), 0);
        self.left -= bytes.len();
        while bytes.len() < FILL {
            let whole = record(23, BODY);
            let taken = whole.len().min(FILL - bytes.len());
            bytes.extend(whole.iter().take(taken));
            self.left = whole.len() - taken;
        }
        self.writer.write_all(&bytes)
    }

    /// Makes handshake records ready.
    pub fn fill_records(&mut self, records: usize) -> io::Result<()> {
        self.writer.write_all(&record(22, SHORT_BODY).repeat(records))
    }
}

/// A pipe.
pub struct Pipe {
    pub reader: File,
    writer: File,
}

impl Pipe {
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe()?;
        Ok(Self { reader: reader.into(), writer: writer.into() })
    }

    pub fn fill(&mut self) -> io::Result<()> {
        self.writer.write_all(&vec![0; FILL])
    }
}
