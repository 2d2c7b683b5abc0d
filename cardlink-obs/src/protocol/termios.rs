//! Settings of serial lines, as Linux has them on all architectures that this program runs on (asm-generic/termbits.h).

use crate::observation::{FlowControl, LineSettings, Parity};

// `c_iflag`
const IXON: u32 = 0o2000;
const IXOFF: u32 = 0o10000;
// `c_cflag`
const SPEED: u32 = 0o010_017;
const EXTENDED: u32 = 0o010_000;
const SIZE: u32 = 0o60;
const TWO_STOP_BITS: u32 = 0o100;
const PARITY: u32 = 0o400;
const ODD: u32 = 0o1000;
const STICK: u32 = 0o10_000_000_000;
const RTS_CTS: u32 = 0o20_000_000_000;

/// Speeds by their numbers, `B0` first.
const SPEEDS: [u32; 16] = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400];
/// Those with [`EXTENDED`] set: the first says that the speed stands by itself (`BOTHER`).
const EXTENDED_SPEEDS: [u32; 15] = [
    57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000,
    2_500_000, 3_000_000, 3_500_000, 4_000_000,
];

/// What `c_iflag`, `c_cflag` and `c_ospeed` (where the call has it) ask for.
pub fn settings(input: u32, control: u32, speed: Option<u32>) -> LineSettings {
    let number = (control & SPEED & !EXTENDED) as usize;
    let baud = if control & EXTENDED == 0 {
        SPEEDS.get(number).copied()
    } else if number == 0 {
        speed
    } else {
        EXTENDED_SPEEDS.get(number - 1).copied()
    };
    let parity = match (control & PARITY != 0, control & STICK != 0, control & ODD != 0) {
        (false, _, _) => Parity::None,
        (true, false, false) => Parity::Even,
        (true, false, true) => Parity::Odd,
        (true, true, false) => Parity::Space,
        (true, true, true) => Parity::Mark,
    };
    LineSettings {
        baud,
        data_bits: 5 + ((control & SIZE) >> 4) as u8,
        parity,
        stop_bits: if control & TWO_STOP_BITS == 0 { 1 } else { 2 },
        flow: FlowControl {
            hardware: control & RTS_CTS != 0,
            software_out: input & IXON != 0,
            software_in: input & IXOFF != 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::settings;
    use crate::observation::{FlowControl, Parity};
    use nix::sys::termios::{BaudRate, ControlFlags, InputFlags};

    #[test]
    fn speeds_are_those_of_the_c_library() {
        for (speed, baud) in [
            (BaudRate::B0, 0),
            (BaudRate::B300, 300),
            (BaudRate::B9600, 9600),
            (BaudRate::B38400, 38_400),
            (BaudRate::B57600, 57_600),
            (BaudRate::B115200, 115_200),
            (BaudRate::B921600, 921_600),
            (BaudRate::B4000000, 4_000_000),
        ] {
            assert_eq!(settings(0, speed as u32, None).baud, Some(baud), "{speed:?}");
        }
        assert_eq!(settings(0, 0o010_000, Some(250_000)).baud, Some(250_000), "a speed of its own");
        assert_eq!(settings(0, 0o010_000, None).baud, None);
    }

    #[test]
    fn flags_are_those_of_the_c_library() {
        let of = |control: ControlFlags, input: InputFlags| settings(input.bits(), control.bits(), None);
        let usual = of(ControlFlags::CS8, InputFlags::empty());
        assert_eq!((usual.data_bits, usual.parity, usual.stop_bits, usual.flow.as_str()), (8, Parity::None, 1, "none"));
        let old =
            of(ControlFlags::CS7 | ControlFlags::PARENB | ControlFlags::CSTOPB, InputFlags::IXON | InputFlags::IXOFF);
        assert_eq!((old.data_bits, old.parity, old.stop_bits, old.flow.as_str()), (7, Parity::Even, 2, "xon_xoff"));
        let odd = of(
            ControlFlags::CS8 | ControlFlags::PARENB | ControlFlags::PARODD | ControlFlags::CRTSCTS,
            InputFlags::empty(),
        );
        assert_eq!(
            (odd.parity, odd.flow),
            (Parity::Odd, FlowControl { hardware: true, software_out: false, software_in: false })
        );
        let stick = ControlFlags::PARENB | ControlFlags::CMSPAR;
        assert_eq!(of(stick, InputFlags::empty()).parity, Parity::Space);
        assert_eq!(of(stick | ControlFlags::PARODD, InputFlags::empty()).parity, Parity::Mark);
    }

    #[test]
    fn for_people() {
        assert_eq!(settings(0, 0o010_002 | 0o60, None).to_string(), "115200 8N1");
        assert_eq!(settings(0, 0o15 | 0o40 | 0o400, None).to_string(), "9600 7E1");
    }
}
