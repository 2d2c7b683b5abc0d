//! The note beside the committed object: what it was built from, and with what.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What `cardlink-obs.bpf.manifest` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Hash of the sources, see [`super::sources::hash`].
    pub sources: String,
    /// SHA-256 of the object.
    pub object: String,
    /// The machine whose register layout the programs were compiled for.
    pub arch: String,
    pub compiler: String,
    pub linker: String,
}

impl Manifest {
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.to_string()).with_context(|| format!("cannot write {}", file.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find_map(|(name, value)| (name == key).then(|| value.trim().to_owned()))
                .with_context(|| format!("no line `{key}:`"))
        };
        Ok(Self {
            sources: value("sources")?,
            object: value("object")?,
            arch: value("arch")?,
            compiler: value("compiler")?,
            linker: value("linker")?,
        })
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What cardlink-obs.bpf.o was built from; written by `cargo xtask build-ebpf`.")?;
        writeln!(f, "sources: {}", self.sources)?;
        writeln!(f, "object: {}", self.object)?;
        writeln!(f, "arch: {}", self.arch)?;
        writeln!(f, "compiler: {}", self.compiler)?;
        writeln!(f, "linker: {}", self.linker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() -> Result<()> {
        let manifest = Manifest {
            sources: "aa".to_owned(),
            object: "bb".to_owned(),
            arch: "x86_64".to_owned(),
            compiler: "rustc 1.96.0 (a source tarball), LLVM 22.1.8, core 1:1.2".to_owned(),
            linker: "bpf-linker 0.13.0".to_owned(),
        };
        assert_eq!(Manifest::parse(&manifest.to_string())?, manifest);
        Ok(())
    }

    #[test]
    fn a_missing_line_is_named() {
        let error = Manifest::parse("sources: aa\n").expect_err("most lines are missing");
        assert!(error.to_string().contains("object"), "{error}");
    }
}
