//! Who serves a connection: a pool of threads, a child of its own, or the thread that accepted it.

use super::Shared;
use super::options::Model;
use super::serve::{Accepted, serve};
use crate::clock::boot_ns;
use crate::stop;
use anyhow::Context;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Between two looks at the stop flag.
const TICK_MS: u8 = 200;

pub(super) fn run(listener: &TcpListener, shared: Shared) -> anyhow::Result<()> {
    stop::on_signals()?;
    listener.set_nonblocking(true)?;
    let acceptor = Acceptor { listener, left: shared.options.max_connections, next: 1 };
    match shared.options.model {
        Model::Threads => threads(acceptor, shared),
        Model::Fork => forks(acceptor, &shared),
        Model::Inline => inline(acceptor, &shared),
    }
}

/// Hands out connections until it is told to stop or has handed out enough.
struct Acceptor<'a> {
    listener: &'a TcpListener,
    left: Option<u64>,
    next: u64,
}

impl Acceptor<'_> {
    fn next(&mut self) -> anyhow::Result<Option<Accepted>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        while !stop::requested() {
            let mut wanted = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
            match poll(&mut wanted, TICK_MS) {
                Ok(ready) if ready > 0 => {}
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno).context("cannot wait for connections"),
            }
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    let at_ns = boot_ns();
                    let conn = self.next;
                    self.next += 1;
                    self.left = self.left.map(|left| left - 1);
                    return Ok(Some(Accepted { conn, stream, peer, at_ns }));
                }
                Err(error) if passes(&error) => {}
                Err(error) => return Err(error).context("cannot accept"),
            }
        }
        Ok(None)
    }
}

/// A client that is gone again, or a moment without descriptors.
fn passes(error: &io::Error) -> bool {
    if matches!(error.raw_os_error(), Some(nix::libc::EMFILE | nix::libc::ENFILE)) {
        std::thread::sleep(Duration::from_millis(10));
        return true;
    }
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted)
}

fn threads(mut acceptor: Acceptor, shared: Shared) -> anyhow::Result<()> {
    let shared = Arc::new(shared);
    let (sender, receiver) = mpsc::channel::<Accepted>();
    let receiver = Arc::new(Mutex::new(receiver));
    let running = Arc::new(AtomicUsize::new(0));
    // The workers finish what they are at: the signals are for this thread.
    stop::block()?;
    for _ in 0..shared.options.workers.max(1) {
        let (shared, receiver, running) = (shared.clone(), receiver.clone(), running.clone());
        running.fetch_add(1, Ordering::AcqRel);
        std::thread::spawn(move || {
            loop {
                let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(accepted) = next else { break };
                serve(&shared, accepted);
            }
            running.fetch_sub(1, Ordering::AcqRel);
        });
    }
    stop::unblock()?;
    while let Some(accepted) = acceptor.next()? {
        sender.send(accepted).context("no worker is left")?;
    }
    drop(sender);
    // After the last wanted connection the sessions take their time; after a signal they have the grace.
    let mut deadline = None;
    while running.load(Ordering::Acquire) > 0 {
        if stop::requested() && *deadline.get_or_insert_with(|| Instant::now() + shared.options.grace) < Instant::now()
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn forks(mut acceptor: Acceptor, shared: &Shared) -> anyhow::Result<()> {
    let mut children = Vec::new();
    while let Some(accepted) = acceptor.next()? {
        // SAFETY: this process has one thread.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Child => {
                serve(shared, accepted);
                std::process::exit(0);
            }
            ForkResult::Parent { child } => {
                drop(accepted);
                children.push(child);
            }
        }
        reap(&mut children);
    }
    let mut deadline = None;
    while !children.is_empty() {
        reap(&mut children);
        if stop::requested() && *deadline.get_or_insert_with(|| Instant::now() + shared.options.grace) < Instant::now()
        {
            for child in &children {
                // A child that is gone by now is what is wanted.
                let _ = nix::sys::signal::kill(*child, nix::sys::signal::SIGTERM);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn reap(children: &mut Vec<Pid>) {
    children.retain(|child| matches!(waitpid(*child, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive)));
}

fn inline(mut acceptor: Acceptor, shared: &Shared) -> anyhow::Result<()> {
    while let Some(accepted) = acceptor.next()? {
        serve(shared, accepted);
    }
    Ok(())
}
