//! The phone: what an adb server finds behind `adb connect HOST:PORT`.

mod files;
mod link;
mod message;
mod service;

use crate::truth::Truth;
use clap::Parser;
use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
};

/// A phone that answers an adb server over TCP and says what really happened.
///
/// Its shell knows `echo TEXT`, `sleep MILLISECONDS`, `exit CODE`, `getprop`, `fill BYTES`, and `cat FILE`, parted by `;`; text
/// that is sent to a file under /dev is passed over. Files live as long as the program; those under /denied are not to be had.
#[derive(Debug, Clone, Parser)]
#[command(name = "lab-phone")]
pub struct Options {
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    #[arg(long, default_value = "Lab Phone")]
    pub model: String,
    /// What it says that it can do.
    #[arg(long, default_value = "shell_v2,cmd,stat_v2,ls_v2")]
    pub features: String,
    /// Append the truth to this file.
    #[arg(long)]
    pub truth: Option<PathBuf>,
}

pub fn run(options: Options) -> anyhow::Result<()> {
    let truth = Arc::new(Truth::open(options.truth.as_deref())?);
    let listener = TcpListener::bind(options.listen)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let options = Arc::new(options);
    let files = Arc::new(files::Files::default());
    for stream in listener.incoming() {
        let (options, files, truth) = (Arc::clone(&options), Arc::clone(&files), Arc::clone(&truth));
        let stream = stream?;
        thread::spawn(move || {
            // An adb server that goes away is none of the phone's business.
            let _ = link::serve(stream, &options, &files, &truth);
        });
    }
    Ok(())
}
