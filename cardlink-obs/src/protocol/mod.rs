//! Pure decoders: bytes in, values out. No clock, no I/O, no globals, no panic on any input.

pub mod adb;
pub mod apdu;
pub mod at;
pub mod ccid;
pub mod http;
pub mod junit;
pub mod mysql;
pub mod pcsc;
pub mod postgres;
pub mod pytest;
pub mod scp81;
pub mod sms;
pub mod sql;
pub mod termios;
pub mod tls;
