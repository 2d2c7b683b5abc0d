//! Between the pipeline and the sender: bounded, and the pipeline never waits.

use crate::sink::spans::{Span, Trace};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Spans of one message, and spans with their events: some hundred kilobytes.
const BATCH_SPANS: usize = 512;
const BATCH_WEIGHT: usize = 4096;

/// Traces that are complete and not sent yet.
#[derive(Debug)]
pub struct Queue {
    /// Spans and events that it holds at most.
    most: usize,
    waiting: Mutex<Waiting>,
    came: Notify,
    /// Enough for a message has come.
    enough: Notify,
    went: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    traces: VecDeque<Dated>,
    spans: usize,
    weight: usize,
    /// The pipeline has ended: nothing more comes.
    over: bool,
}

/// A trace, and what makes wall time of its kernel time.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated {
    pub trace: Trace,
    /// Nanoseconds of the epoch at boot.
    pub boot: i128,
}

impl Dated {
    fn weight(&self) -> usize {
        self.trace.iter().map(Span::weight).sum()
    }
}

impl Queue {
    pub fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default(), came: Notify::new(), enough: Notify::new(), went: Condvar::new() }
    }

    /// Puts a trace in, or gives it back when there is no room.
    pub fn push(&self, trace: Dated) -> Result<(), Dated> {
        self.put(self.waiting(), trace)
    }

    /// The same, with patience: for who can wait, as a replay.
    pub fn push_patiently(&self, trace: Dated, patience: Duration) -> Result<(), Dated> {
        let weight = trace.weight();
        let full = |waiting: &mut Waiting| waiting.weight + weight > self.most && waiting.weight > 0;
        let waited = self.went.wait_timeout_while(self.waiting(), patience, full);
        let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.put(waiting, trace)
    }

    fn put(&self, mut waiting: MutexGuard<'_, Waiting>, trace: Dated) -> Result<(), Dated> {
        let weight = trace.weight();
        if waiting.over || waiting.weight + weight > self.most {
            return Err(trace);
        }
        waiting.weight += weight;
        waiting.spans += trace.trace.len();
        waiting.traces.push_back(trace);
        let enough = waiting.spans >= BATCH_SPANS || waiting.weight >= BATCH_WEIGHT;
        drop(waiting);
        self.came.notify_one();
        if enough {
            self.enough.notify_one();
        }
        Ok(())
    }

    /// Whole traces for one message.
    pub fn take_batch(&self) -> Vec<Dated> {
        self.take(BATCH_SPANS, BATCH_WEIGHT)
    }

    /// Whole traces, up to so many spans, and so many spans and events.
    pub fn take(&self, spans: usize, weight: usize) -> Vec<Dated> {
        let mut waiting = self.waiting();
        let (mut taken, mut count, mut heavy) = (Vec::new(), 0, 0);
        while let Some(next) = waiting.traces.front() {
            let (more, heavier) = (next.trace.len(), next.weight());
            if !taken.is_empty() && (count + more > spans || heavy + heavier > weight) {
                break;
            }
            count += more;
            heavy += heavier;
            taken.extend(waiting.traces.pop_front());
        }
        waiting.spans = waiting.spans.saturating_sub(count);
        waiting.weight = waiting.weight.saturating_sub(heavy);
        drop(waiting);
        self.went.notify_all();
        taken
    }

    /// Spans that wait.
    pub fn spans(&self) -> usize {
        self.waiting().spans
    }

    /// Something may have come, or the end.
    pub async fn came(&self) {
        self.came.notified().await;
    }

    /// There may be enough for a message.
    pub async fn enough(&self) {
        self.enough.notified().await;
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.waiting().over = true;
        self.came.notify_one();
    }

    pub fn is_over(&self) -> bool {
        self.waiting().over
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Dated, Queue};
    use crate::{
        observation::Stamp,
        sink::spans::{Context, Kind, Span, SpanId, TraceId},
    };
    use std::{
        sync::Arc,
        thread,
        time::{Duration, Instant},
    };

    fn trace(spans: usize) -> Dated {
        let context = Context { trace: TraceId([1; 16]), span: SpanId([1; 8]) };
        let span = Span::new(context, "a span", Kind::Internal, Stamp::default(), Stamp::default());
        Dated { trace: vec![span; spans], boot: 0 }
    }

    #[test]
    fn what_finds_no_room_is_given_back() {
        let queue = Queue::new(10);
        assert!(queue.push(trace(6)).is_ok());
        assert!(queue.push(trace(5)).is_err());
        assert!(queue.push(trace(4)).is_ok());
        assert_eq!(queue.spans(), 10);
        assert!(queue.push(trace(1)).is_err());
        assert_eq!(queue.take(100, 100).len(), 2);
        assert_eq!(queue.spans(), 0);
        assert!(queue.push(trace(11)).is_err());
        queue.close();
        assert!(queue.push(trace(1)).is_err());
    }

    #[test]
    fn traces_are_taken_whole() {
        let queue = Queue::new(100);
        for spans in [5, 5, 5, 30] {
            assert!(queue.push(trace(spans)).is_ok());
        }
        let lengths = || queue.take(12, 100).iter().map(|dated| dated.trace.len()).collect::<Vec<_>>();
        assert_eq!(lengths(), [5, 5]);
        assert_eq!(lengths(), [5]);
        // One that is larger than a batch goes alone.
        assert_eq!(lengths(), [30]);
        assert!(lengths().is_empty());
    }

    #[test]
    fn patience_waits_for_room_and_ends() {
        let queue = Arc::new(Queue::new(10));
        assert!(queue.push(trace(10)).is_ok());
        let began = Instant::now();
        assert!(queue.push_patiently(trace(10), Duration::from_millis(50)).is_err());
        assert!(began.elapsed() >= Duration::from_millis(50));
        let other = Arc::clone(&queue);
        let taker = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            other.take(100, 100).len()
        });
        assert!(queue.push_patiently(trace(10), Duration::from_secs(20)).is_ok());
        assert_eq!(taker.join().expect("it takes"), 1);
    }
}
