use super::{
    Framing, Headers, HttpEvent, HttpFault, HttpNote, HttpReader, HttpVerdict, Limits, Method, RequestHead,
    looks_like_http,
};
use proptest::prelude::*;

const FIRST: &[u8] = b"POST /server/adminagent?cmd=1 HTTP/1.1\r\nHost: 172.96.0.1\r\n\
    X-Admin-Protocol: globalplatform-remote-admin/1.0\r\nX-Admin-From: //se-id/eid/89001012\r\n\r\n";

fn requests() -> HttpReader {
    HttpReader::requests(Limits::default())
}

fn responses() -> HttpReader {
    HttpReader::responses(Limits::default())
}

/// Events in short: heads by method or status, bodies joined.
fn short(reader: &mut HttpReader, pieces: &[&[u8]], eof: bool) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut body = Vec::new();
    let mut out = |event: HttpEvent<'_>| {
        if let HttpEvent::Body(bytes) = event {
            body.extend_from_slice(bytes);
            return;
        }
        if !body.is_empty() {
            told.push(format!("body {}", String::from_utf8_lossy(&std::mem::take(&mut body))));
        }
        told.push(match event {
            HttpEvent::Note(note) => format!("note {}", note.as_str()),
            HttpEvent::Request(head) => format!("{} {}", head.method, head.target),
            HttpEvent::Response(head) => head.status.to_string(),
            HttpEvent::Missing(len) => format!("missing {len}"),
            HttpEvent::End { body_bytes, framing, .. } => format!("end {body_bytes} {}", framing.as_str()),
            HttpEvent::Broken(fault) => format!("broken {fault}"),
            HttpEvent::Body(_) => String::new(),
        });
    };
    for piece in pieces {
        reader.push(piece, &mut out);
    }
    if eof {
        reader.eof(&mut out);
    }
    told
}

fn told(reader: &mut HttpReader, stream: &str) -> Vec<String> {
    short(reader, &[stream.as_bytes()], true)
}

fn last(reader: &mut HttpReader, stream: &str) -> String {
    told(reader, stream).pop().unwrap_or_default()
}

fn head_of(stream: &[u8]) -> RequestHead {
    let mut found = None;
    requests().push(stream, &mut |event| {
        if let HttpEvent::Request(head) = event {
            found = Some(head);
        }
    });
    found.expect("a request")
}

#[test]
fn a_request_without_a_body_ends_with_its_head() {
    let mut reader = requests();
    assert_eq!(short(&mut reader, &[FIRST], false), ["POST /server/adminagent?cmd=1", "end 0 none"]);
    assert!(reader.is_idle());
    let head = head_of(FIRST);
    assert_eq!(head.method, Method::Post);
    assert_eq!(head.version.to_string(), "HTTP/1.1");
    assert_eq!(head.headers.text("x-admin-protocol"), Some("globalplatform-remote-admin/1.0"));
    assert_eq!(head.headers.get("X-ADMIN-FROM"), Some(b"//se-id/eid/89001012".as_slice()));
    assert_eq!((head.headers.len(), head.bytes), (3, FIRST.len()));
}

#[test]
fn values_and_targets_do_not_show_in_debug() {
    let shown = format!("{:?}", head_of(FIRST));
    assert!(shown.contains("X-Admin-From"));
    assert!(!shown.contains("89001012") && !shown.contains("adminagent"), "{shown}");
}

#[test]
fn pipelined_messages_of_both_framings_are_told_apart() {
    let stream = "POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloPOST /2 HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\
                  \r\n3;name=\"v\"\r\nabc\r\n0A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n\r\nGET /3 HTTP/1.0\r\n\r\n";
    let wanted = [
        "POST /1",
        "body hello",
        "end 5 length",
        "POST /2",
        "body abc0123456789",
        "end 13 chunked",
        "GET /3",
        "end 0 none",
    ];
    assert_eq!(told(&mut requests(), stream), wanted);
}

#[test]
fn a_response_without_a_length_ends_with_the_connection() {
    assert_eq!(told(&mut responses(), "HTTP/1.1 200 OK\r\n\r\nabc"), ["200", "body abc", "end 3 until_close"]);
    assert_eq!(told(&mut responses(), "HTTP/1.0 200\r\n\r\n"), ["200", "end 0 until_close"]);
    let gzip = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc";
    assert_eq!(told(&mut responses(), gzip), ["200", "body abc", "end 3 until_close"]);
}

#[test]
fn some_responses_have_no_body_whatever_they_say() {
    let mut reader = responses();
    reader.expect(Method::Post);
    reader.expect(Method::Head);
    reader.expect(Method::Post);
    let stream = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    let wanted = ["100", "end 0 none", "204", "end 0 none", "200", "end 0 none", "200", "body ab", "end 2 length"];
    assert_eq!(told(&mut reader, stream), wanted);
}

