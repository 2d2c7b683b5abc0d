//! The protocol of QEMU's `ccid-card-passthru` (libcacard's `vscard_common.h`): a header of type, reader and length, each
//! four bytes, big endian, and what belongs to it. QEMU listens.

use super::{Card, Order};
use anyhow::{Context as _, bail};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::mpsc::{Receiver, TryRecvError},
    thread,
    time::{Duration, Instant},
};

const INIT: u32 = 1;
const READER_ADD: u32 = 3;
const ATR: u32 = 5;
const CARD_REMOVE: u32 = 6;
const APDU: u32 = 7;
const FLUSH: u32 = 8;
const FLUSH_COMPLETE: u32 = 9;

const MAGIC: &[u8; 4] = b"VSCD";
const VERSION: u32 = 2;
const READER: u32 = 0;
/// The longest that is read.
const MOST: usize = 1 << 20;

const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(50);

pub fn run(socket: &Path, atr: &[u8], card: &mut Card, orders: &Receiver<Order>) -> anyhow::Result<()> {
    let mut stream = connect(socket)?;
    let hello = [MAGIC.as_slice(), &VERSION.to_be_bytes(), &0_u32.to_be_bytes()].concat();
    send(&mut stream, INIT, &hello)?;
    send(&mut stream, READER_ADD, b"lab\0")?;
    loop {
        match orders.try_recv() {
            Ok(Order::Insert) => {
                card.reset();
                send(&mut stream, ATR, atr)?;
                println!("inserted");
            }
            Ok(Order::Remove) => {
                send(&mut stream, CARD_REMOVE, &[])?;
                println!("removed");
            }
            Ok(Order::End) | Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                if !serve(&mut stream, card)? {
                    return Ok(());
                }
            }
        }
    }
}

fn connect(socket: &Path) -> anyhow::Result<UnixStream> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(_) if began.elapsed() < PATIENCE => thread::sleep(LOOK),
            Err(error) => return Err(error).with_context(|| format!("nobody waits at {}", socket.display())),
        }
    }
}

fn send(stream: &mut UnixStream, kind: u32, payload: &[u8]) -> anyhow::Result<()> {
    let length = u32::try_from(payload.len()).context("a message is too long")?;
    let header = [kind.to_be_bytes(), READER.to_be_bytes(), length.to_be_bytes()].concat();
    stream.write_all(&[header.as_slice(), payload].concat())?;
    Ok(())
}

/// Answers one message, if there is one; false when QEMU has hung up.
fn serve(stream: &mut UnixStream, card: &mut Card) -> anyhow::Result<bool> {
    stream.set_read_timeout(Some(LOOK))?;
    let mut header = [0; 12];
    match stream.read(&mut header[..1]) {
        Ok(0) => return Ok(false),
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(true),
        Err(_) => return Ok(false),
    }
    stream.set_read_timeout(None)?;
    stream.read_exact(&mut header[1..])?;
    let [kind, _, length] = [0, 4, 8].map(|at| {
        let bytes = header.get(at..at + 4).and_then(|four| four.first_chunk()).copied().unwrap_or_default();
        u32::from_be_bytes(bytes)
    });
    let length = length as usize;
    if length > MOST {
        bail!("QEMU sends a message of {length} bytes");
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    match kind {
        APDU => {
            let (received, response) = card.transmit(&payload);
            send(stream, APDU, &response)?;
            card.answered(&payload, &response, received);
        }
        FLUSH => send(stream, FLUSH_COMPLETE, &[])?,
        // QEMU's greeting, that a message was taken, that the card loses or gets its power.
        _ => {}
    }
    Ok(true)
}
