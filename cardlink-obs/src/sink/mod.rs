//! What becomes of observations: metrics, traces, live view, JSON, recording. The only code that knows prometheus and
//! opentelemetry.

pub mod aliases;
pub mod json;
pub mod log;
pub mod metrics;
pub mod names;
pub mod otlp;
pub mod private_file;
pub mod recording;
pub mod spans;
pub mod text;
pub mod wall;

use crate::observation::Observation;

/// Somewhere that observations go.
pub trait Sink {
    fn take(&mut self, observation: &Observation);

    /// A batch is over: whatever is held back may go out now.
    fn flush(&mut self) {}

    /// Whether nobody reads it any more: whoever did has gone.
    fn is_unread(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod device_tests;

#[cfg(test)]
mod connect_tests;
