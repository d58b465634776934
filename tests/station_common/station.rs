//! A station's sender under test: a microphone, the sender, and what it tells.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use super::microphone::{KEEP, Microphone};
use super::server::{Got, LIMIT};
use twocan::address::HostPort;
use twocan::clock::Time;
use twocan::station::send::{Destination, LinkEvent, SendStats, Sender};

/// What a busy machine may be late with.
pub const SLACK: Duration = Duration::from_millis(300);

/// A station under test.
pub struct Station {
    sender: Option<Sender>,
    microphone: Microphone,
    pub events: Receiver<LinkEvent>,
}

impl Station {
    pub fn start(to: Destination) -> Self {
        Self::start_with(to, |_| {})
    }

    /// The same with somebody else who is told, in the sender's thread.
    pub fn start_with(to: Destination, also: impl Fn(&LinkEvent) + Send + Sync + 'static) -> Self {
        let microphone = Microphone::start();
        let (sink, events) = mpsc::channel();
        let sender = Sender::start(to, microphone.ring.clone(), move |event| {
            also(&event);
            // A test that has ended listens no more.
            let _ = sink.send(event);
        });
        Self { sender: Some(sender.unwrap()), microphone, events }
    }

    pub fn tcp(address: SocketAddr) -> Self {
        Self::start(Destination::Tcp(named(address)))
    }

    pub fn stats(&self) -> &SendStats {
        self.sender.as_ref().unwrap().stats()
    }

    /// How often the sender panicked.
    pub fn panics(&self) -> u64 {
        self.sender.as_ref().unwrap().health().panics()
    }

    /// How many datagrams were let go unsent.
    pub fn dropped(&self) -> u64 {
        self.microphone.ring.dropped()
    }

    /// Wait for the first event that is wanted.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
        let limit = Instant::now() + LIMIT;
        let mut others = Vec::new();
        loop {
            match self.events.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => others.push(event),
                Err(_) => panic!("no {what}; instead {others:?}"),
            }
        }
    }

    #[track_caller]
    pub fn wait_streaming(&self) {
        self.wait("answer", |event| *event == LinkEvent::Streaming);
    }

    #[track_caller]
    pub fn wait_lost(&self) -> String {
        match self.wait("end", |event| matches!(event, LinkEvent::Lost { .. })) {
            LinkEvent::Lost { sentence, .. } => sentence,
            _ => unreachable!("waited for it"),
        }
    }

    #[track_caller]
    pub fn wait_failed(&self) -> String {
        match self.wait("failure", |event| matches!(event, LinkEvent::Failed { .. })) {
            LinkEvent::Failed { sentence, .. } => sentence,
            _ => unreachable!("waited for it"),
        }
    }

    /// How long it took to end.
    #[track_caller]
    pub fn stop(&mut self) -> Duration {
        let began = Instant::now();
        assert!(
            self.sender.take().unwrap().stop(Duration::from_secs(1)),
            "it ends within a second"
        );
        began.elapsed()
    }

    /// That all captured since `gone` that was young when the line was back is in `got`.
    #[track_caller]
    pub fn check_young(&self, gone: Time, back: Time, got: &[Got]) {
        let first = self.microphone.first_since(gone.max(back - KEEP + SLACK));
        let last = got.last().unwrap().sequence;
        let came: HashSet<u16> = got.iter().map(|got| got.sequence).collect();
        let missing: Vec<u16> = (first..=last).filter(|number| !came.contains(number)).collect();
        assert!(missing.is_empty(), "{missing:?} of {first} to {last} were young and never came");
    }
}

pub fn named(address: SocketAddr) -> HostPort {
    address.to_string().parse().unwrap()
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind(loopback()).unwrap().local_addr().unwrap()
}

/// A listener whose connections hold little that nobody reads.
pub fn takes_little() -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(&loopback().into()).unwrap();
    socket.listen(8).unwrap();
    socket.into()
}

/// A listener whose queue is full drops SYNs, as a black hole does; what fills it.
pub fn black_hole() -> (socket2::Socket, SocketAddr, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&loopback().into()).unwrap();
    socket.listen(0).unwrap();
    let hole = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(taken) = TcpStream::connect_timeout(&hole, Duration::from_millis(300)) {
        queued.push(taken);
    }
    (socket, hole, queued)
}
