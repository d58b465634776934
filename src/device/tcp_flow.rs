//! What the kernel knows of a TCP connection and no reader does: how far the other end has
//! acknowledged what we wrote. On a line that we fill ourselves that is all that moves.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// `TCP_CLOSE` of the kernel's tcp_states.h.
const CLOSED: u8 = 7;

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
    let info =
        info(socket, std::mem::offset_of!(libc::tcp_info, tcpi_bytes_acked) + size_of::<u64>())?;
    let ago = Duration::from_millis(info.tcpi_last_ack_recv.into());
    Ok(Acknowledged { bytes: info.tcpi_bytes_acked, ago })
}

/// Bytes of the connection `socket` that were written and have not been sent a first time. One that is
/// over has none.
///
/// # Errors
/// It is no TCP connection, or the kernel is older than 4.6.
pub fn unsent(socket: impl AsFd) -> io::Result<u32> {
    let info =
        info(socket, std::mem::offset_of!(libc::tcp_info, tcpi_notsent_bytes) + size_of::<u32>())?;
    Ok(if info.tcpi_state == CLOSED { 0 } else { info.tcpi_notsent_bytes })
}

/// What the kernel says, of which the first `wanted` bytes are needed.
fn info(socket: impl AsFd, wanted: usize) -> io::Result<libc::tcp_info> {
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
    if (length as usize) < wanted {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: every field is a number, for which all bytes, those the kernel left zero too, are valid.
    Ok(unsafe { info.assume_init() })
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
    fn what_nobody_takes_is_unsent_until_the_connection_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        assert_eq!(unsent(&ours).unwrap(), 0);
        ours.set_nonblocking(true).unwrap();
        while ours.write(&[0; 100_000]).is_ok() {}
        assert!(unsent(&ours).unwrap() > 0);
        // Unread bytes make it a reset.
        drop(theirs);
        ours.set_nonblocking(false).unwrap();
        assert!(ours.read(&mut [0]).is_err());
        assert_eq!(unsent(&ours).unwrap(), 0);
    }

    #[test]
    fn what_is_no_connection_says_so() {
        let nothing = std::fs::File::open("/dev/null").unwrap();
        assert!(acknowledged(&nothing).is_err());
    }
}
