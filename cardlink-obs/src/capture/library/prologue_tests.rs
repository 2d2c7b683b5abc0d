use super::{HandsOn, Target, Value, cheap_site, hands_on};

const AT: u64 = 0x1000;

/// The start of Debian 12's `SSL_read_ex`: `sub $8,%rsp; call …; xor %edx,%edx`.
const READ_EX: &[u8] = &[0x48, 0x83, 0xEC, 0x08, 0xE8, 0xC7, 0xFD, 0xFF, 0xFF, 0x31, 0xD2];
/// Of `SSL_read`, which hands on the address of a number in its own frame.
const READ: &[u8] = &[
    0x48, 0x83, 0xEC, 0x18, // sub $0x18,%rsp
    0x64, 0x48, 0x8B, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00, // mov %fs:0x28,%rax
    0x48, 0x89, 0x44, 0x24, 0x08, // mov %rax,8(%rsp)
    0x31, 0xC0, // xor %eax,%eax
    0x85, 0xD2, // test %edx,%edx
    0x78, 0x2F, // js
    0x48, 0x89, 0xE1, // mov %rsp,%rcx
    0x48, 0x63, 0xD2, // movslq %edx,%rdx
    0xE8, 0x3D, 0xFE, 0xFF, 0xFF, // call
];

#[test]
fn a_push_is_cheap_at_the_first_byte() {
    assert_eq!(cheap_site(&[0x41, 0x57, 0x41, 0x56], AT, 4), Some(AT));
    assert_eq!(cheap_site(&[0x53, 0x48, 0x83, 0xEC, 0x30], AT, 1), Some(AT));
}

#[test]
fn what_comes_before_a_push_does_not_matter_while_the_arguments_stay() {
    // endbr64; push %rbp
    assert_eq!(cheap_site(&[0xF3, 0x0F, 0x1E, 0xFA, 0x55], AT, 4), Some(AT + 4));
    // test %rdi,%rdi; je: the jump itself is emulated.
    assert_eq!(cheap_site(&[0x48, 0x85, 0xFF, 0x0F, 0x84, 1, 0, 0, 0], AT, 3), Some(AT + 3));
    // mov %rsi,%rdi; push: the first argument is gone.
    assert_eq!(cheap_site(&[0x48, 0x89, 0xF7, 0x55], AT, 1), None);
    // xor %ecx,%ecx; push: nobody needs the fourth.
    assert_eq!(cheap_site(&[0x31, 0xC9, 0x55], AT, 3), Some(AT + 2));
    assert_eq!(cheap_site(&[0x31, 0xC9, 0x55], AT, 4), None);
}

#[test]
fn nothing_is_cheap_once_the_stack_pointer_has_moved() {
    assert_eq!(cheap_site(READ_EX, AT, 4), None);
    assert_eq!(cheap_site(READ, AT, 3), None);
}

#[test]
fn a_call_with_the_arguments_where_they_were_is_followed() {
    let HandsOn { target, registers } = hands_on(READ_EX, AT, 4).expect("a call");
    assert_eq!(target, Target::Address(AT + 9 - 0x239));
    assert_eq!(registers.argument(3), Value::Argument(3));
}

#[test]
fn a_call_with_a_place_in_the_frame_for_the_count_is_followed() {
    let HandsOn { target, registers } = hands_on(READ, AT, 3).expect("a call");
    assert_eq!(target, Target::Address(AT + 35 - 0x1C3));
    assert_eq!([0, 1, 2].map(|index| registers.argument(index)), [0, 1, 2].map(Value::Argument));
    assert_eq!(registers.argument(3), Value::Frame);
}

/// `mov %rcx,%r8; xor %ecx,%ecx; jmp`: flags come in between.
#[test]
fn an_argument_that_moves_on_is_known_by_its_new_place() {
    let code = [0x49, 0x89, 0xC8, 0x31, 0xC9, 0xE9, 0x10, 0x00, 0x00, 0x00];
    let HandsOn { target, registers } = hands_on(&code, AT, 4).expect("a jump");
    assert_eq!(target, Target::Address(AT + 10 + 0x10));
    assert_eq!(registers.argument(4), Value::Argument(3));
    assert_eq!(registers.argument(3), Value::Other);
}

#[test]
fn who_keeps_an_argument_does_the_work_itself() {
    // push %rbx; mov %rcx,%rbx; call
    assert_eq!(hands_on(&[0x53, 0x48, 0x89, 0xCB, 0xE8, 0, 0, 0, 0], AT, 4), None);
    // sub $8,%rsp; mov %rdi,(%rsp); call
    assert_eq!(hands_on(&[0x48, 0x83, 0xEC, 8, 0x48, 0x89, 0x3C, 0x24, 0xE8, 0, 0, 0, 0], AT, 3), None);
}

#[test]
fn a_choice_by_anything_but_an_argument_is_not_followed() {
    // cmpb $0,0x6b8(%rdi); je; call
    let code = [0x80, 0xBF, 0xB8, 0x06, 0, 0, 0, 0x74, 0x40, 0xE8, 0, 0, 0, 0];
    assert_eq!(hands_on(&code, AT, 3), None);
    // With a frame of its own a jump may be one within the function.
    assert_eq!(hands_on(&[0x48, 0x83, 0xEC, 8, 0xEB, 0x10], AT, 3), None);
}

/// A stub of the dynamic linker: `endbr64; bnd jmp *0x2f75(%rip)`.
#[test]
fn a_stub_is_a_jump_by_a_slot() {
    let code = [0xF3, 0x0F, 0x1E, 0xFA, 0xF2, 0xFF, 0x25, 0x75, 0x2F, 0x00, 0x00];
    let found = hands_on(&code, AT, 0).expect("a stub");
    assert_eq!(found.target, Target::Slot(AT + 11 + 0x2F75));
    assert_eq!(cheap_site(&code, AT, 0), None);
}

/// Every prefix and every single changed byte of real beginnings, and a walk through all pairs of bytes.
#[test]
fn no_code_is_too_strange() {
    for code in [READ_EX, READ] {
        for end in 0..=code.len() {
            let _ = (cheap_site(&code[..end], u64::MAX, 6), hands_on(&code[..end], u64::MAX, 6));
        }
        for at in 0..code.len() {
            for byte in 0..=u8::MAX {
                let mut changed = code.to_vec();
                changed[at] = byte;
                let _ = (cheap_site(&changed, 0, 6), hands_on(&changed, 0, 6));
            }
        }
    }
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            for rest in [0x00, 0x25, 0x84, 0xFF] {
                let code = [first, second, rest, rest, rest, rest, rest];
                let _ = (cheap_site(&code, 0, 6), hands_on(&code, 0, 6));
            }
        }
    }
}
