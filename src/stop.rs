//! How a thread is told to stop: drop the [`Stopper`] and every [`Stop`] it handed out is stopped.
//!
//! A `Stop` is a descriptor that polls readable (for threads that wait on devices and sockets) and
//! it wakes queues (for threads that wait on those), so nobody has to look at a flag in turns.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Something that waits and must be woken when it is time to stop.
pub trait Wake: Send + Sync {
    /// Wake every thread that waits here, so that it looks at its stop.
    fn wake(&self);
}

struct Shared {
    stopped: AtomicBool,
    event: EventFd,
    waiters: Mutex<Vec<Weak<dyn Wake>>>,
}

/// The sending end. Dropping it stops.
pub struct Stopper(Arc<Shared>);

/// The receiving end: cheap to clone, one for every thread that has to hear it.
#[derive(Clone)]
pub struct Stop(Arc<Shared>);

/// A connected pair.
pub fn stop_pair() -> (Stopper, Stop) {
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .expect("an eventfd can be made unless the process is out of descriptors");
    let shared = Arc::new(Shared {
        stopped: AtomicBool::new(false),
        event,
        waiters: Mutex::new(Vec::new()),
    });
    (Stopper(Arc::clone(&shared)), Stop(shared))
}

impl Stopper {
    /// Stop now; what dropping does too.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        // A full counter is readable already, which is all that is asked of it.
        let _ = self.0.event.write(1);
        let waiters = self.0.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        for waiter in waiters.iter().filter_map(Weak::upgrade) {
            waiter.wake();
        }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Stop {
    /// Whether it is time to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// From now on wake `waiter` at the stop, as long as it lives. It must look at
    /// [`Stop::is_stopped`] after this call and before it waits.
    pub fn wakes(&self, waiter: Weak<dyn Wake>) {
        let mut waiters = self.0.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.retain(|known| known.strong_count() > 0);
        if !waiters.iter().any(|known| known.ptr_eq(&waiter)) {
            waiters.push(waiter);
        }
    }

    /// Sleep for `duration` or until the stop; true if it was the stop.
    pub fn sleep(&self, duration: Duration) -> bool {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(duration).unwrap_or(PollTimeout::MAX);
        // An interrupted sleep is a shorter sleep.
        let _ = nix::poll::poll(&mut fds, timeout);
        self.is_stopped()
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}
