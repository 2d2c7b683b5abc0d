//! The agent as a service: who may read its page, how it is served, and the commands that ask it.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    http::{self, get},
    page::Page,
    peers::{self, Server},
    place::Place,
    program::Program,
    wait::{self, PATIENCE},
};
use nix::sys::signal::Signal;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

/// The base64 of `prometheus:sesame`.
const LOGIN: &str = "Authorization: Basic cHJvbWV0aGV1czpzZXNhbWU=\r\n";

fn secret(place: &Place, name: &str, text: &str) -> Result<String> {
    let path = place.path(name);
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path.display().to_string())
}

fn configure(place: &Place, text: &str) -> Result<String> {
    let path = place.path("config.toml");
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// An agent that watches nobody, with this under `[metrics]` and after it.
fn started(place: &Place, text: &str) -> Result<Agent> {
    let listen = if text.contains("listen =") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    let path = configure(place, &format!("[watch]\ncomm = [\"nobody-of-this-name\"]\n[metrics]\n{listen}{text}"))?;
    Agent::started(agent::command(place)?.args(["run", "--config", &path]))
}

/// A command to its end: its code, what it said on standard output, and on standard error.
fn ended(place: &Place, words: &[&str]) -> Result<(Option<i32>, String, String)> {
    let mut program = Program::start(agent::command(place)?.args(words))?;
    program.close_input();
    let status = program.wait()?;
    Ok((status.code(), program.out().join("\n"), program.err().join("\n")))
}

#[test]
fn a_password() -> Result {
    let place = Place::new()?;
    let file = secret(&place, "password", "sesame\n")?;
    let mut agent = started(&place, &format!("username = \"prometheus\"\npassword_file = \"{file}\"\n"))?;
    let at = agent.address();
    for (path, headers, status) in [
        ("/metrics", "", 401),
        ("/metrics", "Authorization: Basic cHJvbWV0aGV1czp3cm9uZw==\r\n", 401),
        ("/metrics", "Authorization: Basic cHJvbWV0aGV1cw==\r\n", 401),
        ("/metrics", LOGIN, 200),
        ("/health", "", 401),
        ("/health", LOGIN, 200),
        ("/health/live", "", 200),
        ("/nothing", LOGIN, 404),
    ] {
        let answer = get(at, path, headers)?;
        ensure!(answer.status == status, "{path} {headers:?}: {}", answer.head);
        ensure!(status != 401 || answer.head.contains("www-authenticate: basic realm="), "{}", answer.head);
    }
    ensure!(get(at, "/health/ready", "")?.json()?.get("checks").is_none(), "a stranger sees no checks");
    ensure!(get(at, "/health/ready", LOGIN)?.json()?.get("checks").is_some());
    // The commands take user and password from the configuration, or from flags.
    let url = format!("http://{at}");
    let (code, out, err) =
        ended(&place, &["status", "--url", &url, "--username", "prometheus", "--password-file", &file])?;
    ensure!(code == Some(0) && out.contains("none has come yet"), "{code:?} {out} {err}");
    let (code, _, err) = ended(&place, &["status", "--url", &url])?;
    ensure!(code == Some(5) && err.contains("--password-file"), "{code:?} {err}");
    let wrong = secret(&place, "wrong", "open\n")?;
    let (code, _, err) =
        ended(&place, &["export", "--url", &url, "--username", "prometheus", "--password-file", &wrong])?;
    ensure!(code == Some(5) && err.contains("refuses this user name and password"), "{code:?} {err}");
    // A new password holds after a reload.
    secret(&place, "password", "simsim\n")?;
    agent.program.signal(Signal::SIGHUP)?;
    wait::until("the new password", PATIENCE, || Ok((get(at, "/metrics", LOGIN)?.status == 401).then_some(())))?;
    agent.stop()?;
    Ok(())
}

#[test]
fn tls_with_a_certificate_that_changes() -> Result {
    let place = Place::new()?;
    let (certificate, key) = (place.path("cert.pem"), place.path("key.pem"));
    http::certificate(&certificate, &key, -1, 90)?;
    let settings = format!("tls_certificate = \"{}\"\ntls_key = \"{}\"\n", certificate.display(), key.display());
    let mut agent = started(&place, &settings)?;
    let at = agent.address();
    ensure!(agent.program.err().iter().any(|line| line.contains("metrics at https://")), "{}", agent.program.said());
    let ca = certificate.display().to_string();
    let url = format!("https://{at}");
    let (code, out, err) = ended(&place, &["test", "--url", &url, "--ca-file", &ca])?;
    ensure!(code == Some(0) && out.contains("✓ metrics") && out.contains("✓ health"), "{code:?} {out} {err}");
    let (code, _, err) = ended(&place, &["export", "--url", &url])?;
    ensure!(code == Some(5) && err.contains("cannot be trusted"), "the system does not know it: {code:?} {err}");
    let (code, _, err) = ended(&place, &["status", "--url", &format!("http://{at}")])?;
    ensure!(code == Some(5), "{code:?} {err}");
    // Renewed: by itself, within seconds.
    let before = http::serial(at)?;
    http::certificate(&certificate, &key, -1, 90)?;
    wait::until("the new certificate", PATIENCE, || Ok((http::serial(at)? != before).then_some(())))?;
    ensure!(ended(&place, &["export", "--url", &url, "--ca-file", &ca])?.0 == Some(0));
    // Rubbish: the old one stays.
    let before = http::serial(at)?;
    fs::write(&certificate, "rubbish")?;
    agent.program.line("that it stays", |line| line.contains("the old certificate stays").then_some(()))?;
    ensure!(http::serial(at)? == before);
    // Out of date: served, and told everywhere.
    http::certificate(&certificate, &key, -90, -1)?;
    agent.program.line("that it expired", |line| line.contains("expired on").then_some(()))?;
    let (code, _, err) = ended(&place, &["status", "--url", &url, "--ca-file", &ca])?;
    ensure!(
        code == Some(5) && err.contains("its certificate expired on") && err.contains("renew it"),
        "{code:?} {err}"
    );
    agent.stop()?;
    Ok(())
}

#[test]
fn files_that_cannot_be_used() -> Result {
    let place = Place::without_agent()?;
    let (certificate, key) = (place.path("cert.pem"), place.path("key.pem"));
    http::certificate(&certificate, &key, -1, 90)?;
    let other = place.path("other.pem");
    http::certificate(&place.path("unused.pem"), &other, -1, 90)?;
    let open = place.path("open");
    fs::write(&open, "sesame\n")?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644))?;
    let tls = |certificate: &str, key: &str| format!("tls_certificate = \"{certificate}\"\ntls_key = \"{key}\"\n");
    let (certificate, key, other) =
        (certificate.display().to_string(), key.display().to_string(), other.display().to_string());
    for (settings, sentence) in [
        (
            format!("username = \"a\"\npassword_file = \"{}\"\n", open.display()),
            "can be read by others: type `chmod 600",
        ),
        (String::from("username = \"a\"\npassword_file = \"/no/such\"\n"), "the password file /no/such: No such file"),
        (tls("/no/such", &key), "the certificate /no/such: No such file"),
        (tls(&key, &key), "the certificate"),
        (tls(&certificate, &certificate), "the key of the certificate"),
        (tls(&certificate, &other), "do not belong together"),
    ] {
        let text = format!("[watch]\npid = [1]\n[metrics]\nlisten = \"127.0.0.1:0\"\n{settings}");
        let path = configure(&place, &text)?;
        for words in [&["run", "--config", &path][..], &["config", "check", "--config", &path]] {
            let (code, out, err) = ended(&place, words)?;
            ensure!(code == Some(78) && (out + &err).contains(sentence), "{words:?} {settings}: {code:?} {err}");
        }
    }
    Ok(())
}

