//! Names of commands by CLA, INS, and parameters where these decide.

use std::fmt;

/// The name of a command: one of a fixed table, or `INS_XX`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandName(&'static str);

/// The classes that a row of the table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Classes {
    Any,
    /// `0X` to `7X`.
    Interindustry,
    /// `8X` to `FX`, without `A0`.
    Proprietary,
    /// `A0` of TS 51.011.
    Gsm,
}

use Classes::{Any, Gsm, Interindustry, Proprietary};

/// The first row that fits counts. Rows with a condition stand in [`CommandName::of`].
const TABLE: &[(Classes, u8, &str)] = &[
    // TS 51.011 §9.2, where it differs.
    (Gsm, 0x04, "INVALIDATE"),
    (Gsm, 0x44, "REHABILITATE"),
    (Gsm, 0x88, "RUN_GSM_ALGORITHM"),
    (Gsm, 0xA2, "SEEK"),
    (Gsm, 0xF2, "STATUS"),
    (Gsm, 0xFA, "SLEEP"),
    // GlobalPlatform Card Specification 2.3 §11, and its amendments D and F for the secure channels.
    (Proprietary, 0xE4, "DELETE"),
    (Proprietary, 0xE6, "INSTALL"),
    (Proprietary, 0xE8, "LOAD"),
    (Proprietary, 0xE2, "STORE_DATA"),
    (Proprietary, 0xD8, "PUT_KEY"),
    (Proprietary, 0xF0, "SET_STATUS"),
    (Proprietary, 0xF2, "GET_STATUS"),
    (Proprietary, 0x50, "INITIALIZE_UPDATE"),
    // TS 102 221 §11, TS 102 222 §6.
    (Proprietary, 0xCB, "GET_DATA"),
    (Proprietary, 0xDB, "SET_DATA"),
    (Proprietary, 0x76, "SUSPEND_UICC"),
    (Proprietary, 0x78, "GET_IDENTITY"),
    (Proprietary, 0x7A, "EXCHANGE_CAPABILITIES"),
    (Proprietary, 0x7C, "MANAGE_LSI"),
    (Proprietary, 0xAA, "TERMINAL_CAPABILITY"),
    (Proprietary, 0xD4, "RESIZE_FILE"),
    (Interindustry, 0xE0, "CREATE_FILE"),
    (Interindustry, 0xE2, "APPEND_RECORD"),
    (Interindustry, 0xE4, "DELETE_FILE"),
    (Interindustry, 0xE6, "TERMINATE_DF"),
    (Interindustry, 0xE8, "TERMINATE_EF"),
    (Interindustry, 0xFE, "TERMINATE_CARD_USAGE"),
    (Interindustry, 0xCB, "GET_DATA"),
    (Interindustry, 0xDB, "PUT_DATA"),
    (Interindustry, 0x87, "GENERAL_AUTHENTICATE"),
    (Any, 0x04, "DEACTIVATE_FILE"),
    (Any, 0x0C, "ERASE_RECORD"),
    (Any, 0x0E, "ERASE_BINARY"),
    (Any, 0x0F, "ERASE_BINARY"),
    (Any, 0x10, "TERMINAL_PROFILE"),
    (Any, 0x12, "FETCH"),
    (Any, 0x14, "TERMINAL_RESPONSE"),
    (Any, 0x20, "VERIFY_PIN"),
    (Any, 0x21, "VERIFY_PIN"),
    (Any, 0x22, "MANAGE_SECURITY_ENVIRONMENT"),
    (Any, 0x24, "CHANGE_PIN"),
    (Any, 0x26, "DISABLE_PIN"),
    (Any, 0x28, "ENABLE_PIN"),
    (Any, 0x2A, "PERFORM_SECURITY_OPERATION"),
    (Any, 0x2C, "UNBLOCK_PIN"),
    (Any, 0x32, "INCREASE"),
    (Any, 0x44, "ACTIVATE_FILE"),
    (Any, 0x46, "GENERATE_KEY_PAIR"),
    (Any, 0x47, "GENERATE_KEY_PAIR"),
    (Any, 0x70, "MANAGE_CHANNEL"),
    (Any, 0x73, "MANAGE_SECURE_CHANNEL"),
    (Any, 0x75, "TRANSACT_DATA"),
    (Any, 0x82, "EXTERNAL_AUTHENTICATE"),
    (Any, 0x84, "GET_CHALLENGE"),
    (Any, 0x86, "GENERAL_AUTHENTICATE"),
    (Any, 0x88, "AUTHENTICATE"),
    (Any, 0x89, "AUTHENTICATE"),
    (Any, 0xA0, "SEARCH_BINARY"),
    (Any, 0xA2, "SEARCH_RECORD"),
    (Any, 0xA4, "SELECT"),
    (Any, 0xB0, "READ_BINARY"),
    (Any, 0xB1, "READ_BINARY"),
    (Any, 0xB2, "READ_RECORD"),
    (Any, 0xB3, "READ_RECORD"),
    (Any, 0xC0, "GET_RESPONSE"),
    (Any, 0xC2, "ENVELOPE"),
    (Any, 0xC3, "ENVELOPE"),
    (Any, 0xCA, "GET_DATA"),
    (Any, 0xD0, "WRITE_BINARY"),
    (Any, 0xD2, "WRITE_RECORD"),
    (Any, 0xD6, "UPDATE_BINARY"),
    (Any, 0xD7, "UPDATE_BINARY"),
    (Any, 0xDA, "PUT_DATA"),
    (Any, 0xDC, "UPDATE_RECORD"),
    (Any, 0xDD, "UPDATE_RECORD"),
];

