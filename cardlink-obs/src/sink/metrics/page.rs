//! The metrics page: rendered off the request path, so that a scrape never waits for the pipeline.

use super::{Registry, openmetrics, table};
use flate2::{Compression, write::GzEncoder};
use std::{
    io::{self, Write as _},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A page is at most this much older than what it tells, unless it is a large one.
const RENDER_EVERY: Duration = Duration::from_millis(250);
const RENDER_ANYWAY: Duration = Duration::from_secs(5);
/// A page that takes less than this is rendered when it is asked for. A larger one is rendered in advance, and nobody waits
/// for it.
const SMALL: Duration = Duration::from_millis(5);
/// How long a small page is waited for at most, on a busy machine.
const PATIENCE: Duration = Duration::from_millis(25);
/// Of so many parts of the time, one is spent on rendering: a page of thousands of series is rendered less often.
const RENDER_SHARE: u32 = 200;
/// A format that nobody has asked for since so long is not rendered.
const FORMAT_KEPT: Duration = Duration::from_mins(10);

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Classic,
    OpenMetrics,
}

impl Format {
    const ALL: [Self; 2] = [Self::Classic, Self::OpenMetrics];

    /// For a browser or a scraper.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => openmetrics::CONTENT_TYPE,
        }
    }
}

/// A page as it was rendered.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub plain: Arc<[u8]>,
    pub gzip: Arc<[u8]>,
    pub at: Instant,
}

/// The page in one format.
#[derive(Debug, Default)]
struct Slot {
    current: Option<Rendered>,
    /// When it was last asked for, in milliseconds after the start of the page; 0 for never.
    asked: AtomicU64,
}

/// The current page and the news that it is out of date.
pub struct Page {
    registry: Arc<Registry>,
    started: Instant,
    slots: RwLock<[Slot; 2]>,
    news: Mutex<News>,
    came: Condvar,
    rendered: Condvar,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that is so or not")]
struct News {
    /// Something was recorded since the last page.
    changed: bool,
    /// Somebody would like a newer page.
    asked: bool,
    renderer: Renderer,
    /// The page takes so long that nobody is to wait for it.
    large: bool,
    /// How often it was rendered.
    times: u64,
    stop: bool,
}

/// What the renderer does.
#[derive(Debug, Default, PartialEq, Eq)]
enum Renderer {
    #[default]
    Renders,
    /// After a page it does nothing for a while, whoever asks.
    Rests,
    /// Until there are news.
    Sleeps,
}

impl News {
    /// Whether the renderer has a reason to begin.
    fn is_due(&self) -> bool {
        self.changed && (self.asked || self.large)
    }
}

impl Page {
    /// Renders on a thread of its own until [`Page::stop`].
    pub fn start(registry: Arc<Registry>) -> io::Result<Arc<Self>> {
        let page = Arc::new(Self::new(registry));
        page.render(Format::Classic);
        let renderer = Arc::clone(&page);
        thread::Builder::new().name("render".into()).spawn(move || renderer.keep_rendered())?;
        Ok(page)
    }

    fn new(registry: Arc<Registry>) -> Self {
        let (slots, news) = (RwLock::default(), Mutex::default());
        Self { registry, started: Instant::now(), slots, news, came: Condvar::new(), rendered: Condvar::new() }
    }

    /// Something was recorded since the last page.
    pub fn changed(&self) {
        let mut news = self.news();
        news.changed = true;
        if news.renderer == Renderer::Sleeps && news.is_due() {
            self.came.notify_one();
        }
    }

    pub fn stop(&self) {
        self.news().stop = true;
        self.came.notify_all();
    }

    /// The page in this format; it is rendered here when nobody has asked for this format lately.
    pub fn get(&self, format: Format) -> Rendered {
        if let Some(rendered) = self.current(format)
            && (rendered.at.elapsed() < RENDER_EVERY || !self.refresh())
        {
            return rendered;
        }
        self.current(format).unwrap_or_else(|| self.render(format))
    }

    fn current(&self, format: Format) -> Option<Rendered> {
        let slots = self.read();
        let slot = &slots[format as usize];
        slot.asked.store(self.now(), Ordering::Relaxed);
        slot.current.clone()
    }

    /// Asks for a newer page, and waits a moment when it is a small one. Whether one has come.
    fn refresh(&self) -> bool {
        let mut news = self.news();
        if !news.changed && news.renderer != Renderer::Renders {
            return false;
        }
        news.asked = true;
        if news.renderer == Renderer::Sleeps {
            self.came.notify_one();
        }
        if news.large || news.renderer == Renderer::Rests {
            return false;
        }
        let times = news.times;
        let waited = self.rendered.wait_timeout_while(news, PATIENCE, |news| news.times == times && !news.stop);
        let (news, _) = waited.unwrap_or_else(PoisonError::into_inner);
        news.times != times
    }

