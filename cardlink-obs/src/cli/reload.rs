//! SIGHUP: the configuration is read again. What can change while the agent runs changes; what cannot is named.

use super::live::{self, Plaintext};
use crate::{
    capture::Capture,
    config::{Inputs, Loaded, settings},
    health::Health,
    keys,
    logging::Logging,
    pipeline::Pipeline,
    protocol::tls::open::Vault,
    server::{Access, Server},
    sink::names::Names,
    track::Kept,
};
use std::{fmt::Display, sync::Arc};

/// What a reload works on.
pub struct Reloader {
    pub inputs: Inputs,
    /// What the agent was started with: settings that need a restart are still those.
    pub started: Loaded,
    pub current: Loaded,
    /// The names that all sinks use.
    pub names: Names,
    pub logging: Logging,
    pub vault: Arc<Vault>,
    /// The plaintext that a recorder wants.
    pub tap: Kept,
    pub health: Health,
    pub server: Arc<Server>,
}

impl Reloader {
    /// An invalid configuration changes nothing.
    pub fn reload(&mut self, capture: &mut Capture, pipeline: &mut Pipeline) {
        if let Err(error) = self.try_reload(capture, pipeline) {
            for line in error.lines() {
                tracing::error!("not reloaded, the old configuration stays: {line}");
            }
        }
    }

    fn try_reload(&mut self, capture: &mut Capture, pipeline: &mut Pipeline) -> Result<(), String> {
        let new = Loaded::new(&self.inputs, std::env::vars_os()).map_err(|error| again(&error))?;
        // All that can fail comes first.
        let keys = live::keys(&new.config, keys::AT_WORK).map_err(|error| again(&error))?;
        let access = Access::prepare(&new.config).map_err(|error| again(&error))?;
        let changes = self.current.changes(&new);
        let config = &new.config;
        self.logging.reopen()?;
        self.logging.set_levels(&config.log.level)?;
        let had_keys = self.vault.keyring().is_some();
        let mut restart: Vec<String> = self.started.changes(&new).into_iter().filter(|key| !is_live(key)).collect();
        match keys {
            // The kernel side was told at the start that nobody wants what is encrypted.
            Some(_) if !had_keys => restart.push(String::from("sessions.psk_file")),
            keys => self.vault.replace(keys),
        }
        live::call(&self.names, config, self.vault.keyring().as_deref());
        self.server.access.replace(access);
        self.server.reload_certificate();
        let checks = if config.health.enabled { config.health.checks.as_slice() } else { &[] };
        self.health.configure(checks).map_err(|error| error.to_string())?;
        capture.set_sample_every(config.metrics.sample_every);
        pipeline.reconfigure(live::pipeline_settings(config, &self.vault, Plaintext::from_wire(self.tap)));
        let live: Vec<String> = changes.into_iter().filter(|key| is_live(key) && !restart.contains(key)).collect();
        tracing::info!("reloaded: {}", said(&live, !restart.is_empty()));
        if !restart.is_empty() {
            tracing::warn!("these changes need a restart: {}", restart.join(", "));
        }
        self.current = new;
        Ok(())
    }
}

/// What has changed at once.
fn said(live: &[String], others: bool) -> String {
    match (live, others) {
        ([], false) => String::from("no setting has changed; keys, passwords and certificates were read again"),
        // What needs a restart has changed, too: a line of its own says so.
        ([], true) => String::from("keys, passwords and certificates were read again"),
        (live, _) => format!("{} changed", live.join(", ")),
    }
}

/// The advice of an error is that for a start; here the agent runs.
fn again(error: &impl Display) -> String {
    error.to_string().replace(" and start again", " and send SIGHUP again")
}

fn is_live(key: &str) -> bool {
    settings::find(key).is_none_or(|setting| setting.live)
}

#[cfg(test)]
mod tests {
    use super::{again, said};
    use crate::keys::KeyFileError;
    use std::path::PathBuf;

    #[test]
    fn what_is_said_is_true() {
        let of = |keys: &[&str], others| said(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>(), others);
        assert!(of(&[], false).starts_with("no setting has changed"));
        assert!(!of(&[], true).contains("no setting"), "one has, and needs a restart");
        assert_eq!(of(&["log.level", "limits.at_timeout"], true), "log.level, limits.at_timeout changed");
    }

    #[test]
    fn advice_is_that_of_a_running_agent() {
        let advice = again(&KeyFileError::Open(PathBuf::from("keys")));
        assert!(advice.ends_with("type `chmod 600 keys` and send SIGHUP again"), "{advice}");
    }
}
