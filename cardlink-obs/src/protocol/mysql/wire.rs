//! Numbers and fields of the protocol.

/// First bytes of what a client asks.
pub mod command {
    pub const QUIT: u8 = 0x01;
    pub const INIT_DB: u8 = 0x02;
    pub const QUERY: u8 = 0x03;
    pub const FIELD_LIST: u8 = 0x04;
    pub const STATISTICS: u8 = 0x09;
    pub const PROCESS_INFO: u8 = 0x0a;
    pub const PING: u8 = 0x0e;
    pub const CHANGE_USER: u8 = 0x11;
    pub const BINLOG_DUMP: u8 = 0x12;
    pub const TABLE_DUMP: u8 = 0x13;
    pub const PREPARE: u8 = 0x16;
    pub const EXECUTE: u8 = 0x17;
    pub const LONG_DATA: u8 = 0x18;
    pub const CLOSE: u8 = 0x19;
    pub const RESET: u8 = 0x1a;
    pub const SET_OPTION: u8 = 0x1b;
    pub const FETCH: u8 = 0x1c;
    pub const BINLOG_DUMP_GTID: u8 = 0x1e;
    pub const RESET_CONNECTION: u8 = 0x1f;
    /// MariaDB: a prepared statement with many sets of parameters.
    pub const BULK_EXECUTE: u8 = 0xfa;

    /// Whether a client may ask so; 0x21 is the last that MySQL has.
    pub const fn is_known(command: u8) -> bool {
        matches!(command, QUIT..=0x21 | BULK_EXECUTE)
    }

    /// Whether the server answers it.
    pub const fn is_answered(command: u8) -> bool {
        !matches!(command, QUIT | LONG_DATA | CLOSE)
    }

    /// What follows is no conversation any more, but a stream of the server's log.
    pub const fn is_replication(command: u8) -> bool {
        matches!(command, BINLOG_DUMP | TABLE_DUMP | BINLOG_DUMP_GTID)
    }
}

/// Bits of the server's status.
pub mod status {
    pub const IN_TRANSACTION: u16 = 1;
    pub const MORE_RESULTS: u16 = 1 << 3;
    /// The rows are fetched in parts.
    pub const CURSOR: u16 = 1 << 6;
    pub const LAST_ROW: u16 = 1 << 7;
}

/// Bits of what both sides can.
pub(super) mod capability {
    pub const COMPRESS: u32 = 1 << 5;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const SSL: u32 = 1 << 11;
    pub const DEPRECATE_EOF: u32 = 1 << 24;
    pub const OPTIONAL_METADATA: u32 = 1 << 25;
    pub const ZSTD: u32 = 1 << 26;
    pub const QUERY_ATTRIBUTES: u32 = 1 << 27;
}

/// First bytes of what a server answers.
pub(super) mod first {
    pub const OK: u8 = 0x00;
    pub const LOCAL: u8 = 0xfb;
    pub const EOF: u8 = 0xfe;
    pub const ERR: u8 = 0xff;
}

/// Length of a packet that another part follows.
pub(super) const PART: u32 = 0x00ff_ffff;

/// A number of variable length, and what follows it. `None` when it is cut short, or is none.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let width = match first {
        0..=0xfa => return Some((u64::from(first), rest)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(width)?;
    Some((value.iter().rev().fold(0, |all, byte| (all << 8) | u64::from(*byte)), rest))
}

/// Two bytes, the lower first.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What a server greets with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Greeting {
    pub mariadb: bool,
    pub capabilities: u32,
}

/// The longest version that is believed.
const MOST_VERSION: usize = 100;

impl Greeting {
    /// `None` when it is none of version 10.
    pub fn of(body: &[u8]) -> Option<Self> {
        let (&10, rest) = body.split_first()? else { return None };
        let end = rest.iter().take(MOST_VERSION).position(|byte| *byte == 0)?;
        let (version, rest) = rest.split_at(end);
        if !version.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return None;
        }
        // After the end of the version: a number, eight bytes for the password, and a zero.
        let low = u16_at(rest, 14)?;
        let high = u16_at(rest, 19).unwrap_or(0);
        let capabilities = u32::from(low) | (u32::from(high) << 16);
        let mariadb = version.windows(7).any(|part| part.eq_ignore_ascii_case(b"mariadb"));
        Some(Self { mariadb, capabilities })
    }
}

/// What a client says that it can, with its login or before it asks for encryption.
pub(super) fn login(body: &[u8]) -> Option<u32> {
    u32_at(body, 0)
}

/// The end of a statement or of its rows: an OK packet, or one that ends rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub affected: u64,
    pub status: u16,
}

impl Ending {
    pub fn of(body: &[u8]) -> Option<Self> {
        let (&first, rest) = body.split_first()?;
        if first == first::EOF && body.len() == 5 {
            return Some(Self { affected: 0, status: u16_at(body, 3)? });
        }
        let (affected, rest) = number(rest)?;
        let (_, rest) = number(rest)?;
        Some(Self { affected, status: u16_at(rest, 0)? })
    }
}
