//! The same bytes in other pieces tell the same.

use super::{Line, Player, connection, fixtures, handshakes, load};
use crate::observation::Role;
use crate::stream::{Hole, Item};
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

/// The kernel side leaves application data out: only bodies, or whole records.
#[test]
fn application_data_that_is_left_out() {
    for name in names() {
        let lines = load(&name);
        for role in [Role::Server, Role::Client] {
            let truth = result(Player::new(role), |player| {
                player.lines(&lines);
            });
            for headers_too in [false, true] {
                if headers_too && truth != "ok" {
                    continue;
                }
                let told = result(Player::new(role), |player| {
                    for line in &lines {
                        match line {
                            Line::Bytes(sender, bytes) if bytes[0] < 24 => {
                                without_data(player, *sender, bytes, headers_too);
                            }
                            line => drop(player.line(line)),
                        }
                    }
                });
                // With early data a Finished is known by its length alone.
                let unknown = headers_too && name.ends_with("early_data");
                assert_eq!(told, if unknown { "" } else { truth.as_str() }, "{name}");
            }
        }
    }
}

fn without_data(player: &mut Player, sender: Role, mut bytes: &[u8], headers_too: bool) {
    while let [content, _, _, high, low, ..] = bytes {
        let (record, rest) = bytes.split_at(5 + usize::from(u16::from_be_bytes([*high, *low])));
        bytes = rest;
        let kept = match (content, headers_too) {
            (23, true) => 0,
            (23, false) => 5,
            _ => record.len(),
        };
        if kept > 0 {
            player.bytes(sender, &record[..kept]);
        }
        if kept < record.len() {
            let call = player.step();
            let direction = player.direction(sender);
            let len = (record.len() - kept) as u64;
            player.item(&Item::Hole(Hole { direction, call, offset: 0, len, lost: false, resync: headers_too }));
        }
    }
}

/// Cuts handshake records in the clear into smaller ones, up to the first `ChangeCipherSpec`.
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

/// `ok`, or `reason side | saw`; nothing when no handshake was told.
fn result(mut player: Player, play: impl FnOnce(&mut Player)) -> String {
    play(&mut player);
    let handshake = handshakes(&player.out).next();
    handshake.map_or_else(String::new, |handshake| match &handshake.failure {
        None => "ok".to_owned(),
        Some(failure) => format!("{} {} | {}", failure.reason, failure.side.as_str(), failure.saw),
    })
}

/// `reason side`.
fn reason(result: &str) -> String {
    result.split(" |").next().unwrap_or_default().to_owned()
}

/// Plays a recording of which `len` bytes of `sender` from `from` on are lost. With `resync` the loss goes on to the end
/// of a record, and that is said.
fn lossy(player: &mut Player, lines: &[Line], sender: Role, from: usize, len: usize, resync: bool) {
    let stream: Vec<u8> = lines
        .iter()
        .flat_map(|line| match line {
            Line::Bytes(of, bytes) if *of == sender => bytes.as_slice(),
            _ => &[],
        })
        .copied()
        .collect();
    let mut to = from + len;
    if resync {
        let mut end = 0;
        while end < to && end + 5 <= stream.len() {
            end += 5 + usize::from(u16::from_be_bytes([stream[end + 3], stream[end + 4]]));
        }
        to = end;
    }
    let mut at = 0;
    for line in lines {
        let Line::Bytes(of, bytes) = line else {
            player.line(line);
            continue;
        };
        if *of != sender {
            player.line(line);
            continue;
        }
        // What of this line lies before, in, and after the loss.
        let split = |position: usize| position.saturating_sub(at).min(bytes.len());
        let (first, last) = (split(from), split(to).max(split(from)));
        if first > 0 {
            player.bytes(sender, &bytes[..first]);
        }
        if last > first {
            let call = player.step();
            let direction = player.direction(sender);
            let resync = resync && at + last == to;
            let hole = Hole { direction, call, offset: 0, len: (last - first) as u64, lost: true, resync };
            player.item(&Item::Hole(hole));
        }
        if last < bytes.len() {
            player.bytes(sender, &bytes[last..]);
        }
        at += bytes.len();
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

    /// Whatever is lost, and whether or not the next record is found again: what is told is true, or nothing is.
    #[test]
    fn a_loss_never_makes_a_false_verdict(
        which in 0_usize..1_000,
        server: bool,
        of_client: bool,
        from in 0_usize..1_000,
        len in 1_usize..400,
        resync: bool,
    ) {
        let names = names();
        let name = &names[which % names.len()];
        let lines = load(name);
        let role = if server { Role::Server } else { Role::Client };
        let sender = if of_client { Role::Client } else { Role::Server };
        let truth = result(Player::new(role), |player| { player.lines(&lines); });
        let told = result(Player::new(role), |player| lossy(player, &lines, sender, from, len, resync));
        let as_number = truth.split_once(' ').and_then(|(_, side_and_saw)| {
            let number = side_and_saw.split_once("alert ")?.1.split(' ').next()?;
            Some(format!("alert_{number} {}", side_and_saw.split(' ').next()?))
        });
        let (told_reason, truth_reason) = (reason(&told), reason(&truth));
        prop_assert!(
            told.is_empty() || told_reason == truth_reason || Some(told_reason) == as_number,
            "{name}: told {told}, truth {truth}"
        );
    }

    /// Nor does a start in the middle, at any byte of either direction.
    #[test]
    fn a_late_start_never_makes_a_false_verdict(
        which in 0_usize..1_000,
        server: bool,
        role_known: bool,
        skip in 0_usize..2_000,
    ) {
        let names = names();
        let name = &names[which % names.len()];
        let mut lines = load(name);
        let role = if server { Role::Server } else { Role::Client };
        let truth = reason(&result(Player::new(role), |player| { player.lines(&lines); }));
        let mut left = skip;
        lines.retain_mut(|line| match line {
            Line::Bytes(_, bytes) => {
                let gone = left.min(bytes.len());
                left -= gone;
                bytes.drain(..gone);
                !bytes.is_empty()
            }
            _ => left == 0,
        });
        let late = Player::on(role, connection(role_known.then_some(role), false));
        let told = reason(&result(late, |player| { player.lines(&lines); }));
        let number = truth == "unknown_psk_identity local" || truth.starts_with("no_shared") || truth.starts_with("wrong");
        prop_assert!(
            told.is_empty() || told == truth || (number && told.starts_with("alert_")),
            "{name}: told {told}, truth {truth}"
        );
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
