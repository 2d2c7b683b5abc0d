//! The span of a run with a command of its own: what the command does is under it.

use super::{
    ids::{Ids, number_of},
    sampling::Sampling,
    span::{Context, Kind, Parent, Span, SpanId, Status, TraceId},
};
use crate::observation::{Stamp, TraceParent};

/// A run that is under way.
#[derive(Debug, Clone)]
pub struct RunSpan {
    context: Context,
    parent: Option<TraceParent>,
    /// The command's file name: its arguments may be anything.
    name: String,
    start: Stamp,
    sampled: bool,
}

impl RunSpan {
    /// `parent` is what the agent itself was started with.
    pub fn begin(ids: &Ids, name: String, start: Stamp, parent: Option<TraceParent>, sampling: &Sampling) -> Self {
        let mut context = ids.alone("run", &[start.as_nanos(), u64::from(std::process::id()), number_of(&name)]);
        if let Some(parent) = parent {
            context.trace = TraceId(parent.trace);
        }
        let sampled = match parent {
            Some(parent) if sampling.follows_parent => parent.sampled,
            _ => sampling.chooses(context.trace),
        };
        Self { context, parent, name, start, sampled }
    }

    /// The command was let go.
    pub fn released(&mut self, at: Stamp) {
        self.start = at;
    }

    /// What the command is told that it belongs to.
    pub const fn trace_parent(&self) -> TraceParent {
        TraceParent { trace: self.context.trace.0, span: self.context.span.0, sampled: self.sampled }
    }

    /// The command has ended. The span is always sent: others are under it.
    pub fn end(self, at: Stamp, code: Option<i32>) -> Span {
        let mut span = Span::new(self.context, format!("run {}", self.name), Kind::Internal, self.start, at);
        span.parent = self.parent.map(|parent| Parent { span: SpanId(parent.span), remote: true });
        span.attributes.put("process.executable.name", self.name);
        span.attributes.put_some("process.exit.code", code);
        if let Some(code) = code.filter(|code| *code != 0) {
            span.attributes.put("error.type", format!("exit_{code}"));
            span.status = Status::Error(format!("it ended with code {code}").into());
        }
        span
    }
}
