//! Where values come from, what is wrong with them, and how they are changed.

use super::{
    CheckConfig, ConfigError, EditError, FileChoice, Inputs, Loaded, Place, SETTINGS, What, commented, edit, set,
};
use serde_json::json;
use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn of_text(text: &str) -> Result<Loaded, ConfigError> {
    Loaded::of_text(Path::new("/etc/x.toml"), text)
}

fn refusal(text: &str) -> String {
    of_text(text).expect_err("a refusal").to_string()
}

#[test]
fn every_setting_has_a_field_and_every_field_a_setting() {
    let loaded = of_text("").expect("the defaults");
    assert_eq!(loaded.values.len(), SETTINGS.len());
    assert_eq!(loaded.config.metrics.listen.port(), 9464);
    assert_eq!(loaded.config.health.checks.len(), 7);
    let mut variables: Vec<String> = SETTINGS.iter().map(super::Setting::variable).collect();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), SETTINGS.len());
}

#[test]
fn flags_before_variables_before_the_file_before_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    let text = "[log]\nlevel = \"warn\"\n[limits]\nhandshake_timeout = \"5s\"\nat_timeout = 7\n";
    fs::write(&path, text).expect("written");
    let inputs = Inputs {
        flags: vec![("log.level", vec![String::from("trace")])],
        file: FileChoice::Named(path.clone()),
        ..Inputs::default()
    };
    let variables = environment(&[
        ("CARDLINK_OBS_LOG_LEVEL", "debug"),
        ("CARDLINK_OBS_LIMITS_AT_TIMEOUT", "9s"),
        ("CARDLINK_OBS_LIMIT_AT_TIMEOUT", "9s"),
        ("PATH", "/bin"),
    ]);
    let loaded = Loaded::new(&inputs, variables.into_iter()).expect("a configuration");
    assert_eq!(loaded.config.log.level, "trace");
    assert_eq!(loaded.config.limits.at_timeout, Duration::from_secs(9));
    assert_eq!(loaded.config.limits.handshake_timeout, Duration::from_secs(5));
    assert_eq!(loaded.config.sessions.card_timeout, Duration::from_mins(5));
    let place = |key: &str| loaded.values[key].1.to_string();
    assert_eq!(place("log.level"), "--log-level");
    assert_eq!(place("limits.at_timeout"), "CARDLINK_OBS_LIMITS_AT_TIMEOUT");
    assert_eq!(place("limits.handshake_timeout"), format!("{}:4", path.display()));
    assert_eq!(place("sessions.card_timeout"), "default");
    assert_eq!(loaded.strange, ["CARDLINK_OBS_LIMIT_AT_TIMEOUT"]);
}

/// `--pid 1` with `comm = ["a"]` in the file would watch nobody.
#[test]
fn selectors_are_taken_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, "[watch]\ncomm = [\"a\"]\nport = [1]\n").expect("written");
    let file = FileChoice::Named(path);
    let load = |inputs: &Inputs| Loaded::new(inputs, std::iter::empty()).expect("a configuration").config.watch;
    let from_file = load(&Inputs { file: file.clone(), ..Inputs::default() });
    assert_eq!((from_file.comm, from_file.port), (vec![String::from("a")], vec![1]));
    let flags = vec![("watch.pid", vec![String::from("1"), String::from("2")])];
    let flagged = load(&Inputs { flags, file: file.clone(), ..Inputs::default() });
    assert_eq!((flagged.pid, flagged.comm, flagged.port), (vec![1, 2], vec![], vec![]));
    let commanded = load(&Inputs { own_target: true, file, ..Inputs::default() });
    assert!(commanded.comm.is_empty() && commanded.port.is_empty());
}

