//! What modems carry, and what goes wrong with them, against the lab modem's own truth.

use crate::at::{client, compare, counts, ended, followed, name};
use cardlink_e2e::{
    Result,
    agent::{self, Agent, Tracer},
    page::Counts,
    peers::{self, Server},
    place::Place,
    program::Program,
    trace::{self, seconds, text},
    wait::{self, PATIENCE},
};
use cardlink_lab::truth::ModemRecord;
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write as _, process::Command, time::Duration};

/// What a line of `AT+CSIM`, `AT+CGLA` or `AT+CRSM` was for the card: header, length, status word, bytes back.
fn lived(record: &ModemRecord) -> Option<String> {
    let (carrier, arguments) = record.line.split_once('=')?;
    let mut fields = arguments.split(',').map(|field| field.trim_matches('"'));
    let answer = record.answer.first().and_then(|line| line.split_once(": ")).map(|(_, values)| values);
    let mut values = answer.unwrap_or_default().split(',').map(|value| value.trim_matches('"'));
    let (header, sent) = match carrier {
        "AT+CSIM" | "AT+CGLA" => {
            let command = fields.next_back()?;
            (command.get(..8)?.to_owned(), command.len() / 2)
        }
        "AT+CRSM" => {
            let numbers: Vec<u8> = [0, 2, 3].iter().filter_map(|&at| fields.clone().nth(at)?.parse().ok()).collect();
            let [ins, p1, p2] = *numbers else { return None };
            let data = fields.nth(5).unwrap_or_default();
            (format!("00{ins:02X}{p1:02X}{p2:02X}"), 5 + data.len() / 2)
        }
        _ => return None,
    };
    let (word, back) = if carrier == "AT+CRSM" {
        let sw: Vec<u8> = values.by_ref().take(2).filter_map(|value| value.parse().ok()).collect();
        let [sw1, sw2] = *sw else { return Some(format!("{header} {sent} none")) };
        (format!("{sw1:02X}{sw2:02X}"), values.next().map_or(0, |data| data.len() / 2) + 2)
    } else {
        let response = values.nth(1).unwrap_or_default();
        let Some(word) = response.get(response.len().wrapping_sub(4)..) else {
            return Some(format!("{header} {sent} none"));
        };
        (word.to_owned(), response.len() / 2)
    };
    Some(format!("{header} {sent} {word} {back}"))
}

fn told(value: &Value) -> String {
    let head = format!("{} {}", text(value, "header"), value["command_bytes"]);
    match value["status_word"].as_str() {
        Some(word) => format!("{head} {word} {}", value["response_bytes"]),
        None => format!("{head} none"),
    }
}

#[test]
fn apdus_are_what_the_card_lived() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 20 --tell-data --fault AT+CSIM=10,\"0084000008\"=cme:13")?;
    let steps = [
        "AT+CMEE=1",
        "AT+CSIM=14,\"00A40004022FE2\"",
        "AT+CSIM=10,\"00C0000000\"",
        "AT+CSIM=10,\"00B0000010\"",
        "AT+CSIM=10,\"00B000000A\"",
        "AT+CSIM=26,\"002000010839393939FFFFFFFF\"",
        "AT+CSIM=10,\"0084000008\"",
        "AT+CRSM=176,12258,0,0,10",
        "AT+CRSM=214,28539,0,0,3,\"AABBCC\"",
        "AT+CCHO=\"A0000000871002\"",
        "AT+CGLA=1,14,\"00A40004026F07\"",
        "AT+CGLA=1,10,\"00C0000000\"",
        "AT+CCHC=1",
        "AT+CSQ",
    ];
    let (agent, page) = followed(&place, "", &steps, steps.len() as u64)?;
    let told_all = ended(&place, agent)?;
    let truth = peers::commands(&place)?;
    compare(&truth, &told_all);
    let carried: Vec<(&ModemRecord, String)> = truth.iter().filter_map(|one| Some((one, lived(one)?))).collect();
    let apdus: Vec<&Value> = trace::of(&told_all, "device_apdu").collect();
    let (real, seen): (Vec<_>, Vec<_>) =
        (carried.iter().map(|(_, one)| one.clone()).collect(), apdus.iter().map(|one| told(one)).collect());
    assert_eq!(real, seen);
    for ((record, _), apdu) in carried.iter().zip(&apdus) {
        let Some(written) = record.final_written_ns else { continue };
        let real = written.saturating_sub(record.received_ns) as f64 / 1e9;
        let took = seconds(apdu, "duration");
        assert!((took - real).abs() < 0.005, "{}: {real} s, told {took} s", record.line);
        assert_eq!(text(apdu, "device_type"), "modem");
    }
    let chained: Vec<String> =
        apdus.iter().filter(|one| !one["continues"].is_null()).map(|one| one["continues"].to_string()).collect();
    assert_eq!(chained.len(), 3, "{chained:?}");
    let session: Vec<_> = apdus.iter().filter(|one| !one["carrier"]["session"].is_null()).collect();
    assert_eq!(session.len(), 2);
    assert!(session.iter().all(|one| one["carrier"]["application"] == "A0000000871002"), "{session:?}");
    assert_eq!(page.count("cardlink_apdu_commands_total", &[("device_type", "modem")]), apdus.len() as u64);
    let answered = page.count("cardlink_apdu_duration_seconds_count", &[("device_type", "modem")]);
    assert_eq!(answered, apdus.len() as u64 - 1, "the one without an answer has no time");
    let errors = page.counted("cardlink_device_errors_total", &["device_type", "error_type"]);
    assert_eq!(errors, Counts::from([("modem cme_13".to_owned(), 1)]));
    Ok(())
}

