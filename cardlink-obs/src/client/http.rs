//! One HTTP request and its answer: HTTP/1.0, so that the body ends with the connection.

use super::{
    dial::{Deadline, dial},
    own::OwnConnections,
    secret::Password,
    trust::Trust,
};
use rustls::{AlertDescription, ClientConnection, StreamOwned, pki_types::ServerName};
use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    time::Duration,
};

/// More than the largest page.
const MOST: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{0}` is no URL of the form http://HOST:PORT/PATH")]
    Url(String),
    #[error("nobody answers at {url} ({why})")]
    Unreachable { url: String, why: String },
    #[error("{url} cannot be trusted: {why}")]
    Tls { url: String, why: String },
    /// It speaks TLS, and no connection comes about: nothing was shown that could be trusted or not.
    #[error("{url} ends the TLS handshake: {why}")]
    Handshake { url: String, why: String },
    #[error("what answers at {0} does not speak HTTP")]
    NotHttp(String),
}

/// `scheme://host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub tls: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    pub path: String,
    /// `user:password`.
    user: Option<String>,
}

/// What is asked for.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// User and password.
    pub login: Option<(&'a str, &'a Password)>,
    pub trust: Trust,
    /// With a content type: a POST.
    pub body: Option<(&'a str, &'a [u8])>,
    /// The connection is to be kept out of the metrics.
    pub own: Option<&'a OwnConnections>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        Self::read(text).ok_or_else(|| ClientError::Url(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, authority),
        };
        let default = if tls { 443 } else { 80 };
        let (host, port) = match place.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']')?;
                (host, if after.is_empty() { default } else { after.strip_prefix(':')?.parse().ok()? })
            }
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, port.parse().ok()?),
                None => (place, default),
            },
        };
        let fine = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_control() || c == ' ');
        if !fine(host) || (!path.is_empty() && !fine(path)) {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { tls, host: host.to_owned(), port, path, user })
    }

    /// The same place with another path.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Without user and password.
impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Asks, and waits for the whole answer.
pub fn fetch(url: &Url, request: &Request<'_>, timeout: Duration) -> Result<Answer, ClientError> {
    let deadline = Deadline::after(timeout);
    let unreachable = |error: &io::Error| {
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => String::from("connection refused"),
            io::ErrorKind::TimedOut => format!("no answer within {timeout:?}"),
            _ => error.to_string(),
        };
        ClientError::Unreachable { url: url.to_string(), why }
    };
    let stream = dial(&url.authority(), deadline, request.own).map_err(|error| unreachable(&error))?;
    let raw = if url.tls {
        let untrusted = |why: String| ClientError::Tls { url: url.to_string(), why };
        let config = request.trust.client().map_err(untrusted)?;
        let name = ServerName::try_from(url.host.clone()).map_err(|error| untrusted(error.to_string()))?;
        let connection = ClientConnection::new(config, name).map_err(|error| untrusted(error.to_string()))?;
        let answer = exchange(StreamOwned::new(connection, stream), url, request);
        answer.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::General(why)) => untrusted(why.clone()),
            Some(rustls::Error::InvalidCertificate(why)) => untrusted(format!("its certificate: {why}")),
            Some(rustls::Error::InvalidMessage(_)) => untrusted(String::from("it does not speak TLS: try http://")),
            Some(other @ (rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_))) => {
                ClientError::Handshake { url: url.to_string(), why: ended(other) }
            }
            Some(other) => untrusted(other.to_string()),
            None => unreachable(&error),
        })?
    } else {
        exchange(stream, url, request).map_err(|error| unreachable(&error))?
    };
    answer(&raw).ok_or_else(|| ClientError::NotHttp(url.to_string()))
}

/// Why a handshake came to nothing, in words.
fn ended(error: &rustls::Error) -> String {
    match error {
        // So does a server that takes pre-shared keys only: it has no certificate to show.
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            String::from("it takes no cipher suite with a certificate, as a server that takes PSKs only")
        }
        rustls::Error::AlertReceived(alert) => format!("it sends the alert {alert:?}"),
        rustls::Error::PeerIncompatible(_) => String::from("it speaks no version of TLS or no suite that is common"),
        other => other.to_string(),
    }
}

