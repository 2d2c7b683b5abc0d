//! Addresses as the kernel side tells of them: unix-domain stream sockets, and who is asked for a connection.

use crate::event::{Endpoint, Sought};
use cardlink_obs_common::EventHeader;
use nix::libc::{AF_INET, AF_INET6, AF_UNIX};
use std::{
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, Ipv6Addr},
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

/// Who was asked for a connection: a `struct sockaddr` of any of the families that are told.
pub fn sought(address: &[u8]) -> Option<Sought> {
    let family = u16::from_ne_bytes(*address.first_chunk()?);
    let port = || Some(u16::from_be_bytes(*address.get(2..)?.first_chunk()?));
    match i32::from(family) {
        AF_UNIX => Some(Sought::Unix(path(address))),
        AF_INET => Some(Sought::Tcp((Ipv4Addr::from(*address.get(4..)?.first_chunk::<4>()?), port()?).into())),
        AF_INET6 => Some(Sought::Tcp((Ipv6Addr::from(*address.get(8..)?.first_chunk::<16>()?), port()?).into())),
        _ => None,
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
    use super::{Sought, path, sought};

    #[test]
    fn who_is_asked() {
        let tcp = |text: &str| Some(Sought::Tcp(text.parse().expect("an address")));
        assert_eq!(sought(b"\x02\0\x15\x38\x7f\0\0\x01\0\0\0\0\0\0\0\0"), tcp("127.0.0.1:5432"));
        let mut loopback = b"\x0a\0\x0c\xea\0\0\0\0".to_vec();
        loopback.extend([0; 15]);
        loopback.extend([1, 0, 0, 0, 0]);
        assert_eq!(sought(&loopback), tcp("[::1]:3306"));
        assert_eq!(sought(b"\x01\0/run/x\0"), Some(Sought::Unix(String::from("/run/x"))));
        for cut in 0..8 {
            assert_eq!(sought(&b"\x02\0\x15\x38\x7f\0\0\x01"[..cut]), None);
        }
        assert_eq!(sought(b"\x10\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn names_of_both_kinds() {
        assert_eq!(path(b"\x01\0/run/pcscd/pcscd.comm\0\0"), "/run/pcscd/pcscd.comm");
        assert_eq!(path(b"\x01\0/full"), "/full");
        assert_eq!(path(b"\x01\0\0an\0abstract"), "@an\0abstract");
        assert_eq!(path(b"\x01\0"), "");
        assert_eq!(path(b""), "");
    }
}
