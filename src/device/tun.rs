//! A TUN device: a network interface whose cable ends in this program.
//!
//! What the kernel routes to the interface is read here, a packet each time; what is written here
//! has arrived there. It belongs to the network namespace of the thread that opens it, and vanishes
//! with the value.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::DeviceError;

const DEVICE: &str = "/dev/net/tun";

/// The cable's end.
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Whether there is such a thing here, and we may use it.
    pub fn is_available() -> bool {
        open().is_ok()
    }

    /// Make the interface `name` (at most 15 letters).
    ///
    /// # Errors
    /// There are no TUN devices here, we may not, or the name is taken.
    pub fn make(name: &str) -> Result<Self, DeviceError> {
        let failed = |cause: String| DeviceError {
            deed: "make network interface",
            device: name.to_owned(),
            cause,
        };
        let file = open().map_err(|error| failed(format!("{DEVICE}: {error}")))?;
        let mut letters = [0; libc::IFNAMSIZ];
        if name.len() >= letters.len() {
            return Err(failed("the name is too long".to_owned()));
        }
        for (letter, byte) in letters.iter_mut().zip(name.bytes()) {
            *letter = libc::c_char::from_ne_bytes([byte]);
        }
        let flags = i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI).expect("both are below 2^15");
        let wanted = libc::ifreq {
            ifr_name: letters,
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags },
        };
        // SAFETY: the request is a whole `ifreq` that lives through the call.
        let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const wanted) };
        match made {
            0 => Ok(Self(file)),
            _ => Err(failed(io::Error::last_os_error().to_string())),
        }
    }

    /// The next packet, if one is there: its bytes in `into`, which has room for an MTU.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.0).read(into) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Have a packet arrive.
    ///
    /// # Errors
    /// The interface is gone or down, or the kernel has no room: the packet is lost.
    pub fn write(&self, packet: &[u8]) -> io::Result<()> {
        (&self.0).write(packet).map(drop)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open() -> io::Result<File> {
    File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(DEVICE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_fit_is_refused_by_that_name() {
        let error = Tun::make("a-name-of-sixteen").unwrap_err().to_string();
        assert!(error.starts_with("make network interface a-name-of-sixteen"), "{error}");
    }
}
