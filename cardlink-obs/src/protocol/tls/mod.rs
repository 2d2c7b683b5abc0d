//! TLS 1.0 to 1.3 as it stands on the wire, without any key.
//!
//! [`Flow`] takes the bytes of one direction in whatever pieces they come and gives back records and handshake messages
//! ([`Wire`]); [`ClientHello`], [`ServerHello`] and the functions beside them read the bodies. All of it is total: any
//! input gives some output, and values that are not known survive.
//!
//! Formats: RFC 5246 (TLS 1.2), RFC 8446 (TLS 1.3), RFC 4279 and RFC 5489 (PSK key exchanges).

mod alert;
mod bytes;
mod extension;
mod flow;
mod hello;
mod key_exchange;
mod message;
pub mod open;
mod record;
mod redact;
mod suite;
#[cfg(test)]
mod tests;

pub use alert::{Alert, AlertDescription, AlertLevel};
pub use flow::{Flow, Wire};
pub use hello::{ClientHello, OfferedIdentity, ServerHello};
pub use key_exchange::{identity, identity_hint};
pub use message::{Found, HandshakeType, Message, MessageReader};
pub use record::{ContentType, NotARecord, RecordHeader, RecordReader, Skipped};
pub use redact::{Place, TlsRedactor};
pub use suite::{Tls13Sizes, cipher_suite, is_grease, is_null, is_psk, is_signal, tls13_sizes};

/// Entry for a fuzzer: the first byte says how to start and split, the rest is one direction of a connection. What comes
/// out may not depend on the split.
pub fn fuzz_records(data: &[u8]) {
    let Some((&control, stream)) = data.split_first() else { return };
    let step = usize::from(control >> 1).max(1);
    let whole = events(std::iter::once(stream), control & 1 == 0);
    let split = events(stream.chunks(step), control & 1 == 0);
    assert_eq!(whole, split, "the events depend on how the bytes were split");
}

/// All events of one direction. Its keys change with the first `ChangeCipherSpec`.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>, from_start: bool) -> Vec<Wire> {
    let mut flow = Flow::new(from_start);
    let mut events = Vec::new();
    for mut piece in pieces {
        while let Some(event) = flow.next(&mut piece) {
            match &event {
                Wire::ChangeCipherSpec => flow.set_protected(true),
                Wire::Message(message) => read_body(message),
                _ => {}
            }
            events.push(event);
        }
    }
    events
}

fn read_body(message: &Message) {
    match message.kind {
        HandshakeType::CLIENT_HELLO => drop(ClientHello::parse(&message.body)),
        HandshakeType::SERVER_HELLO => drop(ServerHello::parse(&message.body)),
        HandshakeType::SERVER_KEY_EXCHANGE => drop(identity_hint(&message.body)),
        HandshakeType::CLIENT_KEY_EXCHANGE => drop(identity(&message.body)),
        _ => {}
    }
}
