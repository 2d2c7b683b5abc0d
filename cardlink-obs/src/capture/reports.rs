//! Files that may be reports of test runs: opened as soon as a process opens them for writing, and read when it has closed
//! them, or has given them their name.

use crate::event::{Event, ProcessOrigin};
use nix::libc;
use std::{
    borrow::Cow,
    collections::HashMap,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// A file beyond this is no report that anybody reads.
const MOST_BYTES: u64 = 16 << 20;
/// Files that are open at the same time.
const MOST_OPEN: usize = 256;
/// What a report begins with, in the first of its bytes.
const START: &[u8] = b"<testsuite";
const LOOKED_AT: usize = 4096;

/// What the kernel side tells of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Opened { pid: u32, fd: i32, path: PathBuf },
    Closed { at: u64, pid: u32, fd: i32 },
    Named { at: u64, pid: u32, path: PathBuf },
}

/// A file that a process writes.
struct Opened {
    /// Held from the moment on that it was told of: the process may be gone before it is read.
    file: Option<File>,
    path: PathBuf,
}

/// The files that are being written.
#[derive(Default)]
pub struct Reports {
    open: HashMap<(u32, i32), Opened>,
    /// Those that were empty when they were closed: a shell opens a file, hands a copy of the descriptor to a program, and
    /// closes its own.
    late: HashMap<u32, Vec<File>>,
    /// Folders in which processes were started.
    folders: HashMap<u32, PathBuf>,
}

impl Reports {
    /// A process is watched from now on, or became another program.
    pub fn came(&mut self, pid: u32, origin: ProcessOrigin) {
        // One that is gone already was where its parent was.
        let inherited = || match origin {
            ProcessOrigin::Forked { parent } => self.folders.get(&parent).cloned(),
            _ => None,
        };
        if let Some(folder) = fs::read_link(format!("/proc/{pid}/cwd")).ok().or_else(inherited) {
            self.folders.insert(pid, folder);
        }
    }

    /// From time to time: files that were empty when they were closed, and are complete now.
    pub fn look(&mut self, at: u64) -> Vec<Event<'static>> {
        let mut found = Vec::new();
        for (pid, files) in &mut self.late {
            files.retain_mut(|file| {
                let report = is_complete(file).then(|| report(at, *pid, file)).flatten();
                let waits = report.is_none();
                found.extend(report);
                waits
            });
        }
        self.late.retain(|_, files| !files.is_empty());
        found
    }

    /// A process has ended: what it left open is closed.
    pub fn left(&mut self, at: u64, pid: u32) -> Vec<Event<'static>> {
        let fds: Vec<i32> = self.open.keys().filter(|(of, _)| *of == pid).map(|(_, fd)| *fd).collect();
        let mut found: Vec<_> = fds.into_iter().filter_map(|fd| self.closed(at, pid, fd)).collect();
        found.extend(self.late.remove(&pid).into_iter().flatten().filter_map(|mut file| report(at, pid, &mut file)));
        self.folders.remove(&pid);
        found
    }

    /// A report, when this completes one.
    pub fn take(&mut self, notice: Notice) -> Option<Event<'static>> {
        match notice {
            Notice::Opened { pid, fd, path } => {
                if self.open.len() < MOST_OPEN {
                    let file = self.same_file(pid, fd, &path);
                    self.open.insert((pid, fd), Opened { file, path });
                }
                None
            }
            Notice::Closed { at, pid, fd } => self.closed(at, pid, fd),
            Notice::Named { at, pid, path } => report(at, pid, &mut self.by_name(pid, &path)?),
        }
    }

    fn closed(&mut self, at: u64, pid: u32, fd: i32) -> Option<Event<'static>> {
        let opened = self.open.remove(&(pid, fd))?;
        let mut file = opened.file.or_else(|| self.by_name(pid, &opened.path))?;
        let found = report(at, pid, &mut file);
        let late = self.late.values().map(Vec::len).sum::<usize>();
        let is_empty = file.metadata().is_ok_and(|about| about.len() == 0);
        if is_empty && late < MOST_OPEN {
            self.late.entry(pid).or_default().push(file);
        }
        found
    }

    /// The file behind a descriptor, if it still is the one of that name.
    fn same_file(&self, pid: u32, fd: i32, path: &Path) -> Option<File> {
        let link = PathBuf::from(format!("/proc/{pid}/fd/{fd}"));
        let shown = fs::read_link(&link).ok();
        if shown.is_some_and(|shown| shown.file_name() == path.file_name()) {
            return open(&link);
        }
        self.by_name(pid, path)
    }

    /// By its name as the process sees it; after its end as its folder was when it began.
    fn by_name(&self, pid: u32, path: &Path) -> Option<File> {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let folder = fs::read_link(format!("/proc/{pid}/cwd")).ok().or_else(|| self.folders.get(&pid).cloned());
        let whole = if path.is_absolute() { path.to_path_buf() } else { folder?.join(path) };
        let inside = root.join(whole.strip_prefix("/").unwrap_or(&whole));
        open(&inside).or_else(|| if root.exists() { None } else { open(&whole) })
    }
}

