//! Stands between cargo and rustc while the BPF object is built.
//!
//! Cargo hands rustc a `-C metadata=` that it derives, for a crate outside the workspace's own folder, from the path of
//! the checkout; it ends up in every symbol. Fixed for the crates of this project, the object is the same everywhere.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

/// Set for the processes below cargo: this binary is the compiler's wrapper now.
const MARK: &str = "CARDLINK_OBS_XTASK_RUSTC";
/// The crates whose sources are part of the checkout start with this.
const OURS: &str = "cardlink_obs_";

/// Lets this binary wrap the compiler of a cargo command.
pub fn wrap(cargo: &mut Command) -> std::io::Result<()> {
    cargo.env("RUSTC_WRAPPER", env::current_exe()?).env(MARK, "1");
    Ok(())
}

/// When this process was started as the wrapper: runs the compiler and returns its exit code.
pub fn run_if_wrapper() -> Option<ExitCode> {
    env::var_os(MARK)?;
    let mut args = env::args_os().skip(1);
    let rustc = args.next()?;
    match Command::new(&rustc).args(with_fixed_metadata(args.collect())).status() {
        Ok(status) => Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(error) => {
            eprintln!("error: cannot start {}: {error}", rustc.display());
            Some(ExitCode::FAILURE)
        }
    }
}

fn with_fixed_metadata(args: Vec<OsString>) -> Vec<OsString> {
    let name =
        args.windows(2).find(|pair| pair[0] == "--crate-name").map(|pair| pair[1].to_string_lossy().into_owned());
    let Some(name) = name.filter(|name| name.starts_with(OURS)) else { return args };
    let is_metadata = |arg: &OsStr| arg.to_string_lossy().starts_with("metadata=");
    let fixed = |arg: OsString| if is_metadata(&arg) { OsString::from(format!("metadata={name}")) } else { arg };
    args.into_iter().map(fixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(args: &str) -> String {
        let args = args.split(' ').map(OsString::from).collect();
        with_fixed_metadata(args).iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_our_crates_get_a_fixed_name() {
        assert_eq!(
            fixed("--crate-name cardlink_obs_common -C metadata=12ab -C extra-filename=-12ab"),
            "--crate-name cardlink_obs_common -C metadata=cardlink_obs_common -C extra-filename=-12ab"
        );
        let other = "--crate-name aya_ebpf -C metadata=12ab";
        assert_eq!(fixed(other), other);
        assert_eq!(fixed("-vV"), "-vV");
    }
}
