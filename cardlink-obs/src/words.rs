//! Words that several commands and checks say alike.

/// `1 key`, `2 keys`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{number} {word}")
}

/// A count that comes as a metric's value.
#[expect(clippy::cast_sign_loss, reason = "a count is not negative, and what is becomes 0")]
pub const fn whole(value: f64) -> u64 {
    value as u64
}

/// How many probes have which verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeCounts {
    attached: u64,
    standby: u64,
    unsupported: u64,
    broken: u64,
}

impl ProbeCounts {
    /// Counts probes with this verdict, as the metric names it (`ok`, `not_applicable`, `unsupported`, `broken`).
    pub fn add(&mut self, verdict: &str) {
        match verdict {
            "ok" => self.attached += 1,
            "not_applicable" => self.standby += 1,
            "unsupported" => self.unsupported += 1,
            _ => self.broken += 1,
        }
    }

    /// `53 probes attached, 1 not needed now`.
    pub fn sentence(self) -> String {
        let mut parts = vec![format!("{} attached", counted(self.attached, "probe", "probes"))];
        let rest =
            [(self.standby, "not needed now"), (self.unsupported, "cannot be had here"), (self.broken, "broken")];
        parts.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::{ProbeCounts, counted};

    #[test]
    fn one_is_not_several() {
        assert_eq!(counted(1, "process", "processes"), "1 process");
        assert_eq!(counted(0, "key", "keys"), "0 keys");
        assert_eq!(counted(2, "key", "keys"), "2 keys");
    }

    #[test]
    fn probes_are_told_in_one_way() {
        let mut counts = ProbeCounts::default();
        assert_eq!(counts.sentence(), "0 probes attached");
        for verdict in ["ok", "ok", "not_applicable"] {
            counts.add(verdict);
        }
        assert_eq!(counts.sentence(), "2 probes attached, 1 not needed now");
        for verdict in ["broken", "unsupported"] {
            counts.add(verdict);
        }
        assert_eq!(counts.sentence(), "2 probes attached, 1 not needed now, 1 cannot be had here, 1 broken");
    }
}
