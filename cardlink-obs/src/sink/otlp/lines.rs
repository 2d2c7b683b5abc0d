//! The lines of the log for who sends them on: bounded, and who logs never waits.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};
use tokio::sync::Notify;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// Lines that wait at most: some hundred kilobytes.
const MOST: usize = 2048;

/// As many as one message takes.
pub const BATCH: usize = 512;

/// Where the lines that are sent on come from: what libraries say is for the log alone, and to send what a library says of
/// sending would have no end.
const OWN: &str = "cardlink_obs";

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub at: SystemTime,
    pub level: Level,
    /// The module that wrote it, as levels by component name it.
    pub component: &'static str,
    pub message: String,
    pub fields: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
}

/// Lines that were written and not taken yet. The oldest stay: they say how it began.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<VecDeque<Line>>,
    lost: AtomicU64,
    came: Notify,
    enough: Notify,
}

impl Lines {
    fn push(&self, line: Line) {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST {
            self.0.lost.fetch_add(1, Relaxed);
            return;
        }
        waiting.push_back(line);
        let enough = waiting.len() >= BATCH;
        drop(waiting);
        self.0.came.notify_one();
        if enough {
            self.0.enough.notify_one();
        }
    }

    /// The oldest, up to so many.
    pub fn take(&self, most: usize) -> Vec<Line> {
        let mut waiting = self.waiting();
        let count = most.min(waiting.len());
        waiting.drain(..count).collect()
    }

    /// Lines that found no room since this was asked last.
    pub fn take_lost(&self) -> u64 {
        self.0.lost.swap(0, Relaxed)
    }

    /// Something may have come.
    pub async fn came(&self) {
        self.0.came.notified().await;
    }

    /// There may be enough for a message.
    pub async fn enough(&self) {
        self.0.enough.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let about = event.metadata();
        if !about.target().starts_with(OWN) {
            return;
        }
        let mut read = Read::default();
        event.record(&mut read);
        self.push(Line {
            at: SystemTime::now(),
            level: *about.level(),
            component: about.target(),
            message: read.message,
            fields: read.fields,
        });
    }
}

/// Reads the fields of a line.
#[derive(Debug, Default)]
struct Read {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Visit for Read {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((field.name(), Value::Text(text)));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), Value::Text(value.to_owned())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), Value::Whole(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields
            .push((field.name(), i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Whole)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), Value::Number(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), Value::Flag(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, MOST, Value};
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn a_line_keeps_its_fields_as_they_are() {
        let lines = Lines::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.clone()), || {
            tracing::warn!(
                connection = 7_u64,
                peer = "10.0.0.1",
                seconds = 0.5,
                seen = true,
                none = None::<&str>,
                "handshake {}",
                "failed"
            );
            tracing::info!(target: "h2::client", "not ours");
        });
        let told = lines.take(10);
        assert_eq!(told.len(), 1);
        let line = &told[0];
        assert_eq!((line.level, line.component, &*line.message), (Level::WARN, module_path!(), "handshake failed"));
        let text = |text: &str| Value::Text(text.to_owned());
        let fields = [
            ("connection", Value::Whole(7)),
            ("peer", text("10.0.0.1")),
            ("seconds", Value::Number(0.5)),
            ("seen", Value::Flag(true)),
        ];
        assert_eq!(line.fields, fields);
    }

    #[test]
    fn what_finds_no_room_is_counted_once() {
        let lines = Lines::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.clone()), || {
            for number in 0..MOST + 3 {
                tracing::info!(number, "a line");
            }
        });
        assert_eq!((lines.take_lost(), lines.take_lost()), (3, 0));
        assert_eq!(lines.take(5).len(), 5);
        assert_eq!(lines.take(usize::MAX).len(), MOST - 5);
    }
}