/// An SMS-SUBMIT to +491701234567 with this user data: TP-PID 7F, class 2, with a header.
fn download(user_data: &str) -> String {
    format!("51000C919471103254767FF6A7{:02X}{user_data}", user_data.len() / 2)
}

/// A command packet without security for this application (TS 31.115, TS 102 225).
fn packet(spi: &str, tar: &str, secured: &str) -> String {
    let rest = format!("0D{spi}0000{tar}112233445500{secured}");
    format!("027000{:04X}{rest}", rest.len() / 2)
}

fn trigger() -> String {
    let parameters = "850101 8905 8A03 6C6162".replace(' ', "");
    let inner = format!("83{:02X}{parameters}", parameters.len() / 2);
    download(&packet("0000", "000001", &format!("81{:02X}{inner}", inner.len() / 2)))
}

fn triggers(page: &cardlink_e2e::page::Page, metric: &str) -> Counts {
    page.counted(metric, &["trigger_type"])
}

#[test]
fn messages_to_the_card_are_triggers() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 30 --tell-data")?;
    let pdu = |user_data: &str| format!("PDU={}", download(user_data));
    let steps = [
        format!("PDU={}", trigger()),
        pdu(&packet("0000", "B20100", "80EC010104350102AA")),
        pdu(&packet("1621", "B00010", "00112233445566778899AABBCCDDEEFF")),
        format!("STORE={}", trigger()),
        String::from("AT+CMSS=1"),
        // A second part, and a text to a person.
        pdu("06080401020202AABBCC"),
        String::from("PDU=11000B919471103254F60000AA0AE8329BFD4697D9EC37"),
        String::from("AT+CMSS=2"),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let (agent, page) = followed(&place, "", &steps, 8)?;
    let told = ended(&place, agent)?;
    let truth = peers::commands(&place)?;
    compare(&truth, &told);
    let sent = Counts::from([("bip".to_owned(), 1), ("scp81".to_owned(), 2), ("sms_pp".to_owned(), 1)]);
    assert_eq!(triggers(&page, "cardlink_triggers_sent_total"), sent);
    assert_eq!(triggers(&page, "cardlink_trigger_failures_total"), Counts::new());
    // The recording, in which the messages are masked, says the same.
    let kinds: Vec<_> = trace::of(&told, "trigger").map(|one| (text(one, "trigger_type"), text(one, "tar"))).collect();
    assert_eq!(kinds, [("scp81", "000001"), ("bip", "B20100"), ("sms_pp", "B00010"), ("scp81", "000001")]);
    let ciphered: Vec<bool> = trace::of(&told, "trigger").map(|one| one["ciphered"] == true).collect();
    assert_eq!(ciphered, [false, false, true, false]);
    Ok(())
}

#[test]
fn messages_that_are_refused_are_failures() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--refuse-messages 38 --tell-data")?;
    let trigger = format!("PDU={}", trigger());
    let (agent, page) = followed(&place, "", &[&trigger, "AT"], 2)?;
    assert_eq!(triggers(&page, "cardlink_trigger_failures_total"), Counts::from([("scp81".to_owned(), 1)]));
    assert_eq!(triggers(&page, "cardlink_triggers_sent_total"), Counts::new());
    assert_eq!(page.commands(), Counts::from([("AT ok".to_owned(), 1), ("AT+CMGS cms_38".to_owned(), 1)]));
    ended(&place, agent).map(|_| ())
}

