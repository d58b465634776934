//! A server of stations in threads of its own: TCP or UDP, answers once a second as the first one does.
//!
//! ```text
//!  accept ──> one thread per connection: Parser ──> Got { connection, sequence, at }
//!                                      └─ every second: 5A, sequence, time ──> station
//! ```

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::decoder::{Block, Parser, answer, read};
use twocan::clock::{self, Time};

/// However slow the machine is, by now it has happened or it never will.
pub const LIMIT: Duration = Duration::from_secs(40);

/// A datagram that came.
#[derive(Debug, Clone, Copy)]
pub struct Got {
    pub connection: usize,
    pub sequence: u16,
    pub at: Time,
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    news: Condvar,
    ends: AtomicBool,
    answers: AtomicBool,
    connections: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Shared {
    fn took(&self, connection: usize, block: &Block) {
        let got = Got { connection, sequence: block.sequence, at: clock::now() };
        self.got.lock().unwrap().push(got);
        self.news.notify_all();
    }
}

/// Serves until it is dropped, which is as if its process were killed.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Whether a second has passed since the last answer.
struct Pace(Option<Instant>);

impl Pace {
    fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() > Duration::from_secs(1));
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

impl Server {
    /// Over TCP.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::listen(address, true)
    }

    /// Over TCP, and it never answers.
    pub fn mute(address: SocketAddr) -> Self {
        Self::listen(address, false)
    }

    fn listen(address: SocketAddr, answers: bool) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { answers: AtomicBool::new(answers), ..Shared::default() });
        let serving = Arc::clone(&shared);
        let accept = move || {
            let mut threads = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if serving.ends.load(Ordering::SeqCst) {
                    break;
                }
                let connection = serving.connections.fetch_add(1, Ordering::SeqCst);
                serving.open.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&serving);
                threads.push(std::thread::spawn(move || serve(stream, connection, &shared)));
            }
            drop(listener);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        };
        let threads = vec![std::thread::spawn(accept)];
        Self { address, shared, threads }
    }

    /// Over UDP.
    pub fn udp(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let address = socket.local_addr().unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let shared = Arc::new(Shared { answers: AtomicBool::new(true), ..Shared::default() });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let (mut buffer, mut pace) = ([0; 2000], Pace(None));
            while !serving.ends.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let block = read(&buffer[..length]);
                serving.took(0, &block);
                if serving.answers.load(Ordering::SeqCst) && pace.is_due() {
                    let _ = socket.send_to(&answer(&block), from);
                }
            }
        });
        Self { address, shared, threads: vec![thread] }
    }

    /// Go on or stop to answer.
    pub fn set_answers(&self, answers: bool) {
        self.shared.answers.store(answers, Ordering::SeqCst);
    }

    /// All that came so far.
    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// Wait until what came is as wanted; what came then.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let limit = Instant::now() + LIMIT;
        let mut got = self.shared.got.lock().unwrap();
        while !wanted(&got) {
            let left = limit.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what}; the last of {}: {:?}", got.len(), got.last());
            got = self.shared.news.wait_timeout(got, left).unwrap().0;
        }
        got.clone()
    }

    /// Wait for so many more datagrams.
    #[track_caller]
    pub fn wait_more(&self, count: usize) -> Vec<Got> {
        let before = self.shared.got.lock().unwrap().len();
        self.wait("more datagrams", |got| got.len() >= before + count)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // So that accept comes round.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a thread of the server panicked");
        }
    }
}

fn serve(mut stream: TcpStream, connection: usize, shared: &Shared) {
    let (mut parser, mut pace) = (Parser::default(), Pace(None));
    let mut buffer = [0; 30_000];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let mut last = None;
        for block in parser.push(&buffer[..length]) {
            shared.took(connection, &block);
            last = Some(block);
        }
        if let Some(block) = last
            && shared.answers.load(Ordering::SeqCst)
            && pace.is_due()
        {
            let _ = stream.write_all(&answer(&block));
        }
    }
}
