//! Requests and their responses, in order. What few connections have at a time is boxed.

use super::{
    HandshakeFacts, Settings,
    exchange::{Incoming, Outgoing, Waiting, told, trace_parent},
    lint,
    part::Parts,
    script::{Answer, Asked, SentScript},
    uri,
};
use crate::{
    observation::{AgentId, Connection, FindingKind, Observation, PlaintextWay, SessionReason, Stamp},
    protocol::{
        http::{HttpEvent, HttpFault, Method, RequestHead, ResponseHead},
        scp81::{BodyReader, Request, Response},
    },
    stream::{Call, Direction},
};
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

/// Requests that wait for their responses; a client that sends more is not one of ours.
const MOST_WAITING: usize = 64;
/// Bytes of a response that is not remote administration, before it is not looked at any more: less than the kernel side
/// tells of a stream that it does not know.
const MOST_UNREAD: u64 = 16 * 1024;

/// What both sides said so far, as far as it matters for what comes.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says one thing that either side did, in any combination")]
pub struct Talk {
    pub(super) connection: Arc<Connection>,
    pub(super) settings: Settings,
    pub(super) way: PlaintextWay,
    /// The watched program is the server.
    pub(super) serves: bool,
    pub(super) part: Parts,
    /// Requests of remote administration were seen.
    pub(super) admin: bool,
    pub(super) requests: u64,
    begins: Option<Stamp>,
    pub(super) request: Option<Box<Incoming>>,
    pub(super) waiting: VecDeque<Waiting>,
    methods: Vec<Method>,
    response_begins: Option<Stamp>,
    response: Option<Box<Outgoing>>,
    pub(super) last_response: Option<Stamp>,
    /// The script that the card is running.
    pub(super) sent: Option<SentScript>,
    /// A session was taken up again here: what it left elsewhere has not been told yet.
    pub(super) resumes: bool,
    /// The first answer of a session that was taken up again.
    pub(super) held: Option<Box<Answer>>,
    /// The last request.
    pub(super) asked: Asked,
    /// The script that a session has left open whose link is gone.
    pub(super) left: Option<Box<SentScript>>,
    /// The response that the server owed was cut off.
    pub(super) cut: bool,
    /// Bytes were lost, and what the card or the server said after them is not known.
    pub(super) blind: bool,
    /// What was found already and is told once a session.
    pub(super) found: HashSet<(FindingKind, &'static str)>,
    pub(super) idle_told: bool,
    /// Bytes of the body of the response that comes now.
    body: u64,
}

impl Talk {
    pub fn new(
        connection: Arc<Connection>,
        client: Direction,
        way: PlaintextWay,
        handshake: Option<HandshakeFacts>,
        settings: Settings,
    ) -> Self {
        Self {
            part: Parts::new(Arc::clone(&connection), handshake),
            connection,
            settings,
            way,
            serves: client == Direction::Read,
            admin: false,
            requests: 0,
            begins: None,
            request: None,
            waiting: VecDeque::new(),
            methods: Vec::new(),
            response_begins: None,
            response: None,
            last_response: None,
            sent: None,
            resumes: false,
            held: None,
            asked: Asked::default(),
            left: None,
            cut: false,
            blind: false,
            found: HashSet::new(),
            idle_told: false,
            body: 0,
        }
    }

    pub const fn is_admin(&self) -> bool {
        self.admin
    }

    /// Every request that was seen has its response.
    pub fn is_settled(&self) -> bool {
        self.requests > 0 && self.request.is_none() && self.waiting.is_empty() && self.response.is_none()
    }

    /// A response that is not remote administration is longer than anybody wants to look at.
    pub const fn is_bulky(&self) -> bool {
        self.response.is_some() && self.body > MOST_UNREAD
    }

    /// What is on its way is not looked at any more.
    pub fn unfollowed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        let fault = Some(HttpFault::NotFollowed);
        let response = self.response.take();
        if let Some(waiting) = self.answered_request() {
            let exchange = told(&self.connection, waiting, response.as_deref(), self.body, at, fault);
            out.push(Observation::Exchange(Box::new(exchange)));
        }
        self.request = None;
        self.waiting.clear();
    }