fn exchange(mut stream: impl Read + Write, url: &Url, request: &Request<'_>) -> io::Result<Vec<u8>> {
    let method = if request.body.is_some() { "POST" } else { "GET" };
    let agent = concat!("cardlink-obs/", env!("CARGO_PKG_VERSION"));
    let mut head = format!("{method} {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: {agent}\r\n", url.path, url.authority());
    let login =
        request.login.map(|(user, password)| format!("{user}:{}", password.expose())).or_else(|| url.user.clone());
    if let Some(login) = login {
        head.push_str("Authorization: Basic ");
        head.push_str(&base64(login.as_bytes()));
        head.push_str("\r\n");
    }
    if let Some((content_type, body)) = request.body {
        let _ = write!(head, "Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if let Some((_, body)) = request.body {
        stream.write_all(body)?;
    }
    stream.flush()?;
    let mut raw = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => raw.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            // Many servers leave a TLS connection without a word; a length says whether all is here.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !raw.is_empty() => break,
            Err(error) => return Err(error),
        }
        if complete(&raw) || raw.len() as u64 > MOST {
            break;
        }
    }
    Ok(raw)
}

/// Whether as much is here as the answer said that it has.
fn complete(raw: &[u8]) -> bool {
    let Some((start, length)) = head(raw).map(|(_, start, length, _)| (start, length)) else { return false };
    length.is_some_and(|length| raw.len() >= start.saturating_add(length))
}

/// Status, where the body begins, its length when it is told, and its type.
fn head(raw: &[u8]) -> Option<(u16, usize, Option<usize>, String)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(raw).ok()? else { return None };
    let find = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = find("content-length").and_then(|text| text.trim().parse().ok());
    Some((response.code?, start, length, find("content-type").unwrap_or_default().to_owned()))
}

fn answer(raw: &[u8]) -> Option<Answer> {
    let (status, start, length, content_type) = head(raw)?;
    let body = raw.get(start..)?;
    let body = body.get(..length.unwrap_or(body.len())).unwrap_or(body);
    Some(Answer { status, content_type, body: body.to_vec() })
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| word << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS.get((word >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Request, Url, answer, base64, fetch};
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        time::Duration,
    };

    #[test]
    fn urls() {
        let url = Url::parse("http://me:s%20t@[::1]:81/a?b#c").expect("a URL");
        assert_eq!((url.host.as_str(), url.port, url.path.as_str(), url.tls), ("::1", 81, "/a?b", false));
        assert_eq!(url.to_string(), "http://[::1]:81/a?b");
        assert_eq!(Url::parse("https://host").expect("a URL").to_string(), "https://host:443/");
        for wrong in ["ftp://x", "x", "http://", "http://h:x/", "http://h/a b", "http://[::1/"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn base64_as_the_rfc_shows_it() {
        for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }

    #[test]
    fn a_body_that_goes_on_is_cut_at_its_length() {
        let found =
            answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-type: a/b\r\n\r\nhello").expect("an answer");
        assert_eq!((found.status, found.body.as_slice(), found.content_type.as_str()), (200, b"he".as_slice(), "a/b"));
        assert_eq!(answer(b"SSH-2.0-x\r\n\r\n"), None);
    }

    /// The peer keeps the connection open.
    #[test]
    fn an_answer_with_a_length_needs_no_end() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let url = Url::parse(&format!("http://{}/x", listener.local_addr().expect("an address"))).expect("a URL");
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 512];
            let count = stream.read(&mut request).expect("a request");
            stream.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nsorry").expect("written");
            (stream, String::from_utf8_lossy(&request[..count]).into_owned())
        });
        let answer = fetch(&url, &Request::default(), Duration::from_secs(5)).expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (503, b"sorry".as_slice()));
        let (_stream, request) = peer.join().expect("the peer");
        assert!(request.starts_with("GET /x HTTP/1.0\r\n"), "{request}");
    }
}
