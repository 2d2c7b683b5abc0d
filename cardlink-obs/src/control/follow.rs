//! Clients that follow what happens: the agent's own observations, written as `trace` writes them.
//!
//! The loop of the agent writes into a bounded queue for each client and never waits; a thread of the socket's own sends what is in
//! it. What finds its queue full is left out, and counted, and the client is told.

use super::{protocol::Show, waker::Waker};
use crate::{
    capture,
    observation::{Observation, Stamp},
    sink::{
        Sink,
        json::Json,
        names::Names,
        text::{Filter, Text},
        wall::WallClock,
    },
};
use std::{
    cell::RefCell,
    io, mem,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// Bytes that wait for one client before more is left out.
const FULL: usize = 1 << 18;

/// Where clients and the agent's loop meet.
#[derive(Debug)]
pub struct Hub {
    /// Of the agent's loop.
    waker: Waker,
    joining: Mutex<Joining>,
    /// Somebody is.
    news: AtomicBool,
}

#[derive(Debug, Default)]
struct Joining {
    clients: Vec<(Show, Filter, Arc<Queue>)>,
    /// Nothing happens any more.
    over: bool,
}

/// Lines for one client.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// The client has gone.
    gone: bool,
    /// No more will come.
    over: bool,
}

impl Hub {
    /// The waker is that of the agent's loop.
    pub fn new(waker: Waker) -> Self {
        Self { waker, joining: Mutex::default(), news: AtomicBool::default() }
    }

    /// From the next round of the agent's loop on this client is told; the first line says so.
    pub(super) fn join(&self, show: Show) -> Result<Arc<Queue>, String> {
        let filter = show.filter()?;
        let queue = Arc::new(Queue::default());
        let mut joining = lock(&self.joining);
        if joining.over {
            queue.end();
        } else {
            joining.clients.push((show, filter, Arc::clone(&queue)));
            self.news.store(true, Ordering::Release);
            self.waker.wake();
        }
        Ok(queue)
    }

    fn take(&self) -> Vec<(Show, Filter, Arc<Queue>)> {
        if self.news.swap(false, Ordering::Acquire) { mem::take(&mut lock(&self.joining).clients) } else { Vec::new() }
    }

    fn close(&self) {
        let mut joining = lock(&self.joining);
        joining.over = true;
        joining.clients.drain(..).for_each(|(_, _, queue)| queue.end());
    }
}

impl Queue {
    /// Adds lines; whether there is room is asked before. Nothing is kept for a client that has gone.
    fn put(&self, lines: &[u8]) {
        let mut waiting = lock(&self.state);
        if !waiting.gone {
            waiting.bytes.extend_from_slice(lines);
        }
    }

    fn is_full(&self) -> bool {
        lock(&self.state).bytes.len() >= FULL
    }

    fn is_gone(&self) -> bool {
        lock(&self.state).gone
    }

    fn end(&self) {
        lock(&self.state).over = true;
        self.news.notify_one();
    }

    /// Waits until there may be something to send.
    pub(super) async fn changed(&self) {
        self.news.notified().await;
    }

    /// What waits, and whether that was all.
    pub(super) fn take(&self) -> (Vec<u8>, bool) {
        let mut waiting = lock(&self.state);
        (mem::take(&mut waiting.bytes), waiting.over)
    }

