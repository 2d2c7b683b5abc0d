use super::{Direction, Mask};
use crate::protocol::scp81::{
    fuzzing::session,
    tests::{hex, lab_session, near_script},
};
use proptest::prelude::*;

fn mask() -> Mask {
    Mask::new(Box::new(|agent| {
        let sum = agent.iter().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
        (0..agent.len()).map(|index| sum.wrapping_add(index as u8)).collect()
    }))
}

fn masked(direction: Direction, clear: &[u8], step: usize) -> Vec<u8> {
    let mut bytes = clear.to_vec();
    let mut mask = mask();
    bytes.chunks_mut(step.max(1)).for_each(|piece| mask.mask(direction, piece));
    bytes
}

fn text(direction: Direction, clear: &str) -> String {
    String::from_utf8_lossy(&masked(direction, clear.as_bytes(), usize::MAX)).into_owned()
}

#[test]
fn heads_keep_their_shape_and_lose_their_secrets() {
    let clear = "POST /server/8944501234567890123/adminagent?cmd=2&token=abcdefghij HTTP/1.1\r\nHost: 172.96.0.1\r\n\
                 X-Admin-Protocol: globalplatform-remote-admin/1.0\r\nAuthorization: Basic c2VjcmV0\r\n\
                 Cookie: a=b; c=d\r\nX-Anything: \tval ue \r\nx-admin-resume: true\r\n\r\n";
    let wanted = "POST /server/8944500000000000000/adminagent?cmd=2&token=abcdef0000 HTTP/1.1\r\nHost: 172.96.0.1\r\n\
                  X-Admin-Protocol: globalplatform-remote-admin/1.0\r\nAuthorization: xxxxx xxxxxxxx\r\n\
                  Cookie: xxxx xxx\r\nX-Anything: \txxx xx \r\nx-admin-resume: true\r\n\r\n";
    assert_eq!(text(Direction::Requests, clear), wanted);
    let clear = "HTTP/1.1 200 OK\r\nX-Admin-Next-URI: /a?iccid=8944501234567890123\r\nSet-Cookie: s=1\r\n\
                 X-Admin-Targeted-Application: //aid/A000000559/1010FFFFFFFF8900000100\r\nContent-Length: 12345678\r\n\r\n";
    let wanted = "HTTP/1.1 200 OK\r\nX-Admin-Next-URI: /a?iccid=8944500000000000000\r\nSet-Cookie: xxx\r\n\
                  X-Admin-Targeted-Application: //aid/A000000559/1010FFFFFFFF8900000100\r\nContent-Length: 12345678\r\n\r\n";
    assert_eq!(text(Direction::Responses, clear), wanted);
}

#[test]
fn identities_are_replaced_and_stay_apart() {
    let of = |agent: &str| {
        let clear = format!("POST / HTTP/1.1\r\nX-Admin-From: {agent}\r\n\r\n");
        let masked = text(Direction::Requests, &clear);
        assert_eq!(masked.len(), clear.len());
        masked.split("X-Admin-From: ").nth(1).unwrap_or_default().trim_end().to_owned()
    };
    let (first, second) = (of("//se-id/eid/8900"), of("//se-id/eid/8901"));
    assert!(first != second && first == of("//se-id/eid/8900") && !first.contains("8900"), "{first} {second}");
    assert!(first.bytes().all(|byte| byte.is_ascii_graphic()));
}

#[test]
fn a_torn_identity_leaves_nothing_in_clear() {
    let clear = b"POST / HTTP/1.1\r\nX-Admin-From: //se-id/eid/8900\r\n\r\n";
    for at in 1..clear.len() {
        let mut bytes = *clear;
        let mut mask = Mask::new(Box::new(|agent| vec![b'*'; agent.len()]));
        let (first, second) = bytes.split_at_mut(at);
        mask.mask(Direction::Requests, first);
        mask.mask(Direction::Requests, second);
        assert_eq!(&bytes, b"POST / HTTP/1.1\r\nX-Admin-From: ****************\r\n\r\n", "{at}");
    }
}

#[test]
fn bodies_keep_headers_lengths_and_status_words() {
    let (requests, responses) = lab_session();
    let masked_responses = masked(Direction::Responses, &responses, usize::MAX);
    let wanted =
        hex("AE80 22 08 80F2400202 7878 00 22 0D 0020000108 7878787878787878 22 0A 80D8018105 7878787878 0000");
    assert!(masked_responses.windows(wanted.len()).any(|window| window == wanted));
    let masked_requests = masked(Direction::Requests, &requests, usize::MAX);
    let shown = String::from_utf8_lossy(&masked_requests);
    assert!(!shown.contains("secret") && shown.contains("7;xxxx=xxxxxx\r\n"), "{shown}");
    assert!(shown.contains("X-Trailer: xxxxxx"), "{shown}");
    for secret in [hex("112233445566"), b"89001012".to_vec(), b"c2VjcmV0".to_vec()] {
        assert!(!masked_requests.windows(secret.len()).any(|window| window == secret));
    }
    for (direction, clear, hidden) in
        [(Direction::Requests, requests, masked_requests), (Direction::Responses, responses, masked_responses)]
    {
        let read = |bytes: &[u8]| session(std::iter::once(bytes), direction);
        assert_eq!(read(&clear), read(&hidden));
    }
}

