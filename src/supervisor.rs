//! Keeps the workers alive: one named thread per worker, restarted when it fails, stopped in order.
//!
//! ```text
//!            run_once -> Ok        ┌──────────┐
//!  start ──> Running ────────────> │ Finished │
//!              │  ▲                └──────────┘
//!    Err/panic │  │ back-off over       ▲
//!              ▼  │                     │ stop
//!            Waiting ───────────────────┘
//! ```
//! A worker tells its story straight with `?`; nothing inside it retries. Failures are logged once:
//! the same sentence again is counted and not repeated. A panic is a failure like any other.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::stop::{Stop, Stopper, stop_pair};

/// What a worker's run can fail with; its text names the object (`open camera /dev/video0: …`).
pub type WorkerError = Box<dyn std::error::Error + Send + Sync>;

/// One loop in one thread.
pub trait Worker: Send {
    /// Do the work until `stop`, or until it can't go on. `Ok` means there is nothing left to do.
    ///
    /// # Errors
    /// Whatever ended the run; the supervisor waits and calls again.
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError>;

    /// Sit out the supervisor's pause after a failure. True: it was cut short by news that makes
    /// another try worth it (a device was plugged in), and the back-off starts over.
    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        stop.sleep(pause);
        false
    }
}

impl<F> Worker for F
where
    F: FnMut(&Stop) -> Result<(), WorkerError> + Send,
{
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        self(stop)
    }
}

/// What to do when a run fails.
#[derive(Clone, Copy, Debug)]
pub enum Restart {
    /// Again after a pause that doubles from `first` to `most`; a run of 10 s starts over.
    Backoff {
        /// Pause after the first failure.
        first: Duration,
        /// The longest pause.
        most: Duration,
    },
    /// Not again: the failure is the worker's end.
    Never,
}

impl Restart {
    /// For devices that come and go: 0.25 s doubling to 2 s, so that one is back within 2 s.
    pub const DEVICE: Restart =
        Restart::Backoff { first: Duration::from_millis(250), most: Duration::from_secs(2) };
}

/// A run this long was a good one; the next failure starts the back-off over.
const GOOD_RUN: Duration = Duration::from_secs(10);
/// How long the whole shut-down may take before who hung is named.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What became of a worker so far; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Health {
    failures: AtomicU64,
    panics: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Health {
    /// Runs that ended with an error or a panic.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Runs that ended with a panic.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// The sentence of the last failure, until a worker reports that it works again.
    pub fn trouble(&self) -> Option<String> {
        self.lock().clone()
    }

    /// A worker says it is past its opening and works: what was wrong is over.
    pub fn works(&self) {
        if let Some(trouble) = self.lock().take() {
            tracing::info!("works again, after: {trouble}");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Note a failure; true when its sentence is new and is to be logged.
    fn failed(&self, sentence: String) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.lock();
        let new = trouble.as_ref() != Some(&sentence);
        *trouble = Some(sentence);
        new
    }
}

struct Running {
    name: &'static str,
    stopper: Stopper,
    thread: JoinHandle<()>,
    finished: mpsc::Receiver<()>,
}

/// Owns the threads. Stopping (or dropping) it stops the newest first.
#[derive(Default)]
pub struct Supervisor {
    running: Vec<Running>,
}

impl Supervisor {
    /// One with nothing to look after yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Start `worker` in a thread called `name` (at most 15 bytes show in `ps`).
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(
        &mut self,
        name: &'static str,
        restart: Restart,
        worker: impl Worker + 'static,
    ) -> std::io::Result<Arc<Health>> {
        self.start_with(name, restart, |_| worker)
    }

    /// The same for a worker that says by itself when it works again: it is made with its health.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start_with<W: Worker + 'static>(
        &mut self,
        name: &'static str,
        restart: Restart,
        make: impl FnOnce(Arc<Health>) -> W,
    ) -> std::io::Result<Arc<Health>> {
        let (stopper, stop) = stop_pair();
        let (done, finished) = mpsc::channel();
        let health = Arc::new(Health::default());
        let mut worker = make(Arc::clone(&health));
        let seen = Arc::clone(&health);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            keep_running(name, restart, &mut worker, &stop, &seen);
            // Only this thread's end is the news; nobody listening is fine.
            let _ = done.send(());
        })?;
        self.running.push(Running { name, stopper, thread, finished });
        Ok(health)
    }

    /// Stop every worker, newest first, within 5 s altogether; the names of those that hang.
    pub fn stop(&mut self) -> Vec<&'static str> {
        self.stop_within(STOP_LIMIT)
    }

    /// The same with another limit. A thread that takes longer is left behind; it finds its stop when
    /// it comes back, and is called hung when it has not within 5 s.
    pub fn stop_within(&mut self, limit: Duration) -> Vec<&'static str> {
        let began = Instant::now();
        let mut late = Vec::new();
        while let Some(worker) = self.running.pop() {
            worker.stopper.stop();
            let left = limit.saturating_sub(began.elapsed());
            if worker.finished.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
                tracing::warn!("worker {} takes long to stop", worker.name);
                late.push(worker.name);
                watch_for_hang(worker, STOP_LIMIT.saturating_sub(began.elapsed()));
            } else {
                let _ = worker.thread.join();
            }
        }
        late
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Say so if `late`, which was told to stop, has not within `left`; nobody waits for that.
fn watch_for_hang(late: Running, left: Duration) {
    let (name, finished) = (late.name, late.finished);
    let hangs = move || tracing::error!("worker {name} hangs");
    if left.is_zero() {
        return hangs();
    }
    let watch = move || {
        if finished.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
            hangs();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("late".to_owned()).spawn(watch) {
        tracing::error!("watch over the worker {name}, which takes long to stop: {error}");
    }
}

fn keep_running(
    name: &str,
    restart: Restart,
    worker: &mut impl Worker,
    stop: &Stop,
    health: &Health,
) {
    let mut failures_in_row = 0_u32;
    while !stop.is_stopped() {
        let began = Instant::now();
        let run = catch_unwind(AssertUnwindSafe(|| worker.run_once(stop)));
        let sentence = match run {
            Ok(Ok(())) => return,
            Ok(Err(error)) => in_full(&*error),
            Err(panic) => {
                health.panics.fetch_add(1, Ordering::Relaxed);
                format!("panicked: {}", panic_text(&*panic))
            }
        };
        if stop.is_stopped() {
            return;
        }
        if health.failed(sentence.clone()) {
            tracing::warn!("{name}: {sentence}");
        }
        if began.elapsed() >= GOOD_RUN {
            failures_in_row = 0;
        }
        match restart {
            Restart::Never => return,
            Restart::Backoff { first, most } => {
                let pause = first.saturating_mul(1 << failures_in_row.min(16)).min(most);
                failures_in_row = if worker.rest(pause, stop) { 0 } else { failures_in_row + 1 };
            }
        }
    }
}

/// An error with everything that caused it, in one sentence.
pub fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

fn panic_text(panic: &(dyn Any + Send)) -> &dyn Display {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        &"no message"
    }
}
