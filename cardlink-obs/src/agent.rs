//! The loop that owns a run: events in, observations out, until it is told to stop.

use crate::{
    capture::{
        self, Capture,
        command::{Running, TAKEN},
        loader::LoadError,
    },
    client::OwnConnections,
    control::Waker,
    event::Event,
    memory,
    observation::Observation,
    pipeline::Pipeline,
    sink::{Sink, recording::Recorder},
    stream::Direction,
};
use nix::{
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::Pid,
};
use std::{
    io, mem,
    os::fd::{AsFd as _, BorrowedFd},
    time::{Duration, Instant},
};

/// The drain timer: quick while the ring fills, and soon when little happens and somebody may be looking on. Between these,
/// events that are handled together cost the agent a fraction of what each costs that it wakes up for. What cannot wait (a
/// new program) wakes it at once.
const QUICK: Duration = Duration::from_millis(10);
const TOGETHER: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_millis(50);
/// While nothing comes: the first event wakes the agent.
const IDLE: Duration = Duration::from_secs(1);
/// From so many events a second on, more of them are handled together; from so many on, the ring fills.
const SOME: u64 = 500;
const MANY: u64 = 20_000;
const IDLE_AFTER: Duration = Duration::from_secs(10);

/// What the loop waits for: the ring, and other things that only wake it.
const RING: u64 = 0;
const OTHER: u64 = 1;

/// How long a command may take to end once the agent was told to stop, until that is said.
const COMMAND_GRACE: Duration = Duration::from_secs(1);

/// Signals that end a run or ask for a reload, caught on a descriptor.
pub struct Signals {
    fd: SignalFd,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    End(i32),
    Reload,
}

impl Signals {
    /// Must be called before any thread is started: threads inherit the mask.
    pub fn block(with_reload: bool) -> io::Result<Self> {
        let set: SigSet = TAKEN.into_iter().filter(|signal| with_reload || *signal != Signal::SIGHUP).collect();
        set.thread_block()?;
        Ok(Self { fd: SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)? })
    }

    /// Readable when one has come.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn pending(&self) -> Option<Asked> {
        let info = self.fd.read_signal().ok().flatten()?;
        let number = i32::try_from(info.ssi_signo).ok()?;
        // The kernel itself sends it when the terminal goes away; a service manager asks for a reload.
        let from_terminal = info.ssi_code == nix::libc::SI_KERNEL;
        Some(if number == Signal::SIGHUP as i32 && !from_terminal { Asked::Reload } else { Asked::End(number) })
    }
}

/// Called with what was drained: capture, pipeline, and the number of events.
pub type AfterDrain<'a> = Box<dyn FnMut(&Capture, &Pipeline, u64) + 'a>;

/// Called when a reload is asked for.
pub type Reload<'a> = Box<dyn FnMut(&mut Capture, &mut Pipeline) + 'a>;

/// What a run is made of.
pub struct Run<'a> {
    pub capture: Capture,
    pub pipeline: Pipeline,
    pub sinks: Vec<Box<dyn Sink + 'a>>,
    pub recorder: Option<Recorder>,
    pub command: Option<Running>,
    /// What to do when nobody is watched any more and nobody can come.
    pub deserted: Deserted,
    /// Called after each drain, for what is not an observation: the ledger, probes, ring use.
    pub after_drain: AfterDrain<'a>,
    pub reload: Reload<'a>,
    /// Connections of the agent's own checks: they are not told.
    pub own: OwnConnections,
    /// Whether nobody is left to show anything to: the run ends, unless a command decides the end.
    pub unread: Box<dyn Fn() -> bool + 'a>,
    /// Wakes the loop when somebody has come who follows the agent.
    pub waker: Option<Waker>,
}

/// When the last process of a fixed set has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deserted {
    /// Others may come, or a command decides the end.
    Wait,
    /// There is nothing left to show.
    Stop,
    /// What was measured can still be read: say it once.
    Tell,
}

/// How a run ended.
pub struct Outcome {
    /// The command's exit code, when there was one.
    pub command: Option<i32>,
    pub recorder: Option<Recorder>,
    /// To be let go last.
    pub capture: Capture,
}

