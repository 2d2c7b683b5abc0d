//! What a run of `adb` is for, by its arguments, and why it failed, by what it says to standard error (AOSP
//! `client/commandline.cpp`).

use super::reason::Reason;

/// The longest serial number that is one.
const MOST_SERIAL: usize = 128;
/// So much of what is said to standard error is looked at.
const MOST_SAID: usize = 2048;

/// Adds to what a run has said, as far as that is kept.
pub fn keep_said(said: &mut Vec<u8>, more: &[u8]) {
    let room = MOST_SAID.saturating_sub(said.len());
    said.extend(more.iter().take(room));
}

/// A run of `adb` as a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// A word of a closed list.
    pub operation: &'static str,
    /// The device that it names (`-s`); not for output.
    pub serial: Option<Vec<u8>>,
    chosen: bool,
}

/// What runs of adb are called: a closed list, for labels. Where a request to the adb server is called the same it does the same.
pub mod command {
    /// No command, or one that is not known.
    pub const OTHER: &str = "other";
    pub const WAIT_FOR: &str = "wait_for";
    pub const VERSION: &str = "version";
    pub const FEATURES: &str = "features";
    pub const HOST_FEATURES: &str = "host_features";
}

/// Commands, and what they are called.
const COMMANDS: &[(&str, &str)] = &[
    ("shell", "shell"),
    ("exec-out", "exec"),
    ("exec-in", "exec"),
    ("push", "push"),
    ("pull", "pull"),
    ("sync", "sync"),
    ("ls", "sync_list"),
    ("install", "install"),
    ("install-multiple", "install"),
    ("install-multi-package", "install"),
    ("uninstall", "uninstall"),
    ("logcat", "logcat"),
    ("lolcat", "logcat"),
    ("longcat", "logcat"),
    ("bugreport", "bugreport"),
    ("devices", "devices"),
    ("track-devices", "track_devices"),
    ("forward", "forward"),
    ("reverse", "reverse"),
    ("connect", "connect"),
    ("disconnect", "disconnect"),
    ("pair", "pair"),
    ("get-state", "get_state"),
    ("get-serialno", "get_serialno"),
    ("get-devpath", "get_devpath"),
    ("start-server", "start_server"),
    ("kill-server", "kill"),
    ("server-status", "server_status"),
    ("reconnect", "reconnect"),
    ("attach", "reconnect"),
    ("detach", "reconnect"),
    ("reboot", "reboot"),
    ("reboot-bootloader", "reboot"),
    ("remount", "remount"),
    ("root", "root"),
    ("unroot", "unroot"),
    ("usb", "usb"),
    ("tcpip", "tcpip"),
    ("disable-verity", "verity"),
    ("enable-verity", "verity"),
    ("backup", "backup"),
    ("restore", "restore"),
    ("sideload", "sideload"),
    ("jdwp", "jdwp"),
    ("track-jdwp", "track_jdwp"),
    ("track-app", "track_jdwp"),
    ("emu", "emulator"),
    ("abb", "abb"),
    ("abb-exec", "abb"),
    ("mdns", "mdns"),
    ("features", command::FEATURES),
    ("host-features", command::HOST_FEATURES),
    ("version", command::VERSION),
    ("--version", command::VERSION),
    ("help", "help"),
    ("--help", "help"),
    ("-h", "help"),
    ("keygen", "keygen"),
];

/// Those that are not for a phone, or for another than options and environment name.
const FOR_NO_PHONE: &[&str] = &[
    "devices",
    "track_devices",
    "connect",
    "disconnect",
    "pair",
    "start_server",
    "kill",
    "server_status",
    "mdns",
    command::HOST_FEATURES,
    command::VERSION,
    command::OTHER,
    "help",
    "keygen",
];

/// Commands that make the process a server, which runs until it is ended.
const SERVERS: &[&[u8]] = &[b"server", b"nodaemon", b"fork-server"];

/// Options before the command that have a value; it may be joined to those of one letter.
const WITH_VALUE: &[&[u8]] = &[b"-s", b"-t", b"-H", b"-P", b"-L", b"-p", b"--one-device", b"--reply-fd"];

/// Of the options before the command, those that choose a phone: with one of them the environment does not count.
const CHOOSING: &[&[u8]] = &[b"-s", b"-t", b"-d", b"-e", b"--one-device"];

/// Where the words of a command line lead.
struct Parts<'a> {
    serial: Option<&'a [u8]>,
    /// Which phone is meant was said, by whatever option.
    chosen: bool,
    /// `wait-for-…`, of which the first stands here.
    waits: bool,
    command: Option<&'a [u8]>,
}

