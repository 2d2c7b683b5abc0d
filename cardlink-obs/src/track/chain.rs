//! Which APDUs go on with an earlier one: GET RESPONSE after `61xx` or `9Fxx`, the repeat after `6Cxx` (ISO/IEC 7816-3
//! §12.2, TS 102 221 §7.3.1.1).

use crate::{
    observation::Continued,
    protocol::apdu::{CommandApdu, StatusWord},
};

/// Basic and further logical channels (ISO/IEC 7816-4 §5.4.1).
const CHANNELS: usize = 20;

/// Follows the APDUs of one card, each logical channel by itself.
#[derive(Debug, Clone, Default)]
pub struct Chains {
    open: [Option<Open>; CHANNELS],
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// The first command of the chain.
    first: CommandApdu,
    sw: StatusWord,
    commands: u32,
}

impl Chains {
    /// Takes the next command with its status word, if it has one; says what it goes on with.
    pub fn push(&mut self, command: &CommandApdu, sw: Option<StatusWord>) -> Option<Continued> {
        let slot = self.open.get_mut(usize::from(command.channel()))?;
        let before = slot.take().filter(|open| open.goes_on_with(command));
        let commands = before.map_or(1, |open| open.commands.saturating_add(1));
        let first = before.map_or(*command, |open| open.first);
        *slot = sw.filter(|sw| sw.has_more() || sw.wants_le()).map(|sw| Open { first, sw, commands });
        before.map(|open| Continued { command: open.first.name().as_str(), position: commands })
    }

    /// The card was reset or another one came: nothing goes on.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Open {
    fn goes_on_with(&self, next: &CommandApdu) -> bool {
        let get_response = next.name().as_str() == "GET_RESPONSE";
        if self.sw.has_more() {
            return get_response;
        }
        let header = |of: &CommandApdu| (of.cla, of.ins, of.p1, of.p2);
        // A GET RESPONSE within the chain may have had the wrong Le.
        header(next) == header(&self.first) || (get_response && self.commands > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Chains;
    use crate::protocol::apdu::{CommandApdu, StatusWord};

    fn push(chains: &mut Chains, command: &[u8], sw: u16) -> Option<(&'static str, u32)> {
        let command = CommandApdu::parse(command).expect("an APDU");
        chains.push(&command, (sw != 0).then_some(StatusWord(sw))).map(|of| (of.command, of.position))
    }

    #[test]
    fn get_response_goes_on_with_what_announced_data() {
        let mut chains = Chains::default();
        assert_eq!(push(&mut chains, &[0, 0xA4, 4, 0, 1, 7], 0x6110), None);
        assert_eq!(push(&mut chains, &[0, 0xC0, 0, 0, 0], 0x6C10), Some(("SELECT", 2)));
        assert_eq!(push(&mut chains, &[0, 0xC0, 0, 0, 0x10], 0x9000), Some(("SELECT", 3)));
        assert_eq!(push(&mut chains, &[0, 0xC0, 0, 0, 0x10], 0x6F00), None);
    }

    #[test]
    fn a_repeat_goes_on_only_with_the_same_command() {
        let mut chains = Chains::default();
        assert_eq!(push(&mut chains, &[0, 0xB0, 0, 0, 0], 0x6C02), None);
        assert_eq!(push(&mut chains, &[0, 0xB0, 0, 0, 2], 0x9000), Some(("READ_BINARY", 2)));
        assert_eq!(push(&mut chains, &[0, 0xB0, 0, 0, 0], 0x6C02), None);
        assert_eq!(push(&mut chains, &[0, 0xB0, 0, 2, 2], 0x9000), None);
    }

    #[test]
    fn channels_do_not_mix_and_a_reset_ends_all() {
        let mut chains = Chains::default();
        assert_eq!(push(&mut chains, &[1, 0xA4, 4, 0, 1, 7], 0x6110), None);
        assert_eq!(push(&mut chains, &[0, 0xA4, 4, 0, 1, 7], 0x9000), None);
        assert_eq!(push(&mut chains, &[0, 0xC0, 0, 0, 0], 0x9000), None);
        assert_eq!(push(&mut chains, &[1, 0xC0, 0, 0, 0], 0x6103), Some(("SELECT", 2)));
        chains.reset();
        assert_eq!(push(&mut chains, &[1, 0xC0, 0, 0, 3], 0x9000), None);
        assert_eq!(push(&mut chains, &[0, 0xA4, 4, 0, 1, 7], 0), None);
        assert_eq!(push(&mut chains, &[0, 0xC0, 0, 0, 3], 0x9000), None);
    }
}
