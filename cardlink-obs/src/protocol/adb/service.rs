//! Services: what a request asks for, and how its answer goes on.

use super::{
    command_line::{self, at_names, program},
    frame::FILLER,
};
use std::ops::Range;

/// A service is kept as far as this; what follows are arguments.
pub(super) const MOST_SERVICE: usize = 2048;
/// The longest serial number that is one.
const MOST_SERIAL: usize = 128;

/// Names of operations: a closed list, for labels.
pub mod operation {
    macro_rules! operations {
        ($($id:ident $name:literal)*) => {
            $(#[doc = concat!("`", $name, "`")] pub const $id: &str = $name;)*
            /// All of them.
            pub const ALL: &[&str] = &[$($name),*];
        };
    }
    operations! {
        VERSION "version" KILL "kill" DEVICES "devices" TRACK_DEVICES "track_devices" TRANSPORT "transport"
        FEATURES "features" HOST_FEATURES "host_features" GET_STATE "get_state" GET_SERIALNO "get_serialno"
        GET_DEVPATH "get_devpath" FORWARD "forward" LIST_FORWARD "list_forward" KILL_FORWARD "kill_forward"
        CONNECT "connect" DISCONNECT "disconnect" PAIR "pair" WAIT_FOR "wait_for" RECONNECT "reconnect"
        EMULATOR "emulator" SERVER_STATUS "server_status" MDNS "mdns" HOST_OTHER "host_other"
        SHELL "shell" SHELL_AT "shell_at" EXEC "exec" SYNC "sync" SYNC_STAT "sync_stat" SYNC_LIST "sync_list"
        SYNC_SEND "sync_send" SYNC_RECV "sync_recv" REBOOT "reboot" REMOUNT "remount" ROOT "root" UNROOT "unroot"
        USB "usb" TCPIP "tcpip" VERITY "verity" BACKUP "backup" RESTORE "restore" FRAMEBUFFER "framebuffer"
        JDWP "jdwp" TRACK_JDWP "track_jdwp" LOG "log" REVERSE "reverse" ABB "abb" SIDELOAD "sideload" OPEN "open"
        OTHER "other"
    }
}

/// Which device a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The request is for the server itself, or for what an earlier request has chosen.
    None,
    /// The only one there is.
    Any,
    /// A serial number; it names a device and is not for output.
    Serial(Vec<u8>),
    /// A number that the server gave it.
    Transport(u64),
}

/// How the conversation goes on after `OKAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing follows.
    Status,
    /// A length and as many bytes.
    Message,
    /// The same, and it says whether it went well (`connect`).
    Verdict,
    /// The same, and it is a list of devices.
    Devices,
    /// Lists of devices, one for each change.
    Track,
    /// The next request is for the device, whose number (8 bytes) comes before it when it was asked for.
    Transport {
        numbered: bool,
    },
    /// A second `OKAY` or `FAIL` when it is done; a length and a port may follow.
    Twice,
    /// Bytes until one side closes.
    Raw,
    /// Packets of `shell,v2`.
    Shell,
    Sync,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub operation: &'static str,
    pub selector: Selector,
    pub shape: Shape,
    /// Names of the AT commands in a shell command.
    pub at: Vec<String>,
    /// The program that a shell command runs, when it is one of Android's own.
    pub program: Option<&'static str>,
    /// So many bytes at its end are arguments.
    pub arguments: usize,
}

/// Whether these first bytes of a connection are a request; `None` when there are too few to say.
pub fn looks_like_adb(bytes: &[u8]) -> Option<bool> {
    let (length, service) = bytes.split_at(bytes.len().min(4));
    if !length.iter().all(u8::is_ascii_hexdigit) {
        return Some(false);
    }
    let start = service.get(..5).unwrap_or(service);
    let possible = [b"host:", b"host-"].iter().any(|known| known.starts_with(start));
    match (possible, start.len() == 5) {
        (false, _) => Some(false),
        (true, true) => Some(true),
        (true, false) => None,
    }
}

impl Service {
    /// Reads a request.
    pub fn parse(service: &[u8]) -> Self {
        if let Some(host) = service.strip_prefix(b"host:") {
            return Self::of_host(host, Selector::None);
        }
        if let Some(rest) = service.strip_prefix(b"host-serial:") {
            let (serial, host) = split_serial(rest);
            return Self::of_host(host, selected(serial));
        }
        if let Some(rest) = service.strip_prefix(b"host-transport-id:") {
            let (id, host) = split_at_colon(rest);
            return Self::of_host(host, number(id));
        }
        for kind in [b"host-usb:".as_slice(), b"host-local:"] {
            if let Some(host) = service.strip_prefix(kind) {
                return Self::of_host(host, Selector::Any);
            }
        }
        Self::of_device(service)
    }

