//! Flags of the settings, made from their table: a command offers those of some sections.

use super::CliError;
use crate::config::{
    FileChoice, Inputs, Loaded, SECTIONS, Setting,
    kind::{Element, Kind},
    settings,
};
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches,
    builder::{PossibleValue, PossibleValuesParser},
    parser::ValueSource,
};
use std::{ffi::OsString, marker::PhantomData, path::PathBuf};

/// Which sections a command offers.
pub trait Offer {
    const SECTIONS: &'static [&'static str];
    /// Flags of these sections that it has no use for.
    const BUT: &'static [&'static str] = &[];
}

/// The flags that were given, and the file that was named.
#[derive(Debug, Clone)]
pub struct Flags<S> {
    given: Vec<(&'static str, Vec<String>)>,
    offer: PhantomData<S>,
}

/// `--config FILE`.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// The configuration; without it `/etc/cardlink-obs/config.toml`, if it is there.
    #[arg(long, value_name = "FILE", env = "CARDLINK_OBS_CONFIG", hide_env = true, global = true)]
    pub config: Option<PathBuf>,
}

impl ConfigArgs {
    pub fn choice(&self) -> FileChoice {
        self.config.clone().map_or(FileChoice::Default, FileChoice::Named)
    }

    /// The configuration without any flags.
    pub fn load(&self) -> Result<Loaded, CliError> {
        load(&Inputs { file: self.choice(), ..Inputs::default() })
    }
}

/// `-- COMMAND …`.
#[derive(Debug, Clone, Args)]
pub struct CommandArgs {
    /// Start this command and watch it; its exit code is passed on.
    #[arg(last = true, value_name = "COMMAND", help_heading = "Who is watched")]
    pub command: Vec<OsString>,
}

impl<S> Flags<S> {
    /// The first flag that was given of a setting in one of these sections, without its dashes.
    pub fn first_of(&self, sections: &[&str]) -> Option<&'static str> {
        let given = self.given.iter().filter_map(|(key, _)| settings::find(key));
        given.filter(|setting| sections.contains(&setting.section())).find_map(|setting| setting.flag)
    }

    /// What the configuration is made of, with these flags and that file.
    pub fn inputs(&self, file: FileChoice, command: &[OsString]) -> Inputs {
        Inputs { flags: self.given.clone(), own_target: !command.is_empty(), file }
    }
}

/// A slip in the name of a variable would go unseen.
pub fn warn_of_strange(loaded: &Loaded) {
    for name in &loaded.strange {
        tracing::warn!("the variable {name} is no setting: `cardlink-obs config show` lists all");
    }
}

/// Reads the configuration.
pub fn load(inputs: &Inputs) -> Result<Loaded, CliError> {
    Ok(Loaded::new(inputs, std::env::vars_os())?)
}

fn offered<S: Offer>() -> impl Iterator<Item = (&'static str, &'static Setting, &'static str)> {
    S::SECTIONS.iter().flat_map(|section| {
        let heading = SECTIONS.iter().find(|known| known.name == *section).map_or("", |known| known.heading);
        settings::of(section).filter_map(move |setting| Some((setting.flag?, setting, heading)))
    })
}

impl<S: Offer> Args for Flags<S> {
    fn augment_args(command: Command) -> Command {
        offered::<S>()
            .filter(|(flag, ..)| !S::BUT.contains(flag))
            .fold(command, |command, (flag, setting, heading)| command.arg(arg(flag, setting).help_heading(heading)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn arg(flag: &'static str, setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.key).long(flag).help(setting.help.trim_end_matches('.')).hide(setting.hidden);
    let kind = match setting.kind {
        Kind::Maybe(kind) => *kind,
        kind => kind,
    };
    let arg = match kind {
        Kind::Switch => return arg.action(ArgAction::SetTrue),
        Kind::List(element) => {
            return arg
                .action(ArgAction::Append)
                .value_name(setting.value_name)
                .value_parser(move |text: &str| element_of(element, text));
        }
        Kind::Choice(words) => arg.value_parser(PossibleValuesParser::new(
            words.iter().map(|(word, meaning)| PossibleValue::new(*word).help(*meaning)),
        )),
        kind => arg.value_parser(move |text: &str| kind.parse(text).map(|_| text.to_owned())),
    };
    let arg = arg.action(ArgAction::Set).value_name(setting.value_name);
    if setting.default.is_empty() { arg } else { arg.default_value(setting.default) }
}

fn element_of(element: Element, text: &str) -> Result<String, String> {
    let parts: Vec<&str> = if matches!(element, Element::Choice(_)) { text.split(',').collect() } else { vec![text] };
    parts.into_iter().try_for_each(|part| element.parse(part.trim()).map(drop))?;
    Ok(text.to_owned())
}

impl<S: Offer> FromArgMatches for Flags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for (flag, setting, _) in offered::<S>() {
            if S::BUT.contains(&flag) || matches.value_source(setting.key) != Some(ValueSource::CommandLine) {
                continue;
            }
            let texts = match setting.kind {
                Kind::Switch => vec![matches.get_flag(setting.key).to_string()],
                _ => matches.get_many::<String>(setting.key).into_iter().flatten().cloned().collect(),
            };
            given.push((setting.key, texts));
        }
        Ok(Self { given, offer: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
