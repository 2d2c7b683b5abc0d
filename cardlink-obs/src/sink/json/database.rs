//! Statements and connections of databases as JSON objects.

use super::{connection_json, process_json, seconds, with};
use crate::{
    observation::{Connection, DatabaseChange, DatabaseConnection, DatabaseError, Process, Query},
    sink::wall::WallClock,
};
use serde_json::{Value, json};

pub(super) fn query(query: &Query, clock: &WallClock) -> Value {
    with(
        json!({
            "type": "query",
            "time": clock.iso(query.end),
            "system": query.system.as_str(),
            "role": query.role.as_str(),
            "operation": query.operation,
            "table": query.table.as_deref(),
            "started": clock.iso(query.start),
            "duration": query.took.map(seconds),
            "rows": query.rows,
            "error": query.error.as_ref().map(error),
            "counted_elsewhere": query.counted_elsewhere,
        }),
        place(query.connection.as_deref(), &query.process),
    )
}

pub(super) fn connection(told: &DatabaseConnection, clock: &WallClock) -> Value {
    let (event, after, fault) = match &told.change {
        DatabaseChange::Ready { after } => ("ready", after.map(seconds), None),
        DatabaseChange::Encrypted => ("encrypted", None, None),
        DatabaseChange::Compressed => ("compressed", None, None),
        DatabaseChange::FirstUse { after } => ("first_use", Some(seconds(*after)), None),
        DatabaseChange::Busy(true) => ("busy", None, None),
        DatabaseChange::Busy(false) => ("idle", None, None),
        DatabaseChange::Failed(fault) => ("failed", None, Some(error(fault))),
        DatabaseChange::CancelRequest => ("cancel_request", None, None),
        DatabaseChange::Closed => ("closed", None, None),
    };
    with(
        json!({
            "type": "database_connection",
            "time": clock.iso(told.at),
            "system": told.system.as_str(),
            "role": told.role.as_str(),
            "event": event,
            "after": after,
            "error": fault,
            "counted_elsewhere": told.counted_elsewhere,
        }),
        place(told.connection.as_deref(), &told.process),
    )
}

fn place(connection: Option<&Connection>, process: &Process) -> Value {
    connection.map_or_else(|| process_json(process), connection_json)
}

fn error(error: &DatabaseError) -> Value {
    json!({"class": error.class, "code": error.code})
}
