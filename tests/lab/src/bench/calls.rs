//! Calls of one kind, and their CPU time.

use super::pair::{FILL, Pipe, SHORT_BODY, Tcp};
use anyhow::ensure;
use clap::ValueEnum;
use nix::time::{ClockId, clock_gettime};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `read` of one byte of application data from a TCP connection.
    Tcp,
    /// `read` of the header, then of the body of a TLS handshake record, as OpenSSL reads. The next ones come after a
    /// pause, so that whoever copies them keeps up.
    Records,
    /// `read` of one byte from a pipe.
    Pipe,
    /// `getppid`.
    Getppid,
}

/// Handshake records between two pauses, and the pause: longer than the agent's drain timer.
const RECORDS: usize = 1024;
const PAUSE: Duration = Duration::from_millis(15);

/// Nanoseconds of CPU time of one call: of the chunks that `count` calls were made in, the one that was disturbed least.
pub fn measure(kind: Kind, count: usize) -> anyhow::Result<f64> {
    let chunks = match kind {
        Kind::Tcp => {
            let mut tcp = Tcp::new()?;
            chunks(count, FILL, || {
                tcp.fill()?;
                bytes(tcp.reader.as_fd())
            })?
        }
        Kind::Records => {
            let mut tcp = Tcp::new()?;
            chunks(count, 2 * RECORDS, || {
                tcp.fill_records(RECORDS)?;
                std::thread::sleep(PAUSE);
                records(tcp.reader.as_fd())
            })?
        }
        Kind::Pipe => {
            let mut pipe = Pipe::new()?;
            chunks(count, FILL, || {
                pipe.fill()?;
                bytes(pipe.reader.as_fd())
            })?
        }
        Kind::Getppid => chunks(count, FILL, || {
            timed(|| {
                for _ in 0..FILL {
                    std::hint::black_box(nix::unistd::getppid());
                }
                Ok(())
            })
        })?,
    };
    ensure!(!chunks.is_empty(), "no calls were asked for");
    Ok(chunks.into_iter().fold(f64::INFINITY, f64::min))
}

/// Repeats `chunk`, which makes `size` calls, until there were `count`; returns the time of a call in each.
fn chunks(count: usize, size: usize, mut chunk: impl FnMut() -> io::Result<Duration>) -> io::Result<Vec<f64>> {
    (0..count.div_ceil(size)).map(|_| Ok(chunk()?.as_nanos() as f64 / size as f64)).collect()
}

fn bytes(reader: BorrowedFd<'_>) -> io::Result<Duration> {
    timed(|| {
        let mut byte = [0];
        (0..FILL).try_for_each(|_| read_all(reader, &mut byte))
    })
}

fn records(reader: BorrowedFd<'_>) -> io::Result<Duration> {
    timed(|| {
        let (mut header, mut body) = ([0; 5], [0; SHORT_BODY]);
        (0..RECORDS).try_for_each(|_| {
            read_all(reader, &mut header)?;
            read_all(reader, &mut body)
        })
    })
}

/// One `read`(2), of bytes that lie ready; the standard library reads sockets with `recv`.
fn read_all(reader: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<()> {
    let read = nix::unistd::read(reader, into)?;
    if read == into.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// CPU time of this thread: other programs that want its CPU are not counted.
fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let before = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    work()?;
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)? - before))
}

#[cfg(test)]
mod tests {
    use super::{Kind, measure};

    #[test]
    fn every_kind_of_call_takes_time() -> anyhow::Result<()> {
        for kind in [Kind::Tcp, Kind::Records, Kind::Pipe, Kind::Getppid] {
            assert!(measure(kind, 40_000)? > 0.0, "{kind:?}");
        }
        Ok(())
    }
}
