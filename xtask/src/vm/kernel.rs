//! Debian's stock kernels: found by name, downloaded once, unpacked under `target/vm`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::packages;
use crate::project::{capture, is_root, run, step};
use crate::tools;

/// A kernel series that the agent is tested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    V6_1,
    V6_12,
}

impl Series {
    pub const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    pub fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }
}

/// An unpacked kernel package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    pub series: Series,
    /// What `uname -r` says.
    pub release: String,
    dir: PathBuf,
}

impl Kernel {
    /// The newest kernel of a series that apt offers, or else the newest that was fetched before.
    pub fn fetch(series: Series, cache: &Path) -> Result<Self> {
        fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let mut offered = newest(series, &offered(series)?);
        if offered.is_none() && is_root() {
            packages::update()?;
            offered = newest(series, &self::offered(series)?);
        }
        let Some(release) = offered.or_else(|| newest(series, &fetched(cache))) else {
            bail!("apt knows no kernel of the {} series (linux-image-{}.*-amd64)", series.name(), series.name());
        };
        let kernel = Self { series, dir: cache.join(&release), release };
        if !kernel.dir.is_dir() {
            kernel.download(cache)?;
        }
        ensure!(kernel.image().is_file(), "{} has no kernel image", kernel.dir.display());
        Ok(kernel)
    }

    pub fn image(&self) -> PathBuf {
        self.dir.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    /// The folder that `/lib/modules/RELEASE` is in the guest.
    pub fn modules(&self) -> PathBuf {
        self.base().join("lib/modules").join(&self.release)
    }

    /// The files of these modules and of what they need, in the order to load them.
    pub fn module_files(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = Vec::new();
        for name in names {
            let mut modprobe = Command::new(tool("modprobe"));
            modprobe.arg("-d").arg(self.base()).args(["-S", &self.release, "-D", name]);
            // Lines: `insmod PATH` in the order to load them, or `builtin NAME`.
            for line in capture(&mut modprobe)?.lines() {
                let Some(file) = line.strip_prefix("insmod ").map(|file| PathBuf::from(file.trim())) else { continue };
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }

    /// Where `lib/modules` is: some packages have it below `usr`.
    fn base(&self) -> PathBuf {
        let usr = self.dir.join("usr");
        if usr.join("lib/modules").is_dir() { usr } else { self.dir.clone() }
    }

    fn download(&self, cache: &Path) -> Result<()> {
        let package = format!("linux-image-{}", self.release);
        step(format!("Fetching {package} (once)"));
        let part = cache.join(format!("{}.part", self.release));
        if part.exists() {
            fs::remove_dir_all(&part).with_context(|| format!("cannot remove {}", part.display()))?;
        }
        fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        let mut apt = Command::new("apt-get");
        apt.current_dir(&part).args(["-q", "-o", "APT::Sandbox::User=root", "download", &package]);
        tools::retry(|| run(&mut apt)).with_context(|| format!("{package} cannot be downloaded"))?;
        let deb = part
            .read_dir()?
            .flatten()
            .map(|entry| entry.path())
            .find(|file| file.extension().is_some_and(|e| e == "deb"));
        let deb = deb.with_context(|| format!("apt-get left no package in {}", part.display()))?;
        run(Command::new("dpkg").arg("-x").arg(&deb).arg(&part))?;
        fs::remove_file(&deb).with_context(|| format!("cannot remove {}", deb.display()))?;
        let unpacked = Self { dir: part.clone(), ..self.clone() };
        run(Command::new(tool("depmod")).arg("-b").arg(unpacked.base()).arg(&self.release))?;
        fs::rename(&part, &self.dir).with_context(|| format!("cannot rename {}", part.display()))
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.release)
    }
}

/// Programs of `kmod` are not on everybody's `PATH`.
fn tool(name: &str) -> PathBuf {
    let sbin = Path::new("/sbin").join(name);
    if sbin.is_file() { sbin } else { PathBuf::from(name) }
}

fn offered(series: Series) -> Result<Vec<String>> {
    let names = capture(Command::new("apt-cache").args(["pkgnames", &format!("linux-image-{}.", series.name())]))?;
    Ok(names.lines().filter_map(|name| name.strip_prefix("linux-image-")).map(str::to_owned).collect())
}

fn fetched(cache: &Path) -> Vec<String> {
    let Ok(entries) = cache.read_dir() else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The newest plain kernel among release names. The cloud flavours have no USB and no 9p, the others are not stock.
fn newest(series: Series, releases: &[String]) -> Option<String> {
    let plain = |release: &&String| {
        release.strip_prefix(series.name()).is_some_and(|rest| rest.starts_with('.'))
            && release.ends_with("-amd64")
            && !["cloud", "rt", "bpo"].iter().any(|flavour| release.contains(flavour))
    };
    releases.iter().filter(plain).max_by_key(|release| numbers(release)).cloned()
}

fn numbers(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_plain_kernel_is_taken() {
        let releases = [
            "6.1.0-9-amd64",
            "6.1.0-56-amd64",
            "6.1.0-57-cloud-amd64",
            "6.1.0-57-rt-amd64",
            "6.1.0-57-amd64-unsigned",
            "6.12.117+deb12-amd64",
            "6.12.9+deb12-amd64",
            "6.12.200+deb12-amd64.part",
        ]
        .map(str::to_owned);
        assert_eq!(newest(Series::V6_1, &releases).as_deref(), Some("6.1.0-56-amd64"));
        assert_eq!(newest(Series::V6_12, &releases).as_deref(), Some("6.12.117+deb12-amd64"));
        assert_eq!(newest(Series::V6_1, &[]), None);
    }
}
