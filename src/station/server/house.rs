//! What the threads of the server share: the stations, who listens to them, and what was counted.
//!
//! ```text
//!  receive, direct ── take ──> intake ──> is it wanted? ──> a sound thread's queue
//!  web, direct     ── listened, add_ear ──┘
//!  sound           ── segments, packets ──> Hls, ears
//! ```
//! A datagram of a station that nobody listens to ends at its header: it is never decoded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::hls::Hls;
use super::intake::{Counts, Intake, Source, Verdict};
use super::lines::Lines;
use crate::caps::STATION_SOUND_QUEUED;
use crate::clock::Time;
use crate::frame::Packet;
use crate::identity::PeerKey;
use crate::queue::Queue;
use crate::wire::urtp::{Header, Timing};

/// So long after a request somebody listens over HTTP: players ask every second, or every other one.
const LISTENS: Duration = Duration::from_secs(10);

/// A kiosk that hears a station through the tunnel.
pub(super) struct Ear {
    pub(super) peer: PeerKey,
    pub(super) voice_out: Queue<Packet>,
    pub(super) sequence: u32,
}

/// One station.
pub(super) struct Station {
    pub(super) name: String,
    pub(super) index: usize,
    intake: Mutex<Intake>,
    hls: Mutex<Hls>,
    /// Segments there ever were.
    pub(super) news: watch::Sender<u64>,
    /// Somebody listens over HTTP until then, in µs of our clock.
    web_until: AtomicU64,
    ears: Mutex<Vec<Ear>>,
    /// How many these are, for who only wants to know whether there are any.
    ear_count: AtomicUsize,
    lines: Mutex<Lines<AbortHandle>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Station {
    fn new(index: usize, name: String) -> Self {
        Self {
            name,
            index,
            intake: Mutex::default(),
            hls: Mutex::default(),
            news: watch::Sender::new(0),
            web_until: AtomicU64::new(0),
            ears: Mutex::default(),
            ear_count: AtomicUsize::new(0),
            lines: Mutex::default(),
        }
    }

    /// Its TCP connections.
    pub(super) fn lines(&self) -> MutexGuard<'_, Lines<AbortHandle>> {
        lock(&self.lines)
    }

    pub(super) fn hls(&self) -> MutexGuard<'_, Hls> {
        lock(&self.hls)
    }

    /// Somebody listens over HTTP now.
    pub(super) fn listened(&self, now: Time) {
        self.web_until.fetch_max((now + LISTENS).micros(), Ordering::Relaxed);
    }

    pub(super) fn is_heard_on_web(&self, now: Time) -> bool {
        self.web_until.load(Ordering::Relaxed) > now.micros()
    }

    pub(super) fn is_wanted(&self, now: Time) -> bool {
        self.ear_count.load(Ordering::Relaxed) > 0 || self.is_heard_on_web(now)
    }

    /// Sound comes from it.
    pub(super) fn is_live(&self, now: Time) -> bool {
        lock(&self.intake).is_live(now)
    }

    /// From now on this peer hears it, by these ports.
    pub(super) fn add_ear(&self, ear: Ear) {
        let mut ears = lock(&self.ears);
        ears.retain(|known| known.peer != ear.peer);
        ears.push(ear);
        self.ear_count.store(ears.len(), Ordering::Relaxed);
    }

    /// That peer hears it no more.
    pub(super) fn remove_ear(&self, peer: PeerKey) {
        let mut ears = lock(&self.ears);
        ears.retain(|known| known.peer != peer);
        self.ear_count.store(ears.len(), Ordering::Relaxed);
    }

    pub(super) fn ears(&self) -> MutexGuard<'_, Vec<Ear>> {
        lock(&self.ears)
    }

    /// What goes back to the station after this datagram, if anything.
    pub(super) fn timing(&self, header: Header, now: Time) -> Option<Timing> {
        lock(&self.intake).timing(header, now)
    }
}

/// A datagram on its way to be decoded.
pub(super) struct Piece {
    pub(super) station: Arc<Station>,
    pub(super) missing: u16,
    pub(super) captured: Time,
    pub(super) datagram: Bytes,
}

