//! One connection of an adb server: many streams, each with a service.

use super::{
    Options,
    files::Files,
    message::{CLOSE, CONNECT, MOST_DATA, Message, OKAY, OPEN, VERSION, WRITE},
    service,
};
use crate::{
    clock::boot_ns,
    truth::{PhoneRecord, Truth},
};
use std::{
    collections::HashMap,
    io,
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

/// What the adb server says on a stream.
enum Said {
    Data(Vec<u8>),
    /// It took what it was sent.
    Taken,
    Closed,
}

/// The phone's end of a stream.
pub struct Stream {
    out: Arc<Mutex<TcpStream>>,
    own: u32,
    other: u32,
    said: Receiver<Said>,
    /// Data that came while something else was waited for.
    pending: Vec<u8>,
    closed: bool,
}

impl Stream {
    fn send(&self, command: u32, data: &[u8]) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        Message::write(command, self.own, self.other, data, &mut *out)
    }

    /// Sends, and waits until all is taken.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        for piece in data.chunks(MOST_DATA as usize) {
            self.send(WRITE, piece)?;
            loop {
                match self.next()? {
                    Said::Taken => break,
                    Said::Data(data) => self.pending.extend(data),
                    Said::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
                }
            }
        }
        Ok(())
    }

    /// So many bytes from the other side.
    pub fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.pending.len() < count {
            match self.next()? {
                Said::Data(data) => self.pending.extend(data),
                Said::Taken => {}
                Said::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(self.pending.drain(..count).collect())
    }

    fn next(&mut self) -> io::Result<Said> {
        if self.closed {
            return Ok(Said::Closed);
        }
        let said = self.said.recv().map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))?;
        match said {
            // It is taken at once; what comes next is waited for.
            Said::Data(_) => self.send(OKAY, &[])?,
            Said::Closed => self.closed = true,
            Said::Taken => {}
        }
        Ok(said)
    }
}

pub fn serve(stream: TcpStream, options: &Options, files: &Arc<Files>, truth: &Arc<Truth>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = stream.try_clone()?;
    let out = Arc::new(Mutex::new(stream));
    let mut streams: HashMap<u32, Sender<Said>> = HashMap::new();
    let mut last = 0;
    loop {
        let message = Message::read(&mut input)?;
        let tell = |said| {
            if let Some(stream) = streams.get(&message.second) {
                // It may have ended meanwhile.
                let _ = stream.send(said);
            }
        };
        match message.command {
            CONNECT => {
                let banner = format!(
                    "device::ro.product.name=lab;ro.product.model={};ro.product.device=lab;features={}",
                    options.model, options.features
                );
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                Message::write(CONNECT, VERSION, MOST_DATA, banner.as_bytes(), &mut *out)?;
            }
            OPEN => {
                last += 1;
                let (sender, said) = channel();
                streams.insert(last, sender);
                let own = Stream {
                    out: Arc::clone(&out),
                    own: last,
                    other: message.first,
                    said,
                    pending: Vec::new(),
                    closed: false,
                };
                let name = String::from_utf8_lossy(&message.data).trim_end_matches('\0').to_owned();
                let (files, truth) = (Arc::clone(files), Arc::clone(truth));
                thread::spawn(move || run(own, name, &files, &truth));
            }
            WRITE => tell(Said::Data(message.data)),
            OKAY => tell(Said::Taken),
            CLOSE => {
                tell(Said::Closed);
                streams.remove(&message.second);
            }
            _ => {}
        }
    }
}

/// One service from its opening to its end.
fn run(mut stream: Stream, name: String, files: &Files, truth: &Truth) {
    let opened_ns = boot_ns();
    let known = service::is_known(&name);
    let outcome = if known {
        stream.send(OKAY, &[]).and_then(|()| service::serve(&name, &mut stream, files, truth))
    } else {
        Ok(None)
    };
    truth.tell(&PhoneRecord {
        program: String::from("phone"),
        kind: String::from("service"),
        name,
        opened_ns,
        ended_ns: boot_ns(),
        exit: outcome.as_ref().ok().copied().flatten(),
        result: match &outcome {
            Ok(_) if known => String::from("ok"),
            Ok(_) => String::from("refused"),
            Err(error) => error.kind().to_string(),
        },
    });
    // A stream that was refused has no number of its own.
    let own = if known { stream.own } else { 0 };
    let mut out = stream.out.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = Message::write(CLOSE, own, stream.other, &[], &mut *out);
}
