//! Programs on libpcsclite, pcscd, a virtual reader, and the lab's card in it.

use cardlink_e2e::{
    Result,
    agent::{self, Agent, Tracer, command},
    page::{Counts, Page},
    place::Place,
    program::Program,
    readers::{READER, Reader},
    trace::{self, seconds, text},
};
use cardlink_lab::truth::ReaderRecord;
use serde_json::Value;

/// A chain, a repeat, a PIN, and what a card does not know.
const STEPS: &str = "shared 00A4040007A0000000871002 00C0000000 00A4000C022FE2 00B0000010 00B000000A \
                     002000010831323334FFFFFFFF 0020000108393837363534333F 00FF000000 disconnect";
const APDUS: usize = 8;

fn apdus(reader: &Reader) -> Result<Vec<ReaderRecord>> {
    Ok(reader.truth()?.into_iter().filter(|record| record.kind == "apdu").collect())
}

/// Every APDU that the card had, in order, once: with its status word, its sizes and its time.
fn compare(truth: &[ReaderRecord], told: &[&Value]) {
    let line = |header: &str, word: &str, sent: usize, received: usize| format!("{header} {word} {sent} {received}");
    let real: Vec<String> =
        truth.iter().map(|a| line(&a.header, &a.status_word, a.command_bytes, a.response_bytes)).collect();
    let size = |one: &Value, name: &str| usize::try_from(one[name].as_u64().unwrap_or(0)).unwrap_or(0);
    let seen: Vec<String> = told
        .iter()
        .map(|one| {
            line(text(one, "header"), text(one, "status_word"), size(one, "command_bytes"), size(one, "response_bytes"))
        })
        .collect();
    assert!(real == seen, "told:\n    {}\ninstead of:\n    {}", seen.join("\n    "), real.join("\n    "));
    for (record, one) in truth.iter().zip(told) {
        let real = (record.answered_ns - record.received_ns) as f64 / 1e9;
        let took = seconds(one, "duration");
        // The reader's driver and its connection to the card take their time, too; never less than the card did.
        assert!(took >= real - 0.005 && took < real + 2.0, "{took} s are told of {real} s: {one}");
    }
}

#[test]
fn every_apdu_is_told_once_with_its_status_and_its_time() -> Result {
    let place = Place::new()?;
    let reader = Reader::start(&place, "--delay 30")?;
    let mut tracer = Tracer::start(&place, &format!("--pid {}", reader.daemon.pid()))?;
    let mut client = Program::start(&mut reader.client(&place, STEPS)?)?;
    client.success()?;
    let told = tracer.until("device_apdu", APDUS)?;
    compare(&apdus(&reader)?, &told.iter().collect::<Vec<_>>());
    assert!(told.iter().all(|one| text(one, "device") == READER && text(one, "device_type") == "reader"));
    let chained: Vec<&str> = told.iter().filter_map(|one| one["continues"]["command"].as_str()).collect();
    assert_eq!(chained, ["SELECT", "READ_BINARY"]);
    // The first has no program's time before it.
    assert!(told[0]["program"].is_null() && told[1..].iter().all(|one| seconds(one, "program") >= 0.0));
    let all = tracer.told()?;
    let events: Vec<&str> =
        trace::of(&all, "device").filter(|one| text(one, "device") == READER).map(|one| text(one, "event")).collect();
    assert_eq!(events, ["connected", "card_inserted"]);
    tracer.stop()?;
    Ok(())
}

fn counted(page: &Page) -> Counts {
    page.counted("cardlink_apdu_responses_total", &["command_type", "status_word", "device_type", "device"])
}