#[test]
fn interim_responses_say_so() {
    let mut interim = Vec::new();
    for status in [100, 101, 103, 200] {
        responses().push(format!("HTTP/1.1 {status} x\r\n\r\n").as_bytes(), &mut |event| {
            if let HttpEvent::Response(head) = event {
                interim.push(head.is_interim());
            }
        });
    }
    assert_eq!(interim, [true, false, true, false]);
}

#[test]
fn what_comes_after_an_upgrade_is_not_read() {
    let wanted = ["101", "end 0 none", "broken upgraded"];
    assert_eq!(told(&mut responses(), "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), wanted);
    let mut reader = responses();
    reader.expect(Method::Connect);
    assert_eq!(
        told(&mut reader, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        ["200", "end 0 none", "broken upgraded"]
    );
}

#[test]
fn line_feeds_alone_are_read_and_noted_once() {
    let wanted = ["note bare_line_feed", "POST /x", "body abc", "end 3 chunked"];
    let stream = "POST /x HTTP/1.1\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n";
    assert_eq!(told(&mut requests(), stream), wanted);
    let stream = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\nT: x\n\n";
    let wanted = ["POST /x", "body abc", "note bare_line_feed", "end 3 chunked"];
    assert_eq!(told(&mut requests(), stream), wanted);
}

#[test]
fn chunked_counts_before_a_length() {
    let stream = "POST /x HTTP/1.1\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(told(&mut requests(), stream), ["note length_and_chunked", "POST /x", "end 0 chunked"]);
    assert_eq!(HttpNote::LengthAndChunked.as_str(), "length_and_chunked");
}

#[test]
fn each_fault_has_its_name() {
    let with = |header: &str| format!("POST /x HTTP/1.1\r\n{header}\r\n\r\n");
    let chunked = |body: &str| format!("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let cases = [
        ("\x16\x03\x01\x02".to_owned(), HttpFault::NotHttp),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), HttpFault::NotHttp),
        ("A-METHOD-NOBODY-HAS-HEARD-OF /".to_owned(), HttpFault::NotHttp),
        (" GET / HTTP/1.1\r\n\r\n".to_owned(), HttpFault::NotHttp),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), HttpFault::NotHttp),
        (with(&format!("A: {}", "x".repeat(16 << 10))), HttpFault::HeadTooLong),
        (with(&vec!["A: b"; 65].join("\r\n")), HttpFault::TooManyHeaders),
        (with("no colon"), HttpFault::BadHead),
        (with("Content-Length: +5"), HttpFault::BadLength),
        (with("Content-Length: "), HttpFault::BadLength),
        (with("Content-Length: 99999999999999999999"), HttpFault::BadLength),
        (with("Content-Length: 5\r\nContent-Length: 6"), HttpFault::ConflictingLength),
        (with("Content-Length: 5, 6"), HttpFault::ConflictingLength),
        (with("Transfer-Encoding: chunked, gzip"), HttpFault::BadTransferCoding),
        (chunked("\r\n"), HttpFault::BadChunk),
        (chunked("g\r\n"), HttpFault::BadChunk),
        (chunked("3\r\nabcd\r\n"), HttpFault::BadChunk),
        (chunked("3\rabc"), HttpFault::BadChunk),
        (chunked("10000000000000000\r\n"), HttpFault::BadChunk),
        (chunked(&format!("1;{}\r\n", "x".repeat(5000))), HttpFault::BadChunk),
        (chunked(&format!("0\r\n{}", "T: x\r\n".repeat(3000))), HttpFault::TrailerTooLong),
        (chunked("3\r\nab"), HttpFault::Truncated),
        (with("Content-Length: 5"), HttpFault::Truncated),
        ("POST /x HTTP/1.1\r\nHo".to_owned(), HttpFault::Truncated),
    ];
    for (stream, fault) in cases {
        let stream = stream + if fault == HttpFault::Truncated { "" } else { "GET / HTTP/1.1\r\n\r\n" };
        assert_eq!(last(&mut requests(), &stream), format!("broken {fault}"), "{stream:.60}");
    }
    assert_eq!(last(&mut responses(), "HTTP/2 200\r\n"), "broken not_http");
    assert_eq!(last(&mut responses(), "HTTP/1.1 OK\r\n\r\n"), "broken not_http");
}

#[test]
fn names_and_sentences_of_faults_are_distinct() {
    let names: std::collections::BTreeSet<_> = HttpFault::ALL.iter().map(|fault| fault.as_str()).collect();
    assert_eq!(names.len(), HttpFault::ALL.len());
    for fault in HttpFault::ALL {
        assert!(fault.sentence().ends_with('.'), "{fault}");
        assert!(fault.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{fault}");
    }
}

#[test]
fn equal_lengths_are_one_and_a_head_of_the_limit_is_read() {
    let stream = "POST /x HTTP/1.1\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(last(&mut requests(), stream), "end 2 length");
    let frame = "GET / HTTP/1.1\r\nA: \r\n\r\n".len();
    let fits = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat((16 << 10) - frame));
    assert_eq!(last(&mut requests(), &fits), "end 0 none");
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n\r\n", vec!["A: b"; 64].join("\r\n"));
    assert_eq!(last(&mut requests(), &headers), "end 0 none");
}

