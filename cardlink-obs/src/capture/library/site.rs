//! One place for probes in a file.

use super::Library;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Of a TLS library.
    pub library: Option<Library>,
    /// Functions whose calls come by here.
    pub functions: Vec<String>,
    /// What the program is told: [`cardlink_obs_common::call`], or the number of a function that the user named.
    pub cookie: u64,
    /// Of the instruction in the file.
    pub offset: u64,
    /// Whether the return is probed too.
    pub returns: bool,
    /// The kernel has to single-step the instruction: each call costs the target some 10 µs more.
    pub stepped: bool,
}
