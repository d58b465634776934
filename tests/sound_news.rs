//! A worker that waits for its sound card is tried again as soon as there is news of cards.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use twocan::device::sound_watch::SoundWatch;
use twocan::stop::Stop;
use twocan::supervisor::{Restart, Supervisor, Worker, WorkerError};

/// Says that it was tried, fails the first two times, and waits for news in between.
struct Waiting {
    tries: u32,
    tried: mpsc::Sender<u32>,
    watch: Arc<SoundWatch>,
}

impl Worker for Waiting {
    fn run_once(&mut self, _: &Stop) -> Result<(), WorkerError> {
        self.tries += 1;
        self.tried.send(self.tries).unwrap();
        if self.tries < 3 { Err("open loudspeaker: the device is gone".into()) } else { Ok(()) }
    }

    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        self.watch.rest(pause, stop)
    }
}

#[test]
fn news_of_a_card_cuts_the_longest_back_off_short() {
    let (kernel, socket) = UnixDatagram::pair().unwrap();
    let watch = SoundWatch::of(socket.into());
    let (tried, tries) = mpsc::channel();
    let long = Duration::from_secs(3600);
    let mut supervisor = Supervisor::new();
    let restart = Restart::Backoff { first: long, most: long };
    let worker = Waiting { tries: 0, tried, watch };
    let health = supervisor.start("waiting", restart, worker).unwrap();
    for expected in 1..=3 {
        if expected > 1 {
            kernel.send(b"change@/devices/usb1/sound/card1").unwrap();
        }
        assert_eq!(tries.recv_timeout(Duration::from_secs(60)), Ok(expected));
    }
    // The worker has ended and dropped its end.
    assert!(tries.recv_timeout(Duration::from_secs(60)).is_err());
    assert_eq!(health.failures(), 2);
}
