//! Where the socket is.

use nix::unistd::geteuid;
use std::{ffi::OsString, path::PathBuf};

/// The setting that stands for the usual place.
pub const AUTO: &str = "auto";
/// Who may use the socket, where there is such a group.
pub const GROUP: &str = "cardlink-obs";

/// Below the folder of a user, or of all.
const NAME: &str = "cardlink-obs/control.sock";
const OF_ALL: &str = "/run";

/// Where an agent with this setting has its socket. `auto` is the folder that systemd made for the service, else `/run/cardlink-obs` for
/// root and `$XDG_RUNTIME_DIR/cardlink-obs` for others.
pub(super) fn of_agent(setting: &str) -> Option<PathBuf> {
    resolve(setting, geteuid().is_root(), |name| std::env::var_os(name))
}

fn resolve(setting: &str, root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    match setting {
        "" | "none" => None,
        AUTO => {
            let folder = |name| variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
            // Of several folders systemd tells the list: none of them is known to be the one.
            let of_unit = folder("RUNTIME_DIRECTORY").filter(|folder| !folder.to_string_lossy().contains(':'));
            let of_unit = of_unit.map(|folder| folder.join("control.sock"));
            let of_all = root.then(|| PathBuf::from(OF_ALL).join(NAME));
            of_unit.or(of_all).or_else(|| Some(folder("XDG_RUNTIME_DIR")?.join(NAME)))
        }
        path => Some(PathBuf::from(path)),
    }
}

/// Where the socket of an agent with this setting may be, for who looks for one: a user's own agent first.
pub fn candidates(setting: &str) -> Vec<PathBuf> {
    candidates_of(setting, geteuid().is_root(), std::env::var_os("XDG_RUNTIME_DIR"))
}

fn candidates_of(setting: &str, root: bool, own: Option<OsString>) -> Vec<PathBuf> {
    match setting {
        "" | "none" => Vec::new(),
        AUTO => {
            let own = own.filter(|_| !root).map(|folder| PathBuf::from(folder).join(NAME));
            own.into_iter().chain([PathBuf::from(OF_ALL).join(NAME)]).collect()
        }
        path => vec![PathBuf::from(path)],
    }
}

#[cfg(test)]
mod tests {
    use super::{candidates_of, resolve};
    use std::{ffi::OsString, path::PathBuf};

    fn of(setting: &str, root: bool, variables: &[(&str, &str)]) -> Option<String> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        resolve(setting, root, variable).map(|path| path.display().to_string())
    }

    #[test]
    fn the_usual_place_and_any_other() {
        let user = [("XDG_RUNTIME_DIR", "/run/user/1000")];
        let unit = [("RUNTIME_DIRECTORY", "/run/agent-2"), ("XDG_RUNTIME_DIR", "/run/user/0")];
        assert_eq!(of("auto", true, &user).as_deref(), Some("/run/cardlink-obs/control.sock"));
        assert_eq!(of("auto", false, &user).as_deref(), Some("/run/user/1000/cardlink-obs/control.sock"));
        assert_eq!(of("auto", true, &unit).as_deref(), Some("/run/agent-2/control.sock"));
        assert_eq!(of("auto", false, &[]), None, "there is no place");
        assert_eq!(of("auto", false, &[("XDG_RUNTIME_DIR", "")]), None);
        assert_eq!(of("/tmp/a", false, &unit).as_deref(), Some("/tmp/a"));
        assert_eq!((of("", true, &[]), of("none", true, &[])), (None, None));
    }

    #[test]
    fn where_a_user_looks() {
        let all = PathBuf::from("/run/cardlink-obs/control.sock");
        let own = || Some(OsString::from("/run/user/1000"));
        let of_user = PathBuf::from("/run/user/1000/cardlink-obs/control.sock");
        assert_eq!(candidates_of("auto", false, own()), [of_user, all.clone()]);
        for (root, own) in [(true, own()), (false, None)] {
            assert_eq!(candidates_of("auto", root, own).as_slice(), std::slice::from_ref(&all));
        }
        assert_eq!(candidates_of("/tmp/a", true, own()), [PathBuf::from("/tmp/a")]);
        assert!(candidates_of("none", false, own()).is_empty());
    }
}
