//! Databases: pairs what is asked with its result, and follows the connections.
//!
//! A [`Teller`] tells of one connection, whatever stands behind it. What comes by a stream socket implements
//! [`Speech`](wire::Speech): it pairs requests with results, and nothing else.

mod mysql;
mod places;
mod postgres;
#[cfg(test)]
mod talk;
mod teller;
#[cfg(test)]
mod tests;
mod wire;

pub(super) use mysql::MYSQL;
pub use mysql::fuzz as fuzz_mysql;
pub use places::Places;
pub(super) use postgres::POSTGRES;
pub use postgres::fuzz as fuzz_postgres;
use teller::{Asked, Ending, Part, Teller};
