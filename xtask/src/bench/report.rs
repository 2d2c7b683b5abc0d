//! What was measured, for people and for programs.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::stats::Spread;
use super::system;

/// A figure, with the values of all rounds.
#[derive(Debug, Clone)]
struct Figure {
    section: String,
    name: String,
    unit: &'static str,
    spread: Spread,
    aim: Option<Aim>,
}

#[derive(Debug, Clone, Copy)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    /// Judged by the median.
    fn met(&self) -> Option<bool> {
        self.aim.map(|aim| match aim {
            Aim::AtMost(bound) => self.spread.median() <= bound,
            Aim::AtLeast(bound) => self.spread.median() >= bound,
        })
    }
}

/// All figures of a run.
#[derive(Debug)]
pub struct Report {
    quick: bool,
    rounds: usize,
    load_before: String,
    section: String,
    figures: Vec<Figure>,
    /// Milliseconds of every start and stop of the agent.
    pub started: Vec<f64>,
    pub stopped: Vec<f64>,
}

impl Report {
    pub fn new(quick: bool, rounds: usize) -> Self {
        Self {
            quick,
            rounds,
            load_before: system::load(),
            section: String::new(),
            figures: Vec::new(),
            started: Vec::new(),
            stopped: Vec::new(),
        }
    }

    /// What follows belongs together.
    pub fn section(&mut self, title: impl Into<String>) {
        self.section = title.into();
    }

    pub fn figure(&mut self, name: impl Into<String>, unit: &'static str, spread: Spread) {
        self.push(name.into(), unit, spread, None);
    }

    pub fn aim(&mut self, name: impl Into<String>, unit: &'static str, spread: Spread, at_most: f64) {
        self.push(name.into(), unit, spread, Some(Aim::AtMost(at_most)));
    }

    pub fn aim_above(&mut self, name: impl Into<String>, unit: &'static str, spread: Spread, at_least: f64) {
        self.push(name.into(), unit, spread, Some(Aim::AtLeast(at_least)));
    }

    fn push(&mut self, name: String, unit: &'static str, spread: Spread, aim: Option<Aim>) {
        self.figures.push(Figure { section: self.section.clone(), name, unit, spread, aim });
    }

    /// How many aims are missed.
    pub fn missed(&self) -> usize {
        self.figures.iter().filter(|figure| figure.met() == Some(false)).count()
    }

    /// The figures, with the starts and stops that were collected on the way.
    fn all(&self) -> Vec<Figure> {
        let section = String::from("Start and stop (every run of the agent above)");
        let timed = |name: &str, values: &[f64]| Figure {
            section: section.clone(),
            name: name.to_owned(),
            unit: "ms",
            spread: values.iter().copied().collect(),
            aim: None,
        };
        let mut all = self.figures.clone();
        if !self.started.is_empty() {
            all.push(timed("from the start until everything is attached", &self.started));
            all.push(timed("from SIGTERM until the agent is gone", &self.stopped));
        }
        all
    }

    pub fn json(&self) -> Value {
        let figures: Vec<Value> = self
            .all()
            .iter()
            .map(|figure| {
                let (aim, bound) = match figure.aim {
                    Some(Aim::AtMost(bound)) => (Some("at_most"), Some(bound)),
                    Some(Aim::AtLeast(bound)) => (Some("at_least"), Some(bound)),
                    None => (None, None),
                };
                json!({
                    "section": figure.section, "name": figure.name, "unit": figure.unit,
                    "median": figure.spread.median(), "min": figure.spread.min(), "max": figure.spread.max(),
                    "values": figure.spread.values(), "aim": aim, "bound": bound, "met": figure.met(),
                })
            })
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        json!({
            "version": 1, "machine": system::machine(), "epoch_seconds": now, "quick": self.quick,
            "rounds": self.rounds, "load_before": self.load_before, "load_after": system::load(), "figures": figures,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (&self.load_before, system::load());
        writeln!(f, "{}; load average {before} before, {after} after; {} rounds", system::machine(), self.rounds)?;
        writeln!(f, "Medians, with the smallest and the largest value.")?;
        let mut section = "";
        let all = self.all();
        for figure in &all {
            if figure.section != section {
                section = &figure.section;
                writeln!(f, "\n{section}")?;
            }
            let Figure { name, unit, spread, .. } = figure;
            writeln!(f, "  {name:<82} {spread} {unit}")?;
        }
        writeln!(f, "\n{:<48} {:>12}  {:<34} verdict", "aim", "", "measured")?;
        for figure in &all {
            let (word, bound) = match figure.aim {
                Some(Aim::AtMost(bound)) => ("at most", bound),
                Some(Aim::AtLeast(bound)) => ("at least", bound),
                None => continue,
            };
            let verdict = if figure.met() == Some(true) { "met" } else { "MISSED" };
            let measured = format!("{} {}", figure.spread, figure.unit);
            let bound = format!("{word} {bound}");
            writeln!(f, "  {:<42} {bound:>16}  {measured:<34} {verdict}", figure.name)?;
        }
        if self.quick {
            writeln!(f, "\nA smoke run: these figures mean little.")?;
        }
        Ok(())
    }
}
