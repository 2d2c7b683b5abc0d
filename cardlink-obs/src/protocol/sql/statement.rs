//! What a statement does, and to which table: from the tokens of its masked text.

use super::Masker;
use sqlparser::{
    dialect::{Dialect as Rules, MySqlDialect, PostgreSqlDialect, SQLiteDialect},
    tokenizer::{Token, TokenWithSpan, Tokenizer, Word},
};
use std::sync::Arc;

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Postgres,
    Mysql,
    Sqlite,
}

/// A statement, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// One of a fixed set of words: `SELECT`, `INSERT`, …, or [`OTHER`].
    pub operation: &'static str,
    /// The first table that it reads or writes, as it is named.
    pub table: Option<Arc<str>>,
}

/// The operation of what is none of the known ones.
pub const OTHER: &str = "OTHER";

/// Statements of one text that are told apart.
const MOST_STATEMENTS: usize = 64;
/// Bytes of a text that are read.
pub const MOST_TEXT: usize = 16_384;
/// A longer name is not told.
pub const MOST_TABLE: usize = 128;
/// Queries within queries that are followed.
const MOST_DEPTH: u8 = 8;

const OPERATIONS: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "BEGIN",
    "CALL",
    "CHANGE",
    "CHECK",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DESCRIBE",
    "DETACH",
    "DISCARD",
    "DO",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "INSERT",
    "INSTALL",
    "KILL",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "OPTIMIZE",
    "PRAGMA",
    "PREPARE",
    "PURGE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RENAME",
    "REPAIR",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SECURITY",
    "SELECT",
    "SET",
    "SHOW",
    "SHUTDOWN",
    "TRUNCATE",
    "UNLISTEN",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VACUUM",
    "XA",
];

/// Words that mean the same as another.
const SYNONYMS: &[(&str, &str)] = &[
    ("START", "BEGIN"),
    ("END", "COMMIT"),
    ("ABORT", "ROLLBACK"),
    ("VALUES", "SELECT"),
    ("TABLE", "SELECT"),
    ("DESC", "DESCRIBE"),
    ("ANALYSE", "ANALYZE"),
];

fn operation(word: &str) -> &'static str {
    let upper = word.to_ascii_uppercase();
    let upper = SYNONYMS.iter().find(|(from, _)| *from == upper).map_or(upper.as_str(), |(_, to)| to);
    OPERATIONS.iter().find(|known| **known == upper).copied().unwrap_or(OTHER)
}

/// The operation that a server names in its answer (`INSERT 0 1`, `CREATE TABLE`).
pub fn by_tag(tag: &str) -> Statement {
    Statement { operation: operation(tag.split(' ').next().unwrap_or_default()), table: None }
}

/// The statements of a text, in their order. The text is masked here when it is not yet.
pub fn statements(text: &[u8], dialect: Dialect) -> Vec<Statement> {
    let mut text = text.get(..MOST_TEXT).unwrap_or(text).to_vec();
    Masker::new(dialect).mask(&mut text);
    let text = String::from_utf8_lossy(&text);
    let rules: &dyn Rules = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    };
    let mut all: Vec<TokenWithSpan> = Vec::new();
    // At an error, or where the text was cut, the tokens before it are there.
    let _ = Tokenizer::new(rules, &text).tokenize_with_location_into_buf(&mut all);
    let tokens: Vec<&Token> =
        all.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let parts = tokens.split(|token| matches!(token, Token::SemiColon)).filter(|part| !part.is_empty());
    parts.take(MOST_STATEMENTS).map(|part| Reader { tokens: part, dialect, common: Vec::new() }.statement()).collect()
}

/// Reads the tokens of one statement.
struct Reader<'a> {
    tokens: &'a [&'a Token],
    dialect: Dialect,
    /// Names that `WITH` gives to queries: they are no tables.
    common: Vec<String>,
}

impl<'a> Reader<'a> {
    fn statement(mut self) -> Statement {
        let mut at = 0;
        while matches!(self.token(at), Some(Token::LParen)) {
            at += 1;
        }
        if self.is(at, "WITH") {
            match self.after_with(at + 1) {
                Some(main) => at = main,
                None => return Statement { operation: OTHER, table: None },
            }
        }
        let operation = self.word(at).map_or(OTHER, |word| operation(&word.value));
        let table = self.table(at, operation, 0).or_else(|| self.any(at, operation));
        Statement { operation, table }
    }

