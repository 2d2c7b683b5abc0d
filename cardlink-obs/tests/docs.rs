//! The documentation says what the program does: generated pages are up to date, links lead somewhere, metrics exist.

use cardlink_obs::{
    cli::{CODES, Page},
    config::{FileChoice, Inputs, Loaded},
    monitoring::{alerts, dashboards},
    observation::FailureReason,
    sink::metrics::table,
};
use clap::error::ErrorKind;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Set it to write the generated pages anew.
const WRITE: &str = "CARDLINK_OBS_WRITE_DOCS";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Markdown files for users and developers.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].iter().map(|name| root().join(name)).collect();
    let docs = fs::read_dir(root().join("docs")).expect("the folder docs");
    pages.extend(docs.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md")));
    pages.sort();
    pages
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn doc(name: &str) -> String {
    read(&root().join("docs").join(name))
}

#[test]
fn generated_pages_are_up_to_date() {
    for page in Page::ALL {
        keep(&root().join("docs").join(page.file()), &page.render());
    }
}

/// A file that the program makes: written anew when that is asked for, else compared.
fn keep(path: &Path, wanted: &str) {
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder can be made");
        fs::write(path, wanted).expect("the file can be written");
    } else {
        let found = fs::read_to_string(path).unwrap_or_default();
        let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        assert!(found == wanted, "{name} is out of date: {WRITE}=1 cargo test -p cardlink-obs --test docs");
    }
}

#[test]
fn dashboards_in_the_repository_are_up_to_date() {
    let folder = root().join("dashboards");
    for dashboard in dashboards::ALL {
        keep(&folder.join(dashboard.file()), &dashboard.render());
    }
    let files = fs::read_dir(folder).expect("the folder dashboards").count();
    assert_eq!(files, dashboards::ALL.len(), "a file in dashboards/ is of no dashboard");
}

