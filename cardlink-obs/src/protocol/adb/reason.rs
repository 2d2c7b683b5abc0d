//! Why an operation failed: the texts of the server and the device, as a closed list of words.

/// A word for labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(&'static str);

/// What a text holds, and the word for it. The first that fits counts.
const TEXTS: &[(&str, &str)] = &[
    ("no devices", "no_device"),
    ("no emulators", "no_device"),
    ("more than one", "more_than_one_device"),
    ("unauthorized", "unauthorized"),
    ("still authorizing", "authorizing"),
    ("still connecting", "connecting"),
    ("offline", "offline"),
    ("no permissions", "no_permissions"),
    ("insufficient permissions", "no_permissions"),
    ("device not found", "device_not_found"),
    ("no such device", "device_not_found"),
    ("no device with transport id", "device_not_found"),
    ("unknown host service", "unknown_service"),
    ("unknown service", "unknown_service"),
    ("protocol fault", "protocol_fault"),
    ("cannot rebind", "address_in_use"),
    ("cannot bind", "address_in_use"),
    ("address already in use", "address_in_use"),
    ("listener", "no_listener"),
    ("failed to connect", "connect_failed"),
    ("unable to connect", "connect_failed"),
    ("cannot connect", "connect_failed"),
    ("failed to authenticate", "unauthorized"),
    ("failed to resolve", "connect_failed"),
    ("connection refused", "connect_failed"),
    ("no such file", "no_such_file"),
    ("permission denied", "permission_denied"),
    ("read-only file system", "read_only"),
    ("no space left", "no_space"),
    ("is a directory", "is_a_directory"),
    ("not a directory", "not_a_directory"),
    ("file exists", "file_exists"),
    ("operation not permitted", "not_permitted"),
    ("timed out", "timeout"),
    ("timeout", "timeout"),
    ("closed", "closed"),
];

/// The same for what the client says itself; the server's texts, which it passes on, come behind these.
const OWN_TEXTS: &[(&str, &str)] = &[
    ("cannot connect to daemon", "no_server"),
    ("cannot start server", "no_server"),
    ("failed to start daemon", "no_server"),
    ("failed to check server version", "no_server"),
    ("requires an argument", "usage"),
    ("requires argument", "usage"),
    ("unknown command", "usage"),
    ("unknown option", "usage"),
    ("usage:", "usage"),
    ("failed to install", "install_failed"),
];

impl Reason {
    /// The word when none of the known ones fits.
    pub const OTHER: Self = Self("other");

    /// From the text of a `FAIL`, as far as it is here.
    pub(super) fn of(text: &[u8]) -> Self {
        Self::among(TEXTS.iter(), &words_of(text))
    }

    /// From a line that a client wrote to its standard error.
    pub(super) fn of_run(line: &[u8]) -> Self {
        Self::among(OWN_TEXTS.iter().chain(TEXTS), &words_of(line))
    }

    /// Overwrites all of a text that does not say the reason, of which so much is read.
    pub(super) fn mask(text: &mut [u8], most: usize) {
        let read = text.get(..text.len().min(most)).unwrap_or_default();
        let words = words_of(read);
        let (found, _) = Self::find(TEXTS.iter(), &words).copied().unwrap_or_default();
        for (place, byte) in text.iter_mut().enumerate() {
            *byte = found.as_bytes().get(place).copied().unwrap_or(b' ');
        }
    }

    fn among<'a>(texts: impl Iterator<Item = &'a (&'static str, &'static str)>, words: &str) -> Self {
        Self::find(texts, words).map_or(Self::OTHER, |(_, word)| Self(word))
    }

    fn find<'a>(
        mut texts: impl Iterator<Item = &'a (&'static str, &'static str)>,
        words: &str,
    ) -> Option<&'a (&'static str, &'static str)> {
        texts.find(|(part, _)| words.contains(part))
    }

    /// A text that says this reason.
    pub(super) fn text(self) -> Option<&'static str> {
        OWN_TEXTS.iter().chain(TEXTS).find(|(_, word)| *word == self.0).map(|(text, _)| *text)
    }

    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// The words of a text, parted by single spaces. The serial number of a device, or a path, stands in quotes, and may read like
/// anything: it is the text around it that counts.
fn words_of(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let text = match (text.find('\''), text.rfind('\'')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &text[..from], &text[to + 1..]),
        _ => text,
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn the_texts_of_the_server() {
        for (text, word) in [
            ("no devices/emulators found", "no_device"),
            ("device 'offline' not found", "device_not_found"),
            ("more than one device/emulator", "more_than_one_device"),
            ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "unauthorized"),
            ("device offline", "offline"),
            ("closed", "closed"),
            ("failed to connect to '127.0.0.1:1': Connection refused", "connect_failed"),
            ("cannot bind listener: Address already in use", "address_in_use"),
            ("listener 'tcp:1' not found", "no_listener"),
            ("couldn't create file: Permission denied", "permission_denied"),
            ("something new", "other"),
            ("", "other"),
        ] {
            assert_eq!(Reason::of(text.as_bytes()).as_str(), word, "{text}");
        }
    }
}
