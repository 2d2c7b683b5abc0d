//! The agent against real peers. Each module is one thing that the agent promises.

mod at;
mod descriptors;
mod durations;
mod ending;
mod handshakes;
mod load;
mod losses;
mod recordings;
mod targets;
mod truth;
