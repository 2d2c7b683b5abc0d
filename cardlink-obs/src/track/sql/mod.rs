//! Databases: pairs what is asked with its result, and follows the connections.

mod postgres;
mod teller;
#[cfg(test)]
mod tests;

pub(super) use postgres::POSTGRES;
pub use postgres::fuzz as fuzz_postgres;
use teller::{Asked, Ending, Part, Teller};
