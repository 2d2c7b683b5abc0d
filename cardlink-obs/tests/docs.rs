//! The documentation says what the program does: generated pages are up to date, links lead somewhere, metrics exist.

use cardlink_obs::{
    cli::{CODES, Page},
    observation::FailureReason,
    sink::metrics::table,
};
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
        let path = root().join("docs").join(page.file());
        let wanted = page.render();
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, wanted).expect("the page can be written");
        } else {
            let found = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                found == wanted,
                "docs/{} is out of date: {WRITE}=1 cargo test -p cardlink-obs --test docs",
                page.file()
            );
        }
    }
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

#[test]
fn metrics_that_are_named_exist() {
    for page in pages() {
        for name in metric_names(&read(&page)) {
            let known = table::ALL.iter().any(|metric| {
                ["", "_bucket", "_sum", "_count"].iter().any(|suffix| name.strip_suffix(suffix) == Some(metric.name))
            });
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
