//! vpcd's protocol: a length of two bytes, then an APDU, or one byte of control.

use super::{Card, Order};
use anyhow::Context as _;
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::mpsc::{Receiver, TryRecvError},
    thread,
    time::{Duration, Instant},
};

const OFF: u8 = 0;
const ON: u8 = 1;
const RESET: u8 = 2;
const ATR: u8 = 4;

/// So long vpcd is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often orders are looked for.
const LOOK: Duration = Duration::from_millis(50);

pub fn run(port: u16, atr: &[u8], card: &mut Card, orders: &Receiver<Order>) -> anyhow::Result<()> {
    let mut reader: Option<TcpStream> = None;
    loop {
        match orders.try_recv() {
            Ok(Order::Insert) if reader.is_none() => {
                reader = Some(connect(port)?);
                println!("inserted");
            }
            Ok(Order::Remove) if reader.is_some() => {
                reader = None;
                println!("removed");
            }
            Ok(Order::Insert | Order::Remove) => {}
            Ok(Order::End) | Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => match &mut reader {
                None => thread::sleep(LOOK),
                Some(stream) => {
                    if !serve(stream, atr, card)? {
                        println!("the reader is gone");
                        reader = None;
                    }
                }
            },
        }
    }
}

fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let began = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(_) if began.elapsed() < PATIENCE => thread::sleep(LOOK),
            Err(error) => return Err(error).with_context(|| format!("nobody waits at port {port}")),
        }
    }
}

/// Answers one message, if there is one; false when the reader has hung up.
fn serve(stream: &mut TcpStream, atr: &[u8], card: &mut Card) -> anyhow::Result<bool> {
    stream.set_read_timeout(Some(LOOK))?;
    let mut length = [0; 2];
    match stream.read(&mut length) {
        Ok(0) => return Ok(false),
        Ok(1) => {
            stream.set_read_timeout(None)?;
            stream.read_exact(&mut length[1..])?;
        }
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(true),
        Err(_) => return Ok(false),
    }
    stream.set_read_timeout(None)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    match message.as_slice() {
        [OFF | ON] => {}
        [RESET] => card.reset(),
        [ATR] => answer(stream, atr)?,
        command => {
            let (received, response) = card.transmit(command);
            answer(stream, &response)?;
            card.answered(command, &response, received);
        }
    }
    Ok(true)
}

fn answer(stream: &mut TcpStream, bytes: &[u8]) -> anyhow::Result<()> {
    let length = u16::try_from(bytes.len()).context("an answer is too long")?.to_be_bytes();
    stream.write_all(&[&length, bytes].concat())?;
    Ok(())
}
