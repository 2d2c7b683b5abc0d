//! Command lines of the phone's shell: the program, and the AT commands that are sent to a device of the phone.

use crate::protocol::at;
use std::ops::Range;

/// AT lines, and names of AT commands, that are told of one shell command.
const MOST_AT: usize = 16;

const DEVICES: &[u8] = b"/dev/";
const TOOLS: [&[u8]; 5] = [b"atcli", b"sendat", b"send_at", b"microcom", b"busybox microcom"];

/// Names of the AT commands that a shell command sends to a device of the phone or hands to a tool for them.
pub(super) fn at_names(command: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for line in at_lines(command) {
        let mut dialogue = at::Dialogue::new();
        for byte in command.get(line).unwrap_or_default().trim_ascii_end().iter().chain(b"\r") {
            if let (_, Some(at::Written::Command(line))) = dialogue.write(*byte) {
                names.extend(line.names);
            }
        }
    }
    names.truncate(MOST_AT);
    names
}

/// Where they stand.
fn at_lines(command: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    if device(command).is_none() && tool(command).is_none() {
        return lines;
    }
    let mut at = 0;
    while let Some(rest) = command.get(at..).filter(|rest| !rest.is_empty() && lines.len() < MOST_AT) {
        let fresh = at == 0
            || command.get(at - 1).is_none_or(|before| !before.is_ascii_alphanumeric() && !b"_/.-".contains(before));
        if !fresh || !rest.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"AT")) {
            at += 1;
            continue;
        }
        // Up to where the shell or the line ends; `\r` is often written out.
        let ends = |(place, byte): (usize, &u8)| {
            matches!(byte, b'\r' | b'\n' | b'\'' | b'\\' | b'>' | b'|')
                || (*byte == b'"' && rest.get(place + 1).is_none_or(|next| b" \t>|&".contains(next)))
        };
        let length = rest.iter().enumerate().position(|(place, byte)| ends((place, byte))).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        if !line.get(2).is_none_or(|byte| b"+&^#$%*!@ \tDEIZQVHASX&".contains(&byte.to_ascii_uppercase())) {
            at += 2;
            continue;
        }
        lines.push(at..at + length);
        at += length.max(2);
    }
    lines
}

/// Where it names a device of the phone.
fn device(command: &[u8]) -> Option<Range<usize>> {
    let from = command.windows(DEVICES.len()).position(|window| window == DEVICES)?;
    Some(from..from + DEVICES.len())
}

/// The tool for AT commands that it begins with.
fn tool(command: &[u8]) -> Option<Range<usize>> {
    TOOLS.iter().find(|tool| command.starts_with(tool)).map(|tool| 0..tool.len())
}

/// The program that a shell command runs; `None` when it is not one of these: anything else could be a secret.
pub(super) fn program(command: &[u8]) -> Option<&'static str> {
    const PROGRAMS: &[&str] = &[
        "am",
        "appops",
        "bugreport",
        "cat",
        "chmod",
        "cmd",
        "content",
        "cp",
        "date",
        "df",
        "dmesg",
        "dumpsys",
        "echo",
        "find",
        "getprop",
        "grep",
        "id",
        "ifconfig",
        "input",
        "ip",
        "kill",
        "logcat",
        "ls",
        "mkdir",
        "monkey",
        "mount",
        "mv",
        "netstat",
        "ping",
        "pidof",
        "pm",
        "ps",
        "reboot",
        "rm",
        "run-as",
        "screencap",
        "screenrecord",
        "sendevent",
        "service",
        "setprop",
        "settings",
        "sleep",
        "sm",
        "stat",
        "su",
        "svc",
        "test",
        "top",
        "touch",
        "uiautomator",
        "uptime",
        "wm",
    ];
    let word = command.get(program_word(command))?;
    PROGRAMS.iter().copied().find(|program| program.as_bytes() == word)
}

/// Where the name of the program stands, without its path.
fn program_word(command: &[u8]) -> Range<usize> {
    let from = command.len() - command.trim_ascii_start().len();
    let rest = command.get(from..).unwrap_or_default();
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b";|&><".contains(byte);
    let word = rest.get(..rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
    let name = word.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    from + name..from + word.len()
}

/// Overwrites all that does not tell the program or the names of AT commands.
pub(super) fn mask(command: &mut [u8]) {
    let clear = command.to_vec();
    command.fill(b' ');
    if program(&clear).is_some() {
        keep(command, &clear, program_word(&clear));
    }
    let lines = at_lines(&clear);
    if lines.is_empty() {
        return;
    }
    for line in &lines {
        let mut dialogue = at::Dialogue::new();
        let clear = clear.get(line.clone()).unwrap_or_default().trim_ascii_end();
        for (masked, byte) in command.iter_mut().skip(line.start).zip(clear) {
            *masked = dialogue.write(*byte).0;
        }
    }
    // What makes them AT lines, and what ends them.
    let ends = lines.into_iter().map(|line| line.end..line.end + 1);
    for place in ends.chain(device(&clear)).chain(tool(&clear)) {
        keep(command, &clear, place);
    }
}

fn keep(masked: &mut [u8], clear: &[u8], place: Range<usize>) {
    if let (Some(masked), Some(clear)) = (masked.get_mut(place.clone()), clear.get(place)) {
        masked.copy_from_slice(clear);
    }
}

#[cfg(test)]
mod tests {
    use super::{at_names, mask, program};
    use proptest::prelude::*;

    fn masked(command: &[u8]) -> Vec<u8> {
        let mut masked = command.to_vec();
        mask(&mut masked);
        masked
    }

    #[test]
    fn nothing_but_names_is_left() {
        for (clear, left) in [
            ("getprop ro.secret", "getprop          "),
            ("/system/bin/ls /sdcard/private", "            ls                "),
            ("s3cret getprop", "              "),
            (r#"echo -e "AT+CPIN=1234\r" > /dev/smd7"#, r"echo     AT+CPIN=0000\     /dev/    "),
            ("atcli AT+CGMI", "atcli AT+CGMI"),
            ("echo AT+CPIN=1234", "echo             "),
        ] {
            assert_eq!(String::from_utf8_lossy(&masked(clear.as_bytes())), left, "{clear}");
        }
    }

    proptest! {
        #[test]
        fn what_is_told_stays(
            command in "(echo |/bin/cat |x )?(AT|at|[\"'+;=,0-9A-Z> |\\\\r/]|/dev/|atcli |ATE0|\\+CSQ|\\+CPIN=)*",
        ) {
            let masked = masked(command.as_bytes());
            prop_assert_eq!(masked.len(), command.len());
            prop_assert_eq!(at_names(&masked), at_names(command.as_bytes()), "{}", String::from_utf8_lossy(&masked));
            prop_assert_eq!(program(&masked), program(command.as_bytes()));
        }
    }
}