/// Names that only parameters tell.
const BY_PARAMETERS: [&str; 2] = ["RETRIEVE_DATA", "BEGIN_R_MAC_SESSION"];

const UNKNOWN: [[u8; 6]; 256] = {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    let mut names = [*b"INS_00"; 256];
    let mut ins = 0;
    while ins < 256 {
        names[ins][4] = HEX[ins >> 4];
        names[ins][5] = HEX[ins & 15];
        ins += 1;
    }
    names
};
static UNKNOWN_NAMES: [[u8; 6]; 256] = UNKNOWN;

impl CommandName {
    pub fn of(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        let class = match cla {
            0xA0 => Gsm,
            0x00..=0x7F => Interindustry,
            _ => Proprietary,
        };
        if class == Proprietary {
            match (ins, p1, p2) {
                // STATUS has 00 to 02 there (TS 102 221 §11.1.2), GET STATUS one of the four high bits.
                (0xF2, 0x00..=0x02, _) => return Self("STATUS"),
                // The tag stands in the data, P1 is zero (TS 102 221 §11.3.1); GET DATA has its tag in P1 and P2.
                (0xCB, 0, 0 | 0x40 | 0x80) => return Self("RETRIEVE_DATA"),
                // EXCHANGE CAPABILITIES has zeros (TS 102 221 §11.1.24).
                (0x7A, _, _) if (p1, p2) != (0, 0) => return Self("BEGIN_R_MAC_SESSION"),
                _ => {}
            }
        }
        let row = TABLE.iter().find(|(classes, known, _)| *known == ins && (*classes == Any || *classes == class));
        row.map_or_else(|| Self::unknown(ins), |(_, _, name)| Self(name))
    }

    /// A name of the table, not `INS_XX`.
    pub fn is_known(self) -> bool {
        !self.0.starts_with("INS_")
    }

    /// Letters, digits and `_`: fit for a label.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Every name that there can be.
    pub fn all() -> impl Iterator<Item = Self> {
        let mut known: Vec<_> = TABLE.iter().map(|(_, _, name)| *name).chain(BY_PARAMETERS).map(Self).collect();
        known.sort_unstable();
        known.dedup();
        known.into_iter().chain((0..=u8::MAX).map(Self::unknown))
    }

    fn unknown(ins: u8) -> Self {
        let name = UNKNOWN_NAMES.get(usize::from(ins)).and_then(|name| std::str::from_utf8(name).ok());
        Self(name.unwrap_or("INS_00"))
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
