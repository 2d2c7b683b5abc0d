//! Waiting by polling, always with a limit.

use crate::Result;
use anyhow::bail;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that takes a moment on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A limit, stretched by `CARDLINK_TIME_SCALE` (a slow or emulated machine says `10`).
pub fn scaled(limit: Duration) -> Duration {
    let scale = std::env::var("CARDLINK_TIME_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    limit.mul_f64(scale)
}

/// Looks again and again until there is something; past the limit, an error that says what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() > scaled(limit) {
            bail!("waited {:.1} s for {what}", began.elapsed().as_secs_f64());
        }
        thread::sleep(LOOK_EVERY);
    }
}
