//! `docs/configuration.md`, from the table of settings and that of the checks.

use crate::config::{
    SECTIONS,
    checks::{COMMON, CheckOption, KINDS},
    kind::Kind,
    settings,
};
use std::fmt::Write as _;

const HEAD: &str = "\
# Configuration

One TOML file, environment variables and flags say what the agent does. Everything has a default but who is watched.

    cardlink-obs config init        # writes /etc/cardlink-obs/config.toml, with every setting explained
    cardlink-obs config set watch.port 8443
    cardlink-obs config check
    cardlink-obs config show        # every value, and where it comes from

- **Precedence**: flags, then variables, then the file, then the defaults. Selectors are taken as a whole from the first
  of these that has any, and a command after `--` replaces those of variables and file: they would narrow each other.
- **The file** is `/etc/cardlink-obs/config.toml`, or what `--config FILE` or `CARDLINK_OBS_CONFIG` names. `run` and `trace`
  read it; `replay` and `doctor` take variables and flags only.
- **Mistakes** are refused, all at once, with file and line; of an unknown key the nearest known one is named. A file that
  anybody may change is refused: it can name commands.
- **Variables** that begin with `CARDLINK_OBS_` and are no setting get a warning. Elements of lists are separated by commas.
- **Times** are written `\"500ms\"`, `\"3s\"`, `\"2m\"`, `\"1h\"`, or as a number of seconds.

## Reload

SIGHUP (`systemctl reload`) reads all of it again. Settings marked *live* change at once; limits of the trackers hold for
connections that are opened from then on. One line of the log says what has changed, and one names what needs a restart.
The key file, the password and the certificate are read again, whether their names have changed or not. An invalid
configuration, or a file of it that cannot be read, changes nothing: the old one stays, and the log says why.

A first key file needs a restart: without one, the kernel side does not hand on what is encrypted.
";

const NAMES: &str = "
## names

Aliases of cards, modems, readers and phones. They are shown in place of keyed hashes and device names: in the log, the live
view, JSON, spans, and as the label `device`. *Live.*

```toml
[names]
\"psk-3fa9b2c4d5e6\" = \"card in rack 7\"       # by the name that is shown without an alias
\"agent-0c11d8e92a37\" = \"card in rack 8\"
\"Quectel EC25 (1f03ab)\" = \"modem A\"
\"/dev/ttyS0\" = \"modem B\"
\"8988211000000123456\" = \"card in rack 9\"   # or by the identity, the agent id or the serial number itself
```

`cardlink-obs id -` tells the name that a value has; with it, nothing secret stands in the file. What is named is in no message, and
`config show` tells only how many aliases there are. A comment behind a key in the [key file](sessions.md) is an alias, too; `[names]`
goes before it. With `trace --clear-identities` identities are shown instead. A device that gets an alias while the agent runs has new
series from then on.
";

const CHECKS: &str = "
## Checks

Each check is a table `[health.checks.NAME]` with its `kind`. The built-in ones run without being named; a table of their
name changes their options or, with `enabled = false`, takes them away. [Health](health.md) says what their results mean.

```toml
[health.checks.admin-port]
kind = \"tcp\"
address = \"127.0.0.1:8443\"
interval = \"30s\"

[health.checks.disk]
path = \"/var/lib/cardlink-obs\"
degraded_free = \"20%\"
```
";

pub fn page() -> String {
    let mut page = String::from(HEAD);
    for section in SECTIONS {
        let _ = write!(page, "\n## {}\n\n{}\n\n", section.name, section.about);
        page.push_str("| Setting | Kind | Default | Meaning |\n|---|---|---|---|\n");
        for setting in settings::of(section.name).filter(|setting| !setting.hidden) {
            let mut meaning = setting.help.to_owned();
            if let Kind::Choice(words) | Kind::Maybe(&Kind::Choice(words)) = setting.kind {
                let words: Vec<String> = words.iter().map(|(word, what)| format!("`{word}`: {what}")).collect();
                let _ = write!(meaning, " {}.", words.join("; "));
            }
            if setting.live {
                meaning.push_str(" *Live.*");
            }
            if let Some(flag) = setting.flag {
                let _ = write!(meaning, " Flag `--{flag}`.");
            }
            let _ = write!(meaning, " Variable `{}`.", setting.variable());
            row(&mut page, setting.name(), setting.kind, Some(setting.default), &meaning);
        }
    }
    page.push_str(NAMES);
    page.push_str(CHECKS);
    page.push_str("\nEvery check takes:\n\n");
    options(&mut page, COMMON);
    for kind in KINDS {
        let built_in = if kind.built_in { " Built in." } else { "" };
        let _ = write!(page, "\n### {}\n\n{}{built_in}\n", kind.name, kind.about);
        if !kind.options.is_empty() {
            page.push('\n');
            options(&mut page, kind.options);
        }
    }
    page
}

fn options(page: &mut String, options: &[CheckOption]) {
    page.push_str("| Option | Kind | Default | Meaning |\n|---|---|---|---|\n");
    for option in options {
        let mut meaning = option.help.to_owned();
        if let Kind::Choice(words) = option.kind {
            let words: Vec<String> = words.iter().map(|(word, what)| format!("`{word}`: {what}")).collect();
            let _ = write!(meaning, " {}.", words.join("; "));
        }
        row(page, option.name, option.kind, option.default, &meaning);
    }
}

fn row(page: &mut String, name: &str, kind: Kind, default: Option<&str>, meaning: &str) {
    let default = match default {
        None => String::from("*needed*"),
        Some("") => String::new(),
        Some(default) => format!("`{default}`"),
    };
    let _ = writeln!(page, "| `{name}` | {} | {default} | {} |", kind.as_str(), meaning.replace('|', "\\|"));
}
