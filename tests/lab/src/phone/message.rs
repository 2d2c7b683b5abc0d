//! Messages between an adb server and a phone: a head of six little-endian numbers, and data (AOSP `protocol.txt`).

use std::io::{self, Read, Write};

pub const CONNECT: u32 = u32::from_le_bytes(*b"CNXN");
pub const OPEN: u32 = u32::from_le_bytes(*b"OPEN");
pub const OKAY: u32 = u32::from_le_bytes(*b"OKAY");
pub const WRITE: u32 = u32::from_le_bytes(*b"WRTE");
pub const CLOSE: u32 = u32::from_le_bytes(*b"CLSE");

/// The version since which sums are not looked at.
pub const VERSION: u32 = 0x0100_0001;
pub const MOST_DATA: u32 = 64 * 1024;

#[derive(Debug)]
pub struct Message {
    pub command: u32,
    pub first: u32,
    pub second: u32,
    pub data: Vec<u8>,
}

impl Message {
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 24];
        from.read_exact(&mut head)?;
        let number =
            |at: usize| head.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
        let (command, length) = (number(0), number(12));
        if number(20) != !command || length > 1 << 20 {
            return Err(io::Error::other("not a message"));
        }
        let mut data = vec![0; length as usize];
        from.read_exact(&mut data)?;
        Ok(Self { command, first: number(4), second: number(8), data })
    }

    pub fn write(command: u32, first: u32, second: u32, data: &[u8], to: &mut impl Write) -> io::Result<()> {
        let sum = data.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        let length = u32::try_from(data.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(24 + data.len());
        for number in [command, first, second, length, sum, !command] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(data);
        to.write_all(&bytes)
    }
}
