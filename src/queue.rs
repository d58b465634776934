//! Bounded queues between threads, and between threads and the tunnel's tasks.
//!
//! Two policies, chosen when a queue is made: *newest wins* (media: a full queue lets its oldest
//! item go and counts it) and *fail on full* (control: a full queue refuses, and the owner ends the
//! session). No sender ever waits. Receivers wait either way: a thread in [`Queue::receive`], which
//! a [`Stop`] wakes, a task in [`Queue::next`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::stop::{Stop, Wake};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    NewestWins,
    FailOnFull,
}

struct Items<T> {
    queued: VecDeque<T>,
    closed: bool,
    /// Threads that wait: without one nobody is woken, which would be a system call.
    waiting: usize,
}

struct Shared<T> {
    policy: Policy,
    capacity: usize,
    items: Mutex<Items<T>>,
    ready: Condvar,
    ready_async: tokio::sync::Notify,
    displaced: AtomicU64,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Items<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Wake for Shared<T> {
    fn wake(&self) {
        // Taking the lock first: a receiver is then either before its look at the stop, or waiting.
        drop(self.lock());
        self.ready.notify_all();
    }
}

/// One queue; clones are further ends of the same one. Any end sends, any end receives.
pub struct Queue<T>(Arc<Shared<T>>);

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What a receiver got.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// The oldest item.
    Item(T),
    /// Nothing came in the time given.
    Timeout,
    /// It is time to stop, or the queue was closed and is empty.
    Stopped,
}

/// The queue was full (or closed) and its policy is to refuse; the item comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T: Send + 'static> Queue<T> {
    /// A queue of `capacity` items (at least 1) that lets the oldest go when it is full.
    pub fn newest_wins(capacity: usize) -> Self {
        Self::with_policy(capacity, Policy::NewestWins)
    }

    /// A queue of `capacity` items (at least 1) that refuses when it is full.
    pub fn fail_on_full(capacity: usize) -> Self {
        Self::with_policy(capacity, Policy::FailOnFull)
    }

    fn with_policy(capacity: usize, policy: Policy) -> Self {
        let capacity = capacity.max(1);
        Self(Arc::new(Shared {
            policy,
            capacity,
            items: Mutex::new(Items {
                queued: VecDeque::with_capacity(capacity),
                closed: false,
                waiting: 0,
            }),
            ready: Condvar::new(),
            ready_async: tokio::sync::Notify::new(),
            displaced: AtomicU64::new(0),
        }))
    }

    /// Put an item in. Newest wins: always taken unless the queue is closed, the oldest may go.
    ///
    /// # Errors
    /// [`Full`] hands the item back when the queue refuses it.
    pub fn send(&self, item: T) -> Result<(), Full<T>> {
        let shared = &self.0;
        let waiting = {
            let mut items = shared.lock();
            if items.closed {
                return Err(Full(item));
            }
            if items.queued.len() >= shared.capacity {
                if shared.policy == Policy::FailOnFull {
                    return Err(Full(item));
                }
                items.queued.pop_front();
                shared.displaced.fetch_add(1, Ordering::Relaxed);
            }
            items.queued.push_back(item);
            items.waiting
        };
        if waiting > 0 {
            shared.ready.notify_one();
        }
        shared.ready_async.notify_one();
        Ok(())
    }

    /// Wait in a thread for the oldest item: until `timeout` (`None` = for ever) or the stop.
    pub fn receive(&self, stop: &Stop, timeout: Option<Duration>) -> Received<T> {
        let as_wake: Weak<dyn Wake> = Arc::downgrade(&(Arc::clone(&self.0) as Arc<dyn Wake>));
        stop.wakes(as_wake);
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut items = self.0.lock();
        loop {
            if stop.is_stopped() {
                return Received::Stopped;
            }
            if let Some(item) = items.queued.pop_front() {
                return Received::Item(item);
            }
            if items.closed {
                return Received::Stopped;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Received::Timeout;
            }
            items.waiting += 1;
            items = match left {
                None => self.0.ready.wait(items).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.0.ready.wait_timeout(items, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            items.waiting -= 1;
        }
    }

    /// Wait in a task for the oldest item; `None` once the queue is closed and empty. Safe to cancel.
    pub async fn next(&self) -> Option<T> {
        loop {
            let ready = self.0.ready_async.notified();
            {
                let mut items = self.0.lock();
                if let Some(item) = items.queued.pop_front() {
                    if !items.queued.is_empty() {
                        // Hand the wake-up on: one permit is stored however many were sent.
                        self.0.ready_async.notify_one();
                    }
                    return Some(item);
                }
                if items.closed {
                    return None;
                }
            }
            ready.await;
        }
    }

    /// The oldest item if there is one now.
    pub fn try_receive(&self) -> Option<T> {
        self.0.lock().queued.pop_front()
    }

    /// Throw away what is queued, uncounted.
    pub fn clear(&self) {
        self.0.lock().queued.clear();
    }

    /// Refuse everything from now on; receivers empty the queue and then see its end.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
        self.0.ready_async.notify_waiters();
        self.0.ready_async.notify_one();
    }

    /// Whether it was closed: whatever is sent is refused.
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    /// Items waiting now.
    pub fn len(&self) -> usize {
        self.0.lock().queued.len()
    }

    /// Whether nothing waits now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items a full queue has let go so far.
    pub fn displaced(&self) -> u64 {
        self.0.displaced.load(Ordering::Relaxed)
    }
}
