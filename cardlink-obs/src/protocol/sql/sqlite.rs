//! Result codes of SQLite (`sqlite3.h`; <https://www.sqlite.org/rescode.html>).

use std::fmt;

/// A result code: the primary one in the lowest eight bits, and what extends it, where the program has asked for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteCode(pub i32);

/// Primary codes of errors: their number, their name, and the word for labels.
const CODES: &[(i32, &str, &str)] = &[
    (1, "SQLITE_ERROR", "sql"),
    (2, "SQLITE_INTERNAL", "internal"),
    (3, "SQLITE_PERM", "permission"),
    (4, "SQLITE_ABORT", "aborted"),
    (5, "SQLITE_BUSY", "busy"),
    (6, "SQLITE_LOCKED", "locked"),
    (7, "SQLITE_NOMEM", "no_memory"),
    (8, "SQLITE_READONLY", "read_only"),
    (9, "SQLITE_INTERRUPT", "cancelled"),
    (10, "SQLITE_IOERR", "io"),
    (11, "SQLITE_CORRUPT", "corrupt"),
    (12, "SQLITE_NOTFOUND", "not_found"),
    (13, "SQLITE_FULL", "full"),
    (14, "SQLITE_CANTOPEN", "cannot_open"),
    (15, "SQLITE_PROTOCOL", "protocol"),
    (16, "SQLITE_EMPTY", "empty"),
    (17, "SQLITE_SCHEMA", "schema"),
    (18, "SQLITE_TOOBIG", "too_big"),
    (19, "SQLITE_CONSTRAINT", "constraint"),
    (20, "SQLITE_MISMATCH", "mismatch"),
    (21, "SQLITE_MISUSE", "misuse"),
    (22, "SQLITE_NOLFS", "no_large_files"),
    (23, "SQLITE_AUTH", "authorization"),
    (24, "SQLITE_FORMAT", "format"),
    (25, "SQLITE_RANGE", "range"),
    (26, "SQLITE_NOTADB", "not_a_database"),
];

/// Extended codes that say what a user wants to know.
const EXTENDED: &[(i32, &str)] = &[
    (261, "SQLITE_BUSY_RECOVERY"),
    (517, "SQLITE_BUSY_SNAPSHOT"),
    (773, "SQLITE_BUSY_TIMEOUT"),
    (262, "SQLITE_LOCKED_SHAREDCACHE"),
    (275, "SQLITE_CONSTRAINT_CHECK"),
    (531, "SQLITE_CONSTRAINT_COMMITHOOK"),
    (787, "SQLITE_CONSTRAINT_FOREIGNKEY"),
    (1043, "SQLITE_CONSTRAINT_FUNCTION"),
    (1299, "SQLITE_CONSTRAINT_NOTNULL"),
    (1555, "SQLITE_CONSTRAINT_PRIMARYKEY"),
    (1811, "SQLITE_CONSTRAINT_TRIGGER"),
    (2067, "SQLITE_CONSTRAINT_UNIQUE"),
    (2323, "SQLITE_CONSTRAINT_VTAB"),
    (2579, "SQLITE_CONSTRAINT_ROWID"),
    (3091, "SQLITE_CONSTRAINT_DATATYPE"),
    (264, "SQLITE_READONLY_RECOVERY"),
    (520, "SQLITE_READONLY_CANTLOCK"),
    (776, "SQLITE_READONLY_ROLLBACK"),
    (1032, "SQLITE_READONLY_DBMOVED"),
    (516, "SQLITE_ABORT_ROLLBACK"),
];

impl SqliteCode {
    pub const OK: Self = Self(0);
    /// There is a row.
    pub const ROW: Self = Self(100);
    pub const DONE: Self = Self(101);

    pub const fn is_error(self) -> bool {
        !matches!(self, Self::OK | Self::ROW | Self::DONE)
    }

    /// The word for labels.
    pub fn class(self) -> &'static str {
        self.primary().map_or("other", |(_, _, class)| class)
    }

    fn primary(self) -> Option<(i32, &'static str, &'static str)> {
        CODES.iter().copied().find(|(code, _, _)| *code == self.0 & 0xFF)
    }
}

/// Its name in `sqlite3.h`; an extended code without a name here has that of its primary one, with the number behind.
impl fmt::Display for SqliteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, name)) = EXTENDED.iter().find(|(code, _)| *code == self.0) {
            return f.write_str(name);
        }
        match self.primary() {
            Some((code, name, _)) if code == self.0 => f.write_str(name),
            Some((_, name, _)) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SqliteCode;

    #[test]
    fn codes_have_their_names_and_classes() {
        let cases = [
            (5, "SQLITE_BUSY", "busy"),
            (2067, "SQLITE_CONSTRAINT_UNIQUE", "constraint"),
            (266, "SQLITE_IOERR (266)", "io"),
            (9999, "SQLITE_PROTOCOL (9999)", "protocol"),
            (27, "27", "other"),
        ];
        for (code, name, class) in cases {
            assert_eq!((SqliteCode(code).to_string().as_str(), SqliteCode(code).class()), (name, class));
        }
        assert!([0, 100, 101].iter().all(|code| !SqliteCode(*code).is_error()));
        assert!(SqliteCode(6).is_error());
    }
}