    pub fn take_methods(&mut self) -> Vec<Method> {
        std::mem::take(&mut self.methods)
    }

    /// Bytes of the client come: those of a new request, if nothing of one was there.
    pub fn request_begins(&mut self, at: Stamp) {
        self.begins = Some(at);
    }

    /// What came ends within the head of a request.
    pub fn request_goes_on(&mut self, at: Stamp) {
        if self.request.is_none() {
            self.begins.get_or_insert(at);
        }
    }

    pub fn response_begins(&mut self, at: Stamp) {
        self.response_begins = Some(at);
    }

    /// What came ends within the head of a response.
    pub fn response_goes_on(&mut self, at: Stamp) {
        if self.response.is_none() {
            self.response_begins.get_or_insert(at);
        }
    }

    pub fn request(&mut self, event: HttpEvent<'_>, start: Stamp, call: Call, out: &mut Vec<Observation>) {
        match event {
            HttpEvent::Request(head) => self.request_head(&head, start, call, out),
            HttpEvent::Body(bytes) => {
                if let Some(answer) = self.request.as_mut().and_then(|request| request.answer.as_mut()) {
                    answer.push(bytes);
                }
            }
            HttpEvent::Missing(len) => {
                if let Some(answer) = self.request.as_mut().and_then(|request| request.answer.as_mut()) {
                    answer.missing(len);
                }
            }
            HttpEvent::End { body_bytes, bytes, .. } => self.request_end(body_bytes, bytes, call, out),
            HttpEvent::Broken(fault) => self.request_broken(fault, call, out),
            HttpEvent::Note(note) => self.note(note, call.exit, out),
            HttpEvent::Response(_) => {}
        }
    }

    pub fn response(&mut self, event: HttpEvent<'_>, start: Stamp, call: Call, out: &mut Vec<Observation>) {
        match event {
            HttpEvent::Response(head) if head.is_interim() => self.response_begins = None,
            HttpEvent::Response(head) => self.response_head(head, start, call, out),
            HttpEvent::Body(bytes) => {
                self.body += bytes.len() as u64;
                if let Some(script) = self.response.as_mut().and_then(|response| response.script.as_mut()) {
                    script.push(bytes);
                }
            }
            HttpEvent::Missing(len) => {
                self.body += len;
                if let Some(script) = self.response.as_mut().and_then(|response| response.script.as_mut()) {
                    script.missing(len);
                }
            }
            HttpEvent::End { body_bytes, bytes, .. } => self.response_end(body_bytes, bytes, call, out),
            HttpEvent::Broken(fault) => self.response_broken(fault, call, out),
            HttpEvent::Note(note) => self.note(note, call.exit, out),
            HttpEvent::Request(_) => {}
        }
    }

    fn request_head(&mut self, head: &RequestHead, start: Stamp, call: Call, out: &mut Vec<Observation>) {
        let start = self.begins.take().unwrap_or(start);
        let admin = Request::read(head);
        // A card of another dialect: it came by PSK-TLS, and posts.
        let by_psk = self.part.identity().is_some_and(|facts| facts.identity.is_some());
        // What it says first has no body: whoever begins with one wants something else.
        let begins = self.admin || !head.headers.announces_body();
        let of_card = admin.is_some() || (by_psk && head.method == Method::Post && begins);
        // Nobody knows what the session left on another connection.
        self.resumed(None, out);
        if of_card {
            self.admin = true;
            self.requested(admin.as_ref(), head, start, out);
        }
        let may_hold_script = admin.as_ref().is_none_or(|admin| admin.content.kind.may_hold_script(true));
        let answer = (of_card && may_hold_script).then(|| BodyReader::new(head.headers.content_length()));
        let peer = self.last_response.filter(|_| of_card).map(|before| start.since(before));
        if self.methods.len() < MOST_WAITING {
            self.methods.push(head.method.clone());
        }
        if let Some(admin) = &admin {
            // Of a connection whose handshake was not seen, nobody knows which request is the first.
            let first = self.requests == 0 && self.part.identity().is_some();
            self.lint_request(admin, first, call.exit, out);
        } else if of_card {
            self.find_once(FindingKind::NoAdminProtocol, "request", call.exit, out);
        }
        self.request = Some(Box::new(Incoming {
            waiting: Waiting {
                start,
                end: None,
                method: head.method.clone(),
                target: uri::masked(&head.target),
                body: 0,
                peer,
                trace_parent: trace_parent(head),
                in_session: of_card,
            },
            early: false,
            status: admin.as_ref().and_then(|admin| admin.script_status),
            content: admin.as_ref().map(|admin| admin.content.kind),
            answer,
            running: self.sent.take_if(|_| of_card),
        }));
    }

