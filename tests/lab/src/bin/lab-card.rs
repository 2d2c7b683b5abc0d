//! The lab's card.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    cardlink_lab::card::run(cardlink_lab::card::Options::parse())
}