#[test]
fn another_path_gzip_and_a_page_that_is_switched_off() -> Result {
    let place = Place::new()?;
    let mut agent = started(&place, "path = \"/cardlink\"\n")?;
    let at = agent.address();
    ensure!(get(at, "/metrics", "")?.status == 404);
    let plain = get(at, "/cardlink", "")?;
    ensure!(plain.status == 200 && plain.head.contains("content-type: text/plain; version=0.0.4"), "{}", plain.head);
    let page = Page::parse(&plain.text())?;
    ensure!(page.count("cardlink_build_info", &[]) == 1);
    let packed = get(at, "/cardlink", "Accept-Encoding: deflate, gzip;q=0.9\r\n")?;
    ensure!(
        packed.head.contains("content-encoding: gzip") && packed.body.starts_with(&[0x1F, 0x8B]),
        "{}",
        packed.head
    );
    ensure!(packed.body.len() < plain.body.len() / 2);
    ensure!(!get(at, "/cardlink", "Accept-Encoding: gzip;q=0\r\n")?.head.contains("gzip"));
    let text = fs::read_to_string(place.path("config.toml"))?;
    configure(&place, &text.replace("[metrics]\n", "[metrics]\nenabled = false\n"))?;
    agent.program.signal(Signal::SIGHUP)?;
    wait::until("503", PATIENCE, || Ok((get(at, "/cardlink", "")?.status == 503).then_some(())))?;
    ensure!(get(at, "/health/live", "")?.status == 200, "health is another matter");
    configure(&place, &text)?;
    agent.program.signal(Signal::SIGHUP)?;
    wait::until("200", PATIENCE, || Ok((get(at, "/cardlink", "")?.status == 200).then_some(())))?;
    agent.stop()?;
    Ok(())
}

