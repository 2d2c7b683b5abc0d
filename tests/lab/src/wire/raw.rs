//! One read or write of a socket, by the call that was asked for.

use super::Calls;
use nix::sys::socket::{MsgFlags, recv, recvmsg, send, sendmsg};
use nix::sys::uio::{readv, writev};
use nix::unistd::{read as read_fd, write as write_fd};
use std::io::{IoSlice, IoSliceMut};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

pub(super) fn read(stream: &TcpStream, buffer: &mut [u8], calls: Calls) -> nix::Result<usize> {
    let (head, tail) = buffer.split_at_mut(buffer.len() / 2);
    match calls {
        Calls::Rw => read_fd(stream, buffer),
        Calls::Recv => recv(stream.as_raw_fd(), buffer, MsgFlags::empty()),
        Calls::Vec => readv(stream, &mut [IoSliceMut::new(head), IoSliceMut::new(tail)]),
        Calls::Msg => {
            let mut pieces = [IoSliceMut::new(head), IoSliceMut::new(tail)];
            let message = recvmsg::<()>(stream.as_raw_fd(), &mut pieces, None, MsgFlags::empty())?;
            Ok(message.bytes)
        }
    }
}

pub(super) fn write(stream: &TcpStream, bytes: &[u8], calls: Calls) -> nix::Result<usize> {
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    match calls {
        Calls::Rw => write_fd(stream, bytes),
        Calls::Recv => send(stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL),
        Calls::Vec => writev(stream, &[IoSlice::new(head), IoSlice::new(tail)]),
        Calls::Msg => sendmsg::<()>(
            stream.as_raw_fd(),
            &[IoSlice::new(head), IoSlice::new(tail)],
            &[],
            MsgFlags::MSG_NOSIGNAL,
            None,
        ),
    }
}
