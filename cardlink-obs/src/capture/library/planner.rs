//! Finds where the probes of a file go, away from the thread that reads the events: a large program takes a while to read.

use super::{
    image::ImageError,
    mapped::{FileId, Mapped},
    plan::Plan,
    sought::Sought,
};
use std::{
    collections::HashMap,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Plans of files that are kept.
const PLANS: usize = 256;

/// Files that are read at the same time.
const READERS: usize = 2;

/// What is known of a file.
pub(super) enum Answer {
    Ready(Result<Arc<Plan>, ImageError>),
    /// It is being read, or waits for that: ask again.
    Later,
}

pub(super) struct Planner {
    sought: Sought,
    plans: HashMap<FileId, Arc<Plan>>,
    reading: HashMap<FileId, JoinHandle<Result<Plan, ImageError>>>,
}

impl Planner {
    pub fn new(sought: Sought) -> Self {
        Self { sought, plans: HashMap::new(), reading: HashMap::new() }
    }

    /// The plan of a file. A failure is told once, and is found out anew when asked for again.
    pub fn of(&mut self, id: FileId, file: &Mapped) -> Answer {
        if let Some(plan) = self.plans.get(&id) {
            return Answer::Ready(Ok(Arc::clone(plan)));
        }
        match self.reading.get(&id) {
            Some(reader) if reader.is_finished() => self.read(id),
            Some(_) => Answer::Later,
            None if self.reading.len() >= READERS => {
                self.forget_finished();
                Answer::Later
            }
            None => self.start(id, file),
        }
    }

    /// Whether nothing is being read.
    pub fn is_idle(&self) -> bool {
        self.reading.is_empty()
    }

    /// Waits until nothing is being read.
    pub fn wait(&mut self) {
        let ids: Vec<FileId> = self.reading.keys().copied().collect();
        for id in ids {
            self.read(id);
        }
    }

    fn start(&mut self, id: FileId, file: &Mapped) -> Answer {
        let (sought, read) = (self.sought.clone(), file.clone());
        let plan = move || sought.plan(&read);
        match thread::Builder::new().name(String::from("library-plan")).spawn(plan) {
            Ok(reader) => {
                self.reading.insert(id, reader);
                Answer::Later
            }
            // No thread to be had: then here.
            Err(_) => Answer::Ready(self.sought.plan(file).map(|plan| self.keep(id, plan))),
        }
    }

    fn read(&mut self, id: FileId) -> Answer {
        let Some(reader) = self.reading.remove(&id) else { return Answer::Later };
        match reader.join() {
            Ok(Ok(plan)) => Answer::Ready(Ok(self.keep(id, plan))),
            Ok(Err(error)) => Answer::Ready(Err(error)),
            Err(_) => Answer::Later,
        }
    }

    /// Makes room: those who asked for these are gone, or ask again.
    fn forget_finished(&mut self) {
        let finished: Vec<FileId> =
            self.reading.iter().filter(|(_, reader)| reader.is_finished()).map(|(id, _)| *id).collect();
        for id in finished {
            self.read(id);
        }
    }

    fn keep(&mut self, id: FileId, plan: Plan) -> Arc<Plan> {
        if self.plans.len() >= PLANS {
            self.plans.clear();
        }
        let plan = Arc::new(plan);
        self.plans.insert(id, Arc::clone(&plan));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Planner};
    use crate::capture::library::{Sought, mapped};

    #[test]
    fn a_file_is_read_beside_and_its_plan_is_kept() {
        let files = mapped::files(std::process::id());
        let program = files.iter().find(|file| file.program).expect("this process runs a file");
        let id = program.id().expect("it can be looked at");
        let mut planner = Planner::new(Sought::Tls);
        assert!(matches!(planner.of(id, program), Answer::Later), "not on this thread");
        planner.wait();
        for _ in 0..2 {
            assert!(matches!(planner.of(id, program), Answer::Ready(Ok(_))));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("text");
        std::fs::write(&path, "no program").expect("written");
        let file = mapped::Mapped { path, ..mapped::files(std::process::id()).remove(0) };
        let id = file.id().expect("it is there");
        let mut planner = Planner::new(Sought::Tls);
        let answer = loop {
            match planner.of(id, &file) {
                Answer::Later => std::thread::yield_now(),
                Answer::Ready(answer) => break answer,
            }
        };
        assert!(answer.is_err());
    }
}
