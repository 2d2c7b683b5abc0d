use cardlink_obs::capture::{loader::*, probes::*};
fn main() {
    let t = std::time::Instant::now();
    let mut k = Kernel::load(&KernelSettings::default()).unwrap_or_else(|e| panic!("{e}"));
    println!("load {:?}", t.elapsed());
    k.attach(&[Family::Process, Family::Transfer, Family::Descriptor, Family::Poll, Family::Blind]).unwrap();
    println!("attach {:?}", t.elapsed());
    for p in &k.probes { println!("{} {:?} {:?}", p.probe.program, p.verdict, k.verified(p.probe.program)); }
}
