//! A microphone in a thread: a block every 20 ms into a ring, and a note of when each was captured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::tone::Tone;
use twocan::clock::{self, Time};
use twocan::station::ring::{Datagram, Ring};

/// How long sound is worth sending in these tests.
pub const KEEP: Duration = Duration::from_secs(2);

/// Sounds until it is dropped.
pub struct Microphone {
    pub ring: Ring,
    captured: Arc<Mutex<Vec<Time>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Microphone {
    pub fn start() -> Self {
        let ring = Ring::new(KEEP);
        let captured = Arc::<Mutex<Vec<Time>>>::default();
        let ends = Arc::<AtomicBool>::default();
        let (into, notes, end) = (ring.clone(), Arc::clone(&captured), Arc::clone(&ends));
        let thread = std::thread::Builder::new().name("microphone".to_owned()).spawn(move || {
            let mut tone = Tone::new(400.0);
            let mut due = Instant::now();
            while !end.load(Ordering::Relaxed) {
                let now = clock::now();
                notes.lock().unwrap().push(now);
                let sequence = tone.block as u16;
                into.push(Datagram::new(&tone.next_at(now.micros()), sequence, now));
                due += Duration::from_millis(20);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self { ring, captured, ends, thread: Some(thread.unwrap()) }
    }

    /// The first sequence that was captured at `at` or later.
    pub fn first_since(&self, at: Time) -> u16 {
        self.captured.lock().unwrap().partition_point(|captured| *captured < at) as u16
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}