#[test]
fn eight_scrapers_at_once() -> Result {
    const SCRAPES: usize = 50;
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = Agent::run(&place, &format!("--pid {}", server.pid()))?;
    let at = agent.address();
    let scrapers: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || -> Result<Vec<Duration>> {
                let one = |_| {
                    let began = Instant::now();
                    let answer = get(at, "/metrics", "Accept-Encoding: gzip\r\n")?;
                    ensure!(answer.status == 200 && !answer.body.is_empty(), "{}", answer.head);
                    Ok(began.elapsed())
                };
                (0..SCRAPES).map(one).collect()
            })
        })
        .collect();
    peers::card(&place, server.port, "--sessions 20 --parallel 4")?;
    let mut times = Vec::new();
    for scraper in scrapers {
        times.extend(scraper.join().ok().context("a scraper panicked")??);
    }
    times.sort();
    println!("8 × {SCRAPES} scrapes: p99 {:?}", times[times.len() * 99 / 100]);
    ensure!(agent.settled(20)?.successes() == 20, "no event waits for a scrape");
    agent.stop()?;
    Ok(())
}

#[test]
fn a_second_agent_is_told_of_the_first() -> Result {
    let place = Place::new()?;
    let mut agent = started(&place, "")?;
    let address = agent.address().to_string();
    let pid = agent.program.pid();
    let (code, _, err) = ended(&place, &["run", "--listen", &address, "--comm", "nobody-of-this-name"])?;
    ensure!(code == Some(4) && err.contains(&format!("cardlink-obs (pid {pid}) has that port")), "{code:?} {err}");
    agent.stop()?;
    Ok(())
}

#[test]
fn other_hosts_are_warned_of() -> Result {
    let place = Place::new()?;
    let mut agent = started(&place, "listen = \"0.0.0.0:0\"\n")?;
    ensure!(agent.program.said().contains("can be reached from other hosts, and there is no password"));
    agent.stop()?;
    let file = secret(&place, "password", "sesame\n")?;
    let login = format!("username = \"a\"\npassword_file = \"{file}\"\n");
    let mut agent = started(&place, &format!("listen = \"0.0.0.0:0\"\n{login}"))?;
    ensure!(agent.program.said().contains("the password crosses the network in the clear"), "{}", agent.program.said());
    agent.stop()?;
    Ok(())
}

