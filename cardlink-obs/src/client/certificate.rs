//! The validity of a certificate: as much of X.509 (RFC 5280 §4.1) as that takes.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::path::{Path, PathBuf};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// From when to when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Why a certificate or its key is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate {path}: {why}", path = .0.display(), why = .1)]
    Certificate(PathBuf, String),
    #[error("the key of the certificate, {path}: {why}", path = .0.display(), why = .1)]
    Key(PathBuf, String),
    #[error("{0} and {1} do not belong together: the key is not that of the certificate")]
    Pair(String, String),
}

/// The certificates of a PEM file; at least one.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let wrong = |why: String| CertificateError::Certificate(path.to_path_buf(), why);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|error| wrong(told(&error)))?.collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(wrong(String::from("there is no certificate in it (PEM is wanted)"))),
        Err(error) => Err(wrong(told(&error))),
    }
}

/// The private key of a PEM file.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| CertificateError::Key(path.to_path_buf(), told(&error)))
}

fn told(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        rustls::pki_types::pem::Error::NoItemsFound => String::from("what is wanted is not in it (PEM)"),
        other => format!("is not PEM ({other})"),
    }
}

impl Validity {
    /// Of a certificate in DER; `None` when it is none.
    pub fn of(der: &[u8]) -> Option<Self> {
        let mut certificate = enter(&mut { der }, SEQUENCE)?;
        let mut tbs = enter(&mut certificate, SEQUENCE)?;
        if tbs.first() == Some(&VERSION) {
            element(&mut tbs)?;
        }
        // Serial number, signature algorithm, issuer.
        for _ in 0..3 {
            element(&mut tbs)?;
        }
        let mut validity = enter(&mut tbs, SEQUENCE)?;
        Some(Self { from: time(&mut validity)?, until: time(&mut validity)? })
    }

    /// What is wrong with it at a time; `what` names it.
    pub fn fault(&self, at: Timestamp, what: &str) -> Option<String> {
        let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
        if at > self.until {
            Some(format!("{what} expired on {}: renew it", day(self.until)))
        } else if at < self.from {
            Some(format!("{what} is not valid before {}: is the clock right?", day(self.from)))
        } else {
            None
        }
    }

    /// Whole days that are left.
    pub fn days_left(&self, at: Timestamp) -> i64 {
        (self.until.as_second() - at.as_second()) / 86_400
    }
}

/// One element: tag and contents. Takes it off the input.
fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
    };
    let (contents, rest) = rest.split_at_checked(len)?;
    *input = rest;
    Some((tag, contents))
}

fn enter<'a>(input: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    element(input).filter(|(tag, _)| *tag == wanted).map(|(_, contents)| contents)
}

/// `UTCTime` or `GeneralizedTime` (RFC 5280 §4.1.2.5), both in UTC with seconds.
fn time(input: &mut &[u8]) -> Option<Timestamp> {
    let (tag, contents) = element(input)?;
    let text = std::str::from_utf8(contents).ok()?;
    let text = match tag {
        // Two digits of a year: 50 to 99 are of the last century.
        UTC_TIME => format!("{}{text}", if text.get(..2)? >= "50" { "19" } else { "20" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::Validity;
    use jiff::Timestamp;

    fn der(from: &[u8], until: &[u8]) -> Vec<u8> {
        fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
            let mut out = vec![tag, 0x82, (contents.len() >> 8) as u8, contents.len() as u8];
            out.extend(contents);
            out
        }
        let validity = [from, until].concat();
        let tbs =
            [wrap(0xA0, &[2, 1, 2]), wrap(2, &[7]), wrap(0x30, &[]), wrap(0x30, &[]), wrap(0x30, &validity)].concat();
        wrap(0x30, &wrap(0x30, &tbs))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn both_forms_of_time() {
        let der = der(b"\x17\x0d991231235959Z", b"\x18\x0f20500101000000Z");
        let validity = Validity::of(&der).expect("a certificate");
        assert_eq!(validity.from, at("1999-12-31T23:59:59Z"));
        assert_eq!(validity.until, at("2050-01-01T00:00:00Z"));
        assert_eq!(validity.fault(at("2020-01-01T00:00:00Z"), "it"), None);
        assert_eq!(
            validity.fault(at("2051-01-01T00:00:00Z"), "it").as_deref(),
            Some("it expired on 2050-01-01: renew it")
        );
        assert!(validity.fault(at("1990-01-01T00:00:00Z"), "it").is_some_and(|text| text.contains("not valid before")));
        assert_eq!(validity.days_left(at("2049-12-30T00:00:00Z")), 2);
        for cut in 0..der.len() {
            assert_eq!(Validity::of(&der[..cut]), None);
        }
    }
}
