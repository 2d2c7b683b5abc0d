//! Spans of statements, with the attributes of OpenTelemetry's conventions for databases.

use super::{
    describe::{connection, process},
    span::{Context, Kind, Span, Status},
};
use crate::observation::{Query, Role};
use std::borrow::Cow;

pub fn query(query: &Query, context: Context) -> Span {
    let kind = match query.role {
        Role::Client => Kind::Client,
        Role::Server => Kind::Server,
    };
    let mut span = Span::new(context, query.name(), kind, query.start, query.end);
    let into = &mut span.attributes;
    into.put("db.system.name", query.system.as_str());
    into.put("db.operation.name", query.operation);
    into.put_some("db.collection.name", query.table.as_deref().map(str::to_owned));
    into.put_some("db.response.returned_rows", query.rows);
    if let Some(of) = &query.connection {
        connection(of, into);
    } else {
        into.put("cardlink.target", query.process.target.to_string());
        process(&query.process, into);
    }
    into.put_some("cardlink.db.took", query.took);
    into.put_some("cardlink.db.between", Some(query.between()).filter(|between| !between.is_zero()));
    if let Some(error) = &query.error {
        if error.code.is_empty() {
            into.put("error.type", error.class);
        } else {
            into.put("db.response.status_code", error.code.clone());
            into.put("error.type", error.code.clone());
        }
        span.status = Status::Error(Cow::Borrowed(error.class));
    }
    span
}
