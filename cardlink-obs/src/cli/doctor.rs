//! `doctor`: what can be seen here, and of whom.

use super::{
    CliError,
    flags::{self, Flags, Offer},
    live, out,
};
use crate::{
    capture::{host, loader::KernelSettings},
    config::{FileChoice, LibraryProbes},
    doctor::{self, Finding, Mark, Report, TargetReport},
    words,
};
use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The settings that `doctor` takes: it starts no command and takes no events.
#[derive(Debug, Clone)]
pub struct Examined;

impl Offer for Examined {
    const SECTIONS: &'static [&'static str] = &["watch", "kernel"];
    const BUT: &'static [&'static str] = &["ring-kib", "bpf-log", "probe-cost", "library-probes", "function"];
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags<Examined>,
}

pub fn doctor(args: &DoctorArgs) -> Result<i32, CliError> {
    let config = flags::load(&args.flags.inputs(FileChoice::None, &[]))?.config;
    let selectors = live::selectors(&config);
    if let Some(gone) = selectors.pids.iter().find(|pid| !host::exists(**pid)) {
        return Err(CliError::NoSuchProcess(*gone));
    }
    // Those that `run` and `trace` load, so that all of them count the same.
    let kernel = &config.kernel;
    let settings = KernelSettings {
        libraries: kernel.library_probes != LibraryProbes::Off,
        functions: !kernel.functions.is_empty(),
        sqlite: kernel.sqlite_probes != LibraryProbes::Off,
        tests: kernel.test_probes != LibraryProbes::Off,
        ..live::kernel_settings(&config)
    };
    let report = doctor::examine(&selectors, &settings);
    if args.json {
        out::line(to_json(&report))?;
    } else {
        let next = (!selectors.is_empty()).then(|| format!("cardlink-obs trace {selectors:#}"));
        out::print(|out| print(out, &report, next.as_deref()))?;
    }
    Ok(if report.works() { 0 } else { 69 })
}

fn print(out: &mut impl Write, report: &Report, next: Option<&str>) -> io::Result<()> {
    for finding in &report.host.findings {
        line(out, finding)?;
    }
    for target in &report.targets {
        writeln!(out)?;
        print_target(out, target)?;
    }
    let bold = Style::new().bold();
    writeln!(out, "\n{bold}Verdict:{bold:#} {}", report.verdict())?;
    match next {
        Some(next) if report.works() => writeln!(out, "{bold}Next:{bold:#}    {next}"),
        _ => Ok(()),
    }
}

fn print_target(out: &mut impl Write, target: &TargetReport) -> io::Result<()> {
    let mut facts = vec![format!("{} pid {}", target.comm, target.pid)];
    if !target.listens.is_empty() {
        let at: Vec<String> = target.listens.iter().map(ToString::to_string).collect();
        facts.push(format!("listens on {}", at.join(", ")));
    }
    if target.connections > 0 {
        facts.push(words::counted(target.connections as u64, "connection", "connections"));
    }
    if !target.ttys.is_empty() {
        facts.push(target.ttys.join(", "));
    }
    facts.extend(target.libraries.iter().cloned());
    line(out, &Finding::new(Mark::Good, facts.join(" · ")))?;
    for finding in &target.findings {
        line(out, finding)?;
    }
    Ok(())
}

fn line(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let (style, mark) = match finding.mark {
        Mark::Good => (AnsiColor::Green.on_default(), "✓"),
        Mark::Warn => (AnsiColor::Yellow.on_default(), "⚠"),
        Mark::Bad => (AnsiColor::Red.on_default(), "✗"),
        Mark::None => (Style::new().dimmed(), "–"),
    };
    writeln!(out, "{style}{mark}{style:#} {}", finding.text)
}

fn to_json(report: &Report) -> Value {
    let findings = |list: &[Finding]| -> Vec<Value> {
        list.iter().map(|finding| json!({"mark": finding.mark.as_str(), "text": finding.text})).collect()
    };
    json!({
        "works": report.works(),
        "verdict": report.verdict(),
        "host": findings(&report.host.findings),
        "probes": report.host.probes.iter().map(|(program, site, verdict, reason)| json!({
            "program": program, "site": site, "verdict": verdict, "reason": reason,
        })).collect::<Vec<_>>(),
        "targets": report.targets.iter().map(|target| json!({
            "pid": target.pid,
            "comm": target.comm,
            "exe": target.exe,
            "listens": target.listens.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "connections": target.connections,
            "libraries": target.libraries,
            "ttys": target.ttys,
            "library_probes": target.plaintext.iter().map(|probe| json!({
                "library": probe.site.library.map(|library| library.to_string()),
                "file": probe.file,
                "functions": probe.site.functions,
                "verdict": probe.verdict.as_str(),
                "reason": probe.verdict.reason(),
                "single_stepped": probe.site.stepped,
            })).collect::<Vec<_>>(),
            "findings": findings(&target.findings),
        })).collect::<Vec<_>>(),
    })
}
