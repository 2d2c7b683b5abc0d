//! What connections cost that do nothing: cards keep them open, and there are thousands of them.

use cardlink_obs::{
    event::{Data, Endpoint, Event, Holder, Origin, ProcessOrigin, RawCall, Rest, StreamId},
    observation::Observation,
    pipeline::{Pipeline, PipelineSettings},
    protocol::tls::open::{Keyring, Psk, Vault},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    borrow::Cow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The system's allocator, and how much of it is in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS: u64 = 10_000;
const MOST: usize = 50_000_000;
const PID: u32 = 7;

/// One connection of a file in `tests/fixtures/tls_open`, up to its alerts: whether the client sent it, and what.
fn recorded(file: &str, section: &str) -> Vec<(bool, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls_open").join(file);
    let text = std::fs::read_to_string(path).expect("the recording");
    let lines = text.lines().skip_while(|line| !line.starts_with(&format!("= {section} "))).skip(1);
    let wire = |line: &str| match line.split_once(' ')? {
        (">", hex) => Some((true, bytes(hex))),
        ("<", hex) => Some((false, bytes(hex))),
        _ => None,
    };
    lines.map_while(wire).filter(|(_, bytes)| bytes.first() != Some(&21)).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// A record of a NULL suite, whose check nobody makes who has no key.
fn null_record(of_client: bool, plaintext: &[u8]) -> (bool, Vec<u8>) {
    let len = u16::try_from(plaintext.len() + 32).expect("a short text");
    (of_client, [[23, 3, 3].as_slice(), &len.to_be_bytes(), plaintext, &[0xA5; 32]].concat())
}

const fn call(at: u64) -> RawCall {
    RawCall { enter: at, exit: at, tid: PID, polled: 0 }
}

/// Has as many connections in a pipeline, each with these bytes; bytes in use for one of them afterwards.
fn idle(settings: PipelineSettings, wire: &[(bool, Vec<u8>)]) -> (usize, Vec<Observation>) {
    let mut out = Vec::new();
    let mut first = Vec::new();
    let before = IN_USE.load(Ordering::Relaxed);
    let mut pipeline = Pipeline::new(settings);
    pipeline.handle(
        &Event::ProcessSeen {
            at: 1,
            pid: PID,
            comm: Cow::Borrowed("server"),
            target: Cow::Borrowed("server"),
            origin: ProcessOrigin::Found,
        },
        &mut out,
    );
    let mut now = 1_000_000;
    for number in 1..=CONNECTIONS {
        let holder = Holder { tgid: PID, fd: i32::try_from(number).expect("a descriptor") };
        let stream = StreamId { identity: number, generation: 1, tty: false };
        let peer =
            ([10, 0, u8::try_from(number >> 8).expect("16 bits"), u8::try_from(number & 255).expect("8 bits")], 4000);
        let endpoint = Endpoint::Tcp { local: ([127, 0, 0, 1], 8443).into(), peer: peer.into() };
        pipeline.handle(&Event::Opened { at: now, holder, stream, endpoint, origin: Origin::Accepted }, &mut out);
        let mut offsets = [0, 0];
        for (of_client, bytes) in wire {
            now += 1_000;
            let offset = &mut offsets[usize::from(*of_client)];
            let data = Data {
                holder,
                stream,
                call: call(now),
                write: !of_client,
                offset: *offset,
                total: bytes.len() as u64,
                rest: Rest::Whole,
                skipped: 0,
                record_start: true,
                bytes: Cow::Borrowed(bytes),
            };
            *offset += bytes.len() as u64;
            pipeline.handle(&Event::Data(data), &mut out);
        }
        if number == 1 {
            first.append(&mut out);
        }
        out.clear();
    }
    // The sessions are over, and told.
    for _ in 0..3 {
        now += 2_000_000_000;
        pipeline.handle(&Event::Tick { now }, &mut out);
        first.extend(out.drain(..).take(1));
    }
    drop(out);
    assert_eq!(pipeline.open_streams(), usize::try_from(CONNECTIONS).expect("a count"));
    let kept: usize = size_of_val(first.as_slice()) * 4;
    let used = IN_USE.load(Ordering::Relaxed).saturating_sub(before).saturating_sub(kept);
    println!("{} B for a connection, {} MB for {CONNECTIONS}", used / CONNECTIONS as usize, used / 1_000_000);
    assert!(used < MOST, "{used} B for {CONNECTIONS} connections");
    (used, first)
}

fn sessions(out: &[Observation]) -> usize {
    out.iter().filter(|told| matches!(told, Observation::Session(_))).count()
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn ten_thousand_idle_connections_take_less_than_50_mb() {
    // Decrypted with a key; what was said is not HTTP to the end, which ends the session.
    let mut keyring = Keyring::default();
    let key = Psk::new(bytes("0123456789abcdef0123456789abcdef")).expect("a key");
    keyring.insert(b"card-01".to_vec(), key, None);
    let mut settings = PipelineSettings::default();
    settings.connection.content.vault = Arc::new(Vault::new(Some(keyring)));
    let (_, told) = idle(settings, &recorded("openssl_tls1_2_PSK-AES128-CBC-SHA256.flow", "full-id-ems-etm"));
    assert!(told.iter().any(|told| matches!(told, Observation::Exchange(_))), "{told:?}");

    // A whole session under a NULL suite, and one that has just begun.
    let protocol = "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n";
    let kind = "Content-Type: application/vnd.globalplatform.card-content-mgt";
    let first = format!("POST /a HTTP/1.1\r\n{protocol}X-Admin-From: //se-id/eid/89\r\n\r\n");
    let script = [0xAE, 0x80, 0x22, 0x07, 0x00, 0xA4, 0x04, 0x00, 0x02, 0x3F, 0x00, 0x00, 0x00];
    let answer = [0xAF, 0x80, 0x23, 0x02, 0x90, 0x00, 0x00, 0x00];
    let sent = format!(
        "HTTP/1.1 200 OK\r\n{protocol}X-Admin-Next-URI: /b\r\n{kind};version=1.0\r\nContent-Length: {}\r\n\r\n",
        script.len()
    );
    let back = format!(
        "POST /b HTTP/1.1\r\n{protocol}{kind}-response;version=1.0\r\nX-Admin-Script-Status: ok\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    let nothing = format!("HTTP/1.1 204 No Content\r\n{protocol}\r\n");
    let mut wire = recorded("openssl_tls1_2_PSK-NULL-SHA256.flow", "full-ticket-ems-etm");
    wire.retain(|(_, bytes)| bytes.first() != Some(&23));
    wire.push(null_record(true, first.as_bytes()));
    wire.push(null_record(false, &[sent.as_bytes(), &script].concat()));
    let under_way = wire.clone();
    wire.push(null_record(true, &[back.as_bytes(), &answer].concat()));
    wire.push(null_record(false, nothing.as_bytes()));
    let (_, told) = idle(PipelineSettings::default(), &wire);
    assert_eq!(sessions(&told), 1, "{told:?}");
    let (_, told) = idle(PipelineSettings::default(), &under_way);
    assert_eq!(sessions(&told), 0, "{told:?}");
}
