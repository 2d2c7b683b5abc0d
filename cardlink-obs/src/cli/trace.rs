//! `trace`: what happens, for people, or as JSON for programs.

use super::{
    CliError,
    flags::{self, CommandArgs, ConfigArgs, Flags, Offer},
    follow, live, out, socket,
};
use crate::{
    agent::{Deserted, Run},
    capture::loader::LoadError,
    client::OwnConnections,
    config::{FileChoice, Loaded, Log, Place, duration},
    control::{Client, Show},
    logging,
    sink::{
        Sink,
        json::Json,
        names::Names,
        private_file,
        text::{Filter, Text},
        wall::WallClock,
    },
    track::Kept,
};
use anstream::adapter::StripBytes;
use clap::Args;
use std::{
    cell::RefCell,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    rc::Rc,
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

    /// The sink that was asked for, on standard output; what goes wrong there is noted.
    pub fn sink(&self, failed: &Failure, clock: WallClock, names: Names) -> Box<dyn Sink> {
        if self.json {
            self.sink_to(Noted::new(io::BufWriter::new(io::stdout()), failed), clock, names)
        } else {
            self.sink_to(Noted::new(out::stdout(), failed), clock, names)
        }
    }

    /// The same, to another output.
    fn sink_to<'a>(&self, out: impl Write + 'a, clock: WallClock, names: Names) -> Box<dyn Sink + 'a> {
        if self.json {
            Box::new(Json::new(out, clock, names, self.filter()))
        } else {
            Box::new(Text::new(out, clock, names, self.filter()))
        }
    }

    /// What a running agent is asked for.
    fn show(&self) -> Show {
        Show::of(&self.filter(), self.json, WallClock::zone_name())
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

impl TraceArgs {
    /// Where it is shown.
    fn out(&self) -> Result<Box<dyn Write>, CliError> {
        Ok(match &self.output {
            Some(path) if self.show.json => Box::new(file(path)?),
            Some(path) => Box::new(Plain::new(file(path)?)),
            None if self.show.json => Box::new(io::BufWriter::new(io::stdout())),
            None => Box::new(out::stdout()),
        })
    }

    fn output_name(&self) -> String {
        self.output
            .as_ref()
            .map_or_else(|| String::from("standard output"), |path| format!("the output {}", path.display()))
    }
}

fn file(path: &Path) -> Result<io::BufWriter<File>, CliError> {
    let file = private_file::overwrite(path)
        .map_err(|error| CliError::File { what: format!("the output {}", path.display()), error })?;
    Ok(io::BufWriter::new(file))
}

/// Keeps the first error, other than that nobody reads any more: to be told in the end.
struct Noted<W> {
    out: W,
    failed: Failure,
}

/// Why an output could not be written.
pub type Failure = Rc<RefCell<Option<io::Error>>>;

impl<W> Noted<W> {
    fn new(out: W, failed: &Failure) -> Self {
        Self { out, failed: Rc::clone(failed) }
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if !matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted) {
                self.failed.borrow_mut().get_or_insert(error);
            }
            kind.into()
        })
    }
}

impl<W: Write> Write for Noted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.out.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.note(result)
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
    /// Show what the running agent with this control socket sees, and attach nothing. Without selectors that is the agent of this
    /// host, if it is there.
    #[arg(long, value_name = "SOCKET", help_heading = "Who is watched")]
    attach: Option<PathBuf>,
    #[command(flatten)]
    show: ShowArgs,
    /// Show PSK identities as they are, not as hashes.
    #[arg(long, help_heading = "What is shown")]
    clear_identities: bool,
    /// Write into this file, readable for its owner only, instead of standard output, which COMMAND shares.
    #[arg(long, short, value_name = "FILE", help_heading = "What is shown")]
    output: Option<PathBuf>,
}

/// Flags of these are for probes of one's own.
const OF_PROBES: &[&str] = &["watch", "limits", "sessions", "kernel"];