#[test]
fn both_ends_count_once_and_a_recording_gives_the_same_without_the_pin() -> Result {
    let place = Place::new()?;
    let reader = Reader::start(&place, "")?;
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    run.args(["--comm", "pcscd", "--comm", "python", "--comm", "opensc-tool"]);
    let mut agent = Agent::started(&mut run)?;
    let mut client = Program::start(&mut reader.client(&place, STEPS)?)?;
    client.success()?;
    let mut tool = reader.command("opensc-tool")?;
    tool.args(["--reader", READER, "--card-driver", "default", "--send-apdu", "00:A4:00:0C:02:2F:E2"]);
    Program::start(&mut tool)?.success()?;
    let truth = apdus(&reader)?;
    assert!(truth.len() > APDUS, "opensc-tool sent nothing: {}", truth.len());
    let page = agent.until("every APDU", |page| {
        page.count("cardlink_apdu_commands_total", &[("device_type", "reader")]) >= truth.len() as u64
    })?;
    let commands = page.count("cardlink_apdu_commands_total", &[("device_type", "reader")]);
    assert_eq!(commands, truth.len() as u64, "{:?}", counted(&page));
    let of = |command: &str, word: &str| format!("{command} {word} reader {READER}");
    for (what, least) in [
        (of("SELECT", "6111"), 0),
        (of("SELECT", "61xx"), 1),
        (of("GET_RESPONSE", "9000"), 1),
        (of("READ_BINARY", "6Cxx"), 1),
        (of("VERIFY_PIN", "63Cx"), 1),
        (of("INS_FF", "6D00"), 1),
    ] {
        let count = counted(&page).get(&what).copied().unwrap_or(0);
        assert!(if least == 0 { count == 0 } else { count >= least }, "{what}: {:?}", counted(&page));
    }
    let bytes = |direction| page.count("cardlink_apdu_bytes_total", &[("direction", direction), ("device", READER)]);
    assert_eq!(bytes("sent"), truth.iter().map(|one| one.command_bytes as u64).sum::<u64>());
    assert_eq!(bytes("received"), truth.iter().map(|one| one.response_bytes as u64).sum::<u64>());
    let timed = page.count("cardlink_apdu_duration_seconds_count", &[("device", READER)]);
    assert_eq!(timed, truth.len() as u64);
    assert_eq!(page.count("cardlink_devices_connected", &[("device_type", "uicc")]), 1);
    agent.balanced()?;
    agent.stop()?;

    let recording = place.path("recording");
    let bytes = std::fs::read(&recording)?;
    for secret in
        [b"1234\xFF\xFF\xFF\xFF".as_slice(), b"9876543?", &[0xA0, 0, 0, 0, 0x87, 0x10, 2], &[0x98, 0x94, 0x20]]
    {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{secret:02X?} is in the recording");
    }
    let output = agent::output(&place, &format!("replay --metrics {}", recording.display()))?;
    assert_eq!(counted(&Page::parse(&String::from_utf8_lossy(&output.stdout))?), counted(&page));
    let told = agent::replayed(&place, &recording)?;
    let own: Vec<&Value> =
        trace::of(&told, "device_apdu").filter(|one| one["counted_elsewhere"] == Value::Bool(false)).collect();
    compare(&truth, &own);
    assert!(trace::of(&told, "device_apdu").any(|one| one["counted_elsewhere"] == Value::Bool(true)), "one end only");
    Ok(())
}

#[test]
fn who_holds_the_card_is_named() -> Result {
    holder_is_named(&["--comm", "pcscd", "--comm", "python"])
}

#[test]
fn who_holds_the_card_is_named_by_the_daemon_alone() -> Result {
    holder_is_named(&["--comm", "pcscd"])
}

fn holder_is_named(targets: &[&str]) -> Result {
    let place = Place::new()?;
    let reader = Reader::start(&place, "")?;
    let mut run = command(&place)?;
    run.args(["trace", "--json", "--all"]).args(targets);
    let mut tracer = Tracer { program: Program::start(&mut run)? };
    tracer.program.line("that it found pcscd", |line| line.contains("\"type\":\"target\"").then_some(()))?;
    let mut holder = Program::start(&mut reader.client(&place, "exclusive 00A4000C022FE2 go disconnect")?)?;
    holder.line("that it has the card", |line| (line == "waiting").then_some(()))?;
    let mut other = Program::start(&mut reader.client(&place, "shared")?)?;
    other.success()?;
    let told = tracer.until("finding", 1)?;
    assert_eq!(text(&told[0], "finding"), "card_held");
    assert_eq!(text(&told[0], "device"), READER);
    let wanted = format!("({}) holds it for itself", holder.pid());
    assert!(text(&told[0], "detail").contains(&wanted), "{} lacks {wanted}", told[0]);
    let refused = tracer.until("device_operation", 2)?;
    assert!(refused.iter().any(|one| one["error"] == "sharing_violation" && one["operation"] == "connect"));
    holder.tell("go")?;
    holder.success()?;
    tracer.stop()?;
    Ok(())
}

#[test]
fn cards_that_are_put_in_and_taken_out_are_counted() -> Result {
    let place = Place::new()?;
    let mut reader = Reader::start(&place, "--out")?;
    let mut agent = Agent::run(&place, &format!("--pid {}", reader.daemon.pid()))?;
    let scan = Program::start(&mut reader.command("pcsc_scan")?)?;
    let cards = |page: &Page| page.count("cardlink_devices_connected", &[("device_type", "uicc")]);
    let readers = |page: &Page| page.count("cardlink_devices_connected", &[("device_type", "reader")]);
    agent.until("two readers", |page| readers(page) == 2 && cards(page) == 0)?;
    reader.card.tell("insert")?;
    agent.until("a card", |page| cards(page) == 1)?;
    reader.card.tell("remove")?;
    agent.until("no card", |page| cards(page) == 0)?;
    // Nobody asked the card for anything but to be there.
    let page = agent.page()?;
    assert_eq!(page.count("cardlink_apdu_commands_total", &[]), 0);
    drop(scan);
    agent.stop()?;
    Ok(())
}
