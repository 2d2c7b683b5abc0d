//! The HTTP side: a page that was rendered off the request path, so that a scrape never waits for the pipeline.

use crate::{
    capture::{host, sockets},
    sink::metrics::{Registry, table},
};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {reason}")]
    Listen { address: SocketAddr, reason: String },
    #[error("cannot serve metrics: {0}")]
    System(#[from] io::Error),
}

/// A page is at most this much older than what it tells, unless it is a large one.
const RENDER_EVERY: Duration = Duration::from_millis(250);
const RENDER_ANYWAY: Duration = Duration::from_secs(5);
/// Of so many parts of the time, one is spent on rendering: a page of thousands of series is rendered less often.
const RENDER_SHARE: u32 = 200;
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Clone, Default)]
struct Rendered {
    plain: Arc<[u8]>,
    gzip: Arc<[u8]>,
}

/// The current page and the news that it is out of date.
pub struct Page {
    current: RwLock<Rendered>,
    news: Mutex<News>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct News {
    /// Something was recorded since the last page.
    changed: bool,
    /// The renderer sleeps until there are news.
    asleep: bool,
    stop: bool,
}

impl Page {
    /// Something was recorded since the last page.
    pub fn changed(&self) {
        let mut news = self.news();
        news.changed = true;
        if news.asleep {
            self.came.notify_one();
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Rendered {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how long it took.
    fn render(&self, registry: &Registry) -> Duration {
        let began = Instant::now();
        let text = registry.render().into_bytes();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let gzip = encoder.write_all(&text).and_then(|()| encoder.finish()).unwrap_or_default();
        let rendered = Rendered { plain: text.into(), gzip: gzip.into() };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = rendered;
        let took = began.elapsed();
        registry.observe(&table::OWN_SCRAPE, &[], took.as_secs_f64());
        took
    }

    /// Renders whenever something changed, at most four times a second, and every five seconds in any case.
    fn keep_rendered(&self, registry: &Registry) {
        loop {
            let took = self.render(registry);
            let pause = (took * RENDER_SHARE).clamp(RENDER_EVERY, RENDER_ANYWAY);
            let rested = self.came.wait_timeout_while(self.news(), pause, |news| !news.stop);
            let (mut news, _) = rested.unwrap_or_else(PoisonError::into_inner);
            news.asleep = true;
            let woken = self.came.wait_timeout_while(news, RENDER_ANYWAY, |news| !news.stop && !news.changed);
            let (mut news, _) = woken.unwrap_or_else(PoisonError::into_inner);
            news.asleep = false;
            news.changed = false;
            if news.stop {
                return;
            }
        }
    }
}

/// The running server.
pub struct Server {
    pub address: SocketAddr,
    page: Arc<Page>,
    stop: oneshot::Sender<()>,
}

impl Server {
    pub fn page(&self) -> Arc<Page> {
        Arc::clone(&self.page)
    }

    /// Stops serving; requests under way are finished within a moment.
    pub fn stop(self) {
        self.page.news().stop = true;
        self.page.came.notify_all();
        let _ = self.stop.send(());
    }
}

/// Binds and serves on threads of its own.
pub fn start(address: SocketAddr, registry: Arc<Registry>) -> Result<Server, ServerError> {
    let listener = TcpListener::bind(address).map_err(|error| cannot_listen(address, &error))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!("{address} can be reached from other hosts, and there is no password");
    }
    let page = Arc::new(Page { current: RwLock::default(), news: Mutex::default(), came: Condvar::new() });
    let renderer = Arc::clone(&page);
    thread::Builder::new().name("render".into()).spawn(move || renderer.keep_rendered(&registry))?;
    let (stop, stopped) = oneshot::channel();
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { "{\"status\":\"healthy\"}\n" }))
        .with_state(Arc::clone(&page));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("http".into()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let ended = async {
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(ended).await {
                tracing::error!("the metrics server ended: {error}");
            }
        });
    })?;
    Ok(Server { address, page, stop })
}

async fn metrics(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    let rendered = page.current();
    let accepts_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|coding| coding.trim().starts_with("gzip")));
    if accepts_gzip && !rendered.gzip.is_empty() {
        let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CONTENT_ENCODING, "gzip")];
        (StatusCode::OK, headers, Body::from(rendered.gzip.to_vec())).into_response()
    } else {
        (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from(rendered.plain.to_vec())).into_response()
    }
}

/// Says who has the port, where that can be found out.
fn cannot_listen(address: SocketAddr, error: &io::Error) -> ServerError {
    let mut reason = error.to_string();
    if error.kind() == io::ErrorKind::AddrInUse {
        let holder = port_holder(address.port());
        reason = match holder {
            Some((pid, comm)) => format!("{comm} (pid {pid}) has that port; choose another with --listen"),
            None => String::from("another program has that port; choose another with --listen"),
        };
    }
    ServerError::Listen { address, reason }
}

fn port_holder(port: u16) -> Option<(u32, String)> {
    let own = std::process::id();
    let wanted: Vec<u64> =
        sockets::of(own).listening.iter().filter(|(_, at)| at.port() == port).map(|(inode, _)| *inode).collect();
    host::pids().into_iter().find_map(|pid| {
        let holds = host::descriptors(pid)
            .iter()
            .any(|(_, link)| host::socket_inode(link).is_some_and(|inode| wanted.contains(&inode)));
        holds.then(|| Some((pid, host::comm(pid)?))).flatten()
    })
}
