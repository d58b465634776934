//! The worker that fetches a live stream over HTTP, segment by segment, and decodes it.
//!
//! ```text
//!  Machine ── Playlist, Segment ──> GET ──> Playlist::parse, Mp3Decoder ──> Buffer
//!      ^────────── listed, came, gone, failed ──────┘
//! ```
//! Nothing that a server does ends it: whatever fails is the machine's to judge, and is logged once. What
//! a server calls its content does not matter (ioc-servers call MP3 a linguist's file); redirects are
//! not followed, since they lead to servers that nobody named.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::Agent;

use super::machine::{Machine, Wish};
use super::player::Shared;
use super::{State, Tell};
use crate::clock;
use crate::codec::mp3::{Mp3Decoder, Mp3Error, SEGMENT_LIMIT};
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};
use crate::wire::playlist::{self, PLAYLIST_LIMIT, Playlist, PlaylistError};

/// How long a name, a connection or an answer may take ...
const STEP: Duration = Duration::from_secs(2);
/// ... and all of it: later than that the sound would be too old.
const WHOLE: Duration = Duration::from_secs(4);

/// Bytes of a request and of the head of its answer, about.
const HEADS: u64 = 400;

/// Why there is no sound.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{address}: {cause}")]
    Http { address: String, cause: Box<ureq::Error> },
    #[error("{address}: {cause}")]
    Playlist { address: String, cause: PlaylistError },
    #[error("{address}: {cause}")]
    Sound { address: String, cause: Mp3Error },
}

impl FetchError {
    /// Whoever answers has no such thing, or not any more.
    fn is_gone(&self) -> bool {
        let Self::Http { cause, .. } = self else { return false };
        matches!(**cause, ureq::Error::StatusCode(404 | 410))
    }

    /// The server is not called what the address calls it.
    fn is_misdirected(&self) -> bool {
        let Self::Http { cause, .. } = self else { return false };
        matches!(**cause, ureq::Error::StatusCode(421))
    }
}

/// Fetches.
pub(super) struct Fetch {
    address: String,
    agent: Agent,
    machine: Machine,
    decoder: Mp3Decoder,
    sound: Shared,
    bytes: Arc<AtomicU64>,
    tell: Tell,
    told: Option<State>,
    trouble: Option<String>,
}

impl Fetch {
    /// The playlist at `address` into `sound`; `tell` hears how it stands with it, and `bytes` counts what
    /// goes through.
    pub(super) fn new(address: &str, sound: Shared, bytes: Arc<AtomicU64>, tell: Tell) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(WHOLE))
            .timeout_resolve(Some(STEP))
            .timeout_connect(Some(STEP))
            .timeout_recv_response(Some(STEP))
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("twocan/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self {
            address: address.to_owned(),
            agent,
            machine: Machine::new(clock::now()),
            decoder: Mp3Decoder::default(),
            sound,
            bytes,
            tell,
            told: None,
            trouble: None,
        }
    }

    fn step(&mut self, wish: &Wish, stop: &Stop) {
        let done = match wish {
            Wish::Rest(until) => {
                // Whole milliseconds, rounded up, or the last one would spin.
                let pause = until.since(clock::now()) + Duration::from_micros(999);
                stop.sleep(pause);
                return;
            }
            Wish::Playlist => self.list(),
            Wish::Segment(uri) => self.segment(uri),
        };
        match done {
            Ok(()) => self.trouble = None,
            Err(error) if error.is_gone() && matches!(wish, Wish::Segment(_)) => {
                tracing::debug!("{error}");
                self.machine.gone(clock::now());
            }
            Err(error) => {
                match error.is_gone() || error.is_misdirected() {
                    true => self.machine.missing(clock::now()),
                    false => self.machine.failed(clock::now()),
                }
                let sentence = error.to_string();
                if self.trouble.as_ref() != Some(&sentence) {
                    tracing::warn!("{sentence}");
                    self.trouble = Some(sentence);
                }
            }
        }
    }

    fn list(&mut self) -> Result<(), FetchError> {
        let bytes = self.get(&self.address, PLAYLIST_LIMIT)?;
        let playlist = Playlist::parse(&bytes)
            .map_err(|cause| FetchError::Playlist { address: self.address.clone(), cause })?;
        self.machine.listed(&playlist, clock::now());
        Ok(())
    }

    fn segment(&mut self, uri: &str) -> Result<(), FetchError> {
        let address = playlist::resolve(&self.address, uri)
            .map_err(|cause| FetchError::Playlist { address: self.address.clone(), cause })?;
        let bytes = self.get(&address, SEGMENT_LIMIT)?;
        let mut sound = Vec::new();
        let before = self.decoder.broken();
        let rate = self.decoder.decode(&bytes, &mut sound);
        let broken = self.decoder.broken() - before;
        if broken > 0 {
            tracing::debug!("{address}: {broken} broken frames");
        }
        let rate = rate.map_err(|cause| FetchError::Sound { address, cause })?;
        self.sound.lock().push(rate, &sound);
        self.machine.came(clock::now());
        Ok(())
    }

    fn get(&self, address: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
        let failed =
            |cause| FetchError::Http { address: address.to_owned(), cause: Box::new(cause) };
        self.bytes.fetch_add(HEADS, Ordering::Relaxed);
        let mut response = self.agent.get(address).call().map_err(failed)?;
        let body = response.body_mut().with_config().limit(limit as u64);
        let body = body.read_to_vec().map_err(failed)?;
        self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        Ok(body)
    }
}

impl Worker for Fetch {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        // After a panic nothing of what was is trusted.
        self.machine = Machine::new(clock::now());
        self.decoder = Mp3Decoder::default();
        while !stop.is_stopped() {
            let wish = self.machine.next(clock::now());
            self.step(&wish, stop);
            let state = self.machine.state();
            if self.told.replace(state) != Some(state) {
                (self.tell)(state);
            }
        }
        Ok(())
    }
}
