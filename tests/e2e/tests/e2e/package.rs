//! The Debian package: what is in it, and that it runs with no more rights than its unit gives it.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::Agent,
    peers::{self, Server},
    place::{self, Place},
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command to its end; what it said on standard output.
fn ran(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// Builds the package of the program under test.
fn package(place: &Place) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut xtask = Command::new(cargo);
    xtask.current_dir(root()).args(["run", "--quiet", "--package", "xtask", "--", "deb", "--binary"]);
    let said = ran(xtask.arg(place::program("cardlink-obs")?).arg("--out").arg(place.path("deb")))?;
    Ok(PathBuf::from(said.lines().last().context("no package")?))
}

/// The capabilities of the unit, as `setpriv` writes them.
fn capabilities() -> Result<String> {
    let unit = fs::read_to_string(root().join("packaging/cardlink-obs.service"))?;
    let line = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).context("no capabilities")?;
    Ok(line.split(' ').fold(String::from("-all"), |set, name| set + ",+" + &name.to_lowercase()[4..]))
}

#[test]
fn a_package_with_everything_in_it() -> Result {
    let place = Place::new()?;
    let package = package(&place)?;
    let installed = place.path("root");
    // As dpkg does it, in a root of its own: with its database, so that dpkg knows the package afterwards.
    for folder in ["var/lib/dpkg/updates", "var/lib/dpkg/info"] {
        fs::create_dir_all(installed.join(folder))?;
    }
    fs::write(installed.join("var/lib/dpkg/status"), "")?;
    let dpkg = |words: &[&str]| -> Result<String> {
        let mut dpkg = Command::new(place::peer("dpkg", "dpkg")?);
        // There is no C library in that root, and no shell: the scripts run outside, and are told where the root is.
        dpkg.arg(format!("--root={}", installed.display())).args(["--force-depends", "--force-script-chrootless"]);
        ran(dpkg.args(words))
    };
    dpkg(&["--install", package.to_str().context("a path of text")?])?;
    let listed = dpkg(&["-L", "cardlink-obs"])?;
    let files: BTreeSet<&str> = listed.lines().collect();
    for file in [
        "/usr/bin/cardlink-obs",
        "/usr/lib/systemd/system/cardlink-obs.service",
        "/etc/cardlink-obs/config.toml",
        "/usr/share/man/man1/cardlink-obs.1.gz",
        "/usr/share/man/man1/cardlink-obs-run.1.gz",
        "/usr/share/bash-completion/completions/cardlink-obs",
        "/usr/share/zsh/vendor-completions/_cardlink-obs",
        "/usr/share/fish/vendor_completions.d/cardlink-obs.fish",
        "/usr/share/doc/cardlink-obs/copyright",
        "/usr/share/doc/cardlink-obs/docs/alerts.md",
        "/usr/share/doc/cardlink-obs/docs/operations.md",
        "/usr/share/doc/cardlink-obs/examples/kubernetes/daemonset.yaml",
        "/usr/share/cardlink-obs/dashboards/ota-overview.json",
        "/usr/share/cardlink-obs/alerts/cardlink-obs.yml",
    ] {
        ensure!(files.contains(file), "{file} is not in the package: {listed}");
    }
    for file in files.iter().map(|file| installed.join(file.trim_start_matches('/'))).filter(|file| file.is_file()) {
        let mode = fs::metadata(&file)?.permissions().mode() & 0o7777;
        let wanted = if file.ends_with("usr/bin/cardlink-obs") { 0o755 } else { 0o644 };
        ensure!(mode == wanted, "{} has the mode {mode:o}", file.display());
    }
    // The configuration is kept by upgrades when somebody has changed it.
    let control = ran(Command::new("dpkg-deb").arg("--info").arg(&package))?;
    ensure!(control.contains("Package: cardlink-obs") && control.contains("libc6 (>= 2."), "{control}");
    let conffiles = ran(Command::new("dpkg-deb").args(["--info"]).arg(&package).arg("conffiles"))?;
    ensure!(conffiles == "/etc/cardlink-obs/config.toml\n", "{conffiles}");
    for script in ["postinst", "prerm", "postrm"] {
        let text = ran(Command::new("dpkg-deb").args(["--info"]).arg(&package).arg(script))?;
        let file = place.path(script);
        fs::write(&file, text)?;
        ran(Command::new("sh").arg("-n").arg(&file))?;
    }

    let program = installed.join("usr/bin/cardlink-obs");
    ensure!(ran(Command::new(&program).arg("--version"))?.starts_with("cardlink-obs "));
    let config = installed.join("etc/cardlink-obs/config.toml");
    let checked = ran(Command::new(&program).args(["config", "check", "--config"]).arg(&config))?;
    ensure!(checked.contains("is valid"), "{checked}");

    // With the rights of the unit and no others, of which nothing can come back.
    let server = Server::lab(&place, "")?;
    let mut command = Command::new(place::peer("setpriv", "util-linux")?);
    command.args(["--no-new-privs", &format!("--bounding-set={}", capabilities()?)]).arg(&program);
    command.env("CARDLINK_OBS_HASH_KEY", place.path("hash-key")).env("RUNTIME_DIRECTORY", place.path(""));
    command.args(["run", "--listen", "127.0.0.1:0", "--port", &server.port.to_string(), "--psk-file"]);
    let mut agent = Agent::started(command.arg(place.path("psk")))?;
    peers::card(&place, server.port, "--sessions 3")?;
    let page = agent.until("three sessions", |page| page.count("cardlink_sessions_total", &[]) == 3)?;
    ensure!(page.successes() == 3 && page.count("cardlink_obs_probe_status", &[("status", "broken")]) == 0);
    let status = fs::read_to_string(format!("/proc/{}/status", agent.program.pid()))?;
    ensure!(status.contains("NoNewPrivs:\t1"), "{status}");
    let mode = fs::metadata(place.path("control.sock"))?.permissions().mode();
    ensure!(mode & 0o7777 == 0o660, "the control socket has the mode {mode:o}");
    agent.stop()?;
    ensure!(!place.path("control.sock").exists(), "the control socket is still there");

    // Its state goes with its configuration, not before.
    let state = installed.join("var/lib/cardlink-obs");
    fs::create_dir_all(&state)?;
    dpkg(&["--remove", "cardlink-obs"])?;
    ensure!(!program.exists() && config.exists() && state.exists());
    dpkg(&["--purge", "cardlink-obs"])?;
    ensure!(!config.exists() && !state.exists());
    Ok(())
}

