//! The agent against real peers. Each module is one thing that the agent promises.

mod handshakes;
mod load;