    /// Begins a session, or goes on with the one that is there.
    fn requested(&mut self, admin: Option<&Request>, head: &RequestHead, start: Stamp, out: &mut Vec<Observation>) {
        let agent = admin.and_then(|admin| admin.agent.as_ref()).map(|agent| AgentId::new(agent.expose().to_vec()));
        let resumes = admin.is_some_and(|admin| admin.resume);
        let answers = admin.is_some_and(|admin| admin.script_status.is_some()) || head.headers.announces_body();
        if self.part.is_open() && !resumes {
            self.part.agent(agent);
            self.idle(start, out);
            return;
        }
        // What seemed to be the last script was not.
        if self.part.reason() == Some(SessionReason::LastScript) && answers {
            self.part.reopen();
            self.part.agent(agent);
            if self.sent.as_ref().is_none_or(SentScript::is_expanded) {
                self.find_once(FindingKind::MissingNextUri, "", start, out);
            }
            self.idle(start, out);
            return;
        }
        if self.part.is_open() {
            // A resumption on a connection that was not lost.
            self.part.agent(agent);
            return;
        }
        if self.part.reason().is_some() {
            self.unanswered(out);
        }
        self.last_response = None;
        self.idle_told = false;
        self.cut = false;
        self.found.clear();
        self.resumes = resumes;
        self.part.begin(start, resumes, agent, out);
        if self.way == PlaintextWay::NullSuite {
            self.find_once(FindingKind::NullSuite, "", start, out);
        }
    }

