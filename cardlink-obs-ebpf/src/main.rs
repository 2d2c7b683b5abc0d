//! The BPF programs: what happens at the kernel boundary of watched processes.
//!
//! One file per topic. No helper newer than Linux 5.15. `docs/architecture.md` tells why things are as they are.

#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod blind;
mod bounds;
mod close;
mod connect;
mod descriptor;
mod duplicate;
mod emit;
mod function;
mod ioctl;
mod kernel;
mod ledger;
mod library;
mod line;
mod maps;
mod poll;
mod program_runs;
mod record;
mod socket;
mod sqlite;
mod suite;
mod syscall;
mod task;
mod tests;
mod transfer;
mod transfer_hooks;
mod unix;
mod usb;

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
