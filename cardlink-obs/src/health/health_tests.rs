//! Checks run apart: one that hangs, one that fails, one that comes and goes.

use super::{Check, Facts, Health, Registration, Status, Verdict};
use crate::{
    client::Deadline,
    config::Loaded,
    sink::metrics::{Registry, page::Page, table},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

struct With<F>(F);

impl<F: FnMut() -> Verdict + Send> Check for With<F> {
    fn look(&mut self, _: Deadline) -> Verdict {
        (self.0)()
    }
}

fn health() -> Health {
    let registry = Arc::new(Registry::new());
    let page = Page::start(Arc::clone(&registry)).expect("a page");
    Health::new(Arc::new(Facts::new(registry, page)))
}

fn check(name: &str, interval: u64, look: impl FnMut() -> Verdict + Send + 'static) -> Registration {
    Registration {
        name: name.to_owned(),
        kind: "test",
        interval: Duration::from_millis(interval),
        timeout: Duration::from_millis(200),
        own: false,
        check: Box::new(With(look)),
    }
}

/// Waits until all checks have a result.
fn settled(health: &Health) {
    let until = Instant::now() + Duration::from_secs(10);
    while health.report().rows.iter().any(|row| row.outcome.is_none()) {
        assert!(Instant::now() < until, "no results");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn status(health: &Health, name: &str) -> (Status, String) {
    let report = health.report();
    let row = report.rows.iter().find(|row| row.name == name).expect("a check");
    let outcome = row.outcome.clone().expect("a result");
    (outcome.verdict.status, outcome.verdict.message)
}

#[test]
fn one_that_hangs_holds_up_nobody() {
    let health = health();
    let (go, wait) = mpsc::channel::<()>();
    let hung = move || {
        let _ = wait.recv();
        Verdict::healthy("at last")
    };
    health.register(check("hung", 60_000, hung)).expect("a thread");
    health.register(check("good", 60_000, || Verdict::healthy("fine"))).expect("a thread");
    let began = Instant::now();
    let first = health.report();
    assert_eq!(first.status(), Status::Degraded, "what is not known yet is not good");
    assert!(!first.ready());
    settled(&health);
    assert_eq!(status(&health, "good"), (Status::Healthy, String::from("fine")));
    assert_eq!(status(&health, "hung"), (Status::Unhealthy, String::from("no result within 200ms")));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(health.report().status(), Status::Unhealthy);
    assert!(health.report().ready(), "it is no check of the agent itself");
    // What took too long counts as such even when it ends.
    drop(go);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(status(&health, "hung").0, Status::Unhealthy);
    health.stop();
}

#[test]
fn one_that_panics_is_unhealthy_and_goes_on() {
    let health = health();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let look = move || {
        assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first time it goes wrong");
        Verdict::healthy("fine")
    };
    health.register(check("panics", 50, look)).expect("a thread");
    settled(&health);
    let until = Instant::now() + Duration::from_secs(10);
    while status(&health, "panics").0 != Status::Healthy {
        assert!(Instant::now() < until, "it does not go on");
        std::thread::sleep(Duration::from_millis(10));
    }
    health.stop();
}

#[test]
fn a_result_is_kept_for_the_interval() {
    let health = health();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let look = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Verdict::degraded("so so")
    };
    health.register(check("counted", 60_000, look)).expect("a thread");
    settled(&health);
    for _ in 0..50 {
        assert_eq!(health.report().status(), Status::Degraded);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let json = health.report().json(Status::Degraded, true);
    assert_eq!(json["checks"]["counted"]["message"], "so so");
    assert!(json["checks"]["counted"]["checked_at"].as_str().is_some_and(|time| time.ends_with('Z')));
    let series = health.facts.registry.series(&table::OWN_HEALTH);
    assert_eq!(series, [(vec![String::from("counted")], 0.5)]);
    health.unregister("counted");
    assert!(health.facts.registry.series(&table::OWN_HEALTH).is_empty());
    assert!(health.report().rows.is_empty());
}

#[test]
fn a_configuration_adds_and_takes_away() {
    let health = health();
    let of = |text: &str| Loaded::of_text(Path::new("x"), text).expect("valid").config.health.checks;
    health.configure(&of("")).expect("threads");
    health.register(check("mine", 60_000, || Verdict::healthy("fine"))).expect("a thread");
    let names = |health: &Health| health.report().rows.into_iter().map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(names(&health), ["disk", "ledger", "memory", "metrics", "mine", "probes", "process", "server"]);
    settled(&health);
    let at = |health: &Health, name: &str| {
        let report = health.report();
        report.rows.iter().find(|row| row.name == name).and_then(|row| Some(row.outcome.as_ref()?.at))
    };
    let before = at(&health, "memory");
    let text = "[health.checks.ledger]\nenabled = false\n[health.checks.disk]\npath = \"/proc\"\n\
                [health.checks.port]\nkind = \"tcp\"\naddress = \"127.0.0.1:1\"\n";
    health.configure(&of(text)).expect("threads");
    assert_eq!(names(&health), ["disk", "memory", "metrics", "mine", "port", "probes", "process", "server"]);
    settled(&health);
    assert_eq!(at(&health, "memory"), before, "what has not changed goes on");
    assert!(status(&health, "disk").1.starts_with("/proc"), "{:?}", status(&health, "disk"));
    assert_eq!(status(&health, "port").0, Status::Unhealthy);
    health.stop();
}

#[test]
fn an_agent_that_stands_still_is_not_alive() {
    // The beat is what the loop gives; here nobody gives one, and the facts are new.
    let health = health();
    let report = health.report();
    assert!(report.alive && report.status() == Status::Healthy, "there are no checks");
    let still = super::Report { alive: false, ..report };
    assert_eq!(still.status(), Status::Unhealthy);
    assert!(!still.ready());
}
