//! The ground truth: what really happened, one JSON object a line.
//!
//! A line is one `write` to a file that was opened for appending, so threads, forked children and several programs
//! can share a file.

mod record;

pub use record::{
    Call, ConnectionRecord, HandshakeRecord, ModemRecord, Outcome, PhoneRecord, ReaderRecord, ScriptApdu, SessionRecord,
};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Where the truth goes, if anywhere.
#[derive(Debug, Default)]
pub struct Truth {
    file: Option<File>,
}

impl Truth {
    pub fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .with_context(|| format!("cannot open the truth file {}", path.display()))
        };
        Ok(Self { file: path.map(open).transpose()? })
    }

    /// Appends one line. A lab that cannot tell the truth says so and goes on: its peers must not notice.
    pub fn tell(&self, record: &impl Serialize) {
        let Some(mut file) = self.file.as_ref() else { return };
        let told = serde_json::to_vec(record).map_err(std::io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            file.write_all(&line)
        });
        if let Err(error) = told {
            eprintln!("cannot write the truth: {error}");
        }
    }
}

/// Reads all whole lines of a truth file. A last line without its end is still being written, and left out.
pub fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a line of truth: {line}")))
        .collect()
}
