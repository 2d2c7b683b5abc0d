//! Remote administration over HTTP (`GlobalPlatform` Amendment B, ETSI TS 102 226 expanded format), as far as the lab
//! needs it: one side asks with POSTs, the other answers with command scripts.

pub mod http;
pub mod script;
