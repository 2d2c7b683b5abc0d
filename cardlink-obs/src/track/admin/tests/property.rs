//! How bytes are cut, and what else comes in between, changes nothing but times.

use super::*;
use proptest::{collection::vec, prelude::*};

/// What a connection carries: whose it is, and its bytes.
type Talked = Vec<(bool, Vec<u8>)>;

fn of_card() -> impl Strategy<Value = Vec<u8>> {
    let refused = request(&format!("{PROTOCOL}X-Admin-Script-Status: security-error\r\n"), b"");
    let raw = request(&format!("{PROTOCOL}Content-Type: application/octet-stream\r\n"), OK);
    let loose = String::from_utf8(first()).expect("text").replace("\r\n", "\n").into_bytes();
    prop_oneof![
        6 => Just(first()),
        6 => prop::sample::select(vec![answer(&[OK]), answer(&[OK, NOT_FOUND]), answer(&[]), answer(&[&[0x61, 0x02], OK])]),
        2 => Just(resume(&[OK])),
        1 => prop::sample::select(vec![refused, raw, loose, request("", b"x"), b"GET / HTTP/1.1\r\n\r\n".to_vec()]),
        1 => vec(any::<u8>(), 1..5),
    ]
}

fn of_server() -> impl Strategy<Value = Vec<u8>> {
    let last = response("200 OK", &format!("{PROTOCOL}{RAM}"), &expanded(0xAA, 0x22, &[]));
    let raw = response("200 OK", PROTOCOL, SELECT);
    let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
    prop_oneof![
        8 => prop::sample::select(vec![script(&[SELECT]), script(&[SELECT, GET_STATUS]), wait]),
        4 => Just(nothing()),
        1 => prop::sample::select(vec![last, raw, response("500 Oops", "", b"no"), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()]),
        1 => vec(any::<u8>(), 1..5),
    ]
}

fn talked() -> impl Strategy<Value = Talked> {
    let turn = prop_oneof![of_card().prop_map(|bytes| (true, bytes)), of_server().prop_map(|bytes| (false, bytes)),];
    let whole = (of_card(), of_server()).prop_map(|(card, server)| vec![(true, card), (false, server)]);
    prop_oneof![3 => vec(whole, 1..8).prop_map(|turns| turns.concat()), 1 => vec(turn, 1..12)]
}

/// All at once, or in pieces of these sizes, in the same order; with the time standing still.
fn observe(role: Role, talked: &Talked, sizes: &[usize]) -> Vec<String> {
    let mut bench = Bench::new(role);
    let mut sizes = sizes.iter().cycle();
    for (of_card, bytes) in talked {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let len = sizes.next().map_or(rest.len(), |size| rest.len().min(*size));
            let (piece, after) = rest.split_at(len);
            bench.plain(*of_card, piece);
            bench.now -= 10;
            rest = after;
        }
    }
    bench.closes(true);
    bench.out.iter().map(all_but_times).collect()
}

fn all_but_times(observation: &Observation) -> String {
    match observation {
        Observation::Session(session) => {
            format!("{}, {} B, {} B", line(observation), session.bytes_from_card, session.bytes_to_card)
        }
        _ => line(observation),
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        server in any::<bool>(),
        talked in talked(),
        sizes in vec(1_usize..90, 1..20),
    ) {
        let role = if server { Role::Server } else { Role::Client };
        prop_assert_eq!(observe(role, &talked, &[]), observe(role, &talked, &sizes));
        prop_assert_eq!(observe(role, &talked, &[]), observe(role, &talked, &[1]));
    }

    /// Requests that come while the response before them is still on its way, as far as each response follows its request.
    #[test]
    fn pipelining_gives_the_same(answers in vec(any::<bool>(), 1..10), ahead in 0_usize..4, size in 1_usize..200) {
        // The card asks, and the server has nothing yet.
        let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
        let pairs: Vec<Vec<u8>> = answers.iter().map(|known| request(if *known { PROTOCOL } else { "X-Admin-From: x\r\n" }, b"")).collect();
        let mut one_by_one: Talked = Vec::new();
        let mut early: Talked = Vec::new();
        for (place, request) in pairs.iter().enumerate() {
            one_by_one.extend([(true, request.clone()), (false, wait.clone())]);
            early.push((true, request.clone()));
            if place >= ahead {
                early.push((false, wait.clone()));
            }
        }
        early.extend(vec![(false, wait.clone()); ahead.min(pairs.len())]);
        // Findings are told with the message that they are about; between two directions there is no order.
        let sorted = |talked: &Talked| {
            let mut told = observe(Role::Server, talked, &[size]);
            told.sort();
            told
        };
        prop_assert_eq!(sorted(&one_by_one), sorted(&early));
    }
}
