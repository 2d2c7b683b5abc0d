//! The metrics page: rendered off the request path, so that a scrape never waits for the pipeline.

use super::{Registry, table};
use flate2::{Compression, write::GzEncoder};
use std::{
    io::{self, Write as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

/// A page is at most this much older than what it tells, unless it is a large one.
const RENDER_EVERY: Duration = Duration::from_millis(250);
const RENDER_ANYWAY: Duration = Duration::from_secs(5);
/// Of so many parts of the time, one is spent on rendering: a page of thousands of series is rendered less often.
const RENDER_SHARE: u32 = 200;
/// What the page is, for a browser or a scraper.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page as it was rendered.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub plain: Arc<[u8]>,
    pub gzip: Arc<[u8]>,
    pub at: Instant,
}

/// The current page and the news that it is out of date.
#[derive(Debug)]
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
    /// Renders on a thread of its own until [`Page::stop`].
    pub fn start(registry: Arc<Registry>) -> io::Result<Arc<Self>> {
        let empty = Rendered { plain: Arc::default(), gzip: Arc::default(), at: Instant::now() };
        let page = Arc::new(Self { current: RwLock::new(empty), news: Mutex::default(), came: Condvar::new() });
        page.render(&registry);
        let renderer = Arc::clone(&page);
        thread::Builder::new().name("render".into()).spawn(move || renderer.keep_rendered(&registry))?;
        Ok(page)
    }

    /// Something was recorded since the last page.
    pub fn changed(&self) {
        let mut news = self.news();
        news.changed = true;
        if news.asleep {
            self.came.notify_one();
        }
    }

    pub fn stop(&self) {
        self.news().stop = true;
        self.came.notify_all();
    }

    pub fn current(&self) -> Rendered {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how long it took.
    fn render(&self, registry: &Registry) -> Duration {
        let began = Instant::now();
        let text = registry.render().into_bytes();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let gzip = encoder.write_all(&text).and_then(|()| encoder.finish()).unwrap_or_default();
        let rendered = Rendered { plain: text.into(), gzip: gzip.into(), at: Instant::now() };
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