#[test]
fn unknown_keys_name_the_nearest_and_the_line() {
    let cases = [
        (
            "[metrics]\nlsiten = 1\n",
            "/etc/x.toml:2: there is no setting `metrics.lsiten`: did you mean `metrics.listen`?",
        ),
        ("\n[metric]\nlisten = 1\n", "/etc/x.toml:2: there is no setting `metric`: did you mean `metrics`?"),
        ("listen = 1\n", "/etc/x.toml:1: there is no setting `listen`: did you mean `metrics.listen`?"),
        (
            "[limits]\n\npsk_file = \"x\"\n",
            "/etc/x.toml:3: there is no setting `limits.psk_file`: did you mean `sessions.psk_file`?",
        ),
        ("[log]\nxyzzy = 1\n", "/etc/x.toml:2: there is no setting `log.xyzzy`"),
        (
            "[health.checks.disk]\npath = \"/\"\ndegraded_fre = \"1%\"\n",
            "/etc/x.toml:3: there is no setting `health.checks.disk.degraded_fre`: did you mean `health.checks.disk.degraded_free`?",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(refusal(text), wanted);
    }
}

#[test]
fn every_fault_is_told_with_its_line() {
    let text = "[metrics]\nlisten = \"here\"\nenabled = 1\n\n[limits]\nat_timeout = \"soon\"\n";
    let told = refusal(text);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("/etc/x.toml:2: `metrics.listen`: must be an address"), "{told}");
    assert!(lines[1].starts_with("/etc/x.toml:3: `metrics.enabled`: must be true or false"), "{told}");
    assert!(lines[2].starts_with("/etc/x.toml:6: `limits.at_timeout`: must be a time"), "{told}");
    assert!(refusal("[log]\nlevel = \n").starts_with("/etc/x.toml:2: "));
    assert!(refusal("log = 3\n").contains("must be a table: [log]"));
}

#[test]
fn settings_that_need_each_other() {
    let cases = [
        ("[metrics]\nusername = \"a\"\n", "`metrics.username` needs a `metrics.password_file`"),
        ("[metrics]\ntls_key = \"a\"\n", "`metrics.tls_key` needs a `metrics.tls_certificate`"),
        ("[record]\nciphertext = true\n", "`record.ciphertext` needs a `record.file`"),
        ("[health]\nlisten = \"127.0.0.1:9464\"\n", "`health.listen` is that of the metrics already"),
    ];
    for (text, wanted) in cases {
        assert!(refusal(text).starts_with(&format!("/etc/x.toml:2: {wanted}")), "{}", refusal(text));
    }
}

#[test]
fn checks_are_entries() {
    let text = "[health.checks.admin]\nkind = \"tcp\"\naddress = \"localhost:8443\"\ntimeout = \"1s\"\n\
                [health.checks.disk]\npath = \"/var\"\n[health.checks.memory]\nenabled = false\n";
    let loaded = of_text(text).expect("a configuration");
    let find = |name: &str| loaded.config.health.checks.iter().find(|check| check.name == name);
    let admin: &CheckConfig = find("admin").expect("a check");
    assert_eq!(admin.common.timeout, Duration::from_secs(1));
    assert!(matches!(&admin.what, What::Tcp { address, .. } if address == "localhost:8443"));
    assert!(matches!(&find("disk").expect("a check").what, What::Disk { path, .. } if path == Path::new("/var")));
    assert!(find("memory").is_none() && loaded.checks.contains_key("memory"));
    assert_eq!(loaded.checks["admin"].1, Place::File { path: "/etc/x.toml".into(), line: 1 });
    let cases = [
        ("[health.checks.a]\nkind = \"tpc\"\n", "did you mean `tcp`?"),
        ("[health.checks.a]\naddress = \"x:1\"\n", "needs a `kind`"),
        ("[health.checks.a]\nkind = \"tls-psk\"\naddress = \"x:1\"\n", "needs `identity` and `psk_file`"),
        ("[health.checks.a]\nkind = \"tcp\"\naddress = \"x:1\"\ntimeout = \"6s\"\n", "at most 5s"),
        ("[health]\nchecks = 1\n", "must be tables"),
    ];
    for (text, wanted) in cases {
        assert!(refusal(text).contains(wanted), "{}", refusal(text));
    }
}

