//! Node ids: `tests/test_card.py::TestPin::test_wrong[parameter] (call)`.

/// A part of a test's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    Setup,
    Call,
    Teardown,
}

impl Phase {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Call => "call",
            Self::Teardown => "teardown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Setup, Self::Call, Self::Teardown].into_iter().find(|phase| phase.as_str() == text)
    }
}

/// A test, named as pytest's own reports do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// The module and classes: `tests.test_card.TestPin`.
    pub class: String,
    /// Without parameters.
    pub name: String,
    /// What stands in brackets; not to be shown.
    pub parameters: Option<String>,
}

impl NodeId {
    /// Reads a node id without its phase.
    pub fn parse(id: &str) -> Self {
        let (id, parameters) = split_parameters(id);
        let mut parts = id.split("::");
        let path = parts.next().unwrap_or_default();
        let mut names: Vec<&str> = parts.collect();
        let name = names.pop().unwrap_or(path).to_owned();
        let mut class = path.strip_suffix(".py").unwrap_or(path).replace(['/', '\\'], ".");
        for part in names {
            class.push('.');
            class.push_str(part);
        }
        Self { class, name, parameters: parameters.map(str::to_owned) }
    }
}

/// The test and the phase that `PYTEST_CURRENT_TEST` names.
pub fn current_test(value: &str) -> Option<(NodeId, Phase)> {
    let (id, phase) = value.strip_suffix(')')?.rsplit_once(" (")?;
    Some((NodeId::parse(id), Phase::parse(phase)?))
}

/// A name, and what stands in brackets at its end. Where there is an opening bracket and no closing one (the name was cut
/// off), all after it are parameters.
pub fn split_parameters(name: &str) -> (&str, Option<&str>) {
    match name.split_once('[') {
        Some((before, inside)) => (before, Some(inside.rsplit_once(']').map_or(inside, |(inside, _)| inside))),
        None => (name, None),
    }
}

/// A text that begins with a name: its parameters are replaced. What follows them stays when it is a phase.
pub fn with_parameters(text: &str, mask: &mut dyn FnMut(&str) -> String) -> String {
    let (name, parameters) = split_parameters(text);
    let Some(parameters) = parameters else { return text.to_owned() };
    let phases = [" (setup)", " (call)", " (teardown)"];
    let after = phases.into_iter().find(|phase| text.ends_with(phase)).unwrap_or_default();
    format!("{name}[{}]{after}", mask(parameters))
}

#[cfg(test)]
mod tests {
    use super::{NodeId, Phase, current_test, with_parameters};

    fn node(class: &str, name: &str, parameters: Option<&str>) -> NodeId {
        NodeId { class: class.to_owned(), name: name.to_owned(), parameters: parameters.map(str::to_owned) }
    }

    #[test]
    fn node_ids_are_named_as_in_reports() {
        assert_eq!(
            current_test("tests/test_card.py::TestPin::test_wrong[1234-a b] (call)"),
            Some((node("tests.test_card.TestPin", "test_wrong", Some("1234-a b")), Phase::Call))
        );
        assert_eq!(current_test("test_a.py::test_b (setup)"), Some((node("test_a", "test_b", None), Phase::Setup)));
        assert_eq!(
            current_test("test_a.py::test_b[a::b[c] (call)] (teardown)"),
            Some((node("test_a", "test_b", Some("a::b[c] (call)")), Phase::Teardown))
        );
        assert_eq!(current_test("test_a.py::test_b"), None);
        assert_eq!(current_test("x (y)"), None);
    }

    #[test]
    fn parameters_are_masked() {
        let masked = |text| with_parameters(text, &mut |parameters| format!("~{}", parameters.len()));
        assert_eq!(masked("a.py::t[0000] (call)"), "a.py::t[~4] (call)");
        assert_eq!(masked("a.py::t[0000"), "a.py::t[~4]");
        assert_eq!(masked("a.py::t (call)"), "a.py::t (call)");
        assert_eq!(masked("t[[x]]"), "t[~3]");
    }
}