#[test]
fn the_unit_is_one_that_systemd_understands() -> Result {
    let unit = root().join("packaging/cardlink-obs.service");
    let mut analyze = Command::new(place::peer("systemd-analyze", "systemd")?);
    let output = analyze.arg("verify").arg(&unit).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The program and its manual page are not installed where this runs.
    let wrong: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("cardlink-obs"))
        .filter(|line| !line.contains("is not executable") && !line.contains("man cardlink-obs(1)"))
        .collect();
    ensure!(wrong.is_empty(), "{said}");
    // Its own measure of what a service could do: 0 is nothing, 10 everything. What is left is what an observer needs.
    let mut security = Command::new(place::peer("systemd-analyze", "systemd")?);
    security.args(["security", "--offline=true", "--threshold=40", "--no-pager"]).arg(&unit);
    ran(&mut security)?;
    Ok(())
}

#[test]
fn examples_for_prometheus_are_valid() -> Result {
    let folder = root().join("packaging/examples/prometheus");
    for file in ["prometheus.yml", "federation.yml"] {
        let mut promtool = Command::new(place::peer("promtool", "prometheus")?);
        promtool.current_dir(&folder).args(["check", "config", "--syntax-only", file]);
        let said = ran(&mut promtool)?;
        ensure!(said.contains("SUCCESS"), "{said}");
    }
    Ok(())
}
