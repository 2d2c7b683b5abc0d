//! The lab's modem.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    cardlink_lab::modem::run(cardlink_lab::modem::Options::parse())
}