    /// The client has gone.
    pub(super) fn leave(&self) {
        *lock(&self.state) = Waiting { gone: true, ..Waiting::default() };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells all who follow.
pub struct Followed {
    hub: Arc<Hub>,
    names: Names,
    followers: Vec<Follower>,
}

impl Followed {
    pub fn new(hub: Arc<Hub>, names: Names) -> Self {
        Self { hub, names, followers: Vec::new() }
    }
}

impl Sink for Followed {
    fn take(&mut self, observation: &Observation) {
        for follower in &mut self.followers {
            follower.take(observation);
        }
    }

    fn flush(&mut self) {
        self.followers.retain_mut(|follower| {
            follower.flush();
            !follower.queue.is_gone()
        });
        for (show, filter, queue) in self.hub.take() {
            self.followers.push(Follower::new(&show, filter, queue, &self.names));
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.hub.close();
        for follower in &mut self.followers {
            follower.flush();
            follower.queue.end();
        }
    }
}

struct Follower {
    queue: Arc<Queue>,
    written: Written,
    form: Form,
    left_out: u64,
    /// Something was put into the queue since its reader was woken.
    fresh: bool,
}

enum Form {
    Text(Text<Written>),
    Json(Json<Written>),
}

/// What a sink wrote of one observation.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Follower {
    fn new(show: &Show, filter: Filter, queue: Arc<Queue>, names: &Names) -> Self {
        let clock = WallClock::of_this_host();
        let clock = show.zone.iter().fold(clock, |clock, zone| clock.in_zone(zone));
        let written = Written::default();
        let form = if show.json {
            Form::Json(Json::new(written.clone(), clock, names.clone(), filter))
        } else {
            Form::Text(Text::new(written.clone(), clock, names.clone(), filter))
        };
        queue.put(b"{\"ok\":{\"following\":true}}\n");
        let mut follower = Self { queue, written, form, left_out: 0, fresh: true };
        follower.flush();
        follower
    }

    fn take(&mut self, observation: &Observation) {
        // One that is left out costs nothing more than to know that it would have been shown.
        if self.queue.is_full() {
            let shows = match &self.form {
                Form::Text(text) => text.shows(observation),
                Form::Json(json) => json.shows(observation),
            };
            self.left_out += u64::from(shows);
            return;
        }
        self.own_up();
        match &mut self.form {
            Form::Text(text) => text.take(observation),
            Form::Json(json) => json.take(observation),
        }
        self.hand_over();
    }

    /// Says what was left out.
    fn own_up(&mut self) {
        let count = mem::take(&mut self.left_out);
        if count > 0 {
            let now = Stamp::from_nanos(capture::now());
            match &mut self.form {
                Form::Text(text) => text.left_out(now, count),
                Form::Json(json) => json.left_out(now, count),
            }
            self.hand_over();
        }
    }

    /// Puts what the sink has written into the queue.
    fn hand_over(&mut self) {
        let mut written = self.written.0.borrow_mut();
        if written.is_empty() {
            return;
        }
        match &self.form {
            Form::Json(_) => self.queue.put(&written),
            Form::Text(_) => {
                let line = serde_json::json!({"text": String::from_utf8_lossy(&written)});
                self.queue.put(format!("{line}\n").as_bytes());
            }
        }
        written.clear();
        self.fresh = true;
    }

    fn flush(&mut self) {
        if self.left_out > 0 && !self.queue.is_full() {
            self.own_up();
        }
        match &mut self.form {
            Form::Text(text) => text.flush(),
            Form::Json(json) => json.flush(),
        }
        if mem::take(&mut self.fresh) {
            self.queue.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::waker::Waker;
    use super::{FULL, Followed, Hub, Queue, lock};
    use crate::{
        control::Show,
        observation::{Incomplete, Observation, Stamp},
        sink::{Sink as _, json::to_json, names::Names, wall::WallClock},
    };
    use serde_json::Value;
    use std::sync::Arc;

    const JSON: Show =
        Show { json: true, failed: false, slower: None, connection: None, peer: None, all: false, zone: None };

    fn loss(bytes: u64) -> Observation {
        Observation::Incomplete(Box::new(Incomplete {
            at: Stamp::from_nanos(bytes),
            target: Arc::from("server"),
            source: "tls",
            bytes,
        }))
    }

    fn names() -> Names {
        Names::with_new_key(false).expect("random bytes")
    }

    /// A client that has been let in.
    fn following(show: Show) -> (Followed, Arc<Queue>) {
        let hub = Arc::new(Hub::new(Waker::new().expect("an eventfd")));
        let mut sink = Followed::new(Arc::clone(&hub), names());
        let queue = hub.join(show).expect("a good filter");
        sink.take(&loss(1));
        sink.flush();
        assert_eq!(lines(&queue), ["{\"ok\":{\"following\":true}}"], "what came before is not told");
        (sink, queue)
    }

    fn lines(queue: &Queue) -> Vec<String> {
        String::from_utf8(queue.take().0).expect("UTF-8").lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_told_is_what_the_sinks_write() {
        let (mut json_sink, json_queue) = following(JSON);
        let zone = Some(String::from("UTC"));
        let (mut text_sink, text_queue) = following(Show { zone, ..Show::default() });
        for sink in [&mut json_sink, &mut text_sink] {
            sink.take(&loss(7));
            sink.flush();
        }
        let clock = WallClock::of_this_host().in_zone("UTC");
        let told: Value = serde_json::from_str(&lines(&json_queue).concat()).expect("one line of JSON");
        let wanted = to_json(&loss(7), &clock, &names());
        assert_eq!((&told["type"], &told["bytes"]), (&wanted["type"], &wanted["bytes"]));
        let text: Value = serde_json::from_str(&lines(&text_queue).concat()).expect("one line of JSON");
        let text = text["text"].as_str().expect("text");
        assert!(text.starts_with(&clock.time_of_day(Stamp::from_nanos(7))[..9]), "{text}");
        assert!(text.ends_with(" tls 7 bytes were lost\n"), "{text}");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told() {
        let (mut sink, queue) = following(JSON);
        let many = 20_000;
        for number in 0..many {
            sink.take(&loss(number));
        }
        sink.flush();
        let kept = lock(&queue.state).bytes.len();
        assert!((FULL..FULL + 1024).contains(&kept), "{kept} bytes wait");
        let first = lines(&queue).len() as u64;
        assert!(first > 100 && first < many);
        // Nothing more has happened, and yet it is said.
        sink.flush();
        let said = lines(&queue);
        let [said] = said.as_slice() else { panic!("{said:?}") };
        let said: Value = serde_json::from_str(said).expect("JSON");
        assert_eq!(said["type"], "left_out");
        assert_eq!(said["observations"].as_u64(), Some(many - first));
        sink.take(&loss(1));
        assert_eq!(lines(&queue).len(), 1, "and goes on");
    }

    #[test]
    fn who_has_gone_costs_nothing() {
        let (mut sink, queue) = following(JSON);
        queue.leave();
        sink.take(&loss(1));
        assert!(lock(&queue.state).bytes.is_empty());
        sink.flush();
        assert!(sink.followers.is_empty());
    }

    #[test]
    fn the_end_is_told_to_those_inside_and_those_at_the_door() {
        let (sink, inside) = following(JSON);
        let hub = Arc::clone(&sink.hub);
        let waiting = hub.join(JSON).expect("a good filter");
        drop(sink);
        let late = hub.join(JSON).expect("a good filter");
        for queue in [inside, waiting, late] {
            assert!(queue.take().1);
        }
    }
}