#[test]
fn bodies_that_are_no_scripts_are_hidden() {
    let clear =
        "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\npin=1234";
    assert!(text(Direction::Requests, clear).ends_with("\r\n\r\nxxxxxxxx"));
    // Without the other direction nothing says that this is remote administration.
    let clear = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".as_slice(), &hex("80CA006600")].concat();
    assert!(masked(Direction::Responses, &clear, usize::MAX).ends_with(b"\r\n\r\nxxxxx"));
    let mut mask = mask();
    let mut request = *b"POST / HTTP/1.1\r\nX-Admin-From: a\r\n\r\n";
    mask.mask(Direction::Requests, &mut request);
    let mut bytes = clear.clone();
    mask.mask(Direction::Responses, &mut bytes);
    assert_eq!(bytes, clear);
}

#[test]
fn responses_to_head_have_no_body() {
    let mut mask = mask();
    let mut request = *b"HEAD / HTTP/1.1\r\n\r\n";
    mask.mask(Direction::Requests, &mut request);
    let mut bytes = *b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nHTTP/1.1 204 No Content\r\nA: secret\r\n\r\n";
    mask.mask(Direction::Responses, &mut bytes);
    let wanted = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nHTTP/1.1 204 No Content\r\nA: xxxxxx\r\n\r\n";
    assert_eq!(bytes, *wanted);
}

#[test]
fn what_cannot_be_followed_is_hidden() {
    assert_eq!(text(Direction::Requests, "SSH-2.0-OpenSSH\r\nsecret"), "SSH-2.0-OpenSSH\rxxxxxxx");
    let mut mask = mask();
    let mut first = *b"HTTP/1.1 200 OK\r\nX-Admin-Pro";
    mask.mask(Direction::Responses, &mut first);
    mask.gap(Direction::Responses, 3);
    let mut second = *b"l: x\r\nContent-Length: 6\r\n\r\nsecret";
    mask.mask(Direction::Responses, &mut second);
    assert_eq!(second, [b'x'; 33]);
}

#[test]
fn a_gap_in_a_script_hides_the_rest_of_it_and_not_the_next_message() {
    let (_, responses) = lab_session();
    let body = responses.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let mut mask = mask();
    let mut first = responses[..body + 20].to_vec();
    mask.mask(Direction::Responses, &mut first);
    mask.gap(Direction::Responses, 4);
    let mut second = responses[body + 24..].to_vec();
    mask.mask(Direction::Responses, &mut second);
    let shown = String::from_utf8_lossy(&second);
    assert!(
        shown.starts_with("xxxxxxxxxx") && shown.contains("HTTP/1.1 204 No Content\r\nX-Admin-Protocol: global"),
        "{shown}"
    );
}

/// A direction with remote administration in it, whole or damaged.
fn near_session() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![
        Just("POST /a?x=12345678 HTTP/1.1\r\nX-Admin-From: //se-id/eid/8900\r\n\r\n".to_owned()),
        Just(
            "POST /a HTTP/1.1\r\nX-Admin-Script-Status: ok\r\nContent-Type: application/vnd.etsi.scp.response-data\r\n"
                .to_owned()
        ),
        Just("POST /a HTTP/1.1\nContent-Type: text/plain\nAuthorization:  x\ty \n".to_owned()),
        Just("HTTP/1.1 200 OK\r\nX-Admin-Next-URI: /8944501234567\r\n".to_owned()),
        Just("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.globalplatform.card-content-mgt\r\n".to_owned()),
        Just("HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
    ];
    let message = (head, near_script(), 0_u8..6, 1_usize..9).prop_map(|(head, body, framing, step)| {
        let mut bytes = head.into_bytes();
        if bytes.ends_with(b"\r\n\r\n") {
            return bytes;
        }
        match framing {
            0..=2 => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                bytes.extend(body);
            }
            3 | 4 => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(step) {
                    bytes.extend(format!("{:x};a=secret\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\nT: secret\r\n\r\n");
            }
            _ => bytes.extend(body),
        }
        bytes
    });
    proptest::collection::vec(message, 1..4).prop_map(|messages| messages.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_masked_session_is_read_like_the_session(stream in near_session(), step in 1_usize..40) {
        let both = |stream: &[u8], direction| session(stream.chunks(step), direction);
        for direction in [Direction::Requests, Direction::Responses] {
            let hidden = masked(direction, &stream, step);
            prop_assert_eq!(hidden.len(), stream.len());
            prop_assert_eq!(both(&stream, direction), both(&hidden, direction));
            for secret in [b"secret".as_slice(), b"eid/8900", b"501234567"] {
                let shown = hidden.windows(secret.len()).any(|window| window == secret);
                prop_assert!(!shown, "{}", String::from_utf8_lossy(&hidden));
            }
        }
    }
}
