//! The modem.

mod answer;
mod dialogue;
mod line;
mod options;
mod pty;
mod sim;
mod table;
mod uicc;

pub use options::{Delay, Echo, Fault, FaultOn, Options, Urc};
pub use uicc::Uicc;

use crate::truth::Truth;
use dialogue::Modem;
use pty::Pty;
use std::io::Write;

pub fn run(options: Options) -> anyhow::Result<()> {
    crate::stop::on_signals()?;
    let answers = options::read_answers(options.answers.as_deref())?;
    let truth = Truth::open(options.truth.as_deref())?;
    let pty = match &options.port {
        Some(port) => Pty::of(port)?,
        None => Pty::open(options.link.as_deref())?,
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "modem on {}", pty.path.display())?;
    out.flush()?;
    drop(out);
    Modem::new(options, answers, truth, pty).serve()
}