    fn token(&self, at: usize) -> Option<&'a Token> {
        self.tokens.get(at).copied()
    }

    fn word(&self, at: usize) -> Option<&'a Word> {
        match self.token(at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether there is this word, and it is not quoted.
    fn is(&self, at: usize, word: &str) -> bool {
        self.word(at).is_some_and(|found| found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    fn is_any(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    /// Past all of these words.
    fn past(&self, mut at: usize, words: &[&str]) -> usize {
        while self.is_any(at, words) {
            at += 1;
        }
        at
    }

    /// The first of these words from `at` on that stands in no parentheses which begin there.
    fn find(&self, mut at: usize, words: &[&str]) -> Option<usize> {
        let mut depth = 0u32;
        while let Some(token) = self.token(at) {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.checked_sub(1)?,
                Token::Word(_) if depth == 0 && self.is_any(at, words) => return Some(at),
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// Where the statement is that follows the queries with names.
    fn after_with(&mut self, at: usize) -> Option<usize> {
        let main = self.find(at, &["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "REPLACE"])?;
        let mut depth = 0u32;
        for index in at..main {
            match self.token(index) {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth = depth.saturating_sub(1),
                Some(Token::Word(word)) if depth == 0 => self.common.push(self.folded(word)),
                _ => {}
            }
        }
        Some(main)
    }

    fn table(&self, at: usize, operation: &str, depth: u8) -> Option<Arc<str>> {
        let next = at + 1;
        match operation {
            "SELECT" if self.is(at, "TABLE") => self.named(self.past(next, &["ONLY"])),
            "SELECT" | "DELETE" | "SHOW" => self.from(next, depth),
            "INSERT" | "REPLACE" | "MERGE" => {
                let into = self.find(next, &["INTO"]).map(|into| into + 1);
                // MySQL knows it without INTO.
                let bare = || self.past(next, &["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"]);
                self.named(into.unwrap_or_else(bare))
            }
            "UPDATE" => {
                let skipped = ["ONLY", "OR", "ROLLBACK", "ABORT", "REPLACE", "FAIL", "IGNORE", "LOW_PRIORITY"];
                self.named(self.past(next, &skipped))
            }
            "COPY" => self.relation(next, depth),
            "TRUNCATE" | "LOCK" => self.named(self.past(next, &["TABLE", "TABLES", "ONLY"])),
            "ANALYZE" | "VACUUM" | "CLUSTER" | "REINDEX" | "OPTIMIZE" | "CHECK" | "REPAIR" => {
                let mut at = next;
                if let Some(Token::LParen) = self.token(at) {
                    at = self.closing(at)? + 1;
                }
                let words = ["TABLE", "VERBOSE", "FULL", "FREEZE", "ANALYZE", "LOCAL", "NO_WRITE_TO_BINLOG"];
                self.named(self.past(at, &words))
            }
            "CREATE" | "ALTER" | "DROP" => self.defined(next),
            "DESCRIBE" => self.named(next),
            "LOAD" => self.find(next, &["TABLE"]).and_then(|table| self.named(table + 1)),
            "EXPLAIN" | "PREPARE" | "DECLARE" => {
                let main = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "REPLACE"];
                let main = self.find(next, &main)?;
                (depth < MOST_DEPTH).then(|| self.table(main, self::operation(&self.word(main)?.value), depth + 1))?
            }
            _ => None,
        }
    }

    /// The table of `CREATE`, `ALTER` and `DROP`: of a table, or of an index on one.
    fn defined(&self, at: usize) -> Option<Arc<str>> {
        let kinds = ["OR", "REPLACE", "TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL", "FOREIGN", "UNIQUE"];
        let at = self.past(at, &kinds);
        if self.is(at, "TABLE") {
            return self.named(self.past(at + 1, &["IF", "NOT", "EXISTS", "ONLY"]));
        }
        if self.is(at, "INDEX") {
            let on = self.find(at + 1, &["ON"])?;
            return self.named(self.past(on + 1, &["ONLY"]));
        }
        None
    }

    /// The table after the first `FROM` of a query.
    fn from(&self, mut at: usize, depth: u8) -> Option<Arc<str>> {
        loop {
            let from = self.find(at, &["FROM"])?;
            // `IS DISTINCT FROM` compares.
            if !(self.is(from.wrapping_sub(1), "DISTINCT") && self.is_any(from.wrapping_sub(2), &["IS", "NOT"])) {
                return self.relation(from + 1, depth);
            }
            at = from + 1;
        }
    }

    fn relation(&self, mut at: usize, depth: u8) -> Option<Arc<str>> {
        loop {
            at = self.past(at, &["ONLY", "LATERAL"]);
            if !matches!(self.token(at), Some(Token::LParen)) {
                break;
            }
            at += 1;
        }
        if self.is_any(at, &["SELECT", "VALUES"]) {
            return if depth < MOST_DEPTH { self.from(at + 1, depth + 1) } else { None };
        }
        self.named(at)
    }

    /// The table that has its name here; not a function, and not a query that has a name.
    fn named(&self, at: usize) -> Option<Arc<str>> {
        let first = self.word(at)?;
        let mut name = self.folded(first);
        let mut end = at + 1;
        while let (Some(Token::Period), Some(word)) = (self.token(end), self.word(end + 1)) {
            name.push('.');
            name.push_str(&self.folded(word));
            end += 2;
            if name.len() > MOST_TABLE {
                return None;
            }
        }
        let call = matches!(self.token(end), Some(Token::LParen)) && self.is_function(at);
        let common = end == at + 1 && self.common.contains(&name);
        (!call && !common && !name.is_empty() && name.len() <= MOST_TABLE).then(|| Arc::from(name))
    }

    /// Whether a parenthesis after a name makes it a call: in `INSERT INTO t (a, b)` and `COPY t (a)` it does not.
    fn is_function(&self, at: usize) -> bool {
        at.checked_sub(1).is_some_and(|before| self.is_any(before, &["FROM", "LATERAL", "JOIN"]))
    }

    /// Any table of the statement, where the first that it names is none.
    fn any(&self, at: usize, operation: &str) -> Option<Arc<str>> {
        if self.common.is_empty() || !matches!(operation, "SELECT" | "DELETE") {
            return None;
        }
        let from = |index: &usize| self.is_any(*index, &["FROM", "JOIN"]);
        (at..self.tokens.len()).chain(0..at).filter(from).find_map(|from| {
            let compared = self.is(from.wrapping_sub(1), "DISTINCT");
            if compared { None } else { self.named(self.past(from + 1, &["ONLY"])) }
        })
    }

    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0u32;
        for (index, token) in self.tokens.iter().enumerate().skip(open) {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The name as the server takes it.
    fn folded(&self, word: &Word) -> String {
        match (word.quote_style, self.dialect) {
            (None, Dialect::Postgres | Dialect::Sqlite) => word.value.to_lowercase(),
            _ => word.value.clone(),
        }
    }
}
