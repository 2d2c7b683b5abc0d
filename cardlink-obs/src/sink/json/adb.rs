//! The Android Debug Bridge as JSON objects.

use super::seconds;
use crate::{
    observation::{AdbCommand, AdbOperation, AdbResult, PhoneList, RunStatus},
    sink::{names::Names, wall::WallClock},
};
use serde_json::{Value, json};

pub fn operation(one: &AdbOperation, clock: &WallClock, names: &Names) -> Value {
    json!({
        "type": "adb_operation",
        "time": clock.iso(one.end),
        "operation": one.operation,
        "result": one.result.as_str(),
        "exit_code": if let AdbResult::Exit(code) = one.result { Some(code) } else { None },
        "duration": one.timed.then(|| seconds(one.duration())),
        "first_byte": one.first_byte.map(|first| seconds(first.since(one.start))),
        "program": one.program,
        "at_commands": one.at,
        "device_type": "phone",
        "device": one.device.as_ref().map(|device| names.device(device)),
        "incomplete": one.incomplete,
        "counted_elsewhere": one.counted_elsewhere,
    })
}

pub fn command(one: &AdbCommand, clock: &WallClock, names: &Names) -> Value {
    let (exit_code, signal) = match one.status {
        RunStatus::Exit(code) => (Some(code), None),
        RunStatus::Signal(signal) => (None, Some(signal)),
    };
    json!({
        "type": "adb_command",
        "time": clock.iso(one.end),
        "operation": one.operation,
        "result": one.result.as_str(),
        "exit_code": exit_code,
        "signal": signal,
        "duration": seconds(one.duration()),
        "spawn": seconds(one.began.since(one.start)),
        "device_type": "phone",
        "device": one.device.as_ref().map(|device| names.device(device)),
        "counted_elsewhere": one.counted_elsewhere,
    })
}

pub fn phones(list: &PhoneList, clock: &WallClock, names: &Names) -> Value {
    let phone =
        |phone: &crate::observation::ListedPhone| json!({"device": names.device(&phone.device), "state": phone.state});
    json!({
        "type": "phones",
        "time": clock.iso(list.at),
        "phones": list.phones.iter().map(phone).collect::<Vec<_>>(),
    })
}
