//! Where the answer to a command stands.

use super::{
    lane::Kind,
    wire::{Ending, PART, capability, command, first, number, status, u16_at},
};

/// Bytes of the number of columns, with what says whether definitions follow.
pub(super) const MOST_COLUMNS: u32 = 5;

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing of it has come, or the next result begins.
    Beginning,
    /// Definitions of columns are to come: so many.
    Definitions(u64),
    /// They have come.
    Defined,
    Rows,
    /// Definitions of a statement that was prepared, with what ends them.
    Preparing(u32),
}

/// What a packet did to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    Within,
    /// It is complete.
    Complete,
    /// What came cannot be understood.
    Lost,
}

#[derive(Debug)]
pub(super) struct Answer {
    place: Place,
    /// What both sides can, when the login was seen.
    capabilities: Option<u32>,
    /// Definitions have an end of their own: learnt where the login was not seen.
    ended: Option<bool>,
}

impl Answer {
    pub const fn new() -> Self {
        Self { place: Place::Beginning, capabilities: None, ended: None }
    }

    pub const fn agreed(&mut self, capabilities: u32) {
        self.capabilities = Some(capabilities);
    }

    pub const fn can(&self, capability: u32) -> bool {
        matches!(self.capabilities, Some(all) if all & capability != 0)
    }

    pub const fn begin(&mut self) {
        self.place = Place::Beginning;
    }

    /// Rows are taken up where some were lost.
    pub const fn among_rows(&mut self) {
        self.place = Place::Rows;
    }

    /// What the packet is that begins so, after this command.
    pub const fn kind(&self, command: u8, first: Option<u8>, len: u32, number: u8) -> Kind {
        let Some(first) = first else { return Kind::Other };
        let end = first == first::EOF && len < PART;
        let ending = if len == 5 { Kind::Eof } else { Kind::End };
        match self.place {
            _ if first == first::ERR => Kind::Error,
            // The end of definitions that was not waited for.
            Place::Beginning if end && len == 5 && number > 1 && command != command::FETCH => Kind::Other,
            Place::Beginning => match command {
                command::QUERY | command::EXECUTE | command::BULK_EXECUTE if end && len == 5 => Kind::Eof,
                command::QUERY | command::PROCESS_INFO | command::EXECUTE | command::BULK_EXECUTE => match first {
                    first::OK if len >= 7 => Kind::Ok,
                    first::EOF => Kind::Ok,
                    first::LOCAL => Kind::LocalRequest,
                    _ if len <= MOST_COLUMNS => Kind::Columns,
                    _ => Kind::Other,
                },
                command::PREPARE if first == first::OK && (len == 12 || len == 13) => Kind::Prepared,
                command::FETCH | command::FIELD_LIST if end => ending,
                command::FETCH => Kind::Row,
                command::FIELD_LIST => Kind::Definition,
                command::STATISTICS => Kind::Text,
                command::CHANGE_USER if first != first::OK => Kind::Authentication,
                _ if first == first::EOF && len == 5 => Kind::Eof,
                _ if first == first::OK || first == first::EOF => Kind::Ok,
                _ => Kind::Other,
            },
            Place::Defined | Place::Preparing(_) if first == first::EOF && len == 5 => Kind::Between,
            Place::Defined | Place::Rows => {
                if end {
                    ending
                } else {
                    Kind::Row
                }
            }
            Place::Definitions(_) | Place::Preparing(_) => Kind::Definition,
        }
    }

    /// A packet of the server is complete; `body` is its beginning.
    pub fn take(&mut self, command: u8, kind: Kind, body: &[u8]) -> Step {
        match kind {
            Kind::Ok | Kind::Eof | Kind::End => match Ending::of(body) {
                Some(ending) if ending.status & status::MORE_RESULTS != 0 && command != command::FETCH => {
                    self.place = Place::Beginning;
                    Step::Within
                }
                Some(_) => self.complete(),
                None => Step::Lost,
            },
            Kind::Error | Kind::Text => self.complete(),
            Kind::Columns => self.columns(body),
            Kind::Definition => self.defined(),
            Kind::Between => {
                self.ended = Some(true);
                match (self.place, Ending::of(body)) {
                    (Place::Preparing(_), _) => self.prepared(1),
                    (_, Some(ending)) if ending.status & status::CURSOR != 0 => self.complete(),
                    (_, Some(_)) => {
                        self.place = Place::Rows;
                        Step::Within
                    }
                    (_, None) => Step::Lost,
                }
            }
            Kind::Row => {
                if self.place == Place::Defined {
                    self.ended.get_or_insert(false);
                }
                self.place = Place::Rows;
                Step::Within
            }
            Kind::Prepared => {
                let (Some(columns), Some(parameters)) = (u16_at(body, 5), u16_at(body, 7)) else { return Step::Lost };
                let none = self.can(capability::OPTIONAL_METADATA) && body.get(12) == Some(&0);
                let ends = u32::from(parameters > 0) + u32::from(columns > 0);
                let definitions = u32::from(columns) + u32::from(parameters);
                self.place = Place::Preparing(match (none, self.has_ends()) {
                    (true, _) => 0,
                    (false, true) => definitions + ends,
                    (false, false) => definitions,
                });
                self.prepared(0)
            }
            Kind::Other if self.place != Place::Beginning => Step::Within,
            Kind::Other if !is_rows(command) => self.complete(),
            Kind::Other if body.first() == Some(&first::EOF) => Step::Within,
            Kind::Other => Step::Lost,
            _ => Step::Within,
        }
    }

    /// Definitions have an end of their own.
    const fn has_ends(&self) -> bool {
        match (self.capabilities, self.ended) {
            (Some(all), _) => all & capability::DEPRECATE_EOF == 0,
            (None, Some(ended)) => ended,
            (None, None) => false,
        }
    }

    const fn complete(&mut self) -> Step {
        self.place = Place::Beginning;
        Step::Complete
    }

    fn columns(&mut self, body: &[u8]) -> Step {
        let (body, told) = match body {
            // Whether definitions follow stands before the number of columns, or (MariaDB) after it.
            [flag, rest @ ..] if self.can(capability::OPTIONAL_METADATA) => (rest, Some(*flag != 0)),
            _ => (body, None),
        };
        let Some((count, rest)) = number(body) else { return Step::Lost };
        let follow = told.or_else(|| rest.first().map(|flag| *flag != 0)).unwrap_or(true);
        self.place = if follow && count > 0 { Place::Definitions(count) } else { Place::Defined };
        Step::Within
    }

    const fn defined(&mut self) -> Step {
        match self.place {
            Place::Definitions(0 | 1) => self.place = Place::Defined,
            Place::Definitions(left) => self.place = Place::Definitions(left - 1),
            Place::Preparing(_) => return self.prepared(1),
            _ => {}
        }
        Step::Within
    }

    const fn prepared(&mut self, done: u32) -> Step {
        let Place::Preparing(left) = self.place else { return Step::Within };
        let left = left.saturating_sub(done);
        if left == 0 {
            return self.complete();
        }
        self.place = Place::Preparing(left);
        Step::Within
    }
}

/// Whether the answer to a command may have rows.
pub(super) const fn is_rows(command: u8) -> bool {
    matches!(
        command,
        command::QUERY
            | command::PROCESS_INFO
            | command::EXECUTE
            | command::BULK_EXECUTE
            | command::FETCH
            | command::PREPARE
    )
}
