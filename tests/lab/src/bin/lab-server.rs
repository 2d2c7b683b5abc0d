//! The lab's PSK-TLS server.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    cardlink_lab::server::run(cardlink_lab::server::Options::parse())
}
