//! The agent's own log: `tracing`, as text for people or as JSON for collectors, on standard error or in a file.
//!
//! The BPF programs' diagnostics (`--bpf-log`) come through the `log` facade and end up here too.

mod file;
mod levels;

pub use file::LogFile;

use crate::{
    config::{Log, LogFormat},
    sink::otlp::Lines,
};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{
    EnvFilter, Registry, fmt,
    fmt::writer::BoxMakeWriter,
    layer::SubscriberExt as _,
    reload::{self, Handle},
    util::SubscriberInitExt as _,
};

/// The running log: its levels can be changed, and its file opened anew.
#[derive(Debug, Clone)]
pub struct Logging {
    levels: Handle<EnvFilter, Registry>,
    /// As they are written.
    current: Arc<Mutex<String>>,
    file: Option<LogFile>,
}

/// Levels that were changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub old: String,
    pub new: String,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("{0}")]
    Start(String),
    #[error("the log file {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
}

/// Starts logging. The level may be one, or one per component: `info,cardlink_obs::capture=debug`. What is logged goes to `lines`, too.
pub fn start(settings: &Log, lines: Option<Lines>) -> Result<Logging, LoggingError> {
    let (filter, levels) = reload::Layer::new(filter(&settings.level).map_err(LoggingError::Start)?);
    let open = |path: &PathBuf| {
        LogFile::open(path, settings.max_mib << 20, settings.keep)
            .map_err(|error| LoggingError::File { path: path.clone(), error })
    };
    let file = settings.file.as_ref().map(open).transpose()?;
    let writer = match &file {
        Some(file) => BoxMakeWriter::new(file.clone()),
        None => BoxMakeWriter::new(io::stderr),
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    let result = match settings.format {
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(writer)).try_init(),
        LogFormat::Text => {
            let ansi = file.is_none() && colours();
            let layer = fmt::layer().compact().with_ansi(ansi).with_target(false).with_writer(writer);
            registry.with(layer).try_init()
        }
    };
    result.map_err(|error| LoggingError::Start(error.to_string()))?;
    Ok(Logging { levels, current: Arc::new(Mutex::new(settings.level.clone())), file })
}

impl Logging {
    /// Other levels from now on.
    pub fn set_levels(&self, levels: &str) -> Result<(), String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        self.levels.reload(filter(levels)?).map_err(|error| error.to_string())?;
        levels.clone_into(&mut current);
        Ok(())
    }

    /// The levels now.
    pub fn levels(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes one level, or some: `debug`, `capture=debug`.
    pub fn change_levels(&self, change: &str) -> Result<Changed, String> {
        let old = self.levels();
        let new = levels::changed(&old, change)?;
        self.set_levels(&new)?;
        Ok(Changed { old, new })
    }

    /// Opens the file anew, if there is one.
    pub fn reopen(&self) -> Result<(), String> {
        let reopened = self.file.as_ref().map_or(Ok(()), LogFile::reopen);
        reopened.map_err(|error| format!("the log file cannot be opened anew: {error}"))
    }
}

fn filter(levels: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(levels).map_err(|error| format!("the log level {levels}: {error}"))
}

/// By the rule of all other output: not into a file or a pipe, not for who asked for none, not on a terminal that has none.
fn colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}
