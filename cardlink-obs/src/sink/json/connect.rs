//! Connections that did not come about as JSON objects.

use super::{connection_json, process_json, seconds, with};
use crate::{
    observation::{ConnectFailed, DatabaseSystem},
    sink::wall::WallClock,
};
use serde_json::{Value, json};

pub(super) fn failed(failed: &ConnectFailed, clock: &WallClock) -> Value {
    let place = match &failed.connection {
        Some(connection) => connection_json(connection),
        None => with(json!({"peer": failed.peer.as_ref().map(ToString::to_string)}), process_json(&failed.process)),
    };
    with(
        json!({
            "type": "connect_failed",
            "time": clock.iso(failed.at),
            "reason": failed.reason.as_str(),
            "error": failed.error.as_deref(),
            "duration": failed.took.map(seconds),
            "system": failed.database.map(DatabaseSystem::as_str),
            "other_answered": failed.other_answered,
        }),
        place,
    )
}
