//! Request targets, without what could name a card.

/// Longer targets are cut.
const MOST: usize = 120;
/// So many digits in a row may be an ICCID, an IMSI, an EID, a phone number, or a key.
const NUMBER: usize = 8;

/// The target with runs of eight or more hexadecimal digits masked.
pub fn masked(target: &str) -> String {
    let mut masked = String::new();
    let mut run = String::new();
    for c in target.chars().take(MOST).chain(std::iter::once('\n')) {
        if c.is_ascii_hexdigit() {
            run.push(c);
            continue;
        }
        if run.len() >= NUMBER && run.chars().any(|c| c.is_ascii_digit()) {
            masked.push('…');
        } else {
            masked.push_str(&run);
        }
        run.clear();
        masked.push(if c.is_control() { '\u{fffd}' } else { c });
    }
    masked.pop();
    if target.chars().nth(MOST).is_some() {
        masked.push('…');
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_may_name_a_card_is_masked() {
        assert_eq!(masked("/server/adminagent?cmd=1"), "/server/adminagent?cmd=1");
        assert_eq!(masked("/a/8944501234567890123F/x"), "/a/…/x");
        assert_eq!(masked("/deadbeef"), "/deadbeef");
        assert_eq!(masked("/id=12345678"), "/id=…");
        assert_eq!(masked("/a\r\nb"), "/a\u{fffd}\u{fffd}b");
        assert_eq!(masked(&"x".repeat(200)).chars().count(), 121);
    }
}
