//! Numbers of the errors that a modem tells in words (`AT+CMEE=2`).
//!
//! `+CME ERROR` after TS 27.007 §9.2, `+CMS ERROR` after TS 27.005 §3.2.5. Texts are compared by their letters and
//! digits alone, without regard to case: modems differ in hyphens, spaces and brackets.

/// The number of a `+CME ERROR: text`.
pub(super) fn cme(text: &str) -> Option<u16> {
    lookup(CME, text)
}

/// The number of a `+CMS ERROR: text`.
pub(super) fn cms(text: &str) -> Option<u16> {
    lookup(CMS, text)
}

fn lookup(table: &[(u16, &str)], text: &str) -> Option<u16> {
    let wanted = folded(text);
    table.iter().find(|(_, known)| folded(known).eq(wanted.clone())).map(|&(number, _)| number)
}

/// Letters and digits only; `(U)SIM` and `USIM` are `SIM`, the newer name of the same thing.
fn folded(text: &str) -> impl Iterator<Item = u8> + Clone {
    let bytes = text.as_bytes();
    let is_usim = |at: usize| {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let rest = rest.strip_prefix(b")").unwrap_or(rest);
        rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"SIM"))
    };
    bytes
        .iter()
        .enumerate()
        .filter(move |&(at, byte)| byte.is_ascii_alphanumeric() && !(byte.eq_ignore_ascii_case(&b'U') && is_usim(at)))
        .map(|(_, byte)| byte.to_ascii_lowercase())
}

const CME: &[(u16, &str)] = &[
    (0, "phone failure"),
    (0, "MT failure"),
    (1, "no connection to phone"),
    (2, "phone-adaptor link reserved"),
    (3, "operation not allowed"),
    (4, "operation not supported"),
    (5, "PH-SIM PIN required"),
    (6, "PH-FSIM PIN required"),
    (7, "PH-FSIM PUK required"),
    (10, "SIM not inserted"),
    (11, "SIM PIN required"),
    (12, "SIM PUK required"),
    (13, "SIM failure"),
    (14, "SIM busy"),
    (15, "SIM wrong"),
    (16, "incorrect password"),
    (17, "SIM PIN2 required"),
    (18, "SIM PUK2 required"),
    (20, "memory full"),
    (21, "invalid index"),
    (22, "not found"),
    (23, "memory failure"),
    (24, "text string too long"),
    (25, "invalid characters in text string"),
    (26, "dial string too long"),
    (27, "invalid characters in dial string"),
    (30, "no network service"),
    (31, "network timeout"),
    (32, "network not allowed - emergency calls only"),
    (40, "network personalization PIN required"),
    (41, "network personalization PUK required"),
    (42, "network subset personalization PIN required"),
    (43, "network subset personalization PUK required"),
    (44, "service provider personalization PIN required"),
    (45, "service provider personalization PUK required"),
    (46, "corporate personalization PIN required"),
    (47, "corporate personalization PUK required"),
    (48, "hidden key required"),
    (49, "EAP method not supported"),
    (50, "incorrect parameters"),
    (51, "command implemented but currently disabled"),
    (52, "command aborted by user"),
    (53, "not attached to network due to MT functionality restrictions"),
    (54, "modem not allowed - MT restricted to emergency calls only"),
    (55, "operation not allowed because of MT functionality restrictions"),
    (56, "fixed dial number only allowed"),
    (57, "temporarily out of service due to other MT usage"),
    (58, "language/alphabet not supported"),
    (59, "unexpected data value"),
    (60, "system failure"),
    (61, "data missing"),
    (62, "call barred"),
    (63, "message waiting indication subscription failure"),
    (100, "unknown"),
    (100, "unknown error"),
    (103, "illegal MS"),
    (106, "illegal ME"),
    (107, "GPRS services not allowed"),
    (108, "GPRS services and non-GPRS services not allowed"),
    (111, "PLMN not allowed"),
    (112, "location area not allowed"),
    (113, "roaming not allowed in this location area"),
    (114, "GPRS services not allowed in this PLMN"),
    (115, "no suitable cells in location area"),
    (122, "congestion"),
    (126, "insufficient resources"),
    (127, "missing or unknown APN"),
    (128, "unknown PDP address or PDP type"),
    (129, "user authentication failed"),
    (131, "activation rejected, unspecified"),
    (132, "service option not supported"),
    (133, "requested service option not subscribed"),
    (134, "service option temporarily out of order"),
    (140, "feature not supported"),
    (148, "unspecified GPRS error"),
    (149, "PDP authentication failure"),
    (150, "invalid mobile class"),
];

const CMS: &[(u16, &str)] = &[
    (300, "ME failure"),
    (301, "SMS service of ME reserved"),
    (302, "operation not allowed"),
    (303, "operation not supported"),
    (304, "invalid PDU mode parameter"),
    (305, "invalid text mode parameter"),
    (310, "SIM not inserted"),
    (311, "SIM PIN required"),
    (312, "PH-SIM PIN required"),
    (313, "SIM failure"),
    (314, "SIM busy"),
    (315, "SIM wrong"),
    (316, "SIM PUK required"),
    (317, "SIM PIN2 required"),
    (318, "SIM PUK2 required"),
    (320, "memory failure"),
    (321, "invalid memory index"),
    (322, "memory full"),
    (330, "SMSC address unknown"),
    (331, "no network service"),
    (332, "network timeout"),
    (340, "no +CNMA acknowledgement expected"),
    (500, "unknown error"),
];

#[cfg(test)]
mod tests {
    use super::{cme, cms};

    #[test]
    fn texts_have_numbers() {
        assert_eq!(cme("SIM not inserted"), Some(10));
        assert_eq!(cme("sim PIN  required"), Some(11));
        assert_eq!(cme("PH_SIM PIN required"), Some(5));
        assert_eq!(cms("(U)SIM PIN required"), Some(311));
        assert_eq!(cms("USIM busy"), Some(314));
        assert_eq!(cms("Unknown error"), Some(500));
        assert_eq!(cme("the cat sat on it"), None);
        assert_eq!(cme(""), None);
    }
}