/// A trigger by a modem, then a card that comes; and one that comes later, by itself.
#[test]
fn a_session_knows_its_trigger() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 30")?;
    let server = Server::lab(&place, "--exchanges 1")?;
    let trigger = format!("PDU={}", trigger());
    let words = client(&place, &["AT", "GO", &trigger])?;
    let (program, arguments) = words.split_first().expect("a program");
    let mut sender = Program::start(Command::new(program).args(arguments))?;
    sender.line("that the port is open", |line| (line == "open").then_some(()))?;
    let pids = format!("{} --trigger-window 3s --pid {} --pid {}", place.with_keys(), server.pid(), sender.pid());
    let mut tracer = Tracer::start(&place, &pids)?;
    // Nothing was sent in the window, but who knows what was before.
    let card = || peers::card(&place, server.port, "");
    card()?;
    tracer.until("session", 1)?;
    sender.tell("go")?;
    tracer.until("trigger", 1)?;
    card()?;
    tracer.until("session", 2)?;
    std::thread::sleep(Duration::from_secs(4));
    card()?;
    tracer.until("session", 3)?;
    sender.tell("go")?;
    tracer.stop()?;
    let told = tracer.told()?;
    let kinds: Vec<_> = trace::of(&told, "session").map(|one| text(one, "session_type")).collect();
    assert_eq!(kinds, ["unknown", "triggered", "polled"]);
    let started: Vec<_> = trace::of(&told, "session").map(|one| one["trigger"].as_u64()).collect();
    assert_eq!(started, [None, Some(1), None]);
    Ok(())
}

/// Each fault has its own result, and the command after it its own answer.
#[test]
fn what_goes_wrong_ends_with_its_command() -> Result {
    let place = Place::new()?;
    let faults = "--delay 10 --fault AT+COPS=silent --fault AT+CGMM=late:2500 --fault AT+CGMR=wrong-echo \
                  --fault AT+CREG=no-final --urc +CIEV:2";
    let _modem = peers::modem(&place, faults)?;
    let steps = [
        "HASTY=0.3:AT+COPS?",
        "AT+CSQ",
        // It answers after the program has given it up, and after the agent has.
        "HASTY=0.3:AT+CGMM",
        "LISTEN=3",
        "AT+CSQ",
        "AT+CGMR",
        "AT+CSQ",
        "HASTY=0.3:AT+CREG?",
        "AT+CSQ",
    ];
    let (agent, page) = followed(&place, "--at-timeout 2s", &steps, 8)?;
    ended(&place, agent)?;
    // With the limits of the run.
    let words = format!("replay --json --all --at-timeout 2s {}", place.path("recording").display());
    let lines = String::from_utf8(agent::output(&place, &words)?.stdout)?;
    let told = trace::parse(&lines.lines().map(str::to_owned).collect::<Vec<_>>())?;
    let seen: Vec<_> =
        trace::of(&told, "at_command").map(|one| format!("{} {}", text(one, "command"), text(one, "result"))).collect();
    assert_eq!(
        seen,
        [
            "AT+COPS aborted",
            "AT+CSQ ok",
            "AT+CGMM timeout",
            "AT+CSQ ok",
            "AT+CGMR ok",
            "AT+CSQ ok",
            "AT+CREG aborted",
            "AT+CSQ ok"
        ]
    );
    let errors = page.counted("cardlink_device_errors_total", &["device_type", "error_type"]);
    assert_eq!(errors, Counts::from([("modem aborted".to_owned(), 2), ("modem timeout".to_owned(), 1)]));
    // The flood is told apart from answers, whatever it tears.
    let flood = trace::of(&told, "at_unsolicited").filter(|one| text(one, "code") == "+CIEV").count();
    assert!(flood > 300, "{flood} unsolicited codes");
    let truth = peers::commands(&place)?;
    for record in truth.iter().filter(|record| record.line == "AT+CSQ") {
        assert_eq!(record.result, "OK");
    }
    let answered = trace::of(&told, "at_command").filter(|one| text(one, "command") == "AT+CSQ");
    for one in answered {
        assert!(seconds(one, "duration") < 1.0, "the answer is the command's own: {one}");
    }
    Ok(())
}