    fn new(operation: &'static str, selector: Selector, shape: Shape) -> Self {
        Self { operation, selector, shape, at: Vec::new(), program: None, arguments: 0 }
    }

    /// What it ends with are its arguments.
    fn with(self, arguments: &[u8]) -> Self {
        Self { arguments: arguments.len(), ..self }
    }

    fn of_host(host: &[u8], selector: Selector) -> Self {
        use operation as op;
        if let Some(service) = Self::choosing(host) {
            return service;
        }
        let (name, argument) = split_at_colon(host);
        let (operation, shape) = match name {
            b"version" => (op::VERSION, Shape::Message),
            b"kill" => (op::KILL, Shape::Status),
            b"devices" | b"devices-l" => (op::DEVICES, Shape::Devices),
            b"track-devices" | b"track-devices-l" => (op::TRACK_DEVICES, Shape::Track),
            b"track-devices-proto-text" | b"track-devices-proto-binary" => (op::TRACK_DEVICES, Shape::Raw),
            b"features" => (op::FEATURES, Shape::Message),
            b"host-features" => (op::HOST_FEATURES, Shape::Message),
            b"get-state" => (op::GET_STATE, Shape::Message),
            b"get-serialno" => (op::GET_SERIALNO, Shape::Message),
            b"get-devpath" => (op::GET_DEVPATH, Shape::Message),
            b"forward" => (op::FORWARD, Shape::Twice),
            b"list-forward" => (op::LIST_FORWARD, Shape::Message),
            b"killforward" | b"killforward-all" => (op::KILL_FORWARD, Shape::Twice),
            b"connect" => return Self::new(op::CONNECT, selected(argument), Shape::Verdict).with(argument),
            b"disconnect" => return Self::new(op::DISCONNECT, selected(argument), Shape::Message).with(argument),
            b"pair" => (op::PAIR, Shape::Verdict),
            b"reconnect" | b"reconnect-offline" | b"attach" | b"detach" => (op::RECONNECT, Shape::Message),
            b"emulator" => (op::EMULATOR, Shape::Status),
            b"server-status" => (op::SERVER_STATUS, Shape::Message),
            b"mdns" => (op::MDNS, Shape::Message),
            _ => {
                return match host.strip_prefix(b"wait-for-") {
                    Some(what) => Self::new(op::WAIT_FOR, selector, Shape::Twice).with(what),
                    None => Self::new(op::HOST_OTHER, selector, Shape::Raw).with(host),
                };
            }
        };
        Self::new(operation, selector, shape).with(argument)
    }

    /// Requests that choose the device for the next one.
    fn choosing(host: &[u8]) -> Option<Self> {
        let transport = |selector, numbered, arguments| {
            Self::new(operation::TRANSPORT, selector, Shape::Transport { numbered }).with(arguments)
        };
        if let Some(serial) = host.strip_prefix(b"tport:serial:") {
            return Some(transport(selected(serial), true, serial));
        }
        if let Some(which) = host.strip_prefix(b"tport:") {
            return Some(transport(Selector::Any, true, which));
        }
        if let Some(id) = host.strip_prefix(b"transport-id:") {
            let number = number(id);
            let secret = if number == Selector::Any { id } else { &[] };
            return Some(transport(number, false, secret));
        }
        if let Some(serial) = host.strip_prefix(b"transport:") {
            return Some(transport(selected(serial), false, serial));
        }
        host.strip_prefix(b"transport-").map(|which| transport(Selector::Any, false, which))
    }