    fn request_end(&mut self, body: u64, bytes: u64, call: Call, out: &mut Vec<Observation>) {
        let Some(request) = self.request.take() else { return };
        let Incoming { mut waiting, early, status, content, answer, running } = *request;
        self.requests += 1;
        waiting.end = Some(call.exit);
        waiting.body = body;
        if waiting.in_session {
            self.part.count(true, bytes);
            let unread = body > 0 && answer.is_none();
            let script = answer.filter(|_| body > 0);
            let (target, start) = (waiting.target.clone(), waiting.start);
            let answer = Answer { status, script, unread, content, running, target, start, at: call.exit };
            if self.resumes {
                self.held = Some(Box::new(answer));
            } else {
                self.answered(answer, out);
            }
        }
        if !early && self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(waiting);
        }
    }

    /// What a session that is taken up again left on another connection: a script that was not answered there, perhaps.
    pub fn resumed(&mut self, script: Option<SentScript>, out: &mut Vec<Observation>) {
        if !std::mem::take(&mut self.resumes) {
            return;
        }
        if let Some(mut answer) = self.held.take() {
            answer.running = answer.running.or(script);
            self.answered(*answer, out);
        } else if let Some(request) = &mut self.request {
            request.running = request.running.take().or(script);
        } else {
            self.sent = self.sent.take().or(script);
        }
    }

    fn response_head(&mut self, head: ResponseHead, start: Stamp, call: Call, out: &mut Vec<Observation>) {
        let start = self.response_begins.take().unwrap_or(start);
        let admin = Response::read(&head);
        let in_session = self.is_answering();
        let length = head.headers.content_length();
        let may =
            admin.as_ref().map_or(in_session, |admin| admin.content.kind.may_hold_script(true) || admin.is_for_card());
        let script = (in_session && may && head.status < 300).then(|| BodyReader::new(length));
        if in_session {
            self.lint_response(admin.as_ref(), &head, call.exit, out);
        }
        self.body = 0;
        self.response = Some(Box::new(Outgoing { start, head, admin, script }));
    }

    /// The request whose response comes now belongs to a session.
    fn is_answering(&self) -> bool {
        let early = || self.request.as_ref().filter(|request| !request.early).map(|request| &request.waiting);
        match self.waiting.front().or_else(early) {
            Some(waiting) => waiting.in_session,
            // Which request it answers was lost.
            None => self.blind && self.part.is_open(),
        }
    }

    fn response_end(&mut self, body: u64, bytes: u64, call: Call, out: &mut Vec<Observation>) {
        let Some(response) = self.response.take().map(|response| *response) else { return };
        let in_session = self.is_answering();
        if in_session {
            self.part.count(false, bytes);
        }
        match self.answered_request() {
            Some(waiting) => {
                if in_session {
                    // Of pipelined requests, the server works on one after the other.
                    let asked = waiting.end.unwrap_or(call.exit).max(self.last_response.unwrap_or_default());
                    self.part.exchange(call.exit.since(asked));
                }
                let exchange = told(&self.connection, waiting, Some(&response), body, call.exit, None);
                out.push(Observation::Exchange(Box::new(exchange)));
            }
            None if !in_session => return,
            None => {}
        }
        if !in_session {
            return;
        }
        self.last_response = Some(call.exit);
        self.idle_told = false;
        if !matches!(response.head.status, 200..=299) {
            self.part.end(call.exit, SessionReason::HttpError);
            return;
        }
        let mut goes_on = response.admin.as_ref().is_some_and(|admin| admin.next_uri.is_some());
        if body > 0 {
            self.commanded(response.script, response.admin.as_ref(), call.exit, out);
            // Servers that send bare APDUs never give a URI, and want an answer to each.
            goes_on |= self.sent.as_ref().is_some_and(SentScript::is_bare);
            if !goes_on {
                self.part.end(call.exit, SessionReason::LastScript);
            }
        } else if !goes_on {
            self.part.end(call.exit, SessionReason::NothingMore);
        }
    }

    /// The request that a response is for. One that is still on its way has been answered early (417, 413, an impatient
    /// server).
    fn answered_request(&mut self) -> Option<Waiting> {
        self.waiting.pop_front().or_else(|| {
            let request = self.request.as_mut().filter(|request| !request.early)?;
            request.early = true;
            Some(request.waiting.clone())
        })
    }

    fn request_broken(&mut self, fault: HttpFault, call: Call, out: &mut Vec<Observation>) {
        self.fault(fault, call, out);
        let Some(request) = self.request.take() else { return };
        let Incoming { waiting, early, running, .. } = *request;
        if let Some(running) = running {
            // Its answer was cut off.
            self.unanswered(out);
            self.sent = Some(running);
        }
        if !early {
            let exchange = told(&self.connection, waiting, None, 0, call.exit, Some(fault));
            out.push(Observation::Exchange(Box::new(exchange)));
        }
    }

    fn response_broken(&mut self, fault: HttpFault, call: Call, out: &mut Vec<Observation>) {
        let in_session = self.is_answering();
        self.fault(fault, call, out);
        if let Some(waiting) = self.answered_request() {
            self.cut |= in_session;
            let response = self.response.take();
            let exchange = told(&self.connection, waiting, response.as_deref(), 0, call.exit, Some(fault));
            out.push(Observation::Exchange(Box::new(exchange)));
        }
    }

    fn fault(&mut self, fault: HttpFault, call: Call, out: &mut Vec<Observation>) {
        if fault.is_ours() {
            self.part.lost();
            self.blind = true;
        } else if fault != HttpFault::Truncated {
            // What ends with the connection is judged there. What follows a 204 that announced a body is not HTTP to anybody.
            let body_of_204 = self.found.contains(&(FindingKind::NoContentWithBody, ""));
            if self.admin && !body_of_204 {
                self.find(FindingKind::HttpBroken, call.exit, lint::detail(fault.as_str(), fault.sentence()), out);
            }
            self.part.end(call.exit, SessionReason::Undecodable);
        }
    }
}
