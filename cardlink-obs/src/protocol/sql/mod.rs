//! SQL texts: what a statement does and to which table, and nothing else of it.
//!
//! A text is masked before it is read ([`Masker`]), live as well as in a recording: what stands in literals cannot leave.

mod mask;
mod sender;
mod sqlstate;
mod statement;
#[cfg(test)]
mod tests;

pub use mask::Masker;
pub use sender::Sender;
pub use sqlstate::error_class;
pub use statement::{Dialect, OTHER, Statement, by_tag, statements};

/// Entry for a fuzzer: masks keep the length, are stable, depend on the past only, and what is read of a masked text is the same.
pub fn fuzz(data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let dialect = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite][usize::from(first) % 3];
    let mut masked = text.to_vec();
    Masker::new(dialect).mask(&mut masked);
    let mut again = masked.clone();
    Masker::new(dialect).mask(&mut again);
    assert_eq!(masked, again, "a mask is stable");
    let (head, tail) = text.split_at(text.len() / 2);
    let (mut head, mut tail) = (head.to_vec(), tail.to_vec());
    let mut masker = Masker::new(dialect);
    masker.mask(&mut head);
    masker.mask(&mut tail);
    head.append(&mut tail);
    assert_eq!(masked, head, "a text in two parts is the same text");
    let found = statements(text, dialect);
    assert_eq!(found, statements(&masked, dialect));
    for statement in found {
        assert!(statement.table.is_none_or(|table| table.len() <= statement::MOST_TABLE));
    }
}
