//! A log file that does not grow without end: past its size it becomes FILE.1, that one FILE.2, and so on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

/// A log file; copies are the same file.
#[derive(Debug, Clone)]
pub struct LogFile {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    written: u64,
    /// 0: it grows without end.
    limit: u64,
    kept: u64,
    /// A failure is told once, until it works again.
    failed: bool,
}

impl LogFile {
    /// Opens it, or makes it so that only its owner can read it.
    pub fn open(path: &Path, limit: u64, kept: u64) -> io::Result<Self> {
        let (file, written) = open(path)?;
        let inner = Inner { path: path.to_path_buf(), file, written, limit, kept, failed: false };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Opens it anew: another program may have moved it away.
    pub fn reopen(&self) -> io::Result<()> {
        let mut inner = self.lock();
        (inner.file, inner.written) = open(&inner.path)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let written = file.metadata()?.len();
    Ok((file, written))
}

impl Inner {
    /// A line; one that cannot be written goes to standard error.
    fn line(&mut self, line: &[u8]) {
        let result = self.rotate_for(line.len()).and_then(|()| self.file.write_all(line));
        match result {
            Ok(()) => {
                self.written += line.len() as u64;
                self.failed = false;
            }
            Err(error) => {
                let mut stderr = io::stderr().lock();
                if !self.failed {
                    self.failed = true;
                    let _ = writeln!(stderr, "cardlink-obs: the log file {}: {error}", self.path.display());
                }
                let _ = stderr.write_all(line);
            }
        }
    }

    fn rotate_for(&mut self, len: usize) -> io::Result<()> {
        if self.limit == 0 || self.written == 0 || self.written + len as u64 <= self.limit {
            return Ok(());
        }
        if self.kept == 0 {
            self.file.set_len(0)?;
            self.written = 0;
            return Ok(());
        }
        for number in (1..self.kept).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.numbered(1))?;
        (self.file, self.written) = open(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u64) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// The writer of one line.
pub struct Line<'a>(MutexGuard<'a, Inner>);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::LogFile;
    use std::{
        fs,
        io::Write as _,
        os::unix::fs::PermissionsExt as _,
        path::{Path, PathBuf},
    };
    use tracing_subscriber::fmt::MakeWriter as _;

    fn write(log: &LogFile, text: &str) {
        log.make_writer().write_all(text.as_bytes()).expect("a line is taken");
    }

    fn numbered(path: &Path, number: u32) -> PathBuf {
        PathBuf::from(format!("{}.{number}", path.display()))
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn so_many_old_files_are_kept_and_none_is_too_long() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let log = LogFile::open(&path, 10, 2).expect("a log");
        for text in ["one 1\n", "two\n", "three\n", "four\n", "five 5\n", "a line longer than the limit\n", "six\n"] {
            write(&log, text);
        }
        assert_eq!(read(&path), "six\n");
        assert_eq!(read(&numbered(&path, 1)), "a line longer than the limit\n");
        assert_eq!(read(&numbered(&path, 2)), "five 5\n");
        assert!(!numbered(&path, 3).exists());
        for file in [&path, &numbered(&path, 1)] {
            assert_eq!(fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_there_is_kept_and_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        fs::write(&path, "12345678\n").expect("a file");
        let log = LogFile::open(&path, 10, 1).expect("a log");
        write(&log, "new\n");
        assert_eq!((read(&path), read(&numbered(&path, 1))), ("new\n".into(), "12345678\n".into()));
        // Without a limit it grows; with none kept it begins anew.
        let log = LogFile::open(&path, 0, 1).expect("a log");
        write(&log, "much more than ten bytes\n");
        assert_eq!(read(&path), "new\nmuch more than ten bytes\n");
        let log = LogFile::open(&path, 10, 0).expect("a log");
        write(&log, "last\n");
        assert_eq!(read(&path), "last\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let log = LogFile::open(&path, 0, 0).expect("a log");
        write(&log, "before\n");
        fs::rename(&path, folder.path().join("moved")).expect("moved");
        write(&log, "still there\n");
        log.reopen().expect("a new file");
        write(&log, "after\n");
        assert_eq!(read(&path), "after\n");
        assert_eq!(read(&folder.path().join("moved")), "before\nstill there\n");
    }

    #[test]
    fn a_folder_that_is_gone_loses_nothing_that_is_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let log = LogFile::open(&path, 10, 1).expect("a log");
        write(&log, "123456\n");
        drop(folder);
        // The rename fails; the line goes to standard error, and nobody panics.
        write(&log, "7890123\n");
        assert!(log.reopen().is_err());
    }
}
