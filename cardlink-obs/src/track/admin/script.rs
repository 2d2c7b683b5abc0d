//! Command scripts and their answers.

use super::talk::Talk;
use crate::{
    observation::{Apdu, Connection, DeviceType, Observation, Script, ScriptKind, Stamp},
    protocol::{
        apdu::{Category, Chain, CommandApdu, Logical, ResponseApdu, StatusWord},
        scp81::{BodyReader, CommandScript, ContentKind, Dialect, Form, Response, ResponseScript, ScriptStatus, pair},
    },
};
use std::sync::Arc;

/// The name of a command that was not seen: only its answer was.
const UNSEEN: &str = "UNSEEN";

/// A script on its way to the card.
#[derive(Debug)]
pub struct SentScript {
    /// It was sent on this one.
    connection: Arc<Connection>,
    script: CommandScript,
    kind: ScriptKind,
    targeted: Option<String>,
    at: Stamp,
    /// The request that it came in response to.
    asked: Asked,
}

/// What a request was, as far as it can be known again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    target: String,
    answers: Vec<ResponseApdu>,
}

impl SentScript {
    /// It is in a template of TS 102 226.
    pub(super) fn is_expanded(&self) -> bool {
        self.script.dialect == Dialect::Expanded
    }

    /// It is an APDU, and nothing around it.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self.script.dialect, Dialect::Raw | Dialect::LengthPrefixed)
    }

    /// What is to be told when nobody answers it.
    pub fn unanswered(self) -> Script {
        Script {
            device: DeviceType::Uicc,
            kind: self.kind,
            dialect: dialect(self.script.dialect, self.script.form),
            apdus: unpaired(&self.script),
            connection: self.connection,
            session: Some(0),
            targeted_application: self.targeted,
            sent: self.at,
            answered: None,
            script_status: None,
            counted_elsewhere: false,
        }
    }
}

/// What a request brings of a script's answer.
#[derive(Debug)]
pub struct Answer {
    pub status: Option<ScriptStatus>,
    pub script: Option<BodyReader<ResponseApdu>>,
    /// There is a body, of a type that is not a script's.
    pub unread: bool,
    pub content: Option<ContentKind>,
    /// The script that it answers.
    pub running: Option<SentScript>,
    /// Where the request went.
    pub target: String,
    pub start: Stamp,
    pub at: Stamp,
}

impl Talk {
    /// The server sent a script.
    pub(super) fn commanded(
        &mut self,
        script: Option<BodyReader<CommandApdu>>,
        response: Option<&Response>,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        let Some(script) = script else { return };
        let script = script.finish(None);
        self.lint_commands(&script, at, out);
        // One that was sent before, and to which no request came.
        self.unanswered(out);
        self.sent = Some(SentScript {
            connection: Arc::clone(&self.connection),
            kind: response.map_or(ScriptKind::Unknown, |response| kind(response.content.kind)),
            targeted: response.and_then(|response| response.targeted.as_ref()).map(|aid| aid.as_str().to_owned()),
            script,
            at,
            asked: self.asked.clone(),
        });
    }

    /// The card's next request is complete.
    pub(super) fn answered(&mut self, answer: Answer, out: &mut Vec<Observation>) {
        let sent = answer.running;
        let responses = answer.script.map(|script| script.finish(sent.as_ref().map(|sent| sent.script.dialect)));
        let answers = responses.as_ref().map(|responses| responses.apdus.clone()).unwrap_or_default();
        self.asked = Asked { target: answer.target, answers };
        // The card did not get the script, which came as its link dropped: it says again what it said before.
        let elsewhere = |sent: &&SentScript| !Arc::ptr_eq(&sent.connection, &self.connection);
        let repeats = sent.as_ref().filter(elsewhere).is_some_and(|sent| sent.asked == self.asked);
        if repeats && responses.is_some() {
            return;
        }
        // Bare bytes are an R-APDU only where a C-APDU went before them.
        let is_bare = |responses: &ResponseScript| matches!(responses.dialect, Dialect::Raw | Dialect::LengthPrefixed);
        if sent.is_none() && responses.as_ref().is_none_or(is_bare) {
            return;
        }
        let commands = sent.as_ref().map(|sent| &sent.script).filter(|_| !answer.unread);
        self.lint_answer(commands, responses.as_ref(), answer.status, answer.at, out);
        // Of a script that nobody saw, a body that cannot be read says nothing.
        if sent.is_none() && responses.as_ref().is_none_or(|responses| responses.apdus.is_empty()) {
            return;
        }
        let seen = sent.is_some();
        let apdus = match (&sent, &responses) {
            (Some(sent), Some(responses)) => paired(&sent.script, responses),
            (Some(sent), None) => unpaired(&sent.script),
            (None, Some(responses)) => responses.apdus.iter().map(|response| unseen(*response)).collect(),
            (None, None) => Vec::new(),
        };
        let dialect = sent
            .as_ref()
            .map(|sent| dialect(sent.script.dialect, sent.script.form))
            .or_else(|| responses.as_ref().map(|responses| dialect(responses.dialect, responses.form)))
            .unwrap_or("unknown");
        self.tell(
            Script {
                connection: Arc::clone(&self.connection),
                session: Some(0),
                device: DeviceType::Uicc,
                kind: sent.as_ref().map_or_else(|| answer.content.map_or(ScriptKind::Unknown, kind), |sent| sent.kind),
                dialect,
                targeted_application: sent.as_ref().and_then(|sent| sent.targeted.clone()),
                sent: sent.as_ref().map_or(answer.start, |sent| sent.at),
                answered: (responses.is_some() || answer.unread || answer.status.is_some()).then_some(answer.start),
                script_status: answer.status.map(|status| status.as_str().to_owned()),
                apdus,
                counted_elsewhere: false,
            },
            seen,
            out,
        );
    }