impl TraceArgs {
    /// What was given that a running agent cannot do for a client: it watches what it watches, as it was told to.
    fn for_probes(&self) -> Option<String> {
        let flag = self.flags.first_of(OF_PROBES).map(|flag| format!("--{flag}"));
        let command = || (!self.command.command.is_empty()).then(|| String::from("a command"));
        let clear = || self.clear_identities.then(|| String::from("--clear-identities"));
        flag.or_else(command).or_else(clear)
    }

    /// Whether variables, or a file that was named, say who is watched. What the service's own file says is what its agent watches.
    fn selects(&self, loaded: &Loaded) -> bool {
        let selectors = loaded.values.iter().filter(|(key, _)| key.starts_with("watch."));
        selectors.map(|(_, (_, place))| place).any(|place| match place {
            Place::Variable(_) => true,
            Place::File { .. } => self.config.choice() != FileChoice::Default,
            _ => false,
        })
    }
}

pub fn trace(args: &TraceArgs) -> Result<i32, CliError> {
    let words = &args.command.command;
    let loaded = flags::load(&args.flags.inputs(args.config.choice(), words))?;
    logging::start(&Log { file: None, ..loaded.config.log.clone() }, None)?;
    flags::warn_of_strange(&loaded);
    let for_probes = args.for_probes();
    if let Some(path) = &args.attach {
        if let Some(what) = for_probes {
            return Err(CliError::Usage(format!(
                "{what} is for a trace with probes of its own: leave it out, or leave out --attach"
            )));
        }
        return attached(args, Client::connect(path, socket::PATIENCE)?, "");
    }
    if for_probes.is_some() || args.selects(&loaded) {
        return match own(args, &loaded) {
            Err(CliError::Load(LoadError::NotPermitted)) if words.is_empty() && !args.clear_identities => {
                instead(args, &loaded)
            }
            other => other,
        };
    }
    match socket::find(&loaded, socket::PATIENCE) {
        Ok(Some(client)) => attached(args, client, ""),
        Ok(None) => own(args, &loaded),
        // There may be other rights.
        Err(refused) => match own(args, &loaded) {
            Err(CliError::Load(LoadError::NotPermitted) | CliError::Usage(_)) => Err(refused.into()),
            other => other,
        },
    }
}

/// What the running agent sees, for who may not attach probes.
fn instead(args: &TraceArgs, loaded: &Loaded) -> Result<i32, CliError> {
    match socket::find(loaded, socket::PATIENCE)? {
        Some(client) => attached(args, client, "you may not attach probes, so whom you selected does not count: "),
        None => Err(LoadError::NotPermitted.into()),
    }
}

fn attached(args: &TraceArgs, client: Client, why: &str) -> Result<i32, CliError> {
    let (pid, path) = (client.pid(), client.path().display());
    let awaited = args.show.awaited();
    let said = format!("{why}following the agent {pid} at {path}, waiting for {awaited} (Ctrl-C ends)");
    let mut out = args.out()?;
    let following = follow::begin(client, args.show.show())?;
    tracing::info!("{said}");
    following.until_stopped(&mut out, args.output.is_none())
}

/// With probes of its own.
fn own(args: &TraceArgs, loaded: &Loaded) -> Result<i32, CliError> {
    let (config, words) = (&loaded.config, &args.command.command);
    // Before anything is started.
    let failed = Failure::default();
    let out = Noted::new(args.out()?, &failed);
    let what =
        live::What { sample_every: Duration::ZERO, tap: Kept::None, reloads: false, trace_context: false, run: None };
    let live = live::start(config, words, what)?;
    let names = live::names(config, args.clear_identities, live.vault.keyring().as_deref())?;
    let clock = WallClock::of_this_host();
    let sink = args.show.sink_to(out, clock, names);
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
        unread: Box::new(|| failed.borrow().is_some() || (on_output && out::reader_is_gone())),
        waker: None,
    }
    .until_stopped(&live.signals)?;
    outcome.capture.leave();
    match failed.take() {
        Some(error) => Err(CliError::File { what: args.output_name(), error }),
        None => Ok(outcome.command.unwrap_or(0)),
    }
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
