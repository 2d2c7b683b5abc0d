//! Levels by component, changed one by one.

use crate::config::{kind::Kind, nearest::nearest};

/// The agent's own components: their names need no `cardlink_obs::` before them.
const COMPONENTS: &[&str] = &[
    "agent",
    "capture",
    "cli",
    "client",
    "compare",
    "config",
    "control",
    "doctor",
    "event",
    "health",
    "keys",
    "logging",
    "memory",
    "monitoring",
    "observation",
    "pipeline",
    "privileges",
    "protocol",
    "server",
    "service",
    "sink",
    "stream",
    "track",
    "words",
];

/// The levels with a change put in: `LEVEL` for all that has none of its own, `COMPONENT=LEVEL` for one component, or several of
/// these, separated by commas.
pub fn changed(levels: &str, change: &str) -> Result<String, String> {
    let change: Vec<String> = parts(change).map(spelt).collect();
    if change.is_empty() {
        return Err(String::from("say a level: `debug`, or `capture=debug`"));
    }
    for part in &change {
        // Other names are those of libraries.
        let name = component(part);
        if name.len() > 3
            && !name.contains([':', '['])
            && !COMPONENTS.contains(&name)
            && let Some(meant) = nearest(name, COMPONENTS.iter().copied())
        {
            return Err(format!("`{name}` is no component: `{meant}` is one"));
        }
    }
    // What is written after something of the same component replaces it, but for spans, which are not taken apart here.
    let plain = !levels.contains('[');
    let mut all: Vec<String> = parts(levels).map(str::to_owned).collect();
    for part in change {
        let same = all.iter_mut().find(|known| plain && component(known) == component(&part));
        match same {
            Some(known) => *known = part,
            None => all.push(part),
        }
    }
    let all = all.join(",");
    Kind::Levels.parse(&all).map_err(|error| format!("the level {error}"))?;
    Ok(all)
}

fn parts(levels: &str) -> impl Iterator<Item = &str> {
    levels.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The name of a component as the log has it.
fn spelt(part: &str) -> String {
    let (first, rest) = part.split_at(part.find([':', '=']).unwrap_or(part.len()));
    let own = !rest.is_empty() && COMPONENTS.contains(&first);
    if own { format!("cardlink_obs::{part}") } else { part.to_owned() }
}

/// Whose level it is; of a bare level nobody's.
fn component(part: &str) -> &str {
    match part.split_once('=') {
        Some((component, _)) => component.trim(),
        None if part.contains(':') => part,
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{COMPONENTS, changed};

    #[test]
    fn one_level_is_changed_and_the_others_stay() {
        let of = |levels, change| changed(levels, change).unwrap_or_else(|error| panic!("{change}: {error}"));
        assert_eq!(of("info", "debug"), "debug");
        assert_eq!(of("info", "capture=debug"), "info,cardlink_obs::capture=debug");
        assert_eq!(of("info,cardlink_obs::capture=debug", "warn"), "warn,cardlink_obs::capture=debug");
        assert_eq!(of("info,cardlink_obs::capture=debug", "capture=trace"), "info,cardlink_obs::capture=trace");
        assert_eq!(of("info, h2=warn", "h2=off, sink::otlp=debug"), "info,h2=off,cardlink_obs::sink::otlp=debug");
        assert_eq!(of("info", "cardlink_obs::capture=debug"), "info,cardlink_obs::capture=debug");
        assert_eq!(of("", "INFO"), "INFO");
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for wrong in ["loud", "capture=loud", "", ",", "inof,capture=debug"] {
            let error = changed("info", wrong).expect_err("a refusal");
            assert!(error.contains("level"), "{wrong}: {error}");
        }
        let error = changed("info", "captrue=debug").expect_err("a refusal");
        assert_eq!(error, "`captrue` is no component: `capture` is one");
        assert!(changed("info", "captrue::deep=debug,hyper_util=debug,axum=warn,rustls=info").is_ok());
    }

    #[test]
    fn every_component_has_its_short_name() {
        let library = include_str!("../lib.rs");
        let modules: Vec<&str> =
            library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
        assert_eq!(modules, COMPONENTS);
    }
}