/// The arguments of a process, each with a zero behind it, the name of the program first.
fn parts(arguments: &[u8]) -> Parts<'_> {
    let mut found = Parts { serial: None, chosen: false, waits: false, command: None };
    let mut words = arguments.strip_suffix(b"\0").unwrap_or(arguments).split(|byte| *byte == 0).skip(1);
    while let Some(word) = words.next() {
        if matches!(word, b"-h" | b"--help" | b"--version") || !word.starts_with(b"-") {
            if word.starts_with(b"wait-for-") {
                // Another command may follow, which is what it waits for.
                found.waits = true;
                continue;
            }
            found.command = Some(word);
            break;
        }
        found.chosen |= CHOOSING.iter().any(|option| word.starts_with(option));
        let option = word.get(..2).filter(|_| !word.starts_with(b"--")).unwrap_or(word);
        if !WITH_VALUE.contains(&option) {
            continue;
        }
        let value = word.get(option.len()..).filter(|joined| !joined.is_empty()).or_else(|| words.next());
        if option == b"-s" || option == b"--one-device" {
            found.serial = value.filter(|serial| !serial.is_empty() && serial.len() <= MOST_SERIAL);
        }
    }
    found
}

impl Arguments {
    /// What a run with these arguments is for; `None` when the process is a server. Each argument has a zero behind it; those
    /// behind the command are not looked at.
    pub fn parse(arguments: &[u8]) -> Option<Self> {
        let parts = parts(arguments);
        let operation = match parts.command {
            Some(command) if SERVERS.contains(&command) => return None,
            Some(command) => known(command).map_or(command::OTHER, |(_, operation)| operation),
            None if parts.waits => command::WAIT_FOR,
            None => command::OTHER,
        };
        Some(Self { operation, serial: parts.serial.map(<[u8]>::to_vec), chosen: parts.chosen })
    }

    /// `serial`, when it is one and the arguments choose no phone themselves.
    pub fn or_serial(&self, serial: &[u8]) -> Option<Vec<u8>> {
        let meant = !self.chosen && !FOR_NO_PHONE.contains(&self.operation);
        (meant && !serial.is_empty() && serial.len() <= MOST_SERIAL).then(|| serial.to_vec())
    }

    /// The same with nothing that could be a secret: the command, when it is a known one, and the serial number as `mask` has
    /// it. Means the same to [`Arguments::parse`].
    pub fn reduced(arguments: &[u8], mask: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let parts = parts(arguments);
        let mut kept = b"adb\0".to_vec();
        if let Some(serial) = parts.serial {
            let mut masked = mask(serial);
            masked.retain(|byte| *byte != 0);
            masked.truncate(MOST_SERIAL);
            kept.extend_from_slice(b"-s\0");
            kept.extend_from_slice(&masked);
            kept.push(0);
        } else if parts.chosen {
            // By an option that has no number to tell: which one does not matter.
            kept.extend_from_slice(b"-d\0");
        }
        let command = match parts.command {
            Some(command) if SERVERS.contains(&command) => Some("server"),
            Some(command) => Some(known(command).map_or(command::OTHER, |(command, _)| command)),
            None if parts.waits => Some("wait-for-any-device"),
            None => None,
        };
        if let Some(command) = command {
            kept.extend_from_slice(command.as_bytes());
            kept.push(0);
        }
        kept
    }
}

fn known(command: &[u8]) -> Option<(&'static str, &'static str)> {
    COMMANDS.iter().copied().find(|(name, _)| name.as_bytes() == command)
}

/// Why a run failed, by what it wrote to standard error. What a command on the phone wrote comes out there, too: only what begins
/// as adb's own errors do is looked at.
pub fn said(errors: &[u8]) -> Option<Reason> {
    let own = |line: &&[u8]| line.starts_with(b"adb: ") || line.starts_with(b"error: ");
    let mut reasons = errors.split(|byte| *byte == b'\n').filter(own).map(Reason::of_run);
    reasons.find(|reason| *reason != Reason::OTHER)
}

/// The same errors with nothing in them but what says the reason.
pub fn said_reduced(errors: &[u8]) -> Vec<u8> {
    said(errors).and_then(Reason::text).map(|text| format!("error: {text}\n").into_bytes()).unwrap_or_default()
}

/// What the fuzzer tries: that what is kept of a command line means what the whole did.
pub(super) fn check(data: &[u8]) {
    let whole = Arguments::parse(data);
    assert_eq!(Arguments::parse(&Arguments::reduced(data, <[u8]>::to_vec)), whole);
    assert_eq!(said(&said_reduced(data)), said(data));
}

#[cfg(test)]
mod tests {
    use super::{Arguments, COMMANDS, check, command, said, said_reduced};
    use crate::protocol::adb::Reason;
    use proptest::prelude::*;

    fn line(words: &[&str]) -> Vec<u8> {
        words.iter().flat_map(|word| word.bytes().chain([0])).collect()
    }

