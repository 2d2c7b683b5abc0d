//! Values that the verifier can follow and the optimiser leaves alone.

/// Bounds `value` by `N`.
///
/// To be called where the value is used: older verifiers forget the bounds of what is kept on the stack meanwhile, and do
/// not learn any from a comparison of two registers.
#[inline(always)]
pub fn bounded<const N: usize>(value: u32) -> u32 {
    let mut bounded = u64::from(value);
    #[cfg(target_arch = "bpf")]
    // SAFETY: touches nothing but its register.
    unsafe {
        core::arch::asm!(
            "if {value} <= {max} goto +1",
            "{value} = {max}",
            value = inout(reg) bounded,
            max = const N,
            options(nomem, nostack),
        );
    }
    bounded as u32
}

/// Hides a value from the optimiser, so that it does not unroll a loop over it; the verifier still knows it.
#[inline(always)]
pub fn opaque(value: u64) -> u64 {
    let mut hidden = value;
    #[cfg(target_arch = "bpf")]
    // SAFETY: does nothing.
    unsafe {
        core::arch::asm!("{0} += 0", inout(reg) hidden, options(pure, nomem, nostack));
    }
    hidden
}