    /// The script that is under way will not be answered.
    pub(super) fn unanswered(&mut self, out: &mut Vec<Observation>) {
        if let Some(sent) = self.sent.take() {
            self.tell(sent.unanswered(), true, out);
        }
    }

    fn tell(&mut self, script: Script, seen: bool, out: &mut Vec<Observation>) {
        let is_error = |apdu: &&Apdu| apdu.status_word.is_some_and(|sw| StatusWord(sw).category() == Category::Error);
        let errors = script.apdus.iter().filter(is_error).count();
        let missing = script.apdus.iter().filter(|apdu| apdu.status_word.is_none()).count();
        if seen {
            self.part.script(script.apdus.len(), errors, missing);
        }
        out.push(Observation::Script(Box::new(script)));
    }
}

/// C-APDUs with the R-APDUs in their places, chains folded.
fn paired(commands: &CommandScript, responses: &ResponseScript) -> Vec<Apdu> {
    let mut apdus = Vec::new();
    let mut chain = Chain::default();
    for (command, response) in pair(&commands.apdus, responses) {
        chain.push(command, response, &mut |logical| apdus.push(told(&logical)));
    }
    chain.finish(&mut |logical| apdus.push(told(&logical)));
    apdus
}

fn unpaired(commands: &CommandScript) -> Vec<Apdu> {
    let mut apdus = Vec::new();
    let mut chain = Chain::default();
    for command in &commands.apdus {
        chain.push(*command, None, &mut |logical| apdus.push(told(&logical)));
    }
    apdus
}

fn told(logical: &Logical) -> Apdu {
    let CommandApdu { cla, ins, p1, p2, .. } = logical.command;
    Apdu {
        name: logical.command.name().as_str(),
        detail: logical.command.detail(),
        header: [cla, ins, p1, p2],
        channel: logical.command.channel(),
        command_bytes: usize::try_from(logical.sent).unwrap_or(usize::MAX),
        status_word: logical.sw.map(|sw| sw.0),
        response_bytes: usize::try_from(logical.received).unwrap_or(usize::MAX),
        commands: logical.exchanges,
    }
}

/// An answer to a command that went over where nobody looked.
fn unseen(response: ResponseApdu) -> Apdu {
    Apdu {
        name: UNSEEN,
        detail: None,
        header: [0; 4],
        channel: 0,
        command_bytes: 0,
        status_word: Some(response.sw.0),
        response_bytes: response.len(),
        commands: 0,
    }
}

const fn kind(content: ContentKind) -> ScriptKind {
    match content {
        ContentKind::CardContent | ContentKind::CardContentResponse => ScriptKind::Ram,
        ContentKind::FileManagement | ContentKind::FileManagementResponse => ScriptKind::Rfm,
        _ => ScriptKind::Unknown,
    }
}

const fn dialect(dialect: Dialect, form: Option<Form>) -> &'static str {
    match (dialect, form) {
        (Dialect::Expanded, Some(Form::Indefinite)) => "expanded_indefinite",
        (Dialect::Expanded, Some(Form::Definite)) => "expanded_definite",
        _ => dialect.as_str(),
    }
}
