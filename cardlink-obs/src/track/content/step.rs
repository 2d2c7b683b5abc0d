//! What the opener of a TLS connection tells, in the terms of the watched program.

use crate::{
    event::PlainSource,
    observation::{PlaintextWay, Sealed},
    protocol::tls::{
        AlertLevel,
        open::{Opened, Sender, Way},
    },
    stream::Direction,
};

/// An event of the opener that owns what it tells.
pub enum Step {
    Readable(Way),
    Data(Sender, Vec<u8>),
    Alert { sender: Sender, number: u8, fatal: bool },
    Sealed(Sealed),
    Gap(Sender),
    Overlong(String),
}

impl Step {
    /// `probing`: TLS libraries of targets are probed.
    pub fn of(event: &Opened<'_>, probing: bool) -> Self {
        match event {
            Opened::Readable(way) => Self::Readable(*way),
            Opened::Data(sender, bytes) => Self::Data(*sender, bytes.to_vec()),
            Opened::Alert(sender, alert) => {
                Self::Alert { sender: *sender, number: alert.description.0, fatal: alert.level == AlertLevel::FATAL }
            }
            Opened::Gap(sender) => Self::Gap(*sender),
            Opened::Sealed(why) => {
                Self::Sealed(Sealed { reason: why.as_str().to_owned(), advice: why.advice(probing).to_owned() })
            }
            Opened::Overlong { sender, len, limit } => {
                let who = match sender {
                    Sender::Client => "client",
                    Sender::Server => "server",
                };
                Self::Overlong(format!("{len} bytes of the {who}, {limit} agreed"))
            }
        }
    }
}

pub const fn sender(direction: Direction, client: Direction) -> Sender {
    match (direction, client) {
        (Direction::Read, Direction::Read) | (Direction::Write, Direction::Write) => Sender::Client,
        _ => Sender::Server,
    }
}

pub const fn direction(sender: Sender, client: Direction) -> Direction {
    match sender {
        Sender::Client => client,
        Sender::Server => client.other(),
    }
}

pub const fn source(way: Way) -> PlainSource {
    match way {
        Way::NullSuite => PlainSource::NullSuite,
        Way::KeyFile => PlainSource::KeyFile,
    }
}

pub const fn way(source: PlainSource) -> PlaintextWay {
    match source {
        PlainSource::Clear => PlaintextWay::Clear,
        PlainSource::NullSuite => PlaintextWay::NullSuite,
        PlainSource::KeyFile => PlaintextWay::KeyFile,
        PlainSource::OpenSsl => PlaintextWay::Library("openssl"),
        PlainSource::GnuTls => PlaintextWay::Library("gnutls"),
        PlainSource::MbedTls => PlaintextWay::Library("mbedtls"),
        PlainSource::WolfSsl => PlaintextWay::Library("wolfssl"),
    }
}
