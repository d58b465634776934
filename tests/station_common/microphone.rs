//! A microphone in a thread: a block every 20 ms into a ring, and a note of when each was captured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use twocan::clock::{self, Time};
use twocan::station::ring::{Datagram, Ring};
use twocan::wire::urtp::{BLOCK, Coding, DATAGRAM_LIMIT, Encoder};

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
            let mut encoder = Encoder::new(Coding::Unicam, 12);
            let mut out = [0; DATAGRAM_LIMIT];
            let mut due = Instant::now();
            let mut sequence = 0_u16;
            while !end.load(Ordering::Relaxed) {
                let left: [i32; BLOCK] =
                    std::array::from_fn(|n| ((n as f64 * 0.157).sin() * 400_000.0) as i32);
                let now = clock::now();
                notes.lock().unwrap().push(now);
                let length = encoder.encode(&left, sequence, now.micros(), &mut out);
                into.push(Datagram::new(&out[..length], sequence, now));
                sequence = sequence.wrapping_add(1);
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
