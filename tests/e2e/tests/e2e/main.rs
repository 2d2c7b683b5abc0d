//! The agent against real peers. Each module is one thing that the agent promises.

mod at;
mod descriptors;
mod durations;
mod handshakes;
mod load;
mod truth;
