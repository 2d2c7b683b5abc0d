//! The commands of the documentation, run as they stand there.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    place::Place,
    program::Program,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Commands that end by themselves and change nothing but the files that they are told to write; and that need nothing that is
/// not here. Each must be in the documentation.
const TO_THEIR_END: &[&str] = &[
    "alerts export",
    "compare",
    "config check",
    "config init",
    "config set",
    "config show",
    "dashboards export",
    "replay",
    "status",
];
/// Commands that run until they are stopped.
const UNTIL_READY: &[&str] = &["run --port"];

/// Where commands write to, in the documentation.
const FOLDERS: &[&str] = &["/etc/prometheus/rules", "/var/lib/grafana/dashboards"];

/// The pages with code blocks, in the order of their names.
fn pages() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = fs::read_dir(root.join("docs"))?;
    let mut pages = folder.map(|file| Ok(file?.path())).collect::<Result<Vec<PathBuf>>>()?;
    pages.push(root.join("README.md"));
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    Ok(pages)
}

/// Lines of code blocks that call the agent, without `sudo` and comments, and without patterns of usage.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = blocks.filter_map(|line| {
        let line = line.split("  #").next()?.trim();
        line.strip_prefix("sudo ").unwrap_or(line).strip_prefix("cardlink-obs ").map(str::to_owned)
    });
    // What stands for something, and what starts a program that is not here.
    commands.filter(|line| !line.contains(['<', '[', '…', '|', '>', '$']) && !line.contains(" -- ")).collect()
}

/// Runs a command in the folder of the test.
fn run(place: &Place, agent: &Agent, words: &str) -> Result {
    let mut command = in_the_place(place, words)?;
    // One that `config init` has written, from then on.
    if place.path("config.toml").exists() {
        command.env("CARDLINK_OBS_CONFIG", place.path("config.toml"));
    }
    command.env("CARDLINK_OBS_METRICS_LISTEN", agent.address().to_string());
    let mut program = Program::start(&mut command)?;
    program.close_input();
    let status = program.wait()?;
    ensure!(status.success(), "`cardlink-obs {words}` ended with {status}:{}", program.said());
    // Nothing has happened in the recordings.
    let quiet = ["replay", "compare"].iter().any(|quiet| words.starts_with(quiet));
    ensure!(quiet || !program.out().is_empty(), "`cardlink-obs {words}` says nothing");
    Ok(())
}

fn in_the_place(place: &Place, words: &str) -> Result<Command> {
    let mut command = agent::command(place)?;
    command.current_dir(place.path(""));
    let changes = ["config init", "config set"].iter().any(|change| words.starts_with(change));
    for (index, word) in words.split_whitespace().enumerate() {
        if changes && index == 1 {
            command.arg("--config").arg(place.path("config.toml"));
        }
        let own = FOLDERS.iter().find_map(|folder| word.strip_prefix(folder));
        match own {
            Some(rest) => command.arg(format!("{}{rest}", place.path("exported").display())),
            None => command.arg(word.trim_matches(['\'', '"'])),
        };
    }
    Ok(command)
}

#[test]
fn commands_do_what_they_are_there_for() -> Result {
    let place = Place::new()?;
    fs::create_dir(place.path("exported"))?;
    for (name, between) in [("keys", ":"), ("keys.yaml", ": ")] {
        place.keys(name, &format!("card-1{between}00112233445566778899aabbccddeeff\n"))?;
    }
    let mut agent = Agent::run(&place, "--comm nobody-of-this-name")?;
    let mut used = BTreeSet::new();
    let mut ran = BTreeSet::new();
    for page in pages()? {
        for words in commands(&fs::read_to_string(&page)?) {
            let of = |kinds: &[&'static str]| kinds.iter().copied().find(|kind| words.starts_with(kind));
            let context = || format!("{}: cardlink-obs {words}", page.display());
            if let Some(kind) = of(UNTIL_READY)
                && ran.insert(words.clone())
            {
                let mut command = in_the_place(&place, &words)?;
                let mut started = Agent::started(command.args(["--listen", "127.0.0.1:0"])).with_context(context)?;
                started.stop().with_context(context)?;
                used.insert(kind);
            } else if let Some(kind) = of(TO_THEIR_END)
                && ran.insert(words.clone())
            {
                run(&place, &agent, &words).with_context(context)?;
                used.insert(kind);
            }
        }
    }
    agent.stop()?;
    let wanted: BTreeSet<&str> = TO_THEIR_END.iter().chain(UNTIL_READY).copied().collect();
    ensure!(used == wanted, "of {wanted:?} the documentation has only {used:?}");
    println!("{} commands were run", ran.len());
    ensure!(ran.len() > 20, "only {ran:?}");
    Ok(())
}
