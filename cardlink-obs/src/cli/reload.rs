//! SIGHUP: the configuration is read again. What can change while the agent runs changes; what cannot is named.

use super::live::{self, Plaintext};
use crate::{
    capture::Capture,
    config::{Inputs, Loaded, settings},
    health::Health,
    keys,
    logging::Logging,
    pipeline::Pipeline,
    protocol::tls::open::{Keyring, Vault},
    server::{Access, Server},
    sink::names::Names,
    track::Kept,
};
use std::sync::Arc;

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
        let new = Loaded::new(&self.inputs, std::env::vars_os()).map_err(|error| error.to_string())?;
        // All that can fail comes first.
        let keys = keys_of(&new)?;
        let access = Access::prepare(&new.config).map_err(|error| error.to_string())?;
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
        if live.is_empty() {
            tracing::info!("reloaded: no setting has changed; keys, passwords and certificates were read again");
        } else {
            tracing::info!("reloaded: {} changed", live.join(", "));
        }
        if !restart.is_empty() {
            tracing::warn!("these changes need a restart: {}", restart.join(", "));
        }
        self.current = new;
        Ok(())
    }
}

fn keys_of(new: &Loaded) -> Result<Option<Keyring>, String> {
    new.config.sessions.psk_file.as_deref().map(keys::load).transpose().map_err(|error| error.to_string())
}

fn is_live(key: &str) -> bool {
    settings::find(key).is_none_or(|setting| setting.live)
}
