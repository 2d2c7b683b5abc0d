//! How a function begins, in x86-64 machine code: where in it a probe is cheap, and where it only hands on its arguments.
//!
//! The kernel emulates a few instructions under a probe (`push`, `call`, jumps) and single-steps the others in a copy,
//! which costs ten times as much. A return probe may sit wherever the stack pointer still points at the return address.
//!
//! Knows what compilers put at the beginning of functions, and stops at everything else.

/// Instructions that are looked at.
const LIMIT: usize = 24;

const RSP: u8 = 4;
/// The registers of the first six arguments (System V ABI, AMD64 §3.2.3), by their number in machine code.
const ARGUMENTS: [u8; 6] = [7, 6, 2, 1, 8, 9];

/// What a register holds, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The argument of this index.
    Argument(u8),
    /// An address in the function's own frame.
    Frame,
    Other,
}

/// The sixteen general registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers([Value; 16]);

impl Registers {
    fn at_entry() -> Self {
        let mut all = [Value::Other; 16];
        for (index, register) in (0u8..).zip(ARGUMENTS) {
            if let Some(slot) = all.get_mut(usize::from(register)) {
                *slot = Value::Argument(index);
            }
        }
        Self(all)
    }

    fn of(&self, register: u8) -> Value {
        self.0.get(usize::from(register)).copied().unwrap_or(Value::Other)
    }

    fn set(&mut self, register: u8, value: Value) {
        if let Some(slot) = self.0.get_mut(usize::from(register)) {
            *slot = value;
        }
    }

    /// What stands where the argument of this index is expected.
    pub fn argument(&self, index: u8) -> Value {
        ARGUMENTS.get(usize::from(index)).map_or(Value::Other, |register| self.of(*register))
    }

    /// Whether the first `count` arguments are where they were.
    fn intact(&self, count: u8) -> bool {
        (0..count).all(|index| self.argument(index) == Value::Argument(index))
    }

    /// Whether an argument is kept somewhere besides: then it is needed again later.
    fn kept(&self, index: u8) -> bool {
        self.0.iter().filter(|value| **value == Value::Argument(index)).count() > 1
    }
}

/// Where a function hands its arguments on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Address(u64),
    /// The function whose address stands there.
    Slot(u64),
}

/// A function that only hands on its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandsOn {
    pub target: Target,
    pub registers: Registers,
}

/// The address of the first instruction that is emulated under a probe, when every call gets there with the stack pointer
/// and the first `arguments` arguments where they were.
pub fn cheap_site(code: &[u8], address: u64, arguments: u8) -> Option<u64> {
    let mut registers = Registers::at_entry();
    for (at, instruction) in instructions(code, address) {
        match instruction.what {
            What::Push | What::Nop | What::Call(_) | What::Jump(_) | What::Branch { .. } => {
                return registers.intact(arguments).then_some(at);
            }
            What::Write(to, from) => registers.set(to, from.value(&registers)),
            What::Plain | What::Store(_) | What::Test(_) => {}
            What::Frame | What::JumpAt(_) => return None,
        }
    }
    None
}

/// The first instruction, when it is emulated under a probe; behind the mark for indirect branches (`endbr64`) at most.
pub fn cheap_beginning(code: &[u8], address: u64) -> Option<u64> {
    const MARK: [u8; 4] = [0xF3, 0x0F, 0x1E, 0xFA];
    let behind = code.strip_prefix(&MARK).and_then(|rest| rest.first());
    let pushes_behind_mark = behind.is_some_and(|byte| (0x50..0x58).contains(byte));
    cheap_site(code, address, 0)
        .filter(|at| *at == address || (pushes_behind_mark && *at == address + MARK.len() as u64))
}

