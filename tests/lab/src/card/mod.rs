//! The card, with the terminal and the bearer around it: the TLS client.

mod answers;
mod context;
mod deviation;
mod options;
mod session;
mod talk;

pub use deviation::{Deviation, RESUME_LOOP};
pub use options::{Drop, Fault, Options};

use crate::psk::parse_hex;
use crate::truth::Truth;
use anyhow::{Context, bail};
use openssl::ssl::{SslContext, SslSession};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) contexts: HashMap<Fault, SslContext>,
    pub(crate) answers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) truth: Truth,
    next: AtomicU64,
    connections: AtomicU64,
    good: AtomicU64,
    start: Instant,
}

pub fn run(options: Options) -> anyhow::Result<()> {
    let key = parse_hex(&options.key).context("--key")?;
    if options.deviations.contains(&Deviation::ResumeLoop) && !options.faults.contains(&Fault::DropMidScript) {
        bail!("--deviate resume-loop goes on from --fault drop-mid-script");
    }
    let contexts = options
        .faults
        .iter()
        .map(|fault| Ok((*fault, context::build(&options, *fault, &key)?)))
        .collect::<anyhow::Result<_>>()?;
    let shared = Shared {
        contexts,
        answers: answers::table(&options.answers)?,
        truth: Truth::open(options.truth.as_deref())?,
        next: AtomicU64::new(0),
        connections: AtomicU64::new(0),
        good: AtomicU64::new(0),
        start: Instant::now(),
        options,
    };
    crate::stop::on_signals()?;
    std::thread::scope(|scope| {
        for _ in 0..shared.options.parallel.max(1) {
            scope.spawn(|| work(&shared));
        }
    });
    let (sessions, good) = (shared.options.sessions, shared.good.load(Ordering::Relaxed));
    println!("{sessions} sessions, {good} good");
    Ok(())
}

fn work(shared: &Shared) {
    let mut resumable: Option<SslSession> = None;
    while !crate::stop::requested() {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= shared.options.sessions {
            return;
        }
        if shared.options.rate > 0.0 {
            let due = shared.start + Duration::from_secs_f64(index as f64 / shared.options.rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        if session::hold_one(shared, index, &mut resumable) {
            shared.good.fetch_add(1, Ordering::Relaxed);
        }
    }
}
