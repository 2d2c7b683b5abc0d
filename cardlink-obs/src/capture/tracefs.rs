//! The tracing file system: where tracepoints are named and described.

use nix::mount::{MsFlags, mount};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Makes sure that tracefs can be read; mounts it at its usual place when it is nowhere.
///
/// Returns whether it had to be mounted.
pub fn ensure() -> io::Result<bool> {
    if root().is_some() {
        return Ok(false);
    }
    mount(
        Some("tracefs"),
        PLACES[0],
        Some("tracefs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        None::<&str>,
    )
    .map_err(io::Error::from)?;
    Ok(true)
}

/// Where tracefs is mounted.
pub fn root() -> Option<PathBuf> {
    PLACES.iter().map(Path::new).find(|place| place.join("events").is_dir()).map(Path::to_path_buf)
}

/// Whether a tracepoint exists: `false` means that this kernel has no such system call or event.
pub fn has(category: &str, name: &str) -> bool {
    root().is_some_and(|root| root.join("events").join(category).join(name).is_dir())
}

/// The offset of a field in a tracepoint's record, from its `format`.
pub fn field_offset(category: &str, name: &str, field: &str) -> Option<u32> {
    let path = root()?.join("events").join(category).join(name).join("format");
    parse_field_offset(&fs::read_to_string(path).ok()?, field)
}

fn parse_field_offset(format: &str, field: &str) -> Option<u32> {
    format.lines().filter_map(|line| line.trim().strip_prefix("field:")).find_map(|line| {
        let mut parts = line.split(';').map(str::trim);
        let declaration = parts.next()?;
        let name = declaration.rsplit([' ', '*']).next()?.split('[').next()?;
        if name != field {
            return None;
        }
        parts.find_map(|part| part.strip_prefix("offset:")?.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::parse_field_offset;

    const FORMAT: &str = "name: task_newtask\nID: 205\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
        \tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n\
        \tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n\
        \tfield:unsigned long clone_flags;\toffset:32;\tsize:8;\tsigned:0;\n";

    #[test]
    fn finds_plain_and_array_fields() {
        assert_eq!(parse_field_offset(FORMAT, "pid"), Some(8));
        assert_eq!(parse_field_offset(FORMAT, "comm"), Some(12));
        assert_eq!(parse_field_offset(FORMAT, "clone_flags"), Some(32));
        assert_eq!(parse_field_offset(FORMAT, "type"), None);
    }
}
