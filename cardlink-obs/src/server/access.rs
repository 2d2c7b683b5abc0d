//! Who may see what, and what is served at all; all of it can change while the agent runs.

use crate::{
    client::{Password, SecretError},
    config::Config,
};
use axum::http::{HeaderMap, header};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

#[derive(Debug, Clone)]
pub struct Access {
    rules: Arc<RwLock<Rules>>,
}

#[derive(Debug)]
struct Rules {
    metrics: bool,
    health: bool,
    login: Option<(String, Password)>,
}

impl Rules {
    fn of(config: &Config) -> Result<Self, SecretError> {
        let metrics = &config.metrics;
        let password = metrics.password_file.as_deref().map(Password::from_file).transpose()?;
        let login = password.map(|password| (metrics.username.clone(), password));
        Ok(Self { metrics: metrics.enabled, health: config.health.enabled, login })
    }
}

/// What is read of a new configuration, to be put in place when all else of it is good, too.
pub struct Prepared(Rules);

impl Access {
    pub fn new(config: &Config) -> Result<Self, SecretError> {
        Ok(Self { rules: Arc::new(RwLock::new(Rules::of(config)?)) })
    }

    pub fn prepare(config: &Config) -> Result<Prepared, SecretError> {
        Rules::of(config).map(Prepared)
    }

    pub fn replace(&self, prepared: Prepared) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = prepared.0;
    }

    pub fn metrics_enabled(&self) -> bool {
        self.rules().metrics
    }

    pub fn health_enabled(&self) -> bool {
        self.rules().health
    }

    /// Whether a request has the right user and password, where one is wanted.
    pub fn permits(&self, headers: &HeaderMap) -> bool {
        let rules = self.rules();
        let Some((user, password)) = &rules.login else { return true };
        let (given_user, given) = login(headers).unwrap_or_default();
        password.is(user, &given_user, &given)
    }

    fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// User and password of HTTP Basic (RFC 7617).
fn login(headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, code) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = decode(code.trim())?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    let (user, password) = plain.split_at(colon);
    Some((user.to_vec(), password.get(1..)?.to_vec()))
}

/// Base64 (RFC 4648 §4).
fn decode(code: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut word, mut bits) = (0u32, 0);
    for byte in code.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{decode, login};
    use axum::http::{HeaderMap, header};

    #[test]
    fn basic_credentials() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a value"));
            login(&headers)
        };
        // The example of RFC 7617 §2.
        assert_eq!(of("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), Some((b"Aladdin".to_vec(), b"open sesame".to_vec())));
        assert_eq!(of("basic YTpiOmM="), Some((b"a".to_vec(), b"b:c".to_vec())));
        assert_eq!(of("Bearer x"), None);
        assert_eq!(of("Basic *"), None);
        assert_eq!(of("Basic YQ=="), None);
        assert_eq!(decode("Zm9vYmFy").as_deref(), Some(b"foobar".as_slice()));
    }
}
