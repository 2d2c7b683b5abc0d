//! Errors, and their classes.

use super::wire::{first, u16_at};
use crate::protocol::sql::error_class;

/// An error, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The server's own number.
    pub code: u16,
    /// Empty before the login.
    pub sqlstate: String,
}

/// The number of what is no error but word of how far a statement has come (MariaDB).
pub(super) const PROGRESS: u16 = 0xffff;

impl Fault {
    pub fn of(body: &[u8]) -> Self {
        let code = if body.first() == Some(&first::ERR) { u16_at(body, 1).unwrap_or(0) } else { 0 };
        let sqlstate = match body.get(3..9) {
            Some([b'#', state @ ..]) if state.iter().all(u8::is_ascii_alphanumeric) => {
                String::from_utf8_lossy(state).into_owned()
            }
            _ => String::new(),
        };
        Self { code, sqlstate }
    }

    /// The word for labels: by the number where SQLSTATE says little, else by its class.
    pub fn class(&self) -> &'static str {
        match self.code {
            // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS.
            1040 | 1203 => "too_many_connections",
            // ER_ACCESS_DENIED_ERROR and without a password, the host is blocked or not allowed, the plugin, the account.
            1045 | 1129 | 1130 | 1524 | 1698 | 1820 | 1862 | 3118 | 3955 | 4151 => "authentication",
            1049 => "no_such_database",
            1053 | 1077..=1080 | 1927 | 3169 | 4031 => "shutdown",
            // ER_QUERY_INTERRUPTED, and what ran longer than it may.
            1317 | 1969 | 3024 => "cancelled",
            1213 | 1614 => "deadlock",
            1205 | 3572 => "object_state",
            1021 | 1037 | 1038 | 1041 | 1114 | 1135 | 1226 => "resources",
            1243 => "statement_name",
            _ => match self.sqlstate.get(..2).unwrap_or_default() {
                "70" => "cancelled",
                "XA" => "transaction_state",
                "45" => "routine",
                _ => error_class(&self.sqlstate),
            },
        }
    }

    /// SQLSTATE; of an error before the login that which stands for it.
    pub fn state(&self) -> &str {
        match (self.sqlstate.as_str(), self.code) {
            ("", 1040) => "08004",
            ("", 1045) => "28000",
            ("", 1053) => "08S01",
            ("", _) => "HY000",
            (state, _) => state,
        }
    }

    /// The connection ends with it.
    pub const fn is_fatal(&self) -> bool {
        matches!(self.code, 1053 | 1080 | 1152..=1161 | 1184 | 1927 | 3169 | 4031)
    }
}
