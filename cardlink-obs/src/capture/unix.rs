//! Unix-domain stream sockets, as the kernel side tells of them.

use crate::event::Endpoint;
use cardlink_obs_common::EventHeader;
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

/// The kernel's addresses tell the ends of connections apart; they are nobody's business otherwise.
static NAMES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What an `OPEN_UNIX` event says; `name` is a `struct sockaddr_un`.
pub fn endpoint(header: &EventHeader, name: &[u8]) -> Endpoint {
    Endpoint::Unix {
        path: path(name),
        named: header.skipped != 0,
        own: NAMES.hash_one(header.offset),
        peer: NAMES.hash_one(header.polled_ns),
    }
}

/// `sun_path`: up to a zero byte, or all of it in the abstract namespace, where it begins with one (unix(7)).
fn path(name: &[u8]) -> String {
    let path = name.get(2..).unwrap_or_default();
    if let Some((0, rest)) = path.split_first() {
        return format!("@{}", String::from_utf8_lossy(rest));
    }
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
    String::from_utf8_lossy(path.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn names_of_both_kinds() {
        assert_eq!(path(b"\x01\0/run/pcscd/pcscd.comm\0\0"), "/run/pcscd/pcscd.comm");
        assert_eq!(path(b"\x01\0/full"), "/full");
        assert_eq!(path(b"\x01\0\0an\0abstract"), "@an\0abstract");
        assert_eq!(path(b"\x01\0"), "");
        assert_eq!(path(b""), "");
    }
}
