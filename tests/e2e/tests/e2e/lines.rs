//! Settings of serial lines: what pyserial asks of a port, and what the kernel and stty have of it.

use crate::at::followed;
use cardlink_e2e::{
    Result,
    agent::replayed,
    peers,
    place::Place,
    trace::{self, text},
};
use serde_json::Value;

/// `115200 8 none 1 rts_cts`
fn said(one: &Value) -> String {
    let (parity, flow) = (text(one, "parity"), text(one, "flow_control"));
    format!("{} {} {parity} {} {flow}", one["baud"], one["data_bits"], one["stop_bits"])
}

#[test]
fn what_a_program_asks_of_its_port() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay AT+CSQ=300")?;
    let steps = [
        "AT",
        "LINE=9600,7,E,2,hard",
        "STTY",
        "ATE0",
        // No speed of the table.
        "LINE=250000,8,N,1,soft",
        "STTY",
        "RAW=AT+CSQ\r",
        "LINE=921600,8,N,1,soft",
        "LISTEN=0.6",
        "LINE=921600,8,N,1,none",
        "LINE=921600,8,N,1,none",
    ];
    let (mut agent, page) = followed(&place, "", &steps, 3)?;
    assert_eq!(page.count("cardlink_at_commands_total", &[]), 3);
    agent.program.tell("go")?;
    let out = agent.program.out();
    agent.program.success()?;
    let told = replayed(&place, &place.path("recording"))?;
    let lines: Vec<&Value> = trace::of(&told, "line_settings").collect();
    let all: Vec<String> = lines.iter().map(|one| said(one)).collect();
    // Each thing is set by itself: what is asked for comes last.
    let wanted = [
        "115200 8 none 1 none",
        "9600 7 even 2 rts_cts",
        "250000 8 none 1 xon_xoff",
        "921600 8 none 1 xon_xoff",
        "921600 8 none 1 none",
    ];
    let mut rest = all.iter();
    for wanted in wanted {
        assert!(rest.any(|one| one == wanted), "{wanted} is not in {all:?}, or not in its place");
    }
    assert!(rest.next().is_none(), "the same is not told again: {all:?}");
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    // Speed, stop bits and RTS/CTS are kept by a pseudo-terminal, too.
    let stty: Vec<&String> = out.iter().filter(|line| line.starts_with("stty speed")).collect();
    let [first, second] = stty.as_slice() else { panic!("{out:?}") };
    assert!(
        first.contains(" 9600 baud")
            && first.contains("ospeed 9600;")
            && first.contains(" cstopb")
            && first.contains(" crtscts"),
        "{first}"
    );
    assert!(
        second.contains("ospeed 250000;") && second.contains(" -cstopb") && second.contains(" -crtscts"),
        "{second}"
    );
    assert!(lines.iter().all(|one| one["pseudo_terminal"] == true), "{lines:?}");
    let during: Vec<String> = lines.iter().filter(|one| one["during_command"] == true).map(|one| said(one)).collect();
    assert_eq!(during, ["921600 8 none 1 xon_xoff"], "while AT+CSQ waits");
    Ok(())
}
