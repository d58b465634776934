//! What waits to be sent, by age: the microphone never waits for the line, and listeners stay near live.
//!
//! ```text
//!  capture ── push ──> [oldest … newest] ── take(now) ──> send
//!                          │
//!                          └─ older than `keep`: dropped and counted
//! ```
//! It outlives every connection: what was captured while the line was away and is still young is
//! sent when it is back. Its memory is taken once, for `keep` of sound and a little.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Time;
use crate::wire::urtp::{BLOCK_US, DATAGRAM_LIMIT};

/// More sound than this is not kept, whatever is asked for: a minute, 2 MB.
pub const KEEP_LIMIT: Duration = Duration::from_secs(60);

/// One URTP datagram on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    bytes: [u8; DATAGRAM_LIMIT],
    length: u16,
    /// The one in its header.
    pub sequence: u16,
    /// When its first sample was captured.
    pub captured: Time,
}

impl Datagram {
    /// One of these bytes: a whole datagram, of which no more than [`DATAGRAM_LIMIT`] are taken.
    pub fn new(datagram: &[u8], sequence: u16, captured: Time) -> Self {
        let mut bytes = [0; DATAGRAM_LIMIT];
        let length = datagram.len().min(DATAGRAM_LIMIT);
        bytes[..length].copy_from_slice(&datagram[..length]);
        Self { bytes, length: length as u16, sequence, captured }
    }

    /// The whole datagram, header first.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl std::fmt::Debug for Datagram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "datagram {} of {} bytes", self.sequence, self.length)
    }
}

struct Shared {
    keep: Duration,
    capacity: usize,
    queued: Mutex<VecDeque<Datagram>>,
    dropped: AtomicU64,
    pushed: AtomicU64,
    ready: tokio::sync::Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Datagram>> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_oldest(&self, queued: &mut VecDeque<Datagram>) {
        if queued.pop_front().is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The datagrams between the capture thread and the sender; clones are the same ring.
#[derive(Clone)]
pub struct Ring(Arc<Shared>);

impl Ring {
    /// A ring that keeps sound for `keep`, at least one datagram's and at most [`KEEP_LIMIT`].
    pub fn new(keep: Duration) -> Self {
        let keep = keep.clamp(Duration::from_micros(BLOCK_US), KEEP_LIMIT);
        let capacity = keep.as_micros().div_ceil(u128::from(BLOCK_US)) as usize + 2;
        Self(Arc::new(Shared {
            keep,
            capacity,
            queued: Mutex::new(VecDeque::with_capacity(capacity)),
            dropped: AtomicU64::new(0),
            pushed: AtomicU64::new(0),
            ready: tokio::sync::Notify::new(),
        }))
    }

    /// The newest datagram. Never waits: a full ring lets its oldest go, and counts it.
    pub fn push(&self, datagram: Datagram) {
        {
            let mut queued = self.0.lock();
            if queued.len() >= self.0.capacity {
                self.0.drop_oldest(&mut queued);
            }
            queued.push_back(datagram);
        }
        self.0.pushed.fetch_add(1, Ordering::Relaxed);
        self.0.ready.notify_one();
    }

    /// Back to the front with what went to a connection that took it nowhere, the newest first. A full
    /// ring takes no more, and counts that.
    pub fn give_back(&self, newest_first: impl Iterator<Item = Datagram>) {
        let mut queued = self.0.lock();
        for datagram in newest_first {
            if queued.len() < self.0.capacity {
                queued.push_front(datagram);
            } else {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(queued);
        self.0.ready.notify_one();
    }

    /// The oldest datagram that is still worth sending at `now`; older ones are dropped and counted.
    pub fn take(&self, now: Time) -> Option<Datagram> {
        let mut queued = self.0.lock();
        while queued.front()?.captured + self.0.keep < now {
            self.0.drop_oldest(&mut queued);
        }
        queued.pop_front()
    }

    /// Wait in a task until something waits here. Safe to cancel; one task at a time.
    pub async fn ready(&self) {
        while self.is_empty() {
            self.0.ready.notified().await;
        }
    }

    /// How many datagrams were let go unsent so far, too old or in a full ring.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// How many datagrams were put in so far: the microphone's progress.
    pub fn pushed(&self) -> u64 {
        self.0.pushed.load(Ordering::Relaxed)
    }

    /// Datagrams that wait now, the old ones among them.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether nothing waits now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the next [`Ring::push`] would let the oldest go: a source that is not live may wait.
    pub fn is_full(&self) -> bool {
        self.len() >= self.0.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1000)
    }

    fn datagram(sequence: u16) -> Datagram {
        Datagram::new(&[0x5a, 1, 2], sequence, at(u64::from(sequence) * 20))
    }

    #[test]
    fn what_is_young_comes_out_in_order_and_what_is_old_is_counted() {
        let ring = Ring::new(Duration::from_millis(100));
        assert_eq!(ring.take(at(0)), None);
        (0..6).for_each(|sequence| ring.push(datagram(sequence)));
        // At 140 ms, what was captured at 0 and 20 ms is older than 100 ms; at 40 ms is just not.
        assert_eq!(ring.take(at(140)).map(|datagram| datagram.sequence), Some(2));
        assert_eq!(ring.dropped(), 2);
        assert_eq!(ring.take(at(140)).map(|datagram| datagram.sequence), Some(3));
        assert_eq!((ring.len(), ring.take(at(10_000)), ring.dropped()), (2, None, 4));
    }

    #[test]
    fn a_full_ring_lets_the_oldest_go_and_takes_no_more_memory() {
        let ring = Ring::new(Duration::from_millis(100));
        (0..1000).for_each(|sequence| ring.push(datagram(sequence)));
        assert!(ring.is_full());
        assert_eq!((ring.len() as u64 + ring.dropped(), ring.pushed()), (1000, 1000));
        assert_eq!(ring.take(at(0)).map(|datagram| datagram.sequence), Some(993));
        assert!(ring.0.lock().capacity() <= 16, "{}", ring.0.lock().capacity());
    }

    #[test]
    fn what_was_given_back_comes_first_again_and_in_order() {
        let ring = Ring::new(Duration::from_millis(100));
        (3..5).for_each(|sequence| ring.push(datagram(sequence)));
        ring.give_back([2, 1, 0].into_iter().map(datagram));
        let order = [(); 5].map(|()| ring.take(at(80)).map(|one| one.sequence));
        assert_eq!(order, [0, 1, 2, 3, 4].map(Some));
        (10..17).for_each(|sequence| ring.push(datagram(sequence)));
        ring.give_back([9, 8].into_iter().map(datagram));
        assert_eq!((ring.len(), ring.dropped()), (7, 2));
    }

    #[test]
    fn a_datagram_holds_no_more_than_a_server_takes() {
        let long = Datagram::new(&[7; 2000], 1, at(0));
        assert_eq!(long.bytes(), [7; DATAGRAM_LIMIT]);
        assert_eq!(datagram(9).bytes(), [0x5a, 1, 2]);
        assert_eq!(format!("{:?}", datagram(9)), "datagram 9 of 3 bytes");
    }

    #[test]
    fn a_task_that_waits_sees_the_next_datagram() {
        let ring = Ring::new(Duration::from_secs(2));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let pusher = ring.clone();
        runtime.block_on(async {
            let waits = async {
                ring.ready().await;
                ring.take(at(0)).map(|datagram| datagram.sequence)
            };
            let (got, ()) = tokio::join!(waits, async { pusher.push(datagram(5)) });
            assert_eq!(got, Some(5));
        });
    }
}
