//! Just enough HTTP/1.1 for both ends, bounded in what it reads.

use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::io::Read;

pub const PROTOCOL: &str = "globalplatform-remote-admin/1.0";
pub const COMMAND_TYPE: &str = "application/vnd.globalplatform.card-content-mgt;version=1.0";
pub const RESPONSE_TYPE: &str = "application/vnd.globalplatform.card-content-mgt-response;version=1.0";

const MOST_HEAD: usize = 16 << 10;
const MOST_BODY: usize = 1 << 20;

/// How a body says where it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Framing {
    #[default]
    Length,
    Chunked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Where a request goes.
    pub fn uri(&self) -> Option<&str> {
        self.start.split(' ').nth(1)
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
    }

    pub fn to_bytes(&self, framing: Framing) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            // Writing to a String does not fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match framing {
            _ if self.body.is_empty() => head.push_str("\r\n"),
            Framing::Length => {
                let _ = write!(head, "Content-Length: {}\r\n\r\n", self.body.len());
            }
            Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        }
        let mut bytes = head.into_bytes();
        match framing {
            Framing::Chunked if !self.body.is_empty() => {
                for chunk in self.body.chunks(16) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
            _ => bytes.extend_from_slice(&self.body),
        }
        bytes
    }
}

/// Reads messages off a stream, and keeps what belongs to the next.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Bytes that came, over all messages.
    pub total: u64,
}

impl Reader {
    /// The next message, or `None` when the stream ended before its first byte.
    pub fn next(&mut self, stream: &mut impl Read) -> anyhow::Result<Option<Message>> {
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break self.take(end + 4);
            }
            if self.buffer.len() > MOST_HEAD {
                bail!("the head is too long");
            }
            if !self.fill(stream)? {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                bail!("the stream ended within a head");
            }
        };
        let mut message = parse_head(&head)?;
        if message.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            message.body = self.chunked_body(stream)?;
        } else if let Some(length) = message.header("Content-Length") {
            message.body = self.exactly(length.parse().context("no Content-Length")?, stream)?;
        }
        Ok(Some(message))
    }

    fn chunked_body(&mut self, stream: &mut impl Read) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break self.take(end + 2);
                }
                if !self.fill(stream)? {
                    bail!("the stream ended within a chunk");
                }
            };
            let line = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16)
                .context("no chunk size")?;
            let mut chunk = self.exactly(size.saturating_add(2), stream)?;
            chunk.truncate(size);
            if size == 0 {
                return Ok(body);
            }
            body.extend(chunk);
            if body.len() > MOST_BODY {
                bail!("the body is too long");
            }
        }
    }

    fn exactly(&mut self, length: usize, stream: &mut impl Read) -> anyhow::Result<Vec<u8>> {
        if length > MOST_BODY {
            bail!("the body is too long");
        }
        while self.buffer.len() < length {
            if !self.fill(stream)? {
                bail!("the stream ended within a body");
            }
        }
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length).collect()
    }

    fn fill(&mut self, stream: &mut impl Read) -> anyhow::Result<bool> {
        let mut piece = [0; 4096];
        let size = stream.read(&mut piece)?;
        self.total += size as u64;
        self.buffer.extend_from_slice(piece.get(..size).unwrap_or_default());
        Ok(size > 0)
    }
}

fn parse_head(head: &[u8]) -> anyhow::Result<Message> {
    let head = std::str::from_utf8(head).context("the head is not text")?;
    let mut lines = head.lines();
    let start = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').with_context(|| format!("no header: {line}"))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Message { start, headers, body: Vec::new() })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Framing, Message, Reader};

    #[test]
    fn both_framings_are_read_back() {
        let sent = Message {
            start: "POST /x HTTP/1.1".to_owned(),
            headers: vec![("Host".to_owned(), "a".to_owned())],
            body: (0..100).collect(),
        };
        let stream = [sent.to_bytes(Framing::Length), sent.to_bytes(Framing::Chunked)].concat();
        let mut stream = stream.as_slice();
        let mut reader = Reader::default();
        for _ in 0..2 {
            let got = reader.next(&mut stream).expect("a message").expect("not the end");
            assert_eq!((got.start, got.body), (sent.start.clone(), sent.body.clone()));
        }
        assert!(reader.next(&mut stream).expect("the end").is_none());
    }
}
