//! A card in a virtual reader: vpcd of vsmartcard, or QEMU's `ccid-card-passthru`.
//!
//! It is put in and taken out by lines on standard input: `insert`, `remove`. Its end is the end of standard input.

mod vpcd;
mod vscard;

use crate::{
    cli::millis,
    clock::{Spend, boot_ns, spend},
    modem::Uicc,
    psk::{parse_hex, to_hex},
    truth::{ReaderRecord, Truth},
};
use anyhow::{Context as _, bail};
use clap::Parser;
use std::{io::BufRead as _, path::PathBuf, sync::mpsc, thread, time::Duration};

/// The ATR of a USIM, direct convention, T=0.
const ATR: &str = "3B9F95801FC78031A073B6A10067CF3211B252C679";

/// A card that offers nothing but T=0 as it is: QEMU's reader does not negotiate.
const PLAIN_ATR: &str = "3B021450";

/// A card for a virtual reader.
#[derive(Debug, Clone, Parser)]
#[command(name = "lab-reader-card")]
pub struct Options {
    /// Where vpcd waits for its card.
    #[arg(long, value_name = "PORT")]
    pub vpcd: Option<u16>,
    /// The socket of QEMU's `ccid-card-passthru`.
    #[arg(long, value_name = "SOCKET", conflicts_with = "vpcd")]
    pub vscard: Option<PathBuf>,
    /// Time before each answer.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "0")]
    pub delay: Duration,
    /// Do not insert the card at once.
    #[arg(long)]
    pub out: bool,
    /// Append the truth to this file.
    #[arg(long)]
    pub truth: Option<PathBuf>,
}

/// What is to be done with the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Insert,
    Remove,
    End,
}

/// The card itself, and what it tells of its life.
#[derive(Debug)]
struct Card {
    uicc: Uicc,
    delay: Duration,
    truth: Truth,
    number: u64,
}

impl Card {
    fn reset(&mut self) {
        self.uicc = Uicc::default();
        self.tell("reset", &[], &[], boot_ns(), boot_ns());
    }

    /// Answers one C-APDU. The time of the answer is told by `answered`, once it is written.
    fn transmit(&mut self, command: &[u8]) -> (u64, Vec<u8>) {
        let received = boot_ns();
        let answer = self.uicc.transmit(command);
        if !self.delay.is_zero() {
            spend(self.delay, Spend::Sleep);
        }
        (received, answer)
    }

    fn answered(&mut self, command: &[u8], answer: &[u8], received: u64) {
        self.tell("apdu", command, answer, received, boot_ns());
    }

    fn tell(&mut self, kind: &str, command: &[u8], answer: &[u8], received_ns: u64, answered_ns: u64) {
        self.number += 1;
        let status_word = answer.get(answer.len().saturating_sub(2)..).unwrap_or_default();
        self.truth.tell(&ReaderRecord {
            program: String::from("reader-card"),
            kind: kind.to_owned(),
            number: self.number,
            header: to_hex(command.get(..4).unwrap_or(command)),
            command_bytes: command.len(),
            status_word: to_hex(status_word),
            response_bytes: answer.len(),
            received_ns,
            answered_ns,
        });
    }
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let atr = parse_hex(if options.vscard.is_some() { PLAIN_ATR } else { ATR }).context("the ATR")?;
    let truth = Truth::open(options.truth.as_deref())?;
    let mut card = Card { uicc: Uicc::default(), delay: options.delay, truth, number: 0 };
    let orders = orders(!options.out);
    match (options.vpcd, &options.vscard) {
        (Some(port), None) => vpcd::run(port, &atr, &mut card, &orders),
        (None, Some(socket)) => vscard::run(socket, &atr, &mut card, &orders),
        _ => bail!("say where the reader is: --vpcd PORT or --vscard SOCKET"),
    }
}

/// Lines of standard input, as they come.
fn orders(insert: bool) -> mpsc::Receiver<Order> {
    let (sender, orders) = mpsc::channel();
    if insert {
        let _ = sender.send(Order::Insert);
    }
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let order = match line.trim() {
                "insert" => Order::Insert,
                "remove" => Order::Remove,
                other => {
                    eprintln!("`{other}` is neither insert nor remove");
                    continue;
                }
            };
            if sender.send(order).is_err() {
                return;
            }
        }
        let _ = sender.send(Order::End);
    });
    orders
}