/// Pushes `before`, then a gap, then `after`.
fn with_gap(before: &str, len: u64, after: &str) -> Vec<String> {
    let mut reader = responses();
    let mut all = short(&mut reader, &[before.as_bytes()], false);
    let mut told = Vec::new();
    reader.gap(len, &mut |event| told.push(format!("{event:?}")));
    all.extend(told);
    all.extend(short(&mut reader, &[after.as_bytes()], true));
    all
}

#[test]
fn a_gap_inside_a_body_is_counted_and_any_other_loses_the_direction() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let next = "HTTP/1.1 204 No Content\r\n\r\n";
    let end = format!("End {{ body_bytes: 10, framing: Length, bytes: {} }}", head.len() + 10);
    assert_eq!(
        with_gap(&format!("{head}ab"), 6, &format!("cd{next}")),
        ["200", "Missing(6)", "body cd", "end 10 length", "204", "end 0 none"]
    );
    assert_eq!(with_gap(head, 10, next), ["200", "Missing(10)", &end, "204", "end 0 none"]);
    assert_eq!(with_gap(head, 11, next), ["200", "Broken(Lost)"]);
    assert_eq!(with_gap("HTTP/1.1 2", 3, next), ["Broken(Lost)"]);
    assert_eq!(with_gap(next, 3, next), ["204", "end 0 none", "Broken(Lost)"]);
    assert_eq!(with_gap(next, 0, ""), ["204", "end 0 none"]);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n";
    assert_eq!(with_gap(chunked, 8, "\r\n0\r\n\r\n"), ["200", "Missing(8)", "end 8 chunked"]);
    assert_eq!(with_gap(chunked, 9, "\n0\r\n\r\n"), ["200", "Broken(Lost)"]);
    assert_eq!(
        with_gap("HTTP/1.1 200 OK\r\n\r\n", 1 << 40, "ab"),
        ["200", "Missing(1099511627776)", "body ab", "end 1099511627778 until_close"]
    );
}

#[test]
fn an_idle_reader_holds_no_buffer() {
    let mut reader = requests();
    for byte in FIRST {
        reader.push(&[*byte], &mut |_| ());
    }
    assert!(reader.is_idle());
    assert_eq!(reader.buffered(), 0);
    assert!(size_of::<HttpReader>() <= 192, "{}", size_of::<HttpReader>());
}

#[test]
fn first_bytes_tell_what_a_port_speaks() {
    let cases: [(&[u8], Option<HttpVerdict>); 10] = [
        (b"", None),
        (b"PO", None),
        (b"POST", None),
        (b"POST /", Some(HttpVerdict::Request)),
        (b"\r\nGET ", Some(HttpVerdict::Request)),
        (b"HTTP/1.1 200", Some(HttpVerdict::Response)),
        (b"H", None),
        (b"HEAD ", Some(HttpVerdict::Request)),
        (b"HTTP/2", Some(HttpVerdict::Other)),
        (b"\x16\x03\x01", Some(HttpVerdict::Other)),
    ];
    for (first, wanted) in cases {
        assert_eq!(looks_like_http(first), wanted, "{}", String::from_utf8_lossy(first));
    }
}

#[test]
fn headers_can_be_made() {
    let headers: Headers = [("A", "1"), ("a", "2")].into_iter().collect();
    assert_eq!(headers.all("A").collect::<Vec<_>>(), [b"1", b"2"]);
    assert!(!headers.is_empty() && headers.contains("a") && !headers.contains("b"));
    assert_eq!(Framing::UntilClose.as_str(), "until_close");
}

/// Streams near HTTP: whole messages, and pieces of them in any order.
fn near_http() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(FIRST.to_vec()),
        Just(b"POST /x HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
        Just(b"POST /x HTTP/1.1\nTransfer-Encoding: chunked\n\n".to_vec()),
        Just(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Just(b"4;x=y\r\nabcd\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        Just(b"0\nT: x\r\n\n".to_vec()),
        Just(b"\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(stream in near_http(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8), side in 0_u8..4) {
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let pieces: Vec<_> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let whole = super::transcript(std::iter::once(stream.as_slice()), side);
        prop_assert_eq!(&super::transcript(pieces.into_iter(), side), &whole);
        prop_assert_eq!(&super::transcript(stream.chunks(1), side), &whole);
    }

    #[test]
    fn any_input_is_read(stream in proptest::collection::vec(any::<u8>(), 0..200)) {
        super::fuzz(&stream);
    }
}
