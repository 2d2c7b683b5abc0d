//! Spans as plain values: what an exporter, or a test, makes something of.

use crate::observation::{Stamp, TraceParent};
use std::{borrow::Cow, fmt};

/// Identity of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// Identity of a span within its trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Which span of which trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Context {
    pub trace: TraceId,
    pub span: SpanId,
}

impl From<TraceParent> for Context {
    fn from(parent: TraceParent) -> Self {
        Self { trace: TraceId(parent.trace), span: SpanId(parent.span) }
    }
}

/// Whom a span belongs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    pub span: SpanId,
    /// The agent did not make it.
    pub remote: bool,
}

/// What takes part in it, as `OpenTelemetry` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Server,
    Client,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(Cow<'static, str>),
    Texts(Vec<Cow<'static, str>>),
    Whole(i64),
    Number(f64),
    Flag(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<std::time::Duration> for Value {
    /// Seconds.
    fn from(time: std::time::Duration) -> Self {
        Self::Number(time.as_secs_f64())
    }
}

macro_rules! whole {
    ($($number:ty)*) => {
        $(impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
            }
        })*
    };
}

whole! { u8 u16 u32 u64 usize i32 }

/// Attributes in the order in which they are to be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Vec<(&'static str, Value)>);

impl Attributes {
    pub fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.push((key, value.into()));
    }

    /// Nothing when there is no value.
    pub fn put_some(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Only what is true is told.
    pub fn put_true(&mut self, key: &'static str, flag: bool) {
        if flag {
            self.put(key, true);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, Value)> {
        self.0.iter()
    }

    pub fn into_vec(self) -> Vec<(&'static str, Value)> {
        self.0
    }
}

/// A moment within a span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanEvent {
    pub name: Cow<'static, str>,
    pub at: Stamp,
    pub attributes: Attributes,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It did what it is for, or there is no better or worse to it.
    Unset,
    Error(Cow<'static, str>),
}

/// A span. Times are the kernel's.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub context: Context,
    pub parent: Option<Parent>,
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub start: Stamp,
    pub end: Stamp,
    pub attributes: Attributes,
    pub events: Vec<SpanEvent>,
    /// Events that there was no room for.
    pub dropped_events: u32,
    /// Spans of other traces that it has to do with.
    pub links: Vec<Context>,
    pub status: Status,
}

/// Events that one span may have; more are counted only.
pub const MOST_EVENTS: usize = 256;

impl Span {
    /// A span that is put under its parent later.
    pub fn new(context: Context, name: impl Into<Cow<'static, str>>, kind: Kind, start: Stamp, end: Stamp) -> Self {
        Self {
            context,
            parent: None,
            name: name.into(),
            kind,
            start,
            end: end.max(start),
            attributes: Attributes::default(),
            events: Vec::new(),
            dropped_events: 0,
            links: Vec::new(),
            status: Status::Unset,
        }
    }

    pub fn event(&mut self, event: SpanEvent) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(event);
        } else {
            self.dropped_events = self.dropped_events.saturating_add(1);
        }
    }

    pub fn failed(&self) -> bool {
        matches!(self.status, Status::Error(_))
    }

    /// What it takes of the room that spans have which wait: itself and its events.
    pub fn weight(&self) -> usize {
        1 + self.events.len()
    }
}