impl Run<'_> {
    /// Runs until a signal comes or the command ends; drains what is left.
    pub fn until_stopped(mut self, signals: &Signals) -> Result<Outcome, LoadError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io_error)?;
        // Edge-triggered: only a wake-up that the kernel side forces ends the wait, not data as such.
        let ring = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, RING);
        epoll.add(self.capture.ring_fd(), ring).map_err(io_error)?;
        let others = [Some(signals.fd.as_fd()), self.capture.devices_fd(), self.waker.as_ref().map(Waker::fd)];
        for other in others.into_iter().flatten() {
            epoll.add(other, EpollEvent::new(EpollFlags::EPOLLIN, OTHER)).map_err(io_error)?;
        }
        let (mut last_event, mut last_drain) = (Instant::now(), Instant::now());
        let (mut asleep, mut slept, mut tidy) = (false, false, false);
        let code = loop {
            let drained = self.drain(slept)?;
            let pace = per_second(drained, mem::replace(&mut last_drain, Instant::now()).elapsed());
            if drained > 0 {
                last_event = Instant::now();
                tidy = false;
                self.rouse(&mut asleep);
            }
            match signals.pending() {
                Some(Asked::End(signal)) => break self.stop_command(signal, signals)?,
                Some(Asked::Reload) => (self.reload)(&mut self.capture, &mut self.pipeline),
                None => {}
            }
            if let Some(code) = self.command.as_mut().and_then(Running::exit_code) {
                break Some(code);
            }
            if self.command.is_none() && (self.unread)() {
                break None;
            }
            if self.deserted != Deserted::Wait && self.capture.watched().next().is_none() {
                if self.deserted == Deserted::Stop {
                    tracing::info!("the last target has ended");
                    break None;
                }
                self.deserted = Deserted::Wait;
                tracing::warn!("all watched processes have ended: the metrics stay, but nothing new will come");
            }
            let quiet = last_event.elapsed();
            let wait = if pace >= MANY {
                QUICK
            } else if pace >= SOME {
                TOGETHER
            } else if quiet < IDLE_AFTER || self.capture.is_busy() {
                SOON
            } else if asleep {
                IDLE
            } else {
                // What comes from now on wakes. What was on its way is drained after one more short wait.
                asleep = self.capture.wake_at_next(true);
                if !mem::replace(&mut tidy, true) {
                    memory::give_back();
                }
                SOON
            };
            let timeout = EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::ZERO);
            let mut came = [EpollEvent::empty(); 4];
            let count = epoll.wait(&mut came, timeout).unwrap_or(0);
            if came.iter().take(count).any(|one| one.data() == RING) {
                // Before what came is looked at: what follows it is not to wake anybody.
                self.rouse(&mut asleep);
            }
            slept = wait == IDLE;
            if let Some(waker) = &self.waker {
                waker.heard();
            }
        };
        self.capture.stop();
        self.drain(false)?;
        self.finish();
        Ok(Outcome { command: code, recorder: self.recorder, capture: self.capture })
    }

    /// Events no longer wake the loop.
    fn rouse(&mut self, asleep: &mut bool) {
        if *asleep {
            self.capture.wake_at_next(false);
            *asleep = false;
        }
    }

    /// Hands on what has happened; after a long sleep, what had to happen before the first event happens first.
    fn drain(&mut self, mut slept: bool) -> Result<u64, LoadError> {
        let Self { capture, pipeline, sinks, recorder, own, .. } = self;
        let mut observations = Vec::new();
        let count = capture.drain(&mut |event| {
            // A drain without events ends with its own tick.
            if mem::take(&mut slept) && !matches!(event, Event::Tick { .. }) {
                pipeline.handle(&Event::Tick { now: event.at() }, &mut observations);
            }
            if let Some(recorder) = recorder {
                // Plaintext comes out of the pipeline again, of the source that is believed.
                if !matches!(event, Event::Plain(_)) {
                    recorder.take(&event);
                }
                pipeline.handle(&event, &mut observations);
                for found in pipeline.take_tapped() {
                    recorder.take(&found);
                }
            } else {
                pipeline.handle(&event, &mut observations);
            }
            own.leave_out(&mut observations);
            hand_out(&mut observations, sinks);
        })?;
        let orders = pipeline.take_orders();
        for identity in orders.whole {
            capture.want_all(identity);
        }
        for (identity, direction) in orders.one_way {
            capture.want_one(identity, direction == Direction::Write);
        }
        for identity in orders.quiet {
            capture.quiet(identity);
        }
        for pid in orders.needs_library {
            capture.need_libraries(pid);
        }
        for identity in orders.released {
            capture.release(identity);
        }
        capture.sweep(|identity| pipeline.knows(identity));
        for sink in sinks.iter_mut() {
            sink.flush();
        }
        if let Some(recorder) = recorder {
            recorder.flush_when_due(Instant::now());
        }
        (self.after_drain)(&self.capture, &self.pipeline, count);
        Ok(count)
    }

    fn finish(&mut self) {
        let mut observations = Vec::new();
        self.pipeline.finish(capture::now(), &mut observations);
        self.own.leave_out(&mut observations);
        hand_out(&mut observations, &mut self.sinks);
        for sink in &mut self.sinks {
            sink.flush();
        }
    }

    /// Ctrl-C reaches the command by itself; a SIGTERM is passed on. It is waited for, unless it is said once more.
    fn stop_command(&mut self, signal: i32, signals: &Signals) -> Result<Option<i32>, LoadError> {
        let Some(command) = &mut self.command else { return Ok(None) };
        if signal == Signal::SIGTERM as i32
            && let Ok(pid) = i32::try_from(command.pid)
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let mut say_at = Some(Instant::now() + COMMAND_GRACE);
        loop {
            if let Some(code) = self.command.as_mut().and_then(Running::exit_code) {
                return Ok(Some(code));
            }
            if let Some(Asked::End(_)) = signals.pending() {
                return Ok(Some(128 + signal));
            }
            if say_at.is_some_and(|at| Instant::now() >= at) {
                say_at = None;
                tracing::info!("the command has not ended yet: waiting for it (the same once more ends this)");
            }
            self.drain(false)?;
            std::thread::sleep(QUICK);
        }
    }
}

fn per_second(events: u64, time: Duration) -> u64 {
    events.saturating_mul(1000) / u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Passes observations to every sink.
pub fn hand_out(observations: &mut Vec<Observation>, sinks: &mut [Box<dyn Sink + '_>]) {
    for observation in observations.drain(..) {
        for sink in sinks.iter_mut() {
            sink.take(&observation);
        }
    }
}

fn io_error(errno: nix::errno::Errno) -> LoadError {
    LoadError::Map("EVENTS", format!("cannot wait for it: {errno}"))
}
