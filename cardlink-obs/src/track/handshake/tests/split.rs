//! The same bytes in other pieces tell the same.

use super::{Line, Player, fixtures, handshakes, load};
use crate::observation::Role;
use proptest::prelude::*;

fn names() -> Vec<String> {
    let entries = fixtures().read_dir().expect("the fixtures are there");
    entries
        .filter_map(|entry| entry.expect("an entry").file_name().to_str()?.strip_suffix(".flow").map(str::to_owned))
        .collect()
}

/// Lines of one sender that follow one another, as one.
fn coalesced(lines: &[Line]) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    for line in lines {
        match (out.last_mut(), line) {
            (Some(Line::Bytes(last, have)), Line::Bytes(sender, more)) if last == sender => have.extend(more),
            _ => out.push(line.clone()),
        }
    }
    out
}

/// Cuts every line after the lengths that `cuts` yields.
fn cut(lines: &[Line], mut cuts: impl FnMut() -> usize) -> Vec<Line> {
    let mut out = Vec::new();
    for line in lines {
        let Line::Bytes(sender, bytes) = line else {
            out.push(line.clone());
            continue;
        };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(cuts().clamp(1, rest.len()));
            out.push(Line::Bytes(*sender, piece.to_vec()));
            rest = left;
        }
    }
    out
}

/// All that is told and does not depend on time.
fn played(role: Role, lines: &[Line]) -> String {
    let mut player = Player::new(role);
    player.lines(lines);
    let flights: Vec<_> = handshakes(&player.out)
        .flat_map(|handshake| handshake.flights.iter().map(|flight| (flight.sender, flight.messages.clone())))
        .collect();
    format!("{}\n{flights:?}", player.told())
}

#[test]
fn single_bytes_and_coalesced_reads() {
    for name in names() {
        let lines = load(&name);
        for role in [Role::Server, Role::Client] {
            let expected = played(role, &lines);
            assert_eq!(played(role, &coalesced(&lines)), expected, "{name} coalesced");
            assert_eq!(played(role, &cut(&lines, || 1)), expected, "{name} in single bytes");
            // As OpenSSL reads: header and body apart.
            let mut five = true;
            let apart = |five: &mut bool| {
                *five = !*five;
                if *five { usize::MAX } else { 5 }
            };
            assert_eq!(played(role, &cut(&lines, || apart(&mut five))), expected, "{name}, headers apart");
        }
    }
}

/// A handshake message may be spread over records as it likes (RFC 8446 §5.1).
#[test]
fn messages_in_fragments() {
    for name in names() {
        let lines = load(&name);
        for role in [Role::Server, Role::Client] {
            for size in [1, 3, 50] {
                let fragmented: Vec<Line> = lines.iter().map(|line| fragmented(line, size)).collect();
                let flights = |lines: &[Line]| played(role, lines);
                assert_eq!(flights(&fragmented), flights(&lines), "{name}, {size} bytes a record");
            }
        }
    }
}

/// Cuts handshake records in the clear into smaller ones, up to the first ChangeCipherSpec.
fn fragmented(line: &Line, size: usize) -> Line {
    let Line::Bytes(sender, bytes) = line else { return line.clone() };
    let mut out = Vec::new();
    let mut rest = bytes.as_slice();
    let mut clear = true;
    while let [content, major, minor, high, low, body @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((fragment, left)) = body.split_at_checked(len) else { return line.clone() };
        clear &= *content == 22;
        let size = if clear { size } else { fragment.len() };
        for piece in fragment.chunks(size) {
            out.extend([*content, *major, *minor]);
            out.extend((piece.len() as u16).to_be_bytes());
            out.extend(piece);
        }
        rest = left;
    }
    Line::Bytes(*sender, out)
}

/// A `ChangeCipherSpec` for show may come anywhere (RFC 8446 §D.4).
#[test]
fn a_change_cipher_spec_of_tls13_wherever_it_comes() {
    let lines = load("gnutls13_ok");
    let at = lines.iter().position(|line| matches!(line, Line::Bytes(_, bytes) if bytes[0] == 20)).expect("a CCS");
    for to in 1..at {
        let mut moved = lines.clone();
        let ccs = moved.remove(at);
        moved.insert(to, ccs);
        let mut player = Player::new(Role::Server);
        player.lines(&moved);
        assert!(player.told().starts_with("server ok TLS 1.3"), "{}", player.told());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_split_tells_the_same(
        which in 0_usize..1_000,
        server: bool,
        merge: bool,
        cuts in prop::collection::vec(prop_oneof![1_usize..8, 1_usize..200], 1..60),
    ) {
        let names = names();
        let lines = load(&names[which % names.len()]);
        let role = if server { Role::Server } else { Role::Client };
        let expected = played(role, &lines);
        let lines = if merge { coalesced(&lines) } else { lines };
        let mut cuts = cuts.iter().copied().cycle();
        let pieces = cut(&lines, || cuts.next().unwrap_or(1));
        prop_assert_eq!(played(role, &pieces), expected);
    }

    /// Also when the connection breaks off at any place.
    #[test]
    fn any_split_of_any_beginning_tells_the_same(
        which in 0_usize..1_000,
        keep in 0_usize..1_500,
        server: bool,
        by_peer: bool,
        cuts in prop::collection::vec(1_usize..40, 1..30),
    ) {
        let names = names();
        let mut lines = load(&names[which % names.len()]);
        let mut left = keep;
        lines.retain_mut(|line| match line {
            Line::Bytes(_, bytes) => {
                bytes.truncate(left);
                left -= bytes.len();
                !bytes.is_empty()
            }
            _ => false,
        });
        let role = if server { Role::Server } else { Role::Client };
        let peer = if server { Role::Client } else { Role::Server };
        if by_peer {
            lines.push(Line::Fin(peer));
        }
        lines.push(Line::Fin(role));
        let mut cuts = cuts.iter().copied().cycle();
        let pieces = cut(&lines, || cuts.next().unwrap_or(1));
        prop_assert_eq!(played(role, &pieces), played(role, &lines));
    }

    #[test]
    fn any_script_holds_the_invariants(script in prop::collection::vec(any::<u8>(), 0..400)) {
        crate::track::fuzz_connection(&script);
    }

    /// Real bytes in a script of reads, writes, holes, ends and ticks.
    #[test]
    fn real_bytes_in_any_script_hold_the_invariants(
        which in 0_usize..1_000,
        flags: u8,
        ops in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 0..60),
    ) {
        let names = names();
        let mut script = vec![flags];
        let mut ops = ops.into_iter();
        for line in load(&names[which % names.len()]) {
            let Line::Bytes(sender, bytes) = line else { continue };
            for piece in bytes.chunks(200) {
                script.extend([u8::from(sender == Role::Server), 1, piece.len() as u8]);
                script.extend(piece);
            }
            if let Some((op, time, value)) = ops.next() {
                script.extend([op, time, value]);
            }
        }
        crate::track::fuzz_connection(&script);
    }
}