    fn parsed(words: &[&str]) -> Option<(&'static str, Option<String>)> {
        let of = Arguments::parse(&line(words))?;
        Some((of.operation, of.serial.map(|serial| String::from_utf8(serial).expect("it was text"))))
    }

    #[test]
    fn the_command_stands_behind_the_options() {
        let of = |words: &[&str]| parsed(words).expect("no server");
        assert_eq!(of(&["adb", "shell", "-s", "nobody"]), ("shell", None), "what follows is the command's");
        assert_eq!(of(&["adb", "-s", "ABC", "push", "a", "b"]), ("push", Some("ABC".into())));
        assert_eq!(of(&["/usr/bin/adb", "-sABC", "-P5038", "-H", "far", "exec-out"]), ("exec", Some("ABC".into())));
        assert_eq!(of(&["adb", "-d", "-a", "-L", "tcp:1", "-t", "7", "kill-server"]), ("kill", None));
        assert_eq!(of(&["adb", "--one-device", "X", "devices"]), ("devices", Some("X".into())));
        assert_eq!(of(&["adb", "wait-for-device"]), ("wait_for", None));
        assert_eq!(of(&["adb", "wait-for-usb-device", "logcat"]), ("logcat", None), "it is what is waited for");
        assert_eq!(of(&["adb", "--help"]), ("help", None));
        assert_eq!(of(&["adb"]), (command::OTHER, None));
        assert_eq!(of(&["adb", "-s"]), (command::OTHER, None));
        assert_eq!(of(&["adb", "mysecret"]), (command::OTHER, None));
    }

    #[test]
    fn a_server_is_no_run() {
        assert_eq!(parsed(&["adb", "-L", "tcp:5037", "fork-server", "server", "--reply-fd", "4"]), None);
        assert_eq!(parsed(&["adb", "-P", "5038", "nodaemon", "server"]), None);
        assert_eq!(parsed(&["adb", "server"]), None);
        assert!(parsed(&["adb", "start-server"]).is_some());
    }

    #[test]
    fn nothing_is_kept_but_the_command_and_the_device() {
        let whole = line(&["adb", "-H", "far", "-s", "ABC", "shell", "input text hunter2"]);
        let kept = Arguments::reduced(&whole, |_| b"#1".to_vec());
        assert_eq!(kept, line(&["adb", "-s", "#1", "shell"]));
        let unknown = Arguments::reduced(&line(&["adb", "hunter2"]), <[u8]>::to_vec);
        assert_eq!(unknown, line(&["adb", "other"]));
        for (name, operation) in COMMANDS {
            let kept = Arguments::reduced(&line(&["adb", name, "x"]), <[u8]>::to_vec);
            assert_eq!(Arguments::parse(&kept).map(|of| of.operation), Some(*operation), "{name}");
        }
    }

    #[test]
    fn adb_says_why() {
        let of = |text: &str| said(text.as_bytes()).map(Reason::as_str);
        // Real ones, of version 29.
        let no_server = "adb W 11-30 09:01:39 20061 20061 network.cpp:150] failed to connect to '127.0.0.1:15999': Connection \
            refused\n* cannot start server on remote host\nerror: cannot connect to daemon at tcp:127.0.0.1:15999: failed to \
            connect to '127.0.0.1:15999': Connection refused\n";
        assert_eq!(of(no_server), Some("no_server"));
        assert_eq!(of("adb: failed to check server version: cannot connect to daemon\n"), Some("no_server"));
        assert_eq!(of("adb: push requires an argument\n"), Some("usage"));
        assert_eq!(of("adb: unknown command nosuch\n"), Some("usage"));
        assert_eq!(of("error: device 'no devices' not found\n"), Some("device_not_found"));
        assert_eq!(of("adb: error: cannot stat '/x': No such file or directory\n"), Some("no_such_file"));
        // Of a program on the phone.
        assert_eq!(of("ls: /x: No such file or directory\n"), None);
        assert_eq!(said_reduced(no_server.as_bytes()), b"error: cannot connect to daemon\n");
        assert_eq!(said_reduced(b"adb: error: cannot stat '/home/me': No such file"), b"error: no such file\n");
    }

    proptest! {
        #[test]
        fn what_is_kept_means_the_same(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            check(&data);
        }

        #[test]
        fn command_lines_too(words in proptest::collection::vec("(-s|-P|adb|shell|wait-for-x|server|[a-z-]{0,4})", 0..8)) {
            check(&line(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        }

        #[test]
        fn errors_too(lines in proptest::collection::vec("(adb: |error: |[*] |)(no devices|cannot connect to daemon|'| [a-z]{0,6})", 0..4)) {
            check(lines.join("\n").as_bytes());
        }
    }
}
