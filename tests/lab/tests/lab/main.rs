//! The lab's programs against each other, and what their truth files say of it.

mod modem;
mod session;
mod support;
mod tls;
