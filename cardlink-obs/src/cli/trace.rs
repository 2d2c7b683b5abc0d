//! `trace`: what happens, for people, or as JSON for programs.

use super::{
    CliError,
    flags::{self, CommandArgs, ConfigArgs, Flags, Offer},
    live, out,
};
use crate::{
    agent::{Deserted, Run},
    client::OwnConnections,
    config::{Log, duration},
    logging,
    sink::{
        Sink,
        json::Json,
        names::Names,
        text::{Filter, Text},
        wall::WallClock,
    },
    track::Kept,
};
use anstream::adapter::StripBytes;
use clap::Args;
use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// What is shown, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What is shown")]
pub struct ShowArgs {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Only what failed.
    #[arg(long)]
    failed: bool,
    /// Only what took at least so long.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    slower: Option<Duration>,
    /// Only the connection of this number.
    #[arg(long, value_name = "N", value_parser = whole_number)]
    conn: Option<u64>,
    /// Only peers whose address begins with this.
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<String>,
    /// Closes, unsolicited result codes, and every process that starts or ends, too.
    #[arg(long)]
    all: bool,
}

impl ShowArgs {
    fn filter(&self) -> Filter {
        Filter {
            failed: self.failed,
            slower: self.slower,
            connection: self.conn,
            peer: self.peer.clone(),
            all: self.all,
        }
    }

    /// The sink that was asked for, on standard output.
    pub fn sink(&self, clock: WallClock, names: Names) -> Box<dyn Sink> {
        if self.json {
            Box::new(Json::new(io::BufWriter::new(io::stdout()), clock, names, self.filter()))
        } else {
            Box::new(Text::new(out::stdout(), clock, names, self.filter()))
        }
    }

    /// The same, into a file that only its owner can read.
    fn sink_in(&self, path: &Path, clock: WallClock, names: Names) -> Result<Box<dyn Sink>, CliError> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = file.map_err(|error| CliError::File { what: format!("the output {}", path.display()), error })?;
        let file = io::BufWriter::new(file);
        Ok(if self.json {
            Box::new(Json::new(file, clock, names, self.filter()))
        } else {
            Box::new(Text::new(Plain::new(file), clock, names, self.filter()))
        })
    }

    /// What is waited for, in words.
    fn awaited(&self) -> String {
        let mut words = vec![String::from(if self.failed { "what fails" } else { "what it does" })];
        if let Some(limit) = self.slower {
            words.push(format!("and takes {limit:?} or longer"));
        }
        if let Some(number) = self.conn {
            words.push(format!("on connection {number}"));
        }
        if let Some(peer) = &self.peer {
            words.push(format!("with peers that begin with {peer}"));
        }
        words.join(" ")
    }
}

/// Leaves out colours: a file is read by programs, too.
struct Plain<W> {
    out: W,
    state: StripBytes,
}

impl<W> Plain<W> {
    fn new(out: W) -> Self {
        Self { out, state: StripBytes::new() }
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.state.strip_next(bytes).try_for_each(|part| self.out.write_all(part))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| String::from("must be a whole number: the N of `#N`"))
}

/// The settings that `trace` takes.
#[derive(Debug, Clone)]
pub struct Traced;

impl Offer for Traced {
    const SECTIONS: &'static [&'static str] = &["watch", "log", "limits", "sessions", "databases", "kernel"];
    // The log file is the service's.
    const BUT: &'static [&'static str] = &["log-file", "log-max-mib", "log-keep"];
}

#[derive(Debug, Args)]
pub struct TraceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    flags: Flags<Traced>,
    #[command(flatten)]
    command: CommandArgs,
    #[command(flatten)]
    show: ShowArgs,
    /// Show PSK identities as they are, not as hashes.
    #[arg(long, help_heading = "What is shown")]
    clear_identities: bool,
    /// Write into this file, readable for its owner only, instead of standard output, which COMMAND shares.
    #[arg(long, short, value_name = "FILE", help_heading = "What is shown")]
    output: Option<PathBuf>,
}

pub fn trace(args: &TraceArgs) -> Result<i32, CliError> {
    let words = &args.command.command;
    let loaded = flags::load(&args.flags.inputs(args.config.choice(), words))?;
    let config = &loaded.config;
    logging::start(&Log { file: None, ..config.log.clone() }, None)?;
    flags::warn_of_strange(&loaded);
    let what =
        live::What { sample_every: Duration::ZERO, tap: Kept::None, reloads: false, trace_context: false, run: None };
    let live = live::start(config, words, what)?;
    let names = live::names(config, args.clear_identities, live.vault.keyring().as_deref())?;
    let clock = WallClock::of_this_host();
    let sink = match &args.output {
        Some(path) => args.show.sink_in(path, clock, names)?,
        None => args.show.sink(clock, names),
    };
    let on_output = args.output.is_none();
    let watched: Vec<String> = live.capture.watched().map(|(pid, name)| format!("{name}({pid})")).collect();
    if !watched.is_empty() {
        let ends = if words.is_empty() { " (Ctrl-C ends)" } else { "" };
        tracing::info!("attached to {}: waiting for {}{ends}", several(&watched), args.show.awaited());
    }
    let outcome = Run {
        capture: live.capture,
        pipeline: live.pipeline,
        sinks: vec![sink],
        recorder: None,
        command: live.command,
        deserted: if live.open_ended { Deserted::Wait } else { Deserted::Stop },
        after_drain: Box::new(|_, _, _| {}),
        reload: Box::new(|_, _| {}),
        own: OwnConnections::default(),
        unread: Box::new(move || on_output && out::reader_is_gone()),
    }
    .until_stopped(&live.signals)?;
    outcome.capture.leave();
    Ok(outcome.command.unwrap_or(0))
}

/// The first of them, and how many more there are.
fn several(names: &[String]) -> String {
    let shown = names.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(4) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Plain, several, whole_number};
    use std::io::Write as _;

    #[test]
    fn a_file_has_no_colours() {
        let mut out = Plain::new(Vec::new());
        write!(out, "\u{1b}[31mFAILED\u{1b}[0m wrong_key │").expect("written");
        assert_eq!(String::from_utf8(out.out).expect("UTF-8"), "FAILED wrong_key │");
    }

    #[test]
    fn many_targets_are_counted() {
        let names = |count: usize| (0..count).map(|n| format!("a({n})")).collect::<Vec<_>>();
        assert_eq!(several(&names(2)), "a(0), a(1)");
        assert_eq!(several(&names(6)), "a(0), a(1), a(2), a(3) and 2 more");
    }

    #[test]
    fn a_connection_is_a_number() {
        assert_eq!(whole_number("3"), Ok(3));
        assert!(whole_number("x").is_err_and(|error| error.contains("whole number")));
    }
}