/// Where a function hands on its first `arguments` arguments, which it needs no more itself.
///
/// A call after which the function cannot know its arguments any more is the one that does its work: none may be kept in
/// another register or in memory. Only the ways out that a test of an argument takes (null, negative) may lie before it.
pub fn hands_on(code: &[u8], address: u64, arguments: u8) -> Option<HandsOn> {
    let mut registers = Registers::at_entry();
    let mut frame = false;
    let mut tested = None;
    for (_, instruction) in instructions(code, address) {
        let target = match instruction.what {
            What::Call(target) => Target::Address(target),
            // With a frame of its own it may be a jump within the function.
            What::Jump(target) if !frame => Target::Address(target),
            What::JumpAt(slot) if !frame => Target::Slot(slot),
            What::Jump(_) | What::JumpAt(_) => return None,
            What::Branch { after_test } => {
                if !after_test || !matches!(tested, Some(Value::Argument(_))) {
                    return None;
                }
                continue;
            }
            What::Store(from) => {
                if matches!(registers.of(from), Value::Argument(index) if index < arguments) {
                    return None;
                }
                continue;
            }
            What::Test(register) => {
                tested = Some(registers.of(register));
                continue;
            }
            What::Push | What::Frame => {
                frame = true;
                continue;
            }
            What::Write(to, from) => {
                registers.set(to, from.value(&registers));
                tested = None;
                continue;
            }
            What::Plain | What::Nop => continue,
        };
        let kept = (0..arguments).any(|index| registers.kept(index));
        return (!kept).then_some(HandsOn { target, registers });
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Register(u8),
    Frame,
    Other,
}

impl From {
    fn value(self, registers: &Registers) -> Value {
        match self {
            Self::Register(RSP) | Self::Frame => Value::Frame,
            Self::Register(register) => registers.of(register),
            Self::Other => Value::Other,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Touches no register that matters, and no memory of interest.
    Plain,
    /// Compares a register with itself: its sign, or whether it is zero.
    Test(u8),
    Write(u8, From),
    /// A register goes to memory.
    Store(u8),
    Push,
    Nop,
    /// Moves the stack pointer.
    Frame,
    Call(u64),
    Jump(u64),
    JumpAt(u64),
    Branch {
        /// By sign or zero.
        after_test: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Instruction {
    len: usize,
    what: What,
}

fn instructions(code: &[u8], address: u64) -> impl Iterator<Item = (u64, Instruction)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let at = address.wrapping_add(position as u64);
        let instruction = decode(code.get(position..)?, at)?;
        position += instruction.len;
        Some((at, instruction))
    })
    .take(LIMIT)
}

/// A register or memory operand, and the register beside it (Intel SDM vol. 2, §2.1).
struct Operands {
    /// Bytes of ModRM, SIB and displacement.
    len: usize,
    register: u8,
    /// The other one, when it is a register.
    other: Option<u8>,
    /// Memory relative to the stack pointer.
    on_stack: bool,
    /// Displacement of memory that is relative to the next instruction.
    relative: Option<i32>,
}

fn operands(bytes: &[u8], rex: u8) -> Option<Operands> {
    let modrm = *bytes.first()?;
    let (mode, low) = (modrm >> 6, modrm & 7);
    let register = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    let other = low | ((rex & 1) << 3);
    if mode == 3 {
        return Some(Operands { len: 1, register, other: Some(other), on_stack: false, relative: None });
    }
    let mut len = 1;
    let mut base = other;
    let mut displacement = match mode {
        1 => 1,
        2 => 4,
        _ => 0,
    };
    if low == 4 {
        let sib = *bytes.get(1)?;
        len += 1;
        base = (sib & 7) | ((rex & 1) << 3);
        if mode == 0 && sib & 7 == 5 {
            displacement = 4;
        }
    }
    let relative = (mode == 0 && low == 5).then(|| number(bytes, len)).flatten();
    if relative.is_some() {
        displacement = 4;
    }
    Some(Operands { len: len + displacement, register, other: None, on_stack: base == RSP && low == 4, relative })
}

/// A signed number of four bytes.
fn number(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn decode(code: &[u8], at: u64) -> Option<Instruction> {
    let done = |len, what| Some(Instruction { len, what });
    if code.starts_with(&[0xF3, 0x0F, 0x1E, 0xFA]) {
        // endbr64
        return done(4, What::Plain);
    }
    let mut position = 0;
    // Segment of thread-local data, `bnd`, operand size.
    while matches!(code.get(position)?, 0x64 | 0xF2 | 0x66) {
        position += 1;
        if position > 2 {
            return None;
        }
    }
    let prefixed = position > 0;
    let short_operands = code.get(..position)?.contains(&0x66);
    let mut rex = 0;
    if code.get(position)? & 0xF0 == 0x40 {
        rex = *code.get(position)?;
        position += 1;
    }
    let wide = rex & 8 != 0;
    let opcode = *code.get(position)?;
    position += 1;
    let rest = code.get(position..)?;
    if short_operands && matches!(opcode, 0x81 | 0xB8..=0xBF | 0xC7 | 0xE8 | 0xE9 | 0xF7) {
        // Their immediates are shorter then.
        return None;
    }
    let after = |len: usize, offset: i32| at.wrapping_add((position + len) as u64).wrapping_add_signed(offset.into());
    // Of an instruction with ModRM: what it writes, when that is a register.
    let writes = |operands: &Operands, immediate: usize| {
        let what = match operands.other {
            Some(RSP) => return None,
            Some(register) => What::Write(register, From::Other),
            None => What::Plain,
        };
        done(position + operands.len + immediate, what)
    };
    match opcode {
        0x50..=0x57 if !prefixed && rex & 0xE == 0 => done(position, What::Push),
        0x90 if !prefixed && rex == 0 => done(position, What::Nop),
        // xor, or, and, add, sub between registers and memory.
        0x31 | 0x33 | 0x09 | 0x0B | 0x21 | 0x23 | 0x01 | 0x03 | 0x29 | 0x2B => {
            let operands = operands(rest, rex)?;
            if opcode & 2 != 0 {
                if operands.register == RSP {
                    return None;
                }
                return done(position + operands.len, What::Write(operands.register, From::Other));
            }
            writes(&operands, 0)
        }
        // cmp and test.
        0x38..=0x3B | 0x84 | 0x85 => {
            let operands = operands(rest, rex)?;
            let itself = opcode == 0x85 && operands.other == Some(operands.register);
            done(position + operands.len, if itself { What::Test(operands.register) } else { What::Plain })
        }
        0x88 | 0x89 => {
            let operands = operands(rest, rex)?;
            match operands.other {
                Some(_) if opcode == 0x88 => None,
                Some(RSP) => None,
                Some(to) => done(position + operands.len, What::Write(to, From::Register(operands.register))),
                None => done(position + operands.len, What::Store(operands.register)),
            }
        }
        // mov and movslq to a register.
        0x8B | 0x63 => {
            let operands = operands(rest, rex)?;
            if operands.register == RSP {
                return None;
            }
            let from = operands.other.map_or(From::Other, From::Register);
            done(position + operands.len, What::Write(operands.register, from))
        }
        0x8D => {
            let operands = operands(rest, rex)?;
            let from = if operands.on_stack { From::Frame } else { From::Other };
            match operands.register {
                RSP => done(position + operands.len, What::Frame),
                register => done(position + operands.len, What::Write(register, from)),
            }
        }
        // Arithmetic with an immediate.
        0x80 | 0x81 | 0x83 => {
            let operands = operands(rest, rex)?;
            let immediate = if opcode == 0x81 { 4 } else { 1 };
            let len = position + operands.len + immediate;
            match (operands.register & 7, operands.other) {
                (7, _) => done(len, What::Plain),
                (5 | 0 | 4, Some(RSP)) if wide => done(len, What::Frame),
                _ => writes(&operands, immediate),
            }
        }
        0xB8..=0xBF => {
            let register = (opcode & 7) | ((rex & 1) << 3);
            let immediate = if wide { 8 } else { 4 };
            (register != RSP).then_some(())?;
            done(position + immediate, What::Write(register, From::Other))
        }
        0xC6 | 0xC7 => {
            let operands = operands(rest, rex)?;
            writes(&operands, if opcode == 0xC6 { 1 } else { 4 })
        }
        // test with an immediate.
        0xF6 | 0xF7 => {
            let operands = operands(rest, rex)?;
            matches!(operands.register, 0 | 8).then_some(())?;
            done(position + operands.len + if opcode == 0xF6 { 1 } else { 4 }, What::Plain)
        }
        // Shifts by an immediate.
        0xC1 => writes(&operands(rest, rex)?, 1),
        0xE8 => done(position + 4, What::Call(after(4, number(rest, 0)?))),
        0xE9 => done(position + 4, What::Jump(after(4, number(rest, 0)?))),
        0xEB => done(position + 1, What::Jump(after(1, i32::from(rest.first()?.cast_signed())))),
        0x70..=0x7F => done(position + 1, What::Branch { after_test: is_of_test(opcode & 0xF) }),
        0xFF => {
            let operands = operands(rest, rex)?;
            match (operands.register & 7, operands.relative) {
                (4, Some(offset)) => done(position + operands.len, What::JumpAt(after(operands.len, offset))),
                _ => None,
            }
        }
        0x0F => {
            let second = *rest.first()?;
            let rest = rest.get(1..)?;
            match second {
                0x80..=0x8F => done(position + 5, What::Branch { after_test: is_of_test(second & 0xF) }),
                // Long no-operations; setcc.
                0x1F => done(position + 1 + operands(rest, rex)?.len, What::Plain),
                0x90..=0x9F => {
                    let operands = operands(rest, rex)?;
                    // Without REX, 4 to 7 are the second bytes of the first four registers.
                    let what = operands.other.map_or(What::Plain, |register| {
                        What::Write(if rex == 0 { register & 3 } else { register }, From::Other)
                    });
                    done(position + 1 + operands.len, what)
                }
                // Zero and sign extension of parts.
                0xB6 | 0xB7 | 0xBE | 0xBF => {
                    let operands = operands(rest, rex)?;
                    (operands.register != RSP).then_some(())?;
                    done(position + 1 + operands.len, What::Write(operands.register, From::Other))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a condition is one that tells null or negative: e, ne, s, ns, le, g.
fn is_of_test(condition: u8) -> bool {
    matches!(condition, 4 | 5 | 8 | 9 | 14 | 15)
}

#[cfg(test)]
#[path = "prologue_tests.rs"]
mod tests;
