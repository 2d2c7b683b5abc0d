//! Devices as JSON objects.

use super::{seconds, session};
use crate::{
    observation::{Device, DeviceApdu, DeviceChange, DeviceFinding, DeviceOperation, LineChange, Share, Trigger},
    sink::{names::Names, wall::WallClock},
};
use serde_json::{Value, json};

fn device(device: &Device, names: &Names) -> Value {
    json!({"device_type": device.kind.as_str(), "device": names.device(device)})
}

pub fn apdu(one: &DeviceApdu, clock: &WallClock, names: &Names) -> Value {
    let own = json!({
        "type": "device_apdu",
        "time": clock.iso(one.end),
        "duration": seconds(one.duration()),
        "program": one.program.map(seconds),
        "time_extensions": one.extensions,
        "continues": one.continues.map(|of| json!({"command": of.command, "position": of.position})),
        "error": one.error,
        "connection": one.connection.as_ref().map(|connection| connection.number),
        "carrier": one.carrier.as_ref().map(|carrier| json!({
            "command": carrier.command,
            "tty": &*carrier.tty.path,
            "session": carrier.session.as_ref().map(|session| session.id),
            "application": carrier.session.as_ref().and_then(|session| session.application.as_deref()),
        })),
        "incomplete": one.incomplete,
        "counted_elsewhere": one.counted_elsewhere,
    });
    super::with(super::with(own, session::apdu(&one.apdu)), device(&one.device, names))
}

pub fn trigger(trigger: &Trigger, clock: &WallClock) -> Value {
    json!({
        "type": "trigger",
        "time": clock.iso(trigger.end),
        "trigger": trigger.number,
        "trigger_type": trigger.kind.as_str(),
        "tar": trigger.tar.map(|[a, b, c]| format!("{a:02X}{b:02X}{c:02X}")),
        "ciphered": trigger.ciphered,
        "parts": trigger.parts,
        "command": trigger.command,
        "result": trigger.result.to_string(),
        "duration": seconds(trigger.end.since(trigger.sent)),
    })
}

pub fn operation(operation: &DeviceOperation, clock: &WallClock, names: &Names) -> Value {
    let own = json!({
        "type": "device_operation",
        "time": clock.iso(operation.end),
        "operation": operation.operation,
        "duration": seconds(operation.duration()),
        "share": operation.share.map(Share::as_str),
        "error": operation.error,
        "connection": operation.connection.as_ref().map(|connection| connection.number),
        "counted_elsewhere": operation.counted_elsewhere,
    });
    super::with(own, device(&operation.device, names))
}

pub fn change(change: &DeviceChange, clock: &WallClock, names: &Names) -> Value {
    let own = json!({"type": "device", "time": clock.iso(change.at), "event": change.event.as_str()});
    super::with(own, device(&change.device, names))
}

pub fn finding(finding: &DeviceFinding, clock: &WallClock, names: &Names) -> Value {
    let own = json!({
        "type": "finding",
        "time": clock.iso(finding.at),
        "detail": finding.detail,
        "connection": finding.connection.as_ref().map(|connection| connection.number),
        "counted_elsewhere": finding.counted_elsewhere,
    });
    super::with(super::with(own, session::of_kind(finding.kind)), device(&finding.device, names))
}

pub fn line(change: &LineChange, clock: &WallClock) -> Value {
    let settings = &change.settings;
    json!({
        "type": "line_settings",
        "time": clock.iso(change.at),
        "baud": settings.baud,
        "data_bits": settings.data_bits,
        "parity": settings.parity.as_str(),
        "stop_bits": settings.stop_bits,
        "flow_control": settings.flow.as_str(),
        "pseudo_terminal": change.pseudo,
        "during_command": change.during_command,
    })
}
