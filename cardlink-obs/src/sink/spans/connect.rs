//! Spans of connections that did not come about.

use super::{
    describe::{connection, peer, process},
    span::{Context, Kind, Span, Status},
};
use crate::observation::{ConnectFailed, DatabaseSystem, PeerAddress};
use std::borrow::Cow;

pub fn failed(failed: &ConnectFailed, context: Context) -> Span {
    let from = failed.took.map_or(failed.at, |took| failed.at - took);
    let mut span = Span::new(context, "connect", Kind::Client, from, failed.at);
    let into = &mut span.attributes;
    if let Some(of) = &failed.connection {
        connection(of, into);
    } else {
        into.put("cardlink.target", failed.process.target.to_string());
        peer(failed.peer.as_ref(), into);
        let is_unix = matches!(failed.peer, Some(PeerAddress::Unix { .. }));
        into.put("network.transport", if is_unix { "unix" } else { "tcp" });
        process(&failed.process, into);
    }
    into.put_some("db.system.name", failed.database.map(DatabaseSystem::as_str));
    into.put("error.type", failed.error.as_deref().unwrap_or(failed.reason.as_str()).to_owned());
    span.status = Status::Error(Cow::Borrowed(failed.reason.sentence()));
    span
}