#[test]
fn status_and_export() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--ciphers PSK-AES128-CBC-SHA256")?;
    let mut command = agent::command(&place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--psk-file"]).arg(place.path("psk"));
    fs::set_permissions(place.path("psk"), fs::Permissions::from_mode(0o600))?;
    let mut agent = Agent::started(command.args(["--pid", &server.pid().to_string()]))?;
    peers::card(&place, server.port, "--sessions 3")?;
    peers::card(&place, server.port, "--fault wrong-key")?;
    let page = agent.settled(4)?;
    let url = format!("http://{}", agent.address());
    let (code, out, err) = ended(&place, &["status", "--url", &url])?;
    ensure!(code == Some(0), "{err}");
    for wanted in [
        "lab-server · 1 process",
        "4 handshakes · 3 ok",
        "1 failed (1 wrong_key)",
        "3 completed · 0 active",
        "nothing lost",
    ] {
        ensure!(out.contains(wanted), "{wanted}: {out}");
    }
    ensure!(!out.contains('\u{1b}'), "no colours into a pipe");
    let (_, out, _) = ended(&place, &["status", "--json", "--url", &url])?;
    let json: serde_json::Value = serde_json::from_str(&out)?;
    let target = &json["targets"]["lab-server"];
    ensure!(target["handshakes"]["succeeded"] == 3.0 && target["handshakes"]["failed"]["wrong_key"] == 1.0, "{out}");
    ensure!(
        target["sessions"]["ended"]["completed"] == 3.0 && json["agent"]["health"] != serde_json::Value::Null,
        "{out}"
    );
    let (code, out, _) = ended(&place, &["export", "--url", &url])?;
    ensure!(code == Some(0) && Page::parse(&out)?.handshakes() == page.handshakes());
    let file = place.path("export.json");
    let name = file.display().to_string();
    let (code, out, err) = ended(&place, &["export", "--format", "json", "--output", &name, "--url", &url])?;
    ensure!(code == Some(0) && out.trim().is_empty(), "{out} {err}");
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let series = json["cardlink_tls_handshake_duration_seconds"]["series"].as_array().context("a histogram")?;
    let good = series.iter().find(|one| one["labels"]["result"] == "success").context("a series")?;
    ensure!(good["count"] == 3 && good["buckets"]["+Inf"] == 3, "{good}");
    let (code, _, err) = ended(&place, &["export", "--output", "/no/such/folder/x", "--url", &url])?;
    ensure!(code == Some(74) && err.contains("/no/such/folder/x: No such file"), "{code:?} {err}");
    agent.stop()?;
    for command in ["status", "export", "health"] {
        let (code, out, err) = ended(&place, &[command, "--url", &url])?;
        ensure!(
            code == Some(5) && out.trim().is_empty() && err.lines().count() == 1,
            "{command}: {code:?} {out} {err}"
        );
        ensure!(err.contains("no agent answers at") && err.contains("connection refused"), "{err}");
    }
    let (code, out, _) = ended(&place, &["test", "--metrics", "--url", &url])?;
    ensure!(code == Some(1) && out.contains("✗ metrics") && !out.contains("health"), "{code:?} {out}");
    Ok(())
}

#[test]
fn what_answers_and_is_no_agent() -> Result {
    let place = Place::without_agent()?;
    let script = "import http.server, sys\nclass H(http.server.BaseHTTPRequestHandler):\n  def do_GET(self):\n    \
                  self.send_response(200); self.end_headers(); self.wfile.write(b'<html>')\n\
                  http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n";
    let server = Server::python(&place, script, "web.py", "")?;
    let url = format!("http://127.0.0.1:{}", server.port);
    for (command, sentence) in [("status", "is no metrics page: line 1"), ("health", "is it cardlink-obs?")] {
        let (code, _, err) = ended(&place, &[command, "--url", &url])?;
        ensure!(code == Some(5) && err.contains(sentence), "{command}: {code:?} {err}");
    }
    let (code, _, err) = ended(&place, &["status", "--url", "localhost"])?;
    ensure!(code == Some(2) && err.contains("is no URL"), "{code:?} {err}");
    Ok(())
}

#[test]
fn completions_and_manual_pages() -> Result {
    let place = Place::without_agent()?;
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef cardlink-obs"), ("fish", "complete -c cardlink-obs")]
    {
        let (code, out, err) = ended(&place, &["completions", shell])?;
        ensure!(code == Some(0) && out.contains(word) && out.contains("psk-file"), "{shell}: {err}");
    }
    let folder = place.path("man");
    let (code, _, err) = ended(&place, &["man", &folder.display().to_string()])?;
    ensure!(code == Some(0), "{err}");
    for page in ["cardlink-obs.1", "cardlink-obs-run.1", "cardlink-obs-config-set.1"] {
        let text = fs::read_to_string(folder.join(page)).with_context(|| page.to_owned())?;
        ensure!(text.contains(".TH"), "{page}");
    }
    ensure!(!folder.join("cardlink-obs-docs.1").exists(), "what is hidden has no page");
    Ok(())
}
