//! How a running station is: looked at by the service manager's worker and by the light's.
//!
//! ```text
//! capture ─┐                     ┌──> Herald:  READY, STATUS, WATCHDOG   (worker `status`)
//! sender ──┼──> Station::look ───┤
//! line ────┘    (progress.rs)    └──> Led: blinks                        (worker `light`)
//! ```

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::light::Sign;
use super::log::Log;
use super::progress::{LineState, Seen};
use super::ring::Ring;
use super::send::{LinkEvent, SendStats};
use super::tally::Tally;
use crate::clock::{self, Time};
use crate::config;
use crate::device::led::Led;
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};
use crate::watchdog::{self, Herald};
use crate::wire::event_log::Event;

/// The longest pause between two looks.
const TICK: Duration = Duration::from_secs(1);
/// How often the counters go into the log.
const REPORT: Duration = Duration::from_secs(60);

/// What the sender's events come to; written in its thread.
#[derive(Default)]
pub(super) struct LineNews {
    state: AtomicU8,
    stale: Mutex<Stale>,
}

/// Answers that are too old: a server may send any number of them.
#[derive(Default)]
struct Stale {
    /// When they were noted last.
    noted: Option<Time>,
    /// How many came since.
    count: u32,
}

impl Stale {
    /// One came; how many are to be noted now.
    fn came(&mut self, now: Time) -> Option<u32> {
        self.count = self.count.saturating_add(1);
        let is_due = self.noted.is_none_or(|noted| now.since(noted) >= TICK);
        is_due.then(|| {
            self.noted = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

impl LineNews {
    /// Take an event in, and note it in `log`.
    pub(super) fn hear(&self, event: &LinkEvent, log: &Log) {
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let state = match event {
            LinkEvent::Connecting => {
                log.note(Event::AudioStreamingConnectionStart, 0);
                return;
            }
            LinkEvent::Online => {
                log.note(Event::SocketConnected, 0);
                LineState::Online
            }
            LinkEvent::Streaming => {
                log.note(Event::AudioServerConnected, 0);
                LineState::Streaming
            }
            LinkEvent::RoundTrip(took) => {
                log.note(Event::TimingDatagramReceived, 0);
                log.note(Event::RoundtripDelayMicroseconds, micros(*took));
                return;
            }
            LinkEvent::StaleAnswer => {
                let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(count) = stale.came(clock::now()) {
                    log.note(Event::TimingDatagramTimeout, count);
                }
                return;
            }
            LinkEvent::Failed { cause, .. } => {
                let (event, parameter) = cause.event();
                log.note(event, parameter);
                log.note(Event::AudioStreamingConnectionStartFailure, 0);
                LineState::Away
            }
            LinkEvent::Lost { cause, .. } => {
                let (event, parameter) = cause.event();
                log.note(event, parameter);
                log.note(Event::AudioStreamingConnectionStop, 0);
                LineState::Away
            }
        };
        self.state.store(state as u8, Ordering::Relaxed);
    }

    fn state(&self) -> LineState {
        let all = [LineState::Starting, LineState::Online, LineState::Streaming, LineState::Away];
        let now = self.state.load(Ordering::Relaxed);
        all.into_iter().find(|state| *state as u8 == now).unwrap_or_default()
    }
}

/// The parts that are looked at.
pub(super) struct Station {
    pub(super) ring: Ring,
    pub(super) line: Arc<LineNews>,
    pub(super) stats: Arc<SendStats>,
    pub(super) capture: Arc<Health>,
    pub(super) send: Arc<Health>,
    pub(super) overruns: Arc<AtomicU64>,
    pub(super) log: Log,
}

impl Station {
    fn look(&self) -> Seen {
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Seen {
            captured: self.ring.pushed(),
            sent: counted(&self.stats.sent),
            beat: counted(&self.stats.beat),
            line: self.line.state(),
            deaf: self.capture.trouble().is_some(),
        }
    }

    /// All that was counted so far.
    pub(super) fn tally(&self) -> Tally {
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (line, log) = (&self.stats, self.log.counters());
        Tally {
            captured: self.ring.pushed(),
            overruns: counted(&self.overruns),
            panics: self.capture.panics(),
            send_panics: self.send.panics(),
            dropped: self.ring.dropped(),
            sent: counted(&line.sent),
            again: counted(&line.again),
            connected: counted(&line.connected),
            lost: counted(&line.lost),
            failed: counted(&line.failed),
            unresolved: counted(&line.unresolved),
            answers: counted(&line.answers),
            stale: counted(&line.stale),
            junk: counted(&line.junk),
            written: log.written,
            unwritten: log.lost,
            removed: log.removed,
            uploaded: log.uploaded,
        }
    }
}

/// Sound that is let go because it got too old, looked at now and then.
#[derive(Default)]
struct Dropped {
    count: u64,
    goes_on: bool,
}

impl Dropped {
    /// Whether that has begun since the last look, by how much was let go until now.
    fn begins(&mut self, count: u64) -> bool {
        let more = count > self.count;
        let begins = more && !self.goes_on;
        *self = Self { count, goes_on: more };
        begins
    }
}

/// Tells the service manager, and the log now and then.
pub(super) struct Status {
    pub(super) station: Arc<Station>,
    pub(super) server: String,
    pub(super) herald: Option<Herald>,
}

impl Status {
    /// Tell the service manager; `asked` is what was seen when it was time to feed the watchdog.
    fn tell(&mut self, seen: Seen, asked: &mut Option<Seen>, now: Time) {
        let Some(herald) = &mut self.herald else { return };
        herald.say(seen.words(&self.server));
        if herald.handle(watchdog::Event::Tick, now) {
            asked.get_or_insert(seen);
        }
        if asked.is_some_and(|before| seen.is_ahead_of(&before)) {
            herald.handle(watchdog::Event::CameRound, now);
            *asked = None;
        }
    }

    /// The counters since the last time.
    fn report(&self, before: &mut (u64, Tally)) {
        let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let Station { log, stats, ring, .. } = &*self.station;
        let bytes = stats.bytes.load(Ordering::Relaxed);
        let tally = self.station.tally();
        let minute = tally.since(&before.1);
        let rate = bytes.saturating_sub(before.0) * 8 / REPORT.as_secs();
        log.note(Event::ThroughputBitsS, count(rate));
        log.note(Event::NumDatagramsQueued, ring.len() as u32);
        let dropped = tally.dropped.saturating_sub(before.1.dropped);
        if dropped > 0 {
            log.note(Event::DatagramNumOverflows, count(dropped));
        }
        if minute.is_smooth() {
            tracing::debug!("in a minute: {minute}");
        } else {
            tracing::info!("in a minute: {minute}");
        }
        *before = (bytes, tally);
    }
}

impl Worker for Status {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let (mut asked, mut reported, mut before) = (None, clock::now(), (0, Tally::default()));
        let mut dropped = Dropped::default();
        if let Some(herald) = &mut self.herald {
            herald.handle(watchdog::Event::Drawn, reported);
        }
        loop {
            let now = clock::now();
            let seen = self.station.look();
            if seen.captured > 0 {
                self.station.log.sounds();
            }
            self.tell(seen, &mut asked, now);
            if dropped.begins(self.station.ring.dropped()) {
                self.station.log.note(Event::DatagramOverflowBegins, 0);
            }
            if now.since(reported) >= REPORT {
                self.report(&mut before);
                reported = now;
            }
            let due = self.herald.as_ref().and_then(Herald::deadline).map(|at| at.since(now));
            let pause = due.map_or(TICK, |due| due.min(TICK));
            // A sleep counts whole milliseconds: rounded up, or the last one would spin.
            if stop.sleep(pause + Duration::from_micros(999)) {
                break;
            }
        }
        if let Some(herald) = &mut self.herald {
            herald.stopping();
        }
        Ok(())
    }
}

/// Blinks.
pub(super) struct Light {
    pub(super) station: Arc<Station>,
    pub(super) wanted: config::Led,
    pub(super) root: PathBuf,
    pub(super) memory: PathBuf,
}

impl Worker for Light {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let Some(mut led) = Led::open(&self.wanted, &self.root, &self.memory)? else {
            return Ok(());
        };
        let (mut sign, mut since) = (Sign::default(), clock::now());
        loop {
            let (now, found) = (clock::now(), self.station.look().sign());
            if found != sign {
                (sign, since) = (found, now);
            }
            let (lit, stays) = sign.at(now.since(since));
            led.light(lit)?;
            if stop.sleep(stays.min(TICK) + Duration::from_micros(999)) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::cause::Cause;

    #[test]
    fn an_overflow_begins_once_and_again_after_a_pause() {
        let mut dropped = Dropped::default();
        let begins: Vec<bool> =
            [0, 3, 9, 9, 10, 10].into_iter().map(|count| dropped.begins(count)).collect();
        assert_eq!(begins, [false, true, false, false, true, false]);
    }

    #[test]
    fn of_a_flood_of_stale_answers_a_second_makes_one_record() {
        let mut stale = Stale::default();
        let noted: Vec<(u64, u32)> = (0..2500)
            .filter_map(|ms| Some((ms, stale.came(Time::from_micros(ms * 1000))?)))
            .collect();
        assert_eq!(noted, [(0, 1), (1000, 1000), (2000, 1000)]);
    }

    #[test]
    fn what_the_sender_tells_becomes_how_the_line_is() {
        let log = Log::open(None, &mut crate::supervisor::Supervisor::new()).unwrap();
        let news = LineNews::default();
        let gone = || ("gone".to_owned(), Cause::Silent);
        let failed = |(sentence, cause)| LinkEvent::Failed { sentence, cause };
        let lost = |(sentence, cause)| LinkEvent::Lost { sentence, cause };
        let table = [
            (LinkEvent::Connecting, LineState::Starting),
            (failed(gone()), LineState::Away),
            (LinkEvent::Connecting, LineState::Away),
            (LinkEvent::Online, LineState::Online),
            (LinkEvent::StaleAnswer, LineState::Online),
            (LinkEvent::Streaming, LineState::Streaming),
            (LinkEvent::RoundTrip(Duration::from_millis(80)), LineState::Streaming),
            (lost(gone()), LineState::Away),
        ];
        for (event, state) in table {
            news.hear(&event, &log);
            assert_eq!(news.state(), state, "{event:?}");
        }
    }
}