/// Why connections ended and bytes were thrown away.
#[derive(Debug, Default)]
pub(super) struct Refused([AtomicU64; Refusal::ALL.len()]);

/// One of these reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// From an address that is no station's.
    Stranger,
    /// Connections that wait to show a datagram were too many, and it was the oldest.
    Crowd,
    /// No datagram in time.
    Slow,
    /// Bytes that are no datagrams.
    Junk,
    /// More than a station has to say.
    Flood,
    /// Another stream is the station's now.
    Replaced,
    /// Nothing came any more.
    Silent,
    /// It took nothing of ours.
    Stuck,
}

impl Refusal {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Stranger, "stranger"),
        (Self::Crowd, "crowd"),
        (Self::Slow, "slow"),
        (Self::Junk, "junk"),
        (Self::Flood, "flood"),
        (Self::Replaced, "replaced"),
        (Self::Silent, "silent"),
        (Self::Stuck, "stuck"),
    ];
}

impl Refused {
    pub(super) fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// How the server is, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Each of its stations.
    pub stations: Vec<StationStatus>,
    /// Datagrams that were thrown away because decoding did not keep up.
    pub dropped: u64,
    /// How often each reason ended a connection or cost a datagram that was nobody's.
    pub refused: HashMap<&'static str, u64>,
}

/// How a station is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StationStatus {
    /// Its name.
    pub name: String,
    /// Sound comes from it.
    pub live: bool,
    /// Kiosks that hear it through the tunnel.
    pub kiosks: usize,
    /// Somebody listens over HTTP.
    pub web: bool,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// See the top of the file.
pub(super) struct House {
    pub(super) stations: Vec<Arc<Station>>,
    /// Their places, by their names in small letters.
    places: HashMap<String, usize>,
    /// One for each sound thread.
    pub(super) sound: Vec<Queue<Piece>>,
    pub(super) refused: Refused,
    /// TCP connections there were.
    pub(super) lines: AtomicU64,
}

impl House {
    pub(super) fn new(names: Vec<String>, sound_threads: usize) -> Self {
        let places = names.iter().enumerate().map(|(place, name)| (name.to_lowercase(), place));
        let places = places.collect();
        let stations = names.into_iter().enumerate();
        Self {
            places,
            stations: stations.map(|(index, name)| Arc::new(Station::new(index, name))).collect(),
            sound: (0..sound_threads.max(1))
                .map(|_| Queue::newest_wins(STATION_SOUND_QUEUED))
                .collect(),
            refused: Refused::default(),
            lines: AtomicU64::default(),
        }
    }

    /// By its name; case does not matter.
    pub(super) fn station(&self, name: &str) -> Option<&Arc<Station>> {
        self.places.get(&name.to_lowercase()).map(|place| &self.stations[*place])
    }

    /// A whole datagram with this header came from `source` for a station.
    pub(super) fn take(
        &self,
        station: &Arc<Station>,
        source: Source,
        header: Header,
        datagram: &[u8],
        now: Time,
    ) -> Verdict {
        let verdict = lock(&station.intake).take(source, header, now);
        if let Verdict::Play { missing, captured } = verdict
            && station.is_wanted(now)
        {
            let datagram = Bytes::copy_from_slice(datagram);
            let piece = Piece { station: Arc::clone(station), missing, captured, datagram };
            // Newest wins: never refused.
            let _ = self.sound[station.index % self.sound.len()].send(piece);
        }
        verdict
    }

    pub(super) fn status(&self, now: Time) -> Status {
        let station = |station: &Arc<Station>| StationStatus {
            name: station.name.clone(),
            live: station.is_live(now),
            kiosks: station.ear_count.load(Ordering::Relaxed),
            web: station.is_heard_on_web(now),
            counts: lock(&station.intake).counts(),
        };
        let refused = Refusal::ALL.iter().map(|(refusal, name)| {
            (*name, self.refused.0[*refusal as usize].load(Ordering::Relaxed))
        });
        Status {
            stations: self.stations.iter().map(station).collect(),
            dropped: self.sound.iter().map(Queue::displaced).sum(),
            refused: refused.collect(),
        }
    }
}
