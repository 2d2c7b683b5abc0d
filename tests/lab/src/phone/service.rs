//! What a stream asks for: a shell, with or without packets, or the files.

use super::{files::Files, link::Stream};
use crate::truth::Truth;
use std::{io, thread, time::Duration};

/// Types of the packets of a shell.
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const EXIT: u8 = 3;

pub fn is_known(name: &str) -> bool {
    shell(name).is_some() || name == "sync:" || name.starts_with("reboot:")
}

/// Packets or not, and the command.
fn shell(name: &str) -> Option<(bool, &str)> {
    let (kind, command) = name.split_once(':')?;
    let mut words = kind.split(',');
    match words.next()? {
        "shell" => Some((words.any(|word| word == "v2"), command)),
        "exec" => Some((false, command)),
        _ => None,
    }
}

/// Serves a stream; the exit code of a shell that tells it.
pub fn serve(name: &str, stream: &mut Stream, files: &Files, truth: &Truth) -> io::Result<Option<i32>> {
    if name == "sync:" {
        return files.synchronise(stream, truth).map(|()| None);
    }
    let Some((packets, command)) = shell(name) else { return Ok(None) };
    let mut code = 0;
    for step in command.split(';').map(str::trim) {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (channel, text) = match word {
            "" => continue,
            "echo" | "printf" if rest.contains("/dev/") => continue,
            "echo" => (STDOUT, format!("{rest}\n").into_bytes()),
            "getprop" => (STDOUT, format!("[lab.property]: [{rest}]\n").into_bytes()),
            "fill" => (STDOUT, vec![b'x'; rest.parse().unwrap_or(0)]),
            "cat" => {
                if let Some(contents) = files.get(rest) {
                    (STDOUT, contents)
                } else {
                    code = 1;
                    (STDERR, format!("cat: {rest}: No such file or directory\n").into_bytes())
                }
            }
            "sleep" => {
                thread::sleep(Duration::from_millis(rest.parse().unwrap_or(0)));
                continue;
            }
            "exit" => {
                code = rest.parse().unwrap_or(1);
                break;
            }
            other => {
                code = 127;
                (STDERR, format!("sh: {other}: not found\n").into_bytes())
            }
        };
        if packets {
            for piece in text.chunks(32 * 1024) {
                stream.write(&packet(channel, piece))?;
            }
        } else {
            stream.write(&text)?;
        }
    }
    if packets {
        stream.write(&packet(EXIT, &[u8::try_from(code).unwrap_or(1)]))?;
    }
    Ok(packets.then_some(code))
}

fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    packet.extend(u32::try_from(data.len()).unwrap_or_default().to_le_bytes());
    packet.extend(data);
    packet
}
