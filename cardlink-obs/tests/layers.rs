//! The layers are one-way: a module uses modules nearer the kernel, never one further down.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the kernel to the user. A module may use those before it in the list, and itself.
const ORDER: &[&[&str]] = &[
    &["memory", "observation", "words"],
    &["event"],
    &["capture"],
    &["stream"],
    &["protocol"],
    &["track"],
    &["pipeline"],
    &["sink"],
    &["client", "compare", "config", "keys"],
    &["health"],
    &["server", "doctor", "logging", "monitoring", "privileges", "service"],
    &["control"],
    &["agent"],
    &["cli"],
];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|layer| layer.contains(&module))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the source folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Modules of this crate that a file names after `crate::`, also in braces over several lines.
fn used(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 1 && (character.is_alphanumeric() || character == '_') {
                    word.push(character);
                } else {
                    if depth <= 1 && matches!(character, ':' | ',' | '}') && !word.is_empty() {
                        names.push(std::mem::take(&mut word));
                    }
                    word.clear();
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names.retain(|name| rank(name).is_some());
    names
}

#[test]
fn no_module_uses_one_further_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).expect("a path below the root");
        let module = inside.iter().next().and_then(|part| part.to_str()).unwrap_or_default().trim_end_matches(".rs");
        if module == "main" || module == "lib" {
            continue;
        }
        let own = rank(module).unwrap_or_else(|| panic!("{module} has no place in the order of layers"));
        let text = fs::read_to_string(&path).expect("a source file");
        for name in used(&text) {
            if name != module && rank(&name).is_some_and(|other| other >= own) {
                wrong.push(format!("{} uses {name}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn observations_use_nothing_but_std() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/observation");
    let files = sources(&root);
    let modules: Vec<String> =
        files.iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    for path in files {
        let text = fs::read_to_string(&path).expect("a source file");
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("use ") || line.starts_with("pub use "))
        {
            let path_part = line.trim_start_matches("pub ").trim_start_matches("use ");
            let first = path_part.split([':', ';', ' ']).next().unwrap_or_default();
            let own = matches!(first, "std" | "super" | "self") || modules.iter().any(|module| module == first);
            assert!(own, "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_reader_of_uses_sees_groups() {
    let text =
        "use crate::{\n    capture::{Capture, host},\n    pipeline::Pipeline,\n    sink,\n};\nuse crate::event::Event;";
    assert_eq!(used(text), ["capture", "pipeline", "sink", "event"]);
}
