//! What is looked for in the files of targets, and by which programs it is watched.

use super::{
    functions::Library,
    image::{Image, ImageError, Tables},
    mapped::Mapped,
    plan::Plan,
    prologue,
    site::Site,
    sqlite,
};
use crate::capture::probes::Family;
use std::{str::FromStr, sync::Arc};

/// What is looked for.
#[derive(Debug, Clone)]
pub enum Sought {
    /// TLS libraries.
    Tls,
    /// Functions that the user named.
    Functions(Arc<[Named]>),
    /// SQLite.
    Sqlite {
        /// In programs, too, that it is linked into.
        programs: bool,
    },
}

/// A function that the user named: `FUNCTION`, or `FILE:FUNCTION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// How the name of the file that has it begins; otherwise the program itself.
    file: Option<String>,
    function: String,
}

impl Named {
    pub fn function(&self) -> &str {
        &self.function
    }

    fn is_in(&self, file: &Mapped) -> bool {
        self.file.as_ref().map_or(file.program, |name| file.name.starts_with(name))
    }

    /// Whether a symbol is this function: by the symbol itself, or by what it says in the language of its source.
    fn is(&self, symbol: &str) -> bool {
        if symbol == self.function {
            return true;
        }
        let said = if let Ok(name) = rustc_demangle::try_demangle(symbol) {
            format!("{name:#}")
        } else if symbol.starts_with("_Z") {
            let name = cpp_demangle::Symbol::new(symbol).ok().and_then(|symbol| symbol.demangle().ok());
            let Some(name) = name else { return false };
            name.split('(').next().unwrap_or_default().to_owned()
        } else {
            return false;
        };
        said == self.function
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let alone = |at: &usize| {
            let colon = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b':');
            colon(Some(*at)) && !colon(at.checked_sub(1)) && !colon(at.checked_add(1))
        };
        let split = (0..bytes.len()).find(alone);
        let (file, function) = match split.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
            Some((file, function)) => (Some(file.to_owned()), function),
            None => (None, text),
        };
        if function.is_empty() || file.as_deref() == Some("") || text.contains(char::is_whitespace) {
            return Err(String::from("must be FUNCTION, or FILE:FUNCTION for one of a library"));
        }
        Ok(Self { file, function: function.to_owned() })
    }
}

impl Sought {
    /// Whether a file may have it.
    pub(super) fn may_be_in(&self, file: &Mapped) -> bool {
        match self {
            Self::Tls => file.program || Library::ALL.iter().any(|library| file.name.starts_with(library.file())),
            Self::Functions(all) => all.iter().any(|named| named.is_in(file)),
            Self::Sqlite { programs } => sqlite::may_be_in(file, *programs),
        }
    }

    /// Where probes go in a file.
    pub(super) fn plan(&self, file: &Mapped) -> Result<Plan, ImageError> {
        match self {
            Self::Tls => Plan::of(&file.path),
            Self::Functions(all) => functions(all, file),
            Self::Sqlite { .. } => sqlite::plan(&file.path),
        }
    }

    pub(super) const fn family(&self) -> Family {
        match self {
            Self::Tls => Family::Library,
            Self::Functions(_) => Family::Function,
            Self::Sqlite { .. } => Family::Sqlite,
        }
    }

    /// The programs for an entry and a return.
    pub(super) const fn programs(&self) -> (&'static str, &'static str) {
        match self {
            Self::Tls => ("library_enter", "library_return"),
            Self::Functions(_) => ("function_enter", "function_return"),
            Self::Sqlite { .. } => ("sqlite_enter", "sqlite_return"),
        }
    }
}

/// Places of the functions of a file that the user named. One name may stand for several: overloads, instances of a generic.
fn functions(all: &[Named], file: &Mapped) -> Result<Plan, ImageError> {
    let wanted: Vec<(usize, &Named)> = all.iter().enumerate().filter(|(_, named)| named.is_in(file)).collect();
    let pick = |symbol: &str| wanted.iter().find(|(_, named)| named.is(symbol)).map(|(number, _)| number.to_string());
    let image = Image::open(&file.path, Tables::All, &pick)?;
    let mut plan = Plan::default();
    for (number, named) in wanted {
        let mut found = false;
        for address in image.functions(&number.to_string()) {
            // Only at the very beginning: anything later may be run more than once in a call.
            let cheap = image.code(address).and_then(|code| prologue::cheap_beginning(code, address));
            let Some(offset) = image.offset(cheap.unwrap_or(address)) else { continue };
            found = true;
            plan.sites.push(Site {
                library: None,
                functions: vec![named.function.clone()],
                cookie: number as u64,
                offset,
                returns: true,
                stepped: cheap.is_none(),
            });
        }
        if !found {
            plan.missing.push(named.function.clone());
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::Named;

    fn named(text: &str) -> Named {
        text.parse().expect("a name")
    }

    #[test]
    fn a_function_is_told_from_its_file_by_a_colon_that_stands_alone() {
        let parts = |text: &str| {
            let Named { file, function } = named(text);
            (file, function)
        };
        assert_eq!(parts("serve"), (None, String::from("serve")));
        assert_eq!(parts("libota.so:serve"), (Some(String::from("libota.so")), String::from("serve")));
        assert_eq!(parts("ota::Server::serve"), (None, String::from("ota::Server::serve")));
        assert_eq!(parts("libota.so:ota::serve"), (Some(String::from("libota.so")), String::from("ota::serve")));
        for wrong in ["", ":", "a:", ":a", "two words"] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_function_is_known_by_the_name_of_its_source() {
        let cases = [
            ("serve", "serve", true),
            ("lab::server::talk::serve", "_ZN3lab6server4talk5serve17h0123456789abcdefE", true),
            ("serve", "_ZN3lab6server4talk5serve17h0123456789abcdefE", false),
            ("ota::serve", "_ZN3ota5serveEi", true),
            ("ota::serve", "_ZN3ota6servesEi", false),
            ("_ZN3ota5serveEi", "_ZN3ota5serveEi", true),
        ];
        for (name, symbol, is) in cases {
            assert_eq!(named(name).is(symbol), is, "{name} {symbol}");
        }
    }
}
