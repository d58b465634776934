//! Somebody in the middle: passes bytes on between a kiosk and a relay, or inside a relay between its
//! sockets, and from a word on does something to them.
//!
//! ```text
//!  kiosk ──> Middle ──> sshd            somebody on the path
//!  sshd ──> Middle ──> kiosk's socket   somebody who owns the relay
//! ```
//! The first bytes of each connection pass untouched, so that the tricks hit a session that stands.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What is done to every third piece of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Nothing.
    None,
    /// One bit is another one.
    Flip,
    /// It is left out.
    Drop,
    /// It comes after the next one.
    Swap,
    /// It comes twice.
    Replay,
    /// Something of ours is put in front of it.
    Inject,
}

/// Bytes of a connection, each way, that always pass: more than a handshake has.
const HONEST: usize = 6000;

/// The one in the middle.
#[derive(Clone)]
pub struct Middle {
    trick: Arc<Mutex<Trick>>,
    played: Arc<AtomicU64>,
}

enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    fn twin(&self) -> io::Result<Wire> {
        match self {
            Wire::Tcp(stream) => stream.try_clone().map(Wire::Tcp),
            Wire::Unix(stream) => stream.try_clone().map(Wire::Unix),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.read(into),
            Wire::Unix(stream) => stream.read(into),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.write_all(bytes),
            Wire::Unix(stream) => stream.write_all(bytes),
        }
    }

    fn end(&self) {
        // It may have ended by itself.
        let _ = match self {
            Wire::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Wire::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

fn in_a_thread(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("middle".to_owned()).spawn(work).unwrap();
}

impl Middle {
    fn new() -> Self {
        Self { trick: Arc::new(Mutex::new(Trick::None)), played: Arc::default() }
    }

    /// On the path to `target`; where to go instead of there.
    pub fn on_the_path_to(target: SocketAddr) -> (Middle, SocketAddr) {
        let middle = Self::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = middle.clone();
        in_a_thread(move || {
            for near in listener.incoming().map_while(Result::ok) {
                near.set_nodelay(true).unwrap();
                let Ok(far) = TcpStream::connect(target) else { continue };
                far.set_nodelay(true).unwrap();
                own.join(Wire::Tcp(near), Wire::Tcp(far));
            }
        });
        (middle, address)
    }

    /// In a relay, in the place of the socket at `path`, which is moved aside.
    pub fn in_the_place_of(path: &Path) -> Middle {
        let aside = PathBuf::from(format!("{}.aside", path.display()));
        std::fs::rename(path, &aside).unwrap();
        let middle = Self::new();
        let listener = UnixListener::bind(path).unwrap();
        let own = middle.clone();
        in_a_thread(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = UnixStream::connect(&aside) else { continue };
                own.join(Wire::Unix(near), Wire::Unix(far));
            }
        });
        middle
    }

    /// The same, but who comes is led to a door on TCP instead.
    pub fn leading_astray(path: &Path, door: SocketAddr) {
        std::fs::remove_file(path).unwrap();
        let listener = UnixListener::bind(path).unwrap();
        in_a_thread(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(door) else { continue };
                Self::new().join(Wire::Unix(near), Wire::Tcp(far));
            }
        });
    }

    /// From now on.
    pub fn play(&self, trick: Trick) {
        *self.trick.lock().unwrap() = trick;
    }

    /// How often a trick was played.
    pub fn played(&self) -> u64 {
        self.played.load(Ordering::Relaxed)
    }

    fn join(&self, near: Wire, far: Wire) {
        let (near_twin, far_twin) = (near.twin().unwrap(), far.twin().unwrap());
        let (one, other) = (self.clone(), self.clone());
        in_a_thread(move || one.pump(near, far));
        in_a_thread(move || other.pump(far_twin, near_twin));
    }

    fn pump(&self, mut from: Wire, mut to: Wire) {
        let mut piece = vec![0; 16 * 1024];
        let (mut passed, mut number) = (0, 0u32);
        let mut held: Option<Vec<u8>> = None;
        while let Ok(length @ 1..) = from.read(&mut piece) {
            let bytes = &mut piece[..length];
            passed += length;
            number += 1;
            let trick = *self.trick.lock().unwrap();
            let plays = trick != Trick::None && passed > HONEST && number.is_multiple_of(3);
            if plays {
                self.played.fetch_add(1, Ordering::Relaxed);
            }
            let mut out = Vec::new();
            match trick {
                _ if !plays => out.extend_from_slice(bytes),
                Trick::None => unreachable!("nothing is played then"),
                Trick::Flip => {
                    bytes[length / 2] ^= 0x10;
                    out.extend_from_slice(bytes);
                }
                Trick::Drop => {}
                Trick::Swap => held = Some(bytes.to_vec()),
                Trick::Replay => out.extend_from_slice(&[&*bytes, &*bytes].concat()),
                Trick::Inject => {
                    out.extend_from_slice(&[
                        0, 0, 0, 28, 10, 94, 0, 0, 0, 1, 0, 0, 0, 3, b'b', b'y',
                    ]);
                    out.extend_from_slice(bytes);
                }
            }
            if !plays && let Some(held) = held.take() {
                out.extend_from_slice(&held);
            }
            if to.write(&out).is_err() {
                break;
            }
        }
        from.end();
        to.end();
    }
}
