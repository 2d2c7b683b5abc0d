//! Files, and their synchronisation (AOSP `SYNC.TXT`).

use super::link::Stream;
use crate::{
    clock::boot_ns,
    truth::{PhoneRecord, Truth},
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, PoisonError},
};

const REGULAR: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;
const NO_SUCH_FILE: u32 = 2;
const MOST_CHUNK: usize = 64 * 1024;

#[derive(Debug, Default)]
pub struct Files {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Files {
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.lock().get(path).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mode and size.
    fn look(&self, path: &str) -> Option<(u32, u32)> {
        if let Some(contents) = self.get(path) {
            return Some((REGULAR, u32::try_from(contents.len()).unwrap_or(u32::MAX)));
        }
        let folder = format!("{}/", path.trim_end_matches('/'));
        let known = path == "/" || path == "/data" || path == "/denied";
        (known || self.lock().keys().any(|file| file.starts_with(&folder))).then_some((FOLDER, 0))
    }

    pub fn synchronise(&self, stream: &mut Stream, truth: &Truth) -> io::Result<()> {
        loop {
            let head = stream.read(8)?;
            let opened_ns = boot_ns();
            let (id, length) = (text(&head, 0, 4), number(&head, 4));
            if id == "QUIT" {
                return Ok(());
            }
            let bytes = stream.read(length as usize)?;
            let path = String::from_utf8_lossy(&bytes).into_owned();
            let result = match id.as_str() {
                "STAT" => {
                    let (mode, size) = self.look(&path).unwrap_or_default();
                    stream.write(&numbers(b"STAT", &[mode, size, 0]))?;
                    "ok"
                }
                "STA2" | "LST2" => {
                    let found = self.look(&path);
                    stream.write(&second_version(head.get(..4).unwrap_or_default(), found))?;
                    "ok"
                }
                "LIST" | "LIS2" => {
                    self.list(&path, id == "LIS2", stream)?;
                    "ok"
                }
                "RECV" => self.receive(&path, stream)?,
                "SEND" => self.send(&path, stream)?,
                _ => return Err(io::Error::other(format!("{id} is no request"))),
            };
            truth.tell(&PhoneRecord {
                program: String::from("phone"),
                kind: String::from("sync"),
                name: id,
                opened_ns,
                ended_ns: boot_ns(),
                exit: None,
                result: result.to_owned(),
            });
        }
    }

    fn list(&self, path: &str, second: bool, stream: &mut Stream) -> io::Result<()> {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let names: Vec<String> =
            self.lock().keys().filter_map(|file| file.strip_prefix(&folder)).map(str::to_owned).collect();
        for name in names {
            let found = self.look(&format!("{folder}{name}"));
            let mut entry = if second {
                second_version(b"DNT2", found)
            } else {
                let (mode, size) = found.unwrap_or_default();
                numbers(b"DENT", &[mode, size, 0])
            };
            entry.extend(u32::try_from(name.len()).unwrap_or_default().to_le_bytes());
            entry.extend(name.as_bytes());
            stream.write(&entry)?;
        }
        let rest = if second { 72 } else { 16 };
        stream.write(&[b"DONE".as_slice(), &vec![0; rest]].concat())
    }

    fn receive(&self, path: &str, stream: &mut Stream) -> io::Result<&'static str> {
        let Some(contents) = self.get(path) else {
            return fail("No such file or directory", stream);
        };
        for chunk in contents.chunks(MOST_CHUNK) {
            let length = u32::try_from(chunk.len()).unwrap_or_default();
            stream.write(&[numbers(b"DATA", &[length]), chunk.to_vec()].concat())?;
        }
        stream.write(&numbers(b"DONE", &[0]))?;
        Ok("ok")
    }

    fn send(&self, path_and_mode: &str, stream: &mut Stream) -> io::Result<&'static str> {
        let path = path_and_mode.rsplit_once(',').map_or(path_and_mode, |(path, _)| path);
        let mut contents = Vec::new();
        loop {
            let head = stream.read(8)?;
            match text(&head, 0, 4).as_str() {
                "DATA" => contents.extend(stream.read(number(&head, 4) as usize)?),
                "DONE" => break,
                other => return Err(io::Error::other(format!("{other} is no part of a file"))),
            }
        }
        if path.starts_with("/denied/") {
            return fail("couldn't create file: Permission denied", stream);
        }
        self.lock().insert(path.to_owned(), contents);
        stream.write(&numbers(b"OKAY", &[0]))?;
        Ok("ok")
    }
}

fn fail(reason: &'static str, stream: &mut Stream) -> io::Result<&'static str> {
    let length = u32::try_from(reason.len()).unwrap_or_default();
    stream.write(&[numbers(b"FAIL", &[length]), reason.as_bytes().to_vec()].concat())?;
    Ok(reason)
}

fn numbers(id: &[u8], numbers: &[u32]) -> Vec<u8> {
    id.iter().copied().chain(numbers.iter().flat_map(|number| number.to_le_bytes())).collect()
}

/// error, dev (8), ino (8), mode, nlink, uid, gid, size (8), three times (8 each).
fn second_version(id: &[u8], found: Option<(u32, u32)>) -> Vec<u8> {
    let error = if found.is_some() { 0 } else { NO_SUCH_FILE };
    let (mode, size) = found.unwrap_or_default();
    numbers(id, &[error, 0, 0, 1, 0, mode, 1, 0, 0, size, 0, 0, 0, 0, 0, 0, 0])
}

fn text(bytes: &[u8], at: usize, len: usize) -> String {
    String::from_utf8_lossy(bytes.get(at..at + len).unwrap_or_default()).into_owned()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}