#[test]
fn the_default_file_is_valid_and_says_nothing_new() {
    let text = commented();
    let plain = of_text("").expect("the defaults");
    let loaded = of_text(&text).expect("the default file");
    assert_eq!(loaded.changes(&plain), Vec::<String>::new());
    // Every line that can be brought to life is valid, too.
    let alive: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(name, _)| is_name(name)) => {
                rest
            }
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let loaded = of_text(&alive).unwrap_or_else(|error| panic!("{error}\n{alive}"));
    let changes: Vec<String> =
        loaded.changes(&plain).into_iter().filter(|key| !key.starts_with("health.checks.my-")).collect();
    assert_eq!(changes, Vec::<String>::new());
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[test]
fn set_keeps_comments_and_refuses_what_is_invalid() {
    let path = Path::new("/etc/x.toml");
    let text = "# mine\n[log]   # why\nlevel = \"info\"   # quiet\n# end\n";
    let done = set(path, text, &[("log.level", "debug"), ("metrics.listen", "127.0.0.1:1"), ("watch.port", "1,2")]);
    let done = done.expect("set");
    assert!(done.starts_with("# mine\n[log]   # why\nlevel = \"debug\"   # quiet\n"), "{done}");
    assert!(done.contains("# end") && done.contains("port = [1, 2]"), "{done}");
    assert_eq!(of_text(&done).expect("valid").config.metrics.listen.port(), 1);
    let refused = |pairs: &[(&str, &str)]| set(path, text, pairs).expect_err("a refusal");
    assert!(
        matches!(refused(&[("log.levle", "x")]), EditError::Unknown { hint: Some(hint), .. } if hint == "log.level")
    );
    assert_eq!(
        refused(&[("kernel.ring_kib", "5")]).to_string(),
        "`kernel.ring_kib`: must be a power of two from 4 to 1048576 (it is `5`)"
    );
    assert!(refused(&[("metrics.username", "a")]).to_string().contains("needs a `metrics.password_file`"));
    assert!(refused(&[("health.checks.a.kind", "tcp")]).to_string().contains("needs `address`"));
    let check =
        [("health.checks.a.address", "h:1"), ("health.checks.a.kind", "tcp"), ("health.checks.a.timeout", "1s")];
    let done = set(path, "", &check).expect("set");
    assert!(done.contains("[health.checks.a]") && of_text(&done).expect("valid").checks.contains_key("a"), "{done}");
    let refusal = refused(&[("health.checks.b.x", "1")]).to_string();
    assert!(refusal.contains("kind"), "{refusal}");
    assert_eq!(edit::shown(&json!(["a"])), "[\"a\"]");
}

#[test]
fn a_file_that_anybody_can_change_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, "").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("permissions");
    let inputs = Inputs { file: FileChoice::Named(path.clone()), ..Inputs::default() };
    let error = Loaded::new(&inputs, std::iter::empty()).expect_err("a refusal").to_string();
    assert!(error.contains("chmod o-w"), "{error}");
    fs::remove_file(&path).expect("removed");
    let error = Loaded::new(&inputs, std::iter::empty()).expect_err("a refusal").to_string();
    assert!(error.contains("cannot be read: No such file"), "{error}");
}

#[test]
fn aliases() {
    let path = Path::new("a.toml");
    let loaded = Loaded::of_text(path, "[names]\n\"psk-00\" = \"Rack 7\"\n/dev/x = 1\n");
    assert!(loaded.is_err(), "a key with slashes needs quotes");
    let text = "[names]\n\"psk-00\" = \" Rack 7 \"\n\"8988.1\" = \"b\"\n";
    let loaded = Loaded::of_text(path, text).expect("a configuration");
    assert_eq!(loaded.config.names.get("psk-00").map(String::as_str), Some("Rack 7"));
    assert_eq!(loaded.names.to_string(), "a.toml:2");
    let other = Loaded::of_text(path, "").expect("a configuration");
    assert_eq!(loaded.changes(&other), ["names"]);
    for wrong in [
        "\"secret-identity\" = 1",
        "\"secret-identity\" = \"\"",
        "\"secret-identity\" = \"a\\nb\"",
        "secret-identity.b = \"c\"",
    ] {
        let error = Loaded::of_text(path, &format!("[names]\n{wrong}\n")).expect_err("refused").to_string();
        assert!(error.contains("a.toml:2") && error.contains("1 to 64 letters"), "{error}");
        assert!(!error.contains("secret-identity"), "{error}");
    }
    let changed = set(path, text, &[("names.8988.2", "c")]).expect("a file");
    assert!(changed.contains("\"8988.2\" = \"c\"") && changed.contains("8988.1"), "{changed}");
}
