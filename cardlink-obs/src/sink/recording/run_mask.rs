//! Runs of programs in recordings: what each was for and why it failed, and no other word of its arguments and errors.

use crate::{
    event::ProgramNote,
    protocol::adb::{Arguments, keep_said, said_reduced},
    sink::names::Names,
};
use std::{borrow::Cow, collections::HashMap};

/// Processes whose errors are kept in mind.
const MOST: usize = 4096;

/// Follows the runs that are recorded.
#[derive(Debug, Default)]
pub struct RunMask {
    /// What each has written to standard error: a line may come in pieces.
    errors: HashMap<u32, Vec<u8>>,
}

impl RunMask {
    pub fn mask(&mut self, pid: u32, note: &ProgramNote<'_>, names: &Names) -> ProgramNote<'static> {
        match note {
            ProgramNote::Began(arguments) => {
                self.errors.remove(&pid);
                ProgramNote::Began(Cow::Owned(Arguments::reduced(arguments, |serial| names.mask_serial(serial))))
            }
            ProgramNote::Said(errors) => {
                if self.errors.len() >= MOST {
                    self.errors.clear();
                }
                let all = self.errors.entry(pid).or_default();
                keep_said(all, errors);
                ProgramNote::Said(Cow::Owned(said_reduced(all)))
            }
            ProgramNote::Ended(status) => {
                self.errors.remove(&pid);
                ProgramNote::Ended(*status)
            }
            ProgramNote::Phone(serial) => ProgramNote::Phone(Cow::Owned(names.mask_serial(serial))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RunMask;
    use crate::{event::ProgramNote, sink::names::Names};
    use std::borrow::Cow;

    #[test]
    fn a_line_in_pieces_keeps_its_reason_and_nothing_else() {
        let (mut mask, names) = (RunMask::default(), Names::with_new_key(false).expect("random bytes"));
        let began = ProgramNote::Began(Cow::Borrowed(b"adb\0-s\0ABC\0shell\0input text hunter2\0"));
        let ProgramNote::Began(kept) = mask.mask(7, &began, &names) else { panic!("of the same kind") };
        assert!(kept.starts_with(b"adb\0-s\0") && kept.ends_with(b"\0shell\0"), "{kept:?}");
        assert!(!kept.windows(3).any(|window| window == b"ABC"), "{kept:?}");
        let mut said =
            |text: &'static str| match mask.mask(7, &ProgramNote::Said(Cow::Borrowed(text.as_bytes())), &names) {
                ProgramNote::Said(kept) => String::from_utf8(kept.into_owned()).expect("text"),
                other => panic!("{other:?}"),
            };
        assert_eq!(said("adb: "), "");
        assert_eq!(said("hunter2 requires an argument"), "error: requires an argument\n");
    }
}
