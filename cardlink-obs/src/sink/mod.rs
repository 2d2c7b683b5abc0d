//! What becomes of observations: metrics, live view, JSON, recording. The only code that knows prometheus.

pub mod json;
pub mod log;
pub mod metrics;
pub mod names;
pub mod recording;
pub mod text;
pub mod wall;

use crate::observation::Observation;

/// Somewhere that observations go.
pub trait Sink {
    fn take(&mut self, observation: &Observation);

    /// A batch is over: whatever is held back may go out now.
    fn flush(&mut self) {}
}