#[test]
fn a_modem_that_is_pulled_is_gone_at_once() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 10 --fault AT+CSIM=hangup")?;
    let (agent, _) = followed(&place, "", &["AT", "AT+CSIM=10,\"00B0000000\""], 2)?;
    let mut agent = agent;
    let page = agent.until("that it is gone", |page| {
        let modems: Vec<_> = page.series("cardlink_devices_connected", &[("device_type", "modem")]).collect();
        !modems.is_empty() && modems.iter().all(|sample| sample.value == 0.0)
    })?;
    assert_eq!(page.commands(), Counts::from([("AT ok".to_owned(), 1), ("AT+CSIM hangup".to_owned(), 1)]));
    let told = ended(&place, agent)?;
    let changes: Vec<_> = trace::of(&told, "device").map(|one| text(one, "event")).collect();
    assert_eq!(changes, ["connected", "disconnected"]);
    let apdu = trace::of(&told, "device_apdu").next().expect("an APDU");
    assert_eq!((text(apdu, "error"), apdu["status_word"].is_null()), ("hangup", true));
    Ok(())
}

/// Data mode and multiplexed mode: nothing in them is taken for AT, and the second is said.
#[test]
fn what_is_not_at_is_left_alone() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 10")?;
    let steps = [
        "AT",
        "ATD*99***1#",
        "RAW=AT+CSQ\r ~ppp~ AT+CPIN=1234\r",
        "LISTEN=0.2",
        "LISTEN=1",
        "RAW=+++",
        "LISTEN=0.3",
        "AT+CSQ",
        "AT+CMUX=0",
        "RAW=AT+CSQ\r",
        "LISTEN=0.2",
    ];
    let (mut agent, _) = followed(&place, "", &steps, 4)?;
    let page = agent.until("the verdict", |page| page.count("cardlink_obs_blind_total", &[("way", "cmux")]) == 1)?;
    let expected = ["AT ok", "AT+CMUX ok", "AT+CSQ ok", "ATD connect"].map(|what| (what.to_owned(), 1));
    assert_eq!(page.commands(), expected.into());
    ended(&place, agent).map(|_| ())
}

/// Eight modems, a program for each: eight devices, each with its own commands.
#[test]
fn eight_modems_never_merge() -> Result {
    let place = Place::new()?;
    let mut modems = Vec::new();
    let mut programs = Vec::new();
    let mut words = String::new();
    for number in 0..8_usize {
        let port = place.path(&format!("tty{number}"));
        let mut command = Command::new(cardlink_e2e::place::program("lab-modem")?);
        command.arg("--link").arg(&port).args(["--delay", "5"]);
        let mut modem = Program::start(&mut command)?;
        modem.line("where its port is", |line| line.starts_with("modem on ").then_some(()))?;
        modems.push(modem);
        let steps = vec!["AT+CSQ"; number + 1];
        let mut line = client(&place, &["GO"])?;
        line.truncate(2);
        line.push(port.display().to_string());
        line.push("GO".to_owned());
        line.extend(steps.iter().map(|step| (*step).to_owned()));
        let (program, arguments) = line.split_first().expect("a program");
        let client = Program::start(Command::new(program).args(arguments))?;
        let _ = write!(words, " --pid {}", client.pid());
        programs.push(client);
    }
    let mut agent = Agent::run(&place, &words)?;
    for program in &mut programs {
        program.tell("go")?;
    }
    let page = agent.until("36 commands", |page| page.count("cardlink_at_commands_total", &[]) == 36)?;
    let by_device = page.counted("cardlink_at_commands_total", &["device"]);
    let each: BTreeSet<u64> = by_device.values().copied().collect();
    assert_eq!((by_device.len(), each), (8, (1..=8).collect()), "{by_device:?}");
    assert_eq!(page.count("cardlink_devices_connected", &[("device_type", "modem")]), 8);
    Ok(())
}

const PIN: &str = "73919";
const PUK: &str = "60481537";
const KEY: &str = "4B5E11D05ECAE74B5E22D05ECAE7F00D";
const NUMBER: &str = "+491701122334";
const SMS: &str = "the vault opens at nine";
const SECURED: &str = "C0FFEE5EC7E7C0DE";