    /// The page as it was last rendered, in whatever format.
    pub fn latest(&self) -> Option<Rendered> {
        self.read().iter().filter_map(|slot| slot.current.clone()).max_by_key(|rendered| rendered.at)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn read(&self) -> RwLockReadGuard<'_, [Slot; 2]> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, [Slot; 2]> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn render(&self, format: Format) -> Rendered {
        let began = Instant::now();
        let text = match format {
            Format::Classic => self.registry.render(),
            Format::OpenMetrics => openmetrics::encode(&self.registry.families()),
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let gzip = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
        let rendered = Rendered { plain: text.into_bytes().into(), gzip: gzip.into(), at: Instant::now() };
        self.write()[format as usize].current = Some(rendered.clone());
        self.registry.observe(&table::OWN_SCRAPE, &[], began.elapsed().as_secs_f64());
        rendered
    }

    /// Renders what is asked for, and the classic page when nothing is.
    fn render_wanted(&self) {
        let kept = u64::try_from(FORMAT_KEPT.as_millis()).unwrap_or(u64::MAX);
        let now = self.now();
        let wanted = |slot: &Slot| match slot.asked.load(Ordering::Relaxed) {
            0 => false,
            asked => now.saturating_sub(asked) < kept,
        };
        let wanted = self.read().each_ref().map(wanted);
        let none = !wanted.contains(&true);
        for format in Format::ALL {
            if wanted[format as usize] || (none && format == Format::Classic) {
                self.render(format);
            } else {
                self.write()[format as usize].current = None;
            }
        }
    }

    /// Renders what has changed when somebody asks for it, a large page whether somebody asks or not, at most four times a
    /// second; and every five seconds in any case.
    fn keep_rendered(&self) {
        loop {
            let began = Instant::now();
            self.render_wanted();
            let took = began.elapsed();
            let mut news = self.news();
            news.large = took >= SMALL;
            news.renderer = Renderer::Rests;
            news.times += 1;
            self.rendered.notify_all();
            let pause = (took * RENDER_SHARE).clamp(RENDER_EVERY, RENDER_ANYWAY);
            let rested = self.came.wait_timeout_while(news, pause, |news| !news.stop);
            let (mut news, _) = rested.unwrap_or_else(PoisonError::into_inner);
            news.renderer = Renderer::Sleeps;
            let woken = self.came.wait_timeout_while(news, RENDER_ANYWAY, |news| !news.stop && !news.is_due());
            let (mut news, _) = woken.unwrap_or_else(PoisonError::into_inner);
            (news.renderer, news.changed, news.asked) = (Renderer::Renders, false, false);
            if news.stop {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Page, RENDER_EVERY, Registry};
    use crate::sink::metrics::table;
    use std::{sync::Arc, thread};

    /// What was recorded is in the page that is asked for next, and nothing is rendered for nobody.
    #[test]
    fn a_page_is_rendered_for_who_asks() {
        let registry = Arc::new(Registry::new());
        let page = Page::start(Arc::clone(&registry)).expect("a thread starts");
        let rests = || thread::sleep(RENDER_EVERY * 3 / 2);
        for count in 1..4 {
            rests();
            let before = page.news().times;
            registry.set(&table::OWN_STREAMS, &[], f64::from(count));
            page.changed();
            rests();
            // On a busy machine even this page may have taken long.
            assert!(page.news().large || page.news().times == before, "nobody has asked");
            let wanted = format!("cardlink_obs_streams {count}\n");
            // On a busy machine the renderer may come too late for the first who asks.
            let told = (0..20).any(|_| {
                let told = String::from_utf8_lossy(&page.get(Format::Classic).plain).contains(&wanted);
                if !told {
                    rests();
                }
                told
            });
            assert!(told, "{}", String::from_utf8_lossy(&page.get(Format::Classic).plain));
        }
        rests();
        let before = page.news().times;
        page.get(Format::Classic);
        assert_eq!(page.news().times, before, "nothing has changed");
        page.stop();
    }

    #[test]
    fn a_format_is_rendered_when_it_is_asked_for() {
        let page = Page::new(Arc::new(Registry::new()));
        page.render_wanted();
        assert!(page.read()[Format::OpenMetrics as usize].current.is_none());
        let rendered = page.get(Format::OpenMetrics);
        assert!(rendered.plain.ends_with(b"# EOF\n"));
        page.render_wanted();
        assert!(page.read()[Format::OpenMetrics as usize].current.is_some());
        assert!(page.read()[Format::Classic as usize].current.is_none(), "nobody asked for it");
        assert!(!page.get(Format::Classic).plain.ends_with(b"# EOF\n"));
        assert!(page.latest().is_some_and(|latest| latest.at > rendered.at));
    }
}
