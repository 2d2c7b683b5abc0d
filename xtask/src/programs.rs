//! The programs of this project that tests, guests, demo and bench run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::packages::{self, Group};
use crate::project::{capture, cargo, root, run, step, target_dir};
use crate::tools;

/// The package whose tests need root: they load BPF programs.
pub const E2E: &str = "cardlink-e2e";

/// Built programs, as the end-to-end tests find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The agent.
    pub agent: PathBuf,
    /// The folder of `lab-server`, `lab-card`, `lab-modem` and `lab-phone`.
    pub lab: PathBuf,
    /// A Python with `sslpsk3` and `serial`, where one was asked for.
    pub python: Option<PathBuf>,
}

impl Programs {
    /// Builds the agent and the lab as users run them: optimised.
    pub fn build() -> Result<Self> {
        packages::ensure(&[Group::Lab])?;
        step("Building the agent and the lab");
        run(cargo().current_dir(root()).args([
            "build",
            "--release",
            "-p",
            "cardlink-obs",
            "-p",
            "cardlink-lab",
            "--bins",
        ]))?;
        let lab = target_dir().join("release");
        Ok(Self { agent: lab.join("cardlink-obs"), lab, python: None })
    }

    /// Also prepares what the peers of the tests need.
    pub fn with_peers(self) -> Result<Self> {
        packages::ensure(&[Group::Peers])?;
        Ok(Self { python: Some(tools::python_peers()?), ..self })
    }

    /// Says to the tests where the programs are.
    pub fn env(&self) -> Vec<(&'static str, OsString)> {
        let mut env =
            vec![("CARDLINK_OBS_BIN", self.agent.clone().into()), ("CARDLINK_LAB_DIR", self.lab.clone().into())];
        env.extend(self.python.as_ref().map(|python| ("CARDLINK_PYTHON", python.clone().into())));
        env
    }
}

/// Builds the end-to-end tests, without running them, and returns their executables.
pub fn e2e_tests() -> Result<Vec<PathBuf>> {
    step("Building the end-to-end tests");
    let mut build = cargo();
    build.current_dir(root()).args([
        "test",
        "-p",
        E2E,
        "--tests",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    let executables = test_executables(&capture_build(&mut build)?)?;
    ensure!(!executables.is_empty(), "the package {E2E} has no tests");
    Ok(executables)
}

/// Like [`capture`], with what the compiler says still going to the terminal.
fn capture_build(command: &mut Command) -> Result<String> {
    command.stderr(std::process::Stdio::inherit());
    capture(command)
}

fn test_executables(messages: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: serde_json::Value = serde_json::from_str(line).context("cargo's messages cannot be read")?;
        let is_test = message["profile"]["test"].as_bool() == Some(true);
        if let Some(executable) = message["executable"].as_str().filter(|_| is_test) {
            found.push(PathBuf::from(executable));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_executables_are_found_in_cargos_messages() -> Result<()> {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":"/t/bin"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":"/t/e2e-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(test_executables(messages)?, [PathBuf::from("/t/e2e-1")]);
        Ok(())
    }
}
