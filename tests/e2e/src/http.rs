//! Requests to the agent with whatever headers, and certificates for it.

use crate::{Result, wait};
use anyhow::Context as _;
use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    ssl::{SslConnector, SslMethod, SslVerifyMode},
    x509::{X509Builder, X509NameBuilder},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| self.text())
    }
}

/// `GET`, on a connection of its own; `headers` in whole lines.
pub fn get(address: SocketAddr, path: &str, headers: &str) -> Result<Answer> {
    let limit = wait::scaled(Duration::from_secs(10));
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n")?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").context("not an answer of HTTP")?;
    let head = String::from_utf8_lossy(&raw[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    Ok(Answer { status, head, body: raw[end + 4..].to_vec() })
}

/// Writes a self-signed certificate and its key, valid from and to so many days from now.
pub fn certificate(certificate: &Path, key: &Path, from: i64, until: i64) -> Result {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let pair = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "cardlink-obs test")?;
    let name = name.build();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false)?;
    builder.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&pair)?;
    builder.set_not_before(&*Asn1Time::from_unix(now + from * 86_400)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(now + until * 86_400)?)?;
    builder.sign(&pair, MessageDigest::sha256())?;
    // In one step each, as tools for renewal do.
    for (path, pem) in [(key, pair.private_key_to_pem_pkcs8()?), (certificate, builder.build().to_pem()?)] {
        let new = path.with_extension("new");
        fs::write(&new, pem)?;
        fs::rename(&new, path)?;
    }
    Ok(())
}

/// The serial number of the certificate that is served there.
pub fn serial(address: SocketAddr) -> Result<String> {
    let mut connector = SslConnector::builder(SslMethod::tls())?;
    connector.set_verify(SslVerifyMode::NONE);
    let stream = TcpStream::connect_timeout(&address, wait::scaled(Duration::from_secs(10)))?;
    let stream = connector.build().connect("localhost", stream)?;
    let certificate = stream.ssl().peer_certificate().context("no certificate")?;
    Ok(certificate.serial_number().to_bn()?.to_hex_str()?.to_string())
}
