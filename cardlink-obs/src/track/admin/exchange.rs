//! A request and its response, while they are on their way.

use super::script::SentScript;
use crate::{
    observation::{Cause, Connection, Exchange, Stamp, TraceParent},
    protocol::{
        apdu::{CommandApdu, ResponseApdu},
        http::{HttpFault, Method, RequestHead, ResponseHead},
        scp81::{BodyReader, ContentKind, Response, ScriptStatus},
    },
};
use std::{sync::Arc, time::Duration};

/// A request that is being read.
#[derive(Debug)]
pub struct Incoming {
    pub(super) waiting: Waiting,
    /// Its response came before its end.
    pub(super) early: bool,
    pub(super) status: Option<ScriptStatus>,
    pub(super) content: Option<ContentKind>,
    pub(super) answer: Option<BodyReader<ResponseApdu>>,
    /// The script that it answers.
    pub(super) running: Option<SentScript>,
}

/// A request that waits for its response.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub(super) start: Stamp,
    /// `None` while it is being read.
    pub(super) end: Option<Stamp>,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) body: u64,
    pub(super) peer: Option<Duration>,
    pub(super) trace_parent: Option<TraceParent>,
    pub(super) in_session: bool,
}

/// A response that is being read.
#[derive(Debug)]
pub struct Outgoing {
    pub(super) start: Stamp,
    pub(super) head: ResponseHead,
    pub(super) admin: Option<Response>,
    pub(super) script: Option<BodyReader<CommandApdu>>,
}

/// What is told of a request and its response.
pub fn told(
    connection: &Arc<Connection>,
    waiting: Waiting,
    response: Option<&Outgoing>,
    body: u64,
    end: Stamp,
    fault: Option<HttpFault>,
) -> Exchange {
    Exchange {
        connection: Arc::clone(connection),
        session: waiting.in_session.then_some(0),
        start: waiting.start,
        request_end: waiting.end.unwrap_or(end),
        response_start: response.map(|response| response.start),
        end,
        method: waiting.method.as_str().chars().take(16).collect(),
        target: waiting.target,
        status: response.map(|response| response.head.status),
        request_body: waiting.body,
        response_body: body,
        fault: fault.map(|fault| (fault.as_str(), fault.sentence())),
        peer: waiting.peer,
        trace_parent: waiting.trace_parent,
        counted_elsewhere: false,
        cause: Cause::default(),
    }
}

/// The header `traceparent`; one that comes twice says nothing (W3C Trace Context §3.2.1).
pub fn trace_parent(head: &RequestHead) -> Option<TraceParent> {
    let mut values = head.headers.all("traceparent");
    let value = values.next().filter(|_| values.next().is_none())?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