    fn of_device(service: &[u8]) -> Self {
        use operation as op;
        let (name, argument) = split_at_colon(service);
        let (kind, options) = match name.iter().position(|byte| *byte == b',') {
            Some(comma) => name.split_at(comma),
            None => (name, [].as_slice()),
        };
        let (operation, shape) = match kind {
            b"shell" => {
                let packets = options.split(|byte| *byte == b',').any(|option| option == b"v2");
                return Self::shell(argument, if packets { Shape::Shell } else { Shape::Raw });
            }
            b"exec" | b"exec-in" => return Self { operation: op::EXEC, ..Self::shell(argument, Shape::Raw) },
            b"sync" => (op::SYNC, Shape::Sync),
            b"reboot" => (op::REBOOT, Shape::Raw),
            b"remount" => (op::REMOUNT, Shape::Raw),
            b"root" => (op::ROOT, Shape::Raw),
            b"unroot" => (op::UNROOT, Shape::Raw),
            b"usb" => (op::USB, Shape::Raw),
            b"tcpip" => (op::TCPIP, Shape::Raw),
            b"disable-verity" | b"enable-verity" => (op::VERITY, Shape::Raw),
            b"backup" => (op::BACKUP, Shape::Raw),
            b"restore" => (op::RESTORE, Shape::Raw),
            b"framebuffer" => (op::FRAMEBUFFER, Shape::Raw),
            b"jdwp" => (op::JDWP, Shape::Raw),
            b"track-jdwp" | b"track-app" => (op::TRACK_JDWP, Shape::Raw),
            b"log" => (op::LOG, Shape::Raw),
            b"reverse" => (op::REVERSE, Shape::Raw),
            b"abb" | b"abb_exec" => (op::ABB, Shape::Raw),
            b"sideload" | b"sideload-host" | b"rescue-install" => (op::SIDELOAD, Shape::Raw),
            b"tcp" | b"local" | b"localabstract" | b"localreserved" | b"localfilesystem" | b"dev" | b"dev-raw"
            | b"vsock" | b"acceptfd" => (op::OPEN, Shape::Raw),
            _ => return Self::new(op::OTHER, Selector::None, Shape::Raw).with(service),
        };
        Self::new(operation, Selector::None, shape).with(argument)
    }

    fn shell(command: &[u8], shape: Shape) -> Self {
        let at = at_names(command);
        let operation = if at.is_empty() { operation::SHELL } else { operation::SHELL_AT };
        Self { operation, selector: Selector::None, shape, at, program: program(command), arguments: command.len() }
    }

    fn runs_a_command(&self) -> bool {
        [operation::SHELL, operation::SHELL_AT, operation::EXEC].contains(&self.operation)
    }
}

/// Overwrites what does not tell what is asked for, and the serial number of the device by what `serial` gives for it.
pub(super) fn mask(service: &mut [u8], serial: &dyn Fn(&[u8]) -> Vec<u8>) {
    let read = Service::parse(service);
    let (head, arguments) = service.split_at_mut(service.len() - read.arguments.min(service.len()));
    if read.runs_a_command() {
        command_line::mask(arguments);
    } else if matches!(&read.selector, Selector::Serial(chosen) if **chosen == *arguments) {
        arguments.copy_from_slice(&serial(arguments));
    } else {
        arguments.fill(FILLER);
    }
    if let Some(named) = device_before(head) {
        let masked = serial(head.get(named.clone()).unwrap_or_default());
        head.iter_mut().skip(named.start).zip(masked).for_each(|(byte, masked)| *byte = masked);
        return;
    }
    // Options of a shell.
    let options = head.iter().position(|byte| *byte == b',').map_or(head.len(), |comma| comma + 1);
    for option in head.get_mut(options..).unwrap_or_default().split_mut(|byte| matches!(byte, b',' | b':')) {
        if option != b"v2" {
            option.fill(FILLER);
        }
    }
}

/// Where the name of the device stands that a request begins with.
fn device_before(service: &[u8]) -> Option<Range<usize>> {
    let after = |prefix: &[u8], named: &[u8]| prefix.len()..prefix.len() + named.len();
    let (serial, transport) = (b"host-serial:".as_slice(), b"host-transport-id:".as_slice());
    if let Some(rest) = service.strip_prefix(serial) {
        return Some(after(serial, split_serial(rest).0));
    }
    let id = split_at_colon(service.strip_prefix(transport)?).0;
    (number(id) == Selector::Any).then(|| after(transport, id))
}

fn selected(serial: &[u8]) -> Selector {
    if serial.is_empty() || serial.len() > MOST_SERIAL { Selector::Any } else { Selector::Serial(serial.to_vec()) }
}

fn number(digits: &[u8]) -> Selector {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).map_or(Selector::Any, Selector::Transport)
}

