//! The files that a process runs code of.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// One file, whatever its name is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
    /// A file that was written anew is another one.
    modified: (i64, i64),
}

impl FileId {
    pub fn of(path: &Path) -> io::Result<Self> {
        let about = fs::metadata(path)?;
        Ok(Self { device: about.dev(), inode: about.ino(), modified: (about.mtime(), about.mtime_nsec()) })
    }
}

/// A file that is mapped to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Opens the file itself, even where its name leads to another one by now, or into a container.
    pub path: PathBuf,
    /// The last part of its name.
    pub name: String,
    /// Device and inode as the list of mappings has them.
    pub(super) key: (String, u64),
    /// The program itself.
    pub program: bool,
}

impl Mapped {
    pub fn id(&self) -> io::Result<FileId> {
        FileId::of(&self.path)
    }
}

/// All files that a process has mapped to run them, each once.
pub fn files(pid: u32) -> Vec<Mapped> {
    let text = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    parse(&String::from_utf8_lossy(&text), pid, program.as_deref())
}

/// `START-END PERMS OFFSET DEVICE INODE PATH` (proc_pid_maps(5)).
fn parse(text: &str, pid: u32, program: Option<&Path>) -> Vec<Mapped> {
    let mut files: Vec<Mapped> = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(6, ' ');
        let (Some(range), Some(permissions), Some(_), Some(device), Some(inode), Some(path)) =
            (fields.next(), fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let path = path.trim_start();
        let key = (device.to_owned(), inode.parse().unwrap_or(0));
        if !permissions.contains('x') || !path.starts_with('/') || files.iter().any(|file| file.key == key) {
            continue;
        }
        let shown = path.strip_suffix(" (deleted)").unwrap_or(path);
        files.push(Mapped {
            path: PathBuf::from(format!("/proc/{pid}/map_files/{}", link(range))),
            name: shown.rsplit('/').next().unwrap_or_default().to_owned(),
            key,
            program: program == Some(Path::new(path)),
        });
    }
    files
}

/// The name of a range in `map_files`: the list of mappings fills its addresses up with zeros, the folder does not.
fn link(range: &str) -> String {
    let short = |address: &str| {
        let digits = address.trim_start_matches('0');
        if digits.is_empty() { String::from("0") } else { digits.to_owned() }
    };
    match range.split_once('-') {
        Some((start, end)) => format!("{}-{}", short(start), short(end)),
        None => range.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{files, link, parse};
    use std::path::Path;

    const MAPS: &str = "\
55d0c0a00000-55d0c0a21000 r--p 00000000 fe:01 1234                       /usr/bin/my server
55d0c0a21000-55d0c0b00000 r-xp 00021000 fe:01 1234                       /usr/bin/my server
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 
7f0000100000-7f0000120000 r-xp 0001f000 fe:01 99                         /usr/lib/libssl.so.3 (deleted)
7f0000120000-7f0000130000 r-xp 0001f000 fe:01 99                         /usr/lib/libssl.so.3 (deleted)
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
7ffd00100000-7ffd00102000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn each_file_that_is_run_is_found_once() {
        let found = parse(MAPS, 7, Some(Path::new("/usr/bin/my server")));
        let told: Vec<_> = found.iter().map(|file| (file.name.as_str(), file.program)).collect();
        assert_eq!(told, [("my server", true), ("libssl.so.3", false)]);
        assert_eq!(found[1].path, Path::new("/proc/7/map_files/7f0000100000-7f0000120000"));
    }

    #[test]
    fn low_addresses_have_no_zeros_in_front() {
        assert_eq!(link("0073d000-03140000"), "73d000-3140000");
        assert_eq!(link("00000000-00001000"), "0-1000");
        assert_eq!(link("7f0000100000-7f0000120000"), "7f0000100000-7f0000120000");
    }

    #[test]
    fn this_process_runs_itself() {
        assert!(files(std::process::id()).iter().any(|file| file.program));
    }
}
