//! Whoever keeps watch over an outer session: is the relay there?
//!
//! ```text
//!            ┌── a ping, as often as alive.rs says ──> relay
//!  keep ─────┤
//!            └── bytes that come <─── (whatever they are: the answers, voice, pictures)
//! ```
//! It is judged by bytes and not by answers: those wait behind pictures in the relay's queues. Both
//! lanes are watched in a call, also where its session runs directly: the relay is what is left then.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::alive::{Grace, Life, Mode, RoundTrips};
use super::client::Ended;
use super::relay::Outer;
use crate::clock;

/// Pings that may be unanswered.
const PINGS: usize = 20;

/// What the watch depends on.
#[derive(Clone)]
pub(super) struct Times {
    /// A call is on.
    pub(super) in_call: watch::Receiver<bool>,
    /// Every byte is paid for.
    pub(super) metered: watch::Receiver<bool>,
}

/// Watch over `outer` to its end; why it ended.
pub(super) async fn keep(outer: Arc<Outer>, ended: Ended, mut times: Times) -> String {
    let mut ended = std::pin::pin!(ended.wait());
    let mut doubts = outer.doubts();
    let mut trips = RoundTrips::default();
    let mut pings = JoinSet::new();
    let began = clock::now();
    let (mut mode, mut since) = (times.mode(), began);
    let (mut grace, mut flow) = (Grace::new(began), outer.all_pulses().flow());
    // The first answer says how quick this line is.
    let mut next = Instant::now();
    loop {
        let was = std::mem::replace(&mut mode, times.mode());
        if was != mode {
            since = clock::now();
            next = next.min(Instant::now() + mode.ping());
        }
        let now = clock::now();
        let doubted = *doubts.borrow_and_update();
        let heard = outer.pulse().last().max(began);
        let patience = trips.patience(now);
        let life = Life { mode, since, heard: grace.heard(heard), doubted, patience };
        let (deadline, why) = life.deadline();
        if deadline <= now {
            if grace.grant(heard, flow.is_full(now), now) {
                continue;
            }
            outer.end();
            return why;
        }
        tokio::select! {
            why = &mut ended => return why,
            changed = doubts.changed() => match changed {
                Ok(()) => next = Instant::now(),
                Err(_) => return ended.await,
            },
            // The runtime is gone: so is this session, soon.
            changed = times.changed() => if changed.is_err() { return ended.await },
            Some(answered) = pings.join_next() => {
                if let Ok(asked) = answered {
                    let now = clock::now();
                    trips.add(now.since(asked), now);
                    outer.all_pulses().answered(now.since(asked), now);
                    flow = outer.all_pulses().flow();
                }
            }
            () = tokio::time::sleep(deadline.since(now)) => {}
            () = tokio::time::sleep_until(next) => {
                next = Instant::now() + mode.ping();
                if pings.len() < PINGS {
                    let outer = Arc::clone(&outer);
                    pings.spawn(async move {
                        let asked = clock::now();
                        outer.ping().await;
                        asked
                    });
                }
            }
        }
    }
}

impl Times {
    fn mode(&mut self) -> Mode {
        Mode::of(*self.in_call.borrow_and_update(), *self.metered.borrow_and_update())
    }

    async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            changed = self.in_call.changed() => changed,
            changed = self.metered.changed() => changed,
        }
    }
}