#[test]
fn rules_in_the_repository_are_up_to_date() {
    let inputs = Inputs { file: FileChoice::None, ..Inputs::default() };
    let limits = Loaded::new(&inputs, std::iter::empty()).expect("the defaults are valid").config.alerts;
    keep(&root().join("alerts/cardlink-obs.yml"), &alerts::alerts(&limits));
    keep(&root().join("alerts/names.yml"), &alerts::names(&limits));
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    for page in pages() {
        let folder = page.parent().expect("a page is in a folder");
        for link in links(&read(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: `{link}` leads nowhere", page.display());
            if !anchor.is_empty() {
                let found = anchors(&read(&target)).contains(anchor);
                assert!(found, "{}: `{link}` names no heading", page.display());
            }
        }
    }
}

/// Command lines in the documentation are ones that the program takes.
#[test]
fn commands_in_the_documentation_are_commands() {
    let mut seen = 0;
    for page in pages() {
        for line in command_lines(&read(&page)) {
            let words = line.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
            if let Err(error) = cardlink_obs::cli::command().try_get_matches_from(words) {
                // A command may be named without what it needs; what is said must exist.
                let named = matches!(
                    error.kind(),
                    ErrorKind::DisplayHelp
                        | ErrorKind::DisplayVersion
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                        | ErrorKind::MissingRequiredArgument
                );
                // `run --pid`: the flag without its value. `--otlp-endpoint URL`: a place for one.
                let place = |word: &str| word.chars().all(|c| c.is_ascii_uppercase());
                let named = named
                    || line.split(' ').next_back().is_some_and(|word| word.starts_with("--"))
                    || (line.split(' ').any(place) && error.kind() == ErrorKind::ValueValidation);
                assert!(named, "{}: `{line}` is no command: {error}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} command lines were found");
}

/// `cardlink-obs …` in blocks and between backquotes, as far as it is a whole command.
fn command_lines(text: &str) -> Vec<String> {
    let blocks = text.lines().filter(|line| line.starts_with("    ")).map(str::trim);
    let inline = text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n'));
    let mut found = Vec::new();
    for code in blocks.chain(inline) {
        let code = code.split("  #").next().unwrap_or_default().trim();
        let code = code.strip_prefix("sudo ").unwrap_or(code).trim_start_matches("target/release/");
        let is_template = code.contains(['…', '[', '<', '|', '>', '$', '\\', '&', ';']) || code.contains(" COMMAND");
        if code.starts_with("cardlink-obs ") && !is_template {
            found.push(code.to_owned());
        }
    }
    found
}

#[test]
fn examples_are_yaml() {
    let folder = root().join("packaging/examples");
    for file in ["kubernetes/daemonset.yaml", "opentelemetry-collector/pipeline.yaml", "prometheus/agents.yml"] {
        let text = read(&folder.join(file));
        for event in saphyr_parser::Parser::new_from_str(&text) {
            event.unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
}

#[test]
fn metrics_that_are_named_exist() {
    for page in pages() {
        for name in metric_names(&read(&page)) {
            let all = table::ALL.iter().map(|metric| metric.name);
            let mut all =
                all.flat_map(|known| ["", "_bucket", "_sum", "_count"].map(|suffix| format!("{known}{suffix}")));
            let known = all.any(|known| known == name);
            assert!(known, "{} names the metric `{name}`, which does not exist", page.display());
        }
    }
}

#[test]
fn every_label_is_explained() {
    let page = Page::Metrics.render();
    for metric in table::ALL {
        for label in metric.labels.iter().filter(|label| !["platform", "kernel", "bpf_object"].contains(label)) {
            assert!(
                page.contains(&format!("\n| `{label}` | ")),
                "the label `{label}` of {} is not explained",
                metric.name
            );
        }
    }
}

#[test]
fn every_metric_stands_on_its_page_once() {
    let page = Page::Metrics.render();
    for metric in table::ALL {
        let rows = page.matches(&format!("\n| `{}` | ", metric.name)).count();
        let wanted = if matches!(metric.kind, table::Kind::Histogram(_)) { 2 } else { 1 };
        assert_eq!(rows, wanted, "{}", metric.name);
    }
}

#[test]
fn every_exit_code_is_documented() {
    let page = Page::Cli.render();
    for (code, meaning) in CODES {
        assert!(page.contains(&format!("| {code} | {meaning} |")), "{code}");
    }
}

#[test]
fn every_fate_is_explained() {
    let page = doc("architecture.md");
    for fate in cardlink_obs_common::fate::NAMES.iter().filter(|fate| **fate != "seen") {
        assert!(page.contains(&format!("\n| `{fate}` | ")), "the fate `{fate}` is not explained");
    }
}

/// The sources of the JSON sink name each type where they make it.
#[test]
fn every_type_of_the_json_is_in_its_table() {
    let folder = root().join("cardlink-obs/src/sink/json");
    let mut made = BTreeSet::new();
    for file in fs::read_dir(folder).expect("the sink").flatten() {
        let text = read(&file.path());
        made.extend(text.split("\"type\": \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    assert!(made.len() > 20, "{made:?}");
    let page = doc("trace.md");
    let table = page.split_once("\n| `type` | When |\n").expect("the table").1;
    let rows = table.lines().take_while(|line| line.starts_with('|')).skip(1);
    let told: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(told, made);
}

#[test]
fn every_failure_reason_is_explained() {
    let page = doc("handshakes.md");
    let reasons = [
        FailureReason::UnknownPskIdentity,
        FailureReason::WrongKey,
        FailureReason::NoSharedCipher,
        FailureReason::ProtocolVersion,
        FailureReason::RecordOverflow,
        FailureReason::DecodeError,
        FailureReason::PeerClosed,
        FailureReason::PeerReset,
        FailureReason::Timeout,
        FailureReason::LocalError,
        FailureReason::EncryptedAlert,
    ];
    for reason in reasons {
        assert!(page.contains(&format!("### {reason}\n")), "`{reason}` is not explained");
    }
    assert!(page.contains("### alert_NN\n"));
}

/// The targets of `[text](target)`, outside of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for (at, _) in line.match_indices("](") {
            if let Some((target, _)) = line[at + 2..].split_once(')') {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// Lines that are not in a fenced block.
fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .collect()
}

/// The anchors of headings, as the usual renderers make them.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .iter()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Words that begin like a metric; the names of crates and files do too, and are left out.
fn metric_names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split(|c: char| !is_name(c))
        .filter(|word| {
            word.starts_with("cardlink_") && !["cardlink_obs", "cardlink_lab", "cardlink_e2e"].contains(word)
        })
        .map(|word| word.trim_end_matches('_').to_owned())
        // The prefix alone.
        .filter(|word| word != "cardlink")
        .collect()
}
