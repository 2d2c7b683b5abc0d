//! Exit codes, documented in `docs/cli.md`.

use crate::{
    capture::command::CommandError,
    capture::loader::LoadError,
    client::{SecretError, certificate::CertificateError},
    config::{ConfigError, EditError, Place},
    control::{ControlClientError, ControlError},
    keys::KeyFileError,
    logging::LoggingError,
    server::ServerError,
    sink::{otlp::OtlpError, recording::RecordingError},
};
use std::io;

/// Errors that a user can do something about: one sentence each, and a code.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error(
        "the agent does not run in the host's pid namespace, so the pids that the kernel reports mean nothing here: run it on the host (containers: hostPID)"
    )]
    PidNamespace,
    #[error("there is no process {0}")]
    NoSuchProcess(u32),
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}")]
    Control(#[from] ControlError),
    #[error("{0}")]
    ControlClient(#[from] ControlClientError),
    #[error("{0}")]
    Recording(#[from] RecordingError),
    #[error("{0}")]
    Keys(#[from] KeyFileError),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Edit(#[from] EditError),
    #[error("{0}")]
    Secret(#[from] SecretError),
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The agent that was asked for is not there, or cannot be talked to.
    #[error("{0}")]
    NoAgent(String),
    #[error("{0}")]
    Logging(#[from] LoggingError),
    #[error("{0}")]
    Command(#[from] CommandError),
    #[error("{0}")]
    Otlp(#[from] OtlpError),
    #[error("{what}: {error}")]
    File { what: String, error: io::Error },
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Every exit code, with what it means. With `-- COMMAND` the command's own code is passed on instead.
pub const CODES: &[(i32, &str)] = &[
    (0, "All went well. `doctor`: this host can be watched."),
    (
        1,
        "`health`: something is unhealthy. `test`: what was tested does not work. `compare`: slower than `--fail-above` allows, or a new error under `--fail-on-new-errors`.",
    ),
    (2, "The command line is wrong: an unknown option, a bad value, nobody to watch; or a variable `OTEL_…` is."),
    (3, "There is no process with the pid that was given."),
    (
        4,
        "The address of `--listen` (or `health.listen`), or the socket of `--control`, cannot be used: another program has it, or it cannot be there.",
    ),
    (
        5,
        "No agent answers, or the one that does refuses: it is not running, listens elsewhere, wants another password.",
    ),
    (65, "The file is no recording, is empty or damaged, was cut off, or is of a newer format."),
    (69, "This host cannot be watched: no BTF, not the host's pid namespace, a probe that is needed is missing."),
    (71, "The system failed in another way."),
    (
        74,
        "A file cannot be read or written: a recording (also when a full disk ended it), the hashing key, a certificate, the log, standard output.",
    ),
    (77, "Not permitted: run as root, or become a member of the group of the control socket."),
    (
        78,
        "The configuration cannot be used, or a file that it names: the key file, the password file, the certificate. It cannot be read, others can read it, or something in it is wrong.",
    ),
    (127, "The command after `--` cannot be started."),
];

impl CliError {
    /// The exit code: one of [`CODES`].
    pub fn code(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Otlp(OtlpError::Setting { .. }) | Self::Logging(LoggingError::Start(_)) => 2,
            // What a flag asks for and the configuration does not have is a matter of the command line.
            Self::Config(ConfigError::Faults(faults))
                if faults.iter().all(|fault| matches!(fault.place, Place::Flag(_))) =>
            {
                2
            }
            Self::Load(LoadError::NotPermitted) | Self::ControlClient(ControlClientError::NotPermitted { .. }) => 77,
            Self::Load(_) | Self::PidNamespace => 69,
            Self::NoSuchProcess(_) => 3,
            Self::Server(ServerError::Listen { .. })
            | Self::Control(ControlError::Taken { .. } | ControlError::NoSocket(_) | ControlError::Failed { .. }) => 4,
            Self::Recording(RecordingError::Io(..) | RecordingError::Lost { .. })
            | Self::File { .. }
            | Self::Otlp(OtlpError::File { .. })
            | Self::Logging(LoggingError::File { .. }) => 74,
            Self::Recording(_) => 65,
            Self::Keys(_)
            | Self::Config(_)
            | Self::Edit(_)
            | Self::Secret(_)
            | Self::Certificate(_)
            | Self::Server(ServerError::Secret(_) | ServerError::Certificate(_)) => 78,
            Self::NoAgent(_) | Self::ControlClient(_) => 5,
            Self::Command(_) => 127,
            Self::System(_)
            | Self::Control(ControlError::System(_))
            | Self::Server(ServerError::System(_))
            | Self::Otlp(OtlpError::System(_)) => 71,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES, CliError};
    use crate::{
        capture::{command::CommandError, layout::LayoutError, loader::LoadError},
        client::{SecretError, certificate::CertificateError},
        config::{ConfigError, EditError, Fault, Place},
        control::{ControlClientError, ControlError},
        keys::KeyFileError,
        logging::LoggingError,
        server::ServerError,
        sink::{otlp::OtlpError, recording::RecordingError},
    };
    use std::{io, net::SocketAddr, path::PathBuf};

    fn broken() -> io::Error {
        io::Error::other("broken")
    }

    #[test]
    fn every_error_has_the_documented_code() {
        let file = PathBuf::from("file");
        let address = SocketAddr::from(([127, 0, 0, 1], 9464));
        let listen = ServerError::Listen { address, reason: String::from("taken") };
        let truncated = RecordingError::Truncated { path: file.clone(), events: 1 };
        let version = RecordingError::Version { path: file.clone(), found: 9 };
        let damaged = RecordingError::Damaged { path: file.clone(), events: 1, reason: String::from("odd") };
        let errors: [(CliError, i32); 37] = [
            (CliError::Usage(String::from("nobody")), 2),
            (CliError::NoSuchProcess(1), 3),
            (listen.into(), 4),
            (ControlError::Taken { path: file.clone(), holder: String::from("other (pid 1)") }.into(), 4),
            (ControlError::NoSocket(file.clone()).into(), 4),
            (ControlError::System(broken()).into(), 71),
            (ControlClientError::Absent(file.clone()).into(), 5),
            (ControlClientError::Gone(file.clone()).into(), 5),
            (ControlClientError::NotPermitted { path: file.clone(), group: String::from("root") }.into(), 77),
            (RecordingError::Foreign(file.clone()).into(), 65),
            (truncated.into(), 65),
            (version.into(), 65),
            (damaged.into(), 65),
            (CliError::PidNamespace, 69),
            (LoadError::Layout(LayoutError::NoBtf).into(), 69),
            (LoadError::Refused(String::from("no")).into(), 69),
            (ServerError::System(broken()).into(), 71),
            (RecordingError::Empty(file.clone()).into(), 65),
            (RecordingError::Headless(file.clone()).into(), 65),
            (RecordingError::Lost { path: file.clone(), lost: 3, error: broken() }.into(), 74),
            (RecordingError::Io(file, broken()).into(), 74),
            (CliError::File { what: String::from("the key"), error: broken() }, 74),
            (LoadError::NotPermitted.into(), 77),
            (KeyFileError::Open(PathBuf::from("keys")).into(), 78),
            (ConfigError::Writable(PathBuf::from("config")).into(), 78),
            (ConfigError::Faults(vec![Fault::new(Place::Default, None, "odd")]).into(), 78),
            (ConfigError::Faults(vec![Fault::new(Place::Flag("record"), None, "odd")]).into(), 2),
            (EditError::Unknown { key: String::from("a"), hint: None }.into(), 78),
            (SecretError::Open(PathBuf::from("password")).into(), 78),
            (CertificateError::Key(PathBuf::from("key"), String::from("odd")).into(), 78),
            (CliError::NoAgent(String::from("nobody")), 5),
            (CommandError::Empty.into(), 127),
            (OtlpError::setting("--otlp-endpoint", "odd").into(), 2),
            (OtlpError::File { path: PathBuf::from("ca.pem"), reason: String::from("gone") }.into(), 74),
            (OtlpError::System(broken()).into(), 71),
            (LoggingError::Start(String::from("odd")).into(), 2),
            (LoggingError::File { path: PathBuf::from("log"), error: broken() }.into(), 74),
        ];
        for (error, code) in errors {
            assert_eq!(error.code(), code, "{error}");
            assert!(CODES.iter().any(|(documented, _)| *documented == code), "{code} is not documented");
        }
    }

    #[test]
    fn the_codes_are_in_order_and_fit_into_a_byte() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(CODES.iter().all(|(code, _)| (0..=255).contains(code)));
    }
}