/// Before and after the first colon.
fn split_at_colon(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b':') {
        Some(colon) => (text.get(..colon).unwrap_or_default(), text.get(colon + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

/// The serial number at the start of `SERIAL:REQUEST`. It may hold colons of its own: `usb:1-2`, `HOST:PORT`, `[::1]:PORT`.
fn split_serial(text: &[u8]) -> (&[u8], &[u8]) {
    const PREFIXES: [&[u8]; 6] = [b"tcp:", b"udp:", b"usb:", b"product:", b"model:", b"device:"];
    let prefix = PREFIXES.iter().find(|prefix| text.starts_with(prefix)).map_or(0, |prefix| prefix.len());
    let rest = text.get(prefix..).unwrap_or_default();
    let from = match rest.first() {
        Some(b'[') => rest.iter().position(|byte| *byte == b']').unwrap_or(0),
        _ => 0,
    };
    let colon = |from: usize| {
        let place = rest.get(from..).unwrap_or_default().iter().position(|byte| *byte == b':')?;
        Some(from + place)
    };
    let Some(first) = colon(from) else { return (text, &[]) };
    // A port, and the request behind it.
    let end = match colon(first + 1) {
        Some(second)
            if second > first + 1
                && rest.get(first + 1..second).is_some_and(|port| port.iter().all(u8::is_ascii_digit)) =>
        {
            second
        }
        _ => first,
    };
    (text.get(..prefix + end).unwrap_or_default(), text.get(prefix + end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Selector, Service, Shape, looks_like_adb, operation};

    fn parse(text: &str) -> Service {
        Service::parse(text.as_bytes())
    }

    #[test]
    fn a_serial_number_may_hold_colons() {
        for (text, serial) in [
            ("host-serial:emulator-5554:get-state", "emulator-5554"),
            ("host-serial:127.0.0.1:5555:get-state", "127.0.0.1:5555"),
            ("host-serial:[::1]:5555:get-state", "[::1]:5555"),
            ("host-serial:usb:1-2.3:get-state", "usb:1-2.3"),
            ("host-serial:tcp:10.0.0.1:5555:get-state", "tcp:10.0.0.1:5555"),
        ] {
            let service = parse(text);
            assert_eq!(service.operation, operation::GET_STATE, "{text}");
            assert_eq!(service.selector, Selector::Serial(serial.into()), "{text}");
        }
        let forward = parse("host-serial:0123:forward:norebind:tcp:0;tcp:80");
        assert_eq!((forward.operation, forward.shape), (operation::FORWARD, Shape::Twice));
        assert_eq!(forward.selector, Selector::Serial("0123".into()));
    }

    #[test]
    fn a_device_is_chosen_by_serial_number_or_id() {
        assert_eq!(parse("host:transport:AB:CD").selector, Selector::Serial("AB:CD".into()));
        assert_eq!(parse("host:transport-any").selector, Selector::Any);
        assert_eq!(parse("host:transport-id:17").selector, Selector::Transport(17));
        assert_eq!(parse("host:tport:serial:X").shape, Shape::Transport { numbered: true });
        assert_eq!(parse("host-transport-id:3:features").selector, Selector::Transport(3));
        assert_eq!(parse("host-transport-id:x:features").operation, operation::FEATURES);
    }

    #[test]
    fn shells() {
        let shell = parse("shell,v2,TERM=xterm,raw:getprop ro.secret");
        assert_eq!((shell.operation, shell.shape, shell.program), (operation::SHELL, Shape::Shell, Some("getprop")));
        let old = parse("shell:/system/bin/ls");
        assert_eq!((old.shape, old.program), (Shape::Raw, Some("ls")));
        assert_eq!(parse("shell:1234").program, None);
        assert_eq!(parse("exec:screencap -p").operation, operation::EXEC);
    }

    #[test]
    fn at_commands_in_a_shell_command_are_told_by_name() {
        let names = |text: &str| parse(text).at;
        assert_eq!(names(r#"shell:echo -e "AT+CPIN=1234\r" > /dev/smd7"#), ["AT+CPIN"]);
        assert_eq!(names(r#"shell,v2,raw:echo -ne 'AT+CSIM=14,"00A40000023F00"\r' >/dev/smd11"#), ["AT+CSIM"]);
        assert_eq!(
            names(r#"shell:printf "at+cmee=1;+creg?\r\n" > /dev/ttyGS0 ; echo "ATI" >/dev/x"#),
            ["AT+CMEE", "AT+CREG", "ATI"]
        );
        assert_eq!(names("shell:atcli AT+CGMI"), ["AT+CGMI"]);
        assert_eq!(parse("shell:echo AT+CSQ > /dev/smd7").operation, operation::SHELL_AT);
        for text in ["shell:cat /dev/null", "shell:echo AT+CSQ", "shell:cp /data/AT /dev/shm/BAT+X", "shell:"] {
            assert!(names(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_first_bytes_tell() {
        assert_eq!(looks_like_adb(b"000chost:version"), Some(true));
        assert_eq!(looks_like_adb(b"0019host-serial:x:get-state"), Some(true));
        assert_eq!(looks_like_adb(b"000c"), None);
        assert_eq!(looks_like_adb(b""), None);
        assert_eq!(looks_like_adb(b"000chos!"), Some(false));
        assert_eq!(looks_like_adb(b"POST"), Some(false));
    }

    #[test]
    fn every_operation_is_in_the_list() {
        for text in ["host:version", "host:mdns:check", "host:x", "jdwp:12", "tcp:80", "", ":", "sync:", "host-serial:"]
        {
            assert!(operation::ALL.contains(&parse(text).operation), "{text}");
        }
    }
}