/// What goes over AT, and by nothing else leaves the agent: not by its page, its log, its trace, nor a recording.
#[test]
fn secrets_go_nowhere() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--tell-data --fault AT+CLCK=cme:16")?;
    let pin_hex = PIN.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    });
    let message = download(&packet("0000", "000001", &format!("8112831085{:02X}{SECURED}", SECURED.len() / 2)));
    let steps = [
        format!("AT+CPIN={PIN}"),
        format!("AT+CPIN=\"{PUK}\",\"{PIN}\""),
        format!("AT+CLCK=\"SC\",1,\"{PIN}\""),
        format!("AT+CPWD=\"SC\",\"{PIN}\",\"{PUK}\""),
        format!("AT+CSIM=26,\"0020000108{pin_hex}FFFFFF\""),
        format!("AT+CSIM={},\"80D8018110{KEY}\"", 10 + KEY.len()),
        String::from("AT+CIMI"),
        String::from("AT+CGSN"),
        String::from("AT+CCID"),
        String::from("ATI"),
        String::from("AT+CRSM=176,12258,0,0,10"),
        String::from("AT+CRSM=176,28423,0,0,9"),
        String::from("AT+CNUM"),
        String::from("AT+CMGF=1"),
        format!("SMS={SMS}"),
        String::from("AT+CMGL=\"ALL\""),
        String::from("AT+CMGF=0"),
        format!("PDU={message}"),
        String::from("AT+CMGL=4"),
        format!("ATD{NUMBER};"),
    ];
    let recording = place.path("recording");
    let words = client(&place, &steps.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut command = agent::command(&place)?;
    command.args(["run", "--log-level", "debug", "--listen", "127.0.0.1:0", "--record"]).arg(&recording);
    command.arg("--").args(words);
    let mut agent = Agent::started(&mut command)?;
    agent.program.line("that it is done", |line| (line == "done").then_some(()))?;
    agent.until("all commands", |page| page.count("cardlink_at_commands_total", &[]) >= steps.len() as u64)?;
    let mut everything = agent.text()?.into_bytes();
    agent.program.tell("go")?;
    agent.program.success()?;
    everything.extend(agent.program.said().into_bytes());
    everything.extend(std::fs::read(&recording)?);
    for words in ["replay --all", "replay --json --all", "replay --metrics"] {
        everything.extend(agent::output(&place, &format!("{words} {}", recording.display()))?.stdout);
    }
    // Of the truth, which has them all, so that the search is known to find them.
    let truth = std::fs::read_to_string(place.path("modem"))?;
    let (imei, imsi, iccid) = ("490154203237518", "262019876543210", "89490200001234567890");
    let swapped = |digits: &str| {
        digits.as_bytes().chunks(2).flat_map(|pair| pair.iter().rev()).map(|byte| char::from(*byte)).collect::<String>()
    };
    let iccid_on_card = swapped(iccid);
    let destination = "9471103254";
    let seen = String::from_utf8_lossy(&everything).to_uppercase();
    for secret in [
        PIN,
        PUK,
        &pin_hex,
        KEY,
        imei,
        imsi,
        iccid,
        &iccid_on_card,
        NUMBER,
        SMS,
        SECURED,
        "1122334455",
        destination,
        "4917012345",
        "Lab message",
    ] {
        let secret = secret.to_uppercase();
        assert!(truth.to_uppercase().contains(&secret), "the program did not say {secret}");
        assert!(!seen.contains(&secret), "{secret} got out");
    }
    let told = agent::replayed(&place, &recording)?;
    let commands: Vec<_> = trace::of(&told, "at_command").map(|one| text(one, "command").to_owned()).collect();
    let written: Vec<_> = peers::commands(&place)?.iter().map(|one| name(&one.line)).collect();
    assert_eq!(commands, written);
    Ok(())
}

/// gammu sends a message to a person: what it makes of it is read as a PDU, and is no trigger.
#[test]
fn gammu_sends_a_message() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 5 --tell-data")?;
    let rc = place.path("gammurc");
    std::fs::write(&rc, format!("[gammu]\ndevice = {}\nconnection = at115200\n", place.path("tty").display()))?;
    let gammu = place.path("gammu-sms");
    std::os::unix::fs::symlink(cardlink_e2e::place::peer("gammu", "gammu")?, &gammu)?;
    let mut agent = Agent::recording(&place, "--comm gammu-sms")?;
    let mut command = Command::new(gammu);
    command.arg("-c").arg(rc).args(["sendsms", "TEXT", "+491701234567", "-text", "hello out there"]);
    Program::start(&mut command)?.wait()?;
    let truth = wait::until("a message", PATIENCE, || {
        let all = peers::commands(&place).unwrap_or_default();
        Ok(all.iter().any(|one| one.data.is_some()).then_some(all))
    })?;
    let expected = counts(&truth);
    agent.until("every command", |page| page.commands() == expected)?;
    agent.stop()?;
    let told = agent::replayed(&place, &place.path("recording"))?;
    compare(&truth, &told);
    assert_eq!(trace::of(&told, "trigger").count(), 0);
    Ok(())
}