/// A regular file; others (pipes, devices) might never end.
fn open(path: &Path) -> Option<File> {
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// Whether its last element has ended.
fn is_complete(file: &mut File) -> bool {
    let mut last = Vec::new();
    let Ok(len) = file.metadata().map(|about| about.len()) else { return false };
    let read = file.seek(SeekFrom::Start(len.saturating_sub(64))).and_then(|_| file.take(64).read_to_end(&mut last));
    let text = last.trim_ascii_end();
    len > 0 && read.is_ok() && [&b"</testsuites>"[..], b"</testsuite>"].iter().any(|end| text.ends_with(end))
}

fn report(at: u64, pid: u32, file: &mut File) -> Option<Event<'static>> {
    if file.metadata().ok()?.len() > MOST_BYTES {
        tracing::debug!("a file of process {pid} that may be a report is too large");
        return None;
    }
    file.rewind().ok()?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let first = bytes.get(..LOOKED_AT).unwrap_or(&bytes);
    let is_report = first.windows(START.len()).any(|window| window == START);
    is_report.then_some(Event::Report { at, pid, bytes: Cow::Owned(bytes) })
}

#[cfg(test)]
mod tests {
    use super::{Notice, Reports};
    use crate::event::Event;
    use std::{io::Write as _, os::fd::AsRawFd as _};

    const XML: &str = "<?xml version=\"1.0\"?><testsuites><testsuite name=\"a\"/></testsuites>";

    #[test]
    fn a_file_is_read_when_it_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.xml");
        let mut file = std::fs::File::create(&path).expect("made");
        let (pid, fd) = (std::process::id(), file.as_raw_fd());
        let mut reports = Reports::default();
        assert_eq!(reports.take(Notice::Opened { pid, fd, path: path.clone() }), None);
        file.write_all(XML.as_bytes()).expect("written");
        drop(file);
        // Even when it is gone by then.
        std::fs::remove_file(&path).expect("removed");
        let found = reports.take(Notice::Closed { at: 7, pid, fd });
        assert_eq!(found, Some(Event::Report { at: 7, pid, bytes: XML.as_bytes().into() }));
        assert_eq!(reports.take(Notice::Closed { at: 8, pid, fd }), None);
    }

    /// A shell opens the file, makes it the standard output of a program, and closes its own descriptor.
    #[test]
    fn a_file_that_is_written_by_a_copy_is_read_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.xml");
        let mut file = std::fs::File::create(&path).expect("made");
        let (pid, fd) = (std::process::id(), file.as_raw_fd());
        let mut reports = Reports::default();
        reports.take(Notice::Opened { pid, fd, path: path.clone() });
        assert_eq!(reports.take(Notice::Closed { at: 7, pid, fd }), None);
        assert!(reports.look(8).is_empty());
        file.write_all(XML.as_bytes()).expect("written");
        let copy = reports.look(8);
        assert_eq!(copy, [Event::Report { at: 8, pid, bytes: XML.as_bytes().into() }]);
        reports.take(Notice::Opened { pid, fd, path: path.clone() });
        file.set_len(0).expect("emptied");
        assert_eq!(reports.take(Notice::Closed { at: 8, pid, fd }), None);
        std::fs::write(&path, XML).expect("written");
        assert_eq!(reports.left(9, pid), [Event::Report { at: 9, pid, bytes: XML.as_bytes().into() }]);
        assert!(reports.left(9, pid).is_empty());
    }

    #[test]
    fn other_files_are_no_reports() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("page.xml");
        std::fs::write(&path, "<html/>").expect("written");
        let pid = std::process::id();
        let mut reports = Reports::default();
        assert_eq!(reports.take(Notice::Named { at: 1, pid, path: path.clone() }), None);
        std::fs::write(&path, XML).expect("written");
        assert!(reports.take(Notice::Named { at: 1, pid, path }).is_some());
        assert_eq!(reports.take(Notice::Named { at: 1, pid, path: "/nowhere.xml".into() }), None);
    }
}
