//! Where probes go in one file, so that each call of a function is seen once and as cheaply as may be.

use super::{
    functions::{FUNCTIONS, Function, Library, names},
    image::{Image, ImageError, Tables},
    prologue::{self, HandsOn, Target, Value},
    site::Site,
};
use cardlink_obs_common::call;
use std::path::Path;

/// Functions through which arguments are followed.
const DEPTH: usize = 4;

/// What can be probed in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub sites: Vec<Site>,
    /// Functions that should be in the file and are not.
    pub missing: Vec<String>,
}

impl Plan {
    /// Looks into a file.
    pub fn of(path: &Path) -> Result<Self, ImageError> {
        let names = names();
        let pick = |symbol: &str| names.contains(&symbol).then(|| symbol.to_owned());
        let image = Image::open(path, Tables::First, &pick)?;
        let mut plan = Self::default();
        for function in FUNCTIONS {
            if let Some(address) = image.function(function.name) {
                plan.add(&image, function, address);
            }
        }
        Ok(plan)
    }

    pub fn libraries(&self) -> Vec<Library> {
        let mut all: Vec<Library> = self.sites.iter().filter_map(|site| site.library).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn add(&mut self, image: &Image, function: &Function, address: u64) {
        let chain = chain(image, function, address);
        // Where another function's calls come by anyway. With what it takes there this one's are understood as well.
        for step in &chain {
            let shared = self.sites.iter_mut().find(|site| {
                step.known_as.is_some_and(|cookie| cookie == site.cookie)
                    && image.offset(step.site.unwrap_or(step.address)) == Some(site.offset)
            });
            if let Some(site) = shared {
                site.functions.push(function.name.to_owned());
                return;
            }
        }
        // The last one that is cheap; else the function itself.
        let cheap = chain.iter().rev().filter(|step| step.certain).find_map(|step| Some((step.site?, step.known_as?)));
        let (at, cookie, stepped) = match cheap {
            Some((at, cookie)) => (at, cookie, false),
            None => (address, cookie(function, function.what), true),
        };
        let Some(offset) = image.offset(at) else { return };
        self.sites.push(Site {
            library: Some(function.library),
            functions: vec![function.name.to_owned()],
            cookie,
            offset,
            returns: function.returns(),
            stepped,
        });
    }
}

fn cookie(function: &Function, what: u64) -> u64 {
    u64::from(function.library.number()) | what
}

/// A function on the way from a public one to the one that does the work.
struct Step {
    address: u64,
    /// The cookie of a probe here, when it is known where the number of bytes will be.
    known_as: Option<u64>,
    /// Where a probe is cheap.
    site: Option<u64>,
    /// Its arguments are the public function's own.
    certain: bool,
}

/// The function, and those that it hands its arguments on to.
fn chain(image: &Image, function: &Function, address: u64) -> Vec<Step> {
    let mut what = function.what;
    let mut certain = true;
    let mut steps: Vec<Step> = Vec::new();
    let mut address = address;
    while steps.len() < DEPTH && steps.iter().all(|step| step.address != address) {
        let Some(code) = image.code(address) else { break };
        let arguments = Function { what, ..*function }.arguments();
        steps.push(Step {
            address,
            known_as: Some(cookie(function, what)),
            site: prologue::cheap_site(code, address, arguments),
            certain,
        });
        let Some(next) = prologue::hands_on(code, address, arguments) else { break };
        let Some(next_what) = passed_on(function, what, &next) else { break };
        // What is returned is not what the public function returns: only where another one leads too is it understood.
        certain &= next_what & call::RESULT == what & call::RESULT || !is_int(what);
        what = next_what;
        let Some(target) = (match next.target {
            Target::Address(target) => Some(target),
            Target::Slot(slot) => image.in_slot(slot),
        }) else {
            break;
        };
        address = through_stub(image, target);
    }
    steps
}

/// A stub of the dynamic linker is passed by: it is only a jump to what stands in a slot.
fn through_stub(image: &Image, address: u64) -> u64 {
    let behind = || {
        let next = prologue::hands_on(image.code(address)?, address, 0)?;
        match next.target {
            Target::Slot(slot) => image.in_slot(slot),
            Target::Address(_) => None,
        }
    };
    behind().unwrap_or(address)
}

fn is_int(what: u64) -> bool {
    what & call::RESULT == call::RESULT_INT && what & (call::HANDSHAKE | call::END) == 0
}

/// How the function that is handed on to is to be understood; `None` when its arguments are not the same.
fn passed_on(function: &Function, what: u64, next: &HandsOn) -> Option<u64> {
    let at = |index| next.registers.argument(index);
    let same = |count: u8| (0..count).all(|index| at(index) == Value::Argument(index));
    if !same(if what & (call::HANDSHAKE | call::END) != 0 { 1 } else { 3 }) {
        return None;
    }
    let result = match what & call::RESULT {
        call::RESULT_AT_FOURTH if at(3) == Value::Argument(3) => call::RESULT_AT_FOURTH,
        call::RESULT_AT_FOURTH if at(4) == Value::Argument(3) => call::RESULT_AT_FIFTH,
        call::RESULT_AT_FIFTH if at(4) == Value::Argument(4) => call::RESULT_AT_FIFTH,
        call::RESULT_AT_FOURTH | call::RESULT_AT_FIFTH => return None,
        // The number of bytes goes into the frame of the one that returns it.
        call::RESULT_INT if is_int(what) && function.library == Library::OpenSsl && at(3) == Value::Frame => {
            call::RESULT_AT_FOURTH
        }
        call::RESULT_INT if is_int(what) && function.library == Library::OpenSsl && at(4) == Value::Frame => {
            call::RESULT_AT_FIFTH
        }
        other => other,
    };
    Some((what & !call::RESULT) | result)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
