//! A running agent, by its control socket.

use super::{CliError, flags::ConfigArgs, remote::AgentArgs};
use crate::{
    config::{Loaded, Place},
    control::{self, AUTO, Client, ControlClientError},
};
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// The agent's control socket, where `--url` and the like do not say that it is to be asked by HTTP.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which agent")]
pub struct SocketArgs {
    /// The control socket of the agent; by default that of the configuration, if it is there, and HTTP if not.
    #[arg(long, value_name = "SOCKET", conflicts_with_all = ["url", "username", "password_file", "ca_file"])]
    control: Option<PathBuf>,
}

impl SocketArgs {
    /// The agent behind the socket; `None` when it is to be asked by HTTP.
    pub fn client(&self, agent: &AgentArgs) -> Result<Option<Client>, CliError> {
        if let Some(path) = &self.control {
            return Ok(Some(Client::connect(path, agent.timeout())?));
        }
        if agent.is_by_http() {
            return Ok(None);
        }
        let loaded = agent.loaded()?;
        // Who may not use the socket may still read the page.
        let found = find(&loaded, agent.timeout()).unwrap_or_default();
        Ok(found.filter(|client| is_the_one(&loaded, client)))
    }
}

/// Whether this is the agent that the configuration speaks of, where it says something of its own.
fn is_the_one(loaded: &Loaded, client: &Client) -> bool {
    let says_where = loaded.values.get("metrics.listen").is_some_and(|(_, place)| *place != Place::Default);
    let listen = loaded.config.metrics.listen;
    loaded.config.control.socket != AUTO
        || !says_where
        || listen.port() == 0
        || client.url().contains(&format!("://{listen}/"))
}

/// The agent whose socket is where the configuration says; `None` when there is none.
pub fn find(loaded: &Loaded, patience: Duration) -> Result<Option<Client>, ControlClientError> {
    let mut refused = None;
    for path in control::candidates(&loaded.config.control.socket) {
        match Client::connect(&path, patience) {
            Ok(client) => return Ok(Some(client)),
            Err(ControlClientError::Absent(_)) => {}
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(None), Err)
}

/// Which socket, for a command that has no other way.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which agent")]
pub struct OnlySocketArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The control socket of the agent; by default that of the configuration.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
}

/// An answer may take so long.
pub const PATIENCE: Duration = Duration::from_secs(10);

impl OnlySocketArgs {
    pub fn client(&self) -> Result<Client, CliError> {
        if let Some(path) = &self.control {
            return Ok(Client::connect(path, PATIENCE)?);
        }
        let loaded = self.config.load()?;
        if let Some(client) = find(&loaded, PATIENCE)? {
            return Ok(client);
        }
        let setting = &loaded.config.control.socket;
        let looked = control::candidates(setting);
        let Some(path) = looked.last() else {
            return Err(CliError::NoAgent(format!(
                "there is no control socket, since control.socket is \"{setting}\": name one with --control"
            )));
        };
        if setting == AUTO {
            return Err(CliError::NoAgent(format!(
                "no agent has the control socket {}: start one with `cardlink-obs run`, or name another with --control",
                path.display()
            )));
        }
        Err(ControlClientError::Absent(path.clone()).into())
    }
}
