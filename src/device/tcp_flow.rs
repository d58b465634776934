//! What the kernel knows of a TCP connection and no reader does: how far the other end has
//! acknowledged what we wrote. On a line that we fill ourselves that is all that moves.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// What has been acknowledged of a connection (`struct tcp_info` of tcp(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Bytes so far.
    pub bytes: u64,
    /// Since anything was, a second time or a byte of the other end's own included.
    pub ago: Duration,
}

/// Ask about the connection `socket`.
///
/// # Errors
/// It is no TCP connection, or the kernel is older than 4.1.
pub fn acknowledged(socket: impl AsFd) -> io::Result<Acknowledged> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is borrowed for the call; the kernel writes at most `length` bytes into a
    // place of that size, and says how many in `length`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    let wanted = std::mem::offset_of!(libc::tcp_info, tcpi_bytes_acked) + size_of::<u64>();
    if (length as usize) < wanted {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: every field is a number, for which all bytes, those the kernel left zero too, are valid.
    let info = unsafe { info.assume_init() };
    let ago = Duration::from_millis(info.tcpi_last_ack_recv.into());
    Ok(Acknowledged { bytes: info.tcpi_bytes_acked, ago })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_the_other_end_has_taken_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let before = acknowledged(&ours).unwrap().bytes;
        ours.write_all(&[0; 5000]).unwrap();
        theirs.read_exact(&mut [0; 5000]).unwrap();
        theirs.write_all(b"!").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        assert_eq!(acknowledged(&ours).unwrap().bytes - before, 5000);
    }

    #[test]
    fn what_is_no_connection_says_so() {
        let nothing = std::fs::File::open("/dev/null").unwrap();
        assert!(acknowledged(&nothing).is_err());
    }
}
