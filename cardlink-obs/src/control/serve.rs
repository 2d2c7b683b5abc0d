//! The agent's side: a thread that accepts clients and answers them. A client that does not read keeps nobody waiting but itself.

use super::{
    Bound, ControlError, Hub, PROTOCOL,
    follow::Queue,
    protocol::{self, Greeting, LONGEST_REQUEST, Request, Show},
};
use crate::{
    health::Health,
    logging::Logging,
    server::Access,
    sink::metrics::page::{Format, Page},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{io, sync::Arc, thread, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf, UCred},
    },
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

/// So many at once.
const CLIENTS: u32 = 16;
/// A client that asks nothing for so long is left; one that follows may be silent.
const PATIENCE: Duration = Duration::from_mins(1);
/// A client that does not read its answer for so long is left.
const UNREAD: Duration = Duration::from_secs(10);
/// A client that there is no room for is told so within this.
const AT_ONCE: Duration = Duration::from_millis(50);
/// What waits for clients is sent for so long at the end.
const GRACE: Duration = Duration::from_millis(300);

/// What clients may see and change.
pub struct Agent {
    pub page: Arc<Page>,
    pub health: Health,
    pub access: Access,
    pub logging: Logging,
    /// Where the metrics page is.
    pub url: String,
}

/// The socket while it is served.
pub struct Control {
    bound: Bound,
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<()>,
}

impl Bound {
    /// Serves on a thread of its own.
    pub fn serve(self, agent: Agent, hub: Arc<Hub>) -> Result<Control, ControlError> {
        let listener = self.listener.try_clone()?;
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let room = Room { agent: Arc::new(agent), hub, stopped };
        let thread = thread::Builder::new().name("control".into()).spawn(move || {
            runtime.block_on(async move {
                match UnixListener::from_std(listener) {
                    Ok(listener) => room.serve(&listener).await,
                    Err(error) => tracing::error!("the control socket is not served: {error}"),
                }
            });
        })?;
        Ok(Control { bound: self, stop, thread })
    }
}

impl Control {
    /// Lets clients have what waits for them, and takes the socket away.
    pub fn stop(self) {
        drop(self.bound);
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}

#[derive(Clone)]
struct Room {
    agent: Arc<Agent>,
    hub: Arc<Hub>,
    stopped: watch::Receiver<bool>,
}

impl Room {
    async fn serve(mut self, listener: &UnixListener) {
        let places = Arc::new(Semaphore::new(CLIENTS as usize));
        let inside = self.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stopped.changed() => break,
            };
            match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let room = inside.clone();
                        tokio::spawn(async move {
                            let _place = place;
                            if let Err(error) = room.attend(stream).await {
                                tracing::debug!("a client of the control socket: {error}");
                            }
                        });
                    }
                    Err(_) => refuse(&stream).await,
                },
                Err(error) => {
                    tracing::warn!("the control socket does not accept: {error}");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
        let _ = timeout(GRACE, places.acquire_many(CLIENTS)).await;
    }

    async fn attend(mut self, stream: UnixStream) -> io::Result<()> {
        let who = stream.peer_cred().map_or_else(|_| String::from("an unknown process"), |peer| told(&peer));
        tracing::debug!("{who} is at the control socket");
        let (input, mut output) = stream.into_split();
        let mut input = BufReader::new(input);
        let (version, url) = (String::from(env!("CARGO_PKG_VERSION")), self.agent.url.clone());
        say(&mut output, &Greeting { protocol: PROTOCOL, version, pid: std::process::id(), url }).await?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = (&mut input).take(LONGEST_REQUEST as u64);
            let read = tokio::select! {
                read = timeout(PATIENCE, limited.read_until(b'\n', &mut line)) => read,
                _ = self.stopped.changed() => return Ok(()),
            };
            let Ok(read) = read else { return error(&mut output, "nothing was asked for a minute").await };
            if read? == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') && line.len() >= LONGEST_REQUEST {
                return error(&mut output, "a request has one line of at most 16 KiB").await;
            }
            match protocol::request(line.trim_ascii()) {
                Ok(Request::Trace(show)) => match self.hub.join(show.clone()) {
                    Ok(queue) => {
                        tracing::debug!("{who} follows: {show:?}");
                        return follow(input, output, &queue, &show).await;
                    }
                    Err(reason) => error(&mut output, &reason).await?,
                },
                Ok(request) => match self.agent.answer(request, &who) {
                    Ok(answer) => say(&mut output, &json!({"ok": answer})).await?,
                    Err(reason) => error(&mut output, &reason).await?,
                },
                Err(reason) => error(&mut output, &reason).await?,
            }
        }
    }
}

fn told(peer: &UCred) -> String {
    match peer.pid() {
        Some(pid) => format!("user {} (group {}, pid {pid})", peer.uid(), peer.gid()),
        None => format!("user {} (group {})", peer.uid(), peer.gid()),
    }
}

/// Says why, if that can be said at once, and hangs up.
async fn refuse(stream: &UnixStream) {
    let line = format!("{}\n", json!({"error": format!("{CLIENTS} others are connected already: end one of them")}));
    if timeout(AT_ONCE, stream.writable()).await.is_ok() {
        let _ = stream.try_write(line.as_bytes());
    }
}

async fn error(output: &mut OwnedWriteHalf, reason: &str) -> io::Result<()> {
    say(output, &json!({"error": reason})).await
}

async fn say(output: &mut OwnedWriteHalf, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    timeout(UNREAD, output.write_all(&line)).await.map_err(|_| io::Error::other("the answer was not read"))?
}

/// Sends what is put into the queue until one side goes away.
async fn follow(
    mut input: BufReader<OwnedReadHalf>,
    mut output: OwnedWriteHalf,
    queue: &Queue,
    show: &Show,
) -> io::Result<()> {
    /// However this ends, nothing is kept for the client any more.
    struct Leave<'a>(&'a Queue);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.leave();
        }
    }
    let _leave = Leave(queue);
    let mut ignored = [0; 64];
    loop {
        let (bytes, over) = queue.take();
        output.write_all(&bytes).await?;
        if over {
            let kind = if show.json { "JSON" } else { "text" };
            tracing::debug!("the end is told to who follows as {kind}");
            return say(&mut output, &json!({"end": "the agent stops"})).await;
        }
        // What is said meanwhile means nothing, but that nothing can be said any more does.
        let read = tokio::select! {
            () = queue.changed() => continue,
            read = input.read(&mut ignored) => read?,
        };
        if read == 0 {
            return Ok(());
        }
    }
}

impl Agent {
    fn answer(&self, request: Request, who: &str) -> Result<Value, String> {
        match request {
            Request::Status => {
                let page = self.page.get(Format::Classic).plain;
                let metrics = String::from_utf8_lossy(&page);
                Ok(json!({"url": self.url, "metrics": metrics, "health": self.health()}))
            }
            Request::Health => Ok(self.health()),
            Request::LogLevel { set: None } => Ok(json!({"level": self.logging.levels()})),
            Request::LogLevel { set: Some(change) } => {
                let changed = self.logging.change_levels(&change)?;
                tracing::info!("log.level was {} and is {} by the wish of {who}", changed.old, changed.new);
                Ok(json!({"old": changed.old, "new": changed.new}))
            }
            // It is no question with one answer.
            Request::Trace(_) => Err(String::from("a trace follows")),
        }
    }

    fn health(&self) -> Value {
        if !self.access.health_enabled() {
            return json!({"status": "disabled", "message": "checks are switched off: see health.enabled"});
        }
        let report = self.health.report();
        report.json(report.status(), true)
    }
}
