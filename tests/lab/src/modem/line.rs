//! Command lines (ITU-T V.250 §5.2): basic commands one after the other, extended ones with semicolons between.

/// One command of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Without `AT`: `+CSQ`, `E`, `&F`, `S3`; empty for a bare `AT`.
    pub name: String,
    pub form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// `?`
    Read,
    /// `=?`
    Test,
    /// What stands after `=`, or right after a basic command.
    Set(String),
}

impl Command {
    /// The name with its form, as somebody would write it who asks for this very command: `+COPS=?`.
    pub fn with_form(&self) -> String {
        match &self.form {
            Form::Plain => self.name.clone(),
            Form::Read => format!("{}?", self.name),
            Form::Test => format!("{}=?", self.name),
            Form::Set(value) if self.name.starts_with('+') => format!("{}={value}", self.name),
            Form::Set(value) => format!("{}{value}", self.name),
        }
    }
}

/// The commands of a line, or `None` when there is no `AT` in it.
pub fn parse(line: &str) -> Option<Vec<Command>> {
    let at = line.as_bytes().windows(2).position(|pair| pair.eq_ignore_ascii_case(b"AT"))?;
    let mut rest = line.get(at + 2..)?.trim();
    if rest.is_empty() {
        return Some(vec![Command { name: String::new(), form: Form::Plain }]);
    }
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let (command, after) = if rest.starts_with(is_extended) { extended(rest) } else { basic(rest) };
        commands.push(command);
        rest = after.trim_start_matches([';', ' ']);
    }
    Some(commands)
}

/// The signs that vendors begin their names with; `+` is the standard's.
fn is_extended(sign: char) -> bool {
    matches!(sign, '+' | '^' | '$' | '%' | '*' | '#' | '!')
}

fn extended(text: &str) -> (Command, &str) {
    let mut quoted = false;
    let end = text
        .char_indices()
        .find(|(_, sign)| {
            quoted ^= *sign == '"';
            *sign == ';' && !quoted
        })
        .map_or(text.len(), |(at, _)| at);
    let (text, rest) = text.split_at(end);
    let (name, form) = match text.split_once('=') {
        Some((name, "?")) => (name, Form::Test),
        Some((name, value)) => (name, Form::Set(value.to_owned())),
        None => text.strip_suffix('?').map_or((text, Form::Plain), |name| (name, Form::Read)),
    };
    (Command { name: name.trim().to_ascii_uppercase(), form }, rest)
}

fn basic(text: &str) -> (Command, &str) {
    let letters = if text.starts_with('&') { 2 } else { 1 };
    let at = text.char_indices().nth(letters).map_or(text.len(), |(at, _)| at);
    let (name, rest) = text.split_at(at);
    let name = name.to_ascii_uppercase();
    // Dialling takes the rest of the line.
    if name == "D" {
        return (Command { name, form: Form::Set(rest.to_owned()) }, "");
    }
    let (digits, rest) = digits(rest);
    if name == "S" {
        let name = format!("S{digits}");
        if let Some(rest) = rest.strip_prefix('?') {
            return (Command { name, form: Form::Read }, rest);
        }
        let (value, rest) = rest.strip_prefix('=').map_or(("", rest), self::digits);
        return (Command { name, form: Form::Set(value.to_owned()) }, rest);
    }
    let form = if digits.is_empty() { Form::Plain } else { Form::Set(digits.to_owned()) };
    (Command { name, form }, rest)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn commands(line: &str) -> Vec<String> {
        parse(line).expect("an AT line").iter().map(super::Command::with_form).collect()
    }

    #[test]
    fn lines_come_apart() {
        assert_eq!(commands("AT"), [""]);
        assert_eq!(commands("ate0v1s0=1&c1"), ["E0", "V1", "S01", "&C1"]);
        assert_eq!(commands("AT+CMEE=1;+CREG?"), ["+CMEE=1", "+CREG?"]);
        assert_eq!(commands("AT+COPS=?"), ["+COPS=?"]);
        assert_eq!(commands(r#"AT+CCHO="A;B";+CSQ"#), [r#"+CCHO="A;B""#, "+CSQ"]);
        assert_eq!(commands("ATD+4912345;"), ["D+4912345;"]);
        assert!(parse("hello").is_none());
    }
}
