//! Datagrams to what listeners take: MP3 segments for those on the web, Opus packets for kiosks. A worker
//! for some of the stations; one that nobody listens to any more is forgotten within a second.
//!
//! ```text
//!  queue ──> decode ──> louder ──┬─> MP3, 0.972 s a segment ──> Hls
//!                                └─> Opus, 20 ms a packet   ──> the ports of each ear
//! ```
//! What is missing is filled for MP3 (the block before it, fading, then silence), whose players have no
//! clock but the sound itself; so is what does not come at all, for 30 s. A kiosk's play-out hides it
//! better: it sees the capture times. What fails with one station is said once and costs that one its
//! sound, until its next datagram.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::house::{Piece, Station};
use super::rounds::Round;
use crate::clock::{self, Time};
use crate::codec::lame::Mp3Encoder;
use crate::codec::station_voice::StationVoice;
use crate::frame::{Packet, PacketKind};
use crate::queue::{Queue, Received};
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};
use crate::wire::urtp::{BLOCK, BLOCK_US, Decoder};

/// Stations keep their peaks 18 to 42 dB under full scale; this lifts them and cuts nothing off that was
/// sent so (ioc-server does the same).
const LOUDER: i16 = 7;
/// Between two looks at who is still wanted.
const SWEEP: Duration = Duration::from_secs(1);

/// A station keeps two seconds of sound for when its line is back: nothing is filled in before they are
/// over.
const KEPT: Duration = Duration::from_secs(2);
/// Nothing came for so long: it is over. Players of playlists see that the list is empty then.
const OVER: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_micros(BLOCK_US);

/// See the top of the file.
pub(super) struct Sound {
    queue: Queue<Piece>,
    programs: HashMap<usize, Program>,
    round: Round,
    /// Whose trouble was told of.
    troubled: HashSet<usize>,
}

/// One station's, while it is listened to.
struct Program {
    station: Arc<Station>,
    decoder: Decoder,
    last: [i16; BLOCK],
    /// When that came.
    came: Time,
    /// Until when there is silence after it.
    silent: Option<Time>,
    mp3: Option<Mp3Encoder>,
    opus: Option<StationVoice>,
}

impl Sound {
    pub(super) fn new(queue: Queue<Piece>, round: Round) -> Self {
        Self { queue, programs: HashMap::new(), round, troubled: HashSet::new() }
    }

    fn take(&mut self, piece: &Piece, now: Time) {
        let new = || Program::new(&piece.station, now);
        let program = self.programs.entry(piece.station.index).or_insert_with(new);
        if let Err(error) = program.play(piece, now) {
            self.trouble(&piece.station, &error);
        }
    }

    /// The others go on.
    fn trouble(&mut self, station: &Station, error: &WorkerError) {
        if self.troubled.insert(station.index) {
            tracing::warn!("{}: {error}", station.name);
        }
        self.forget(station.index);
    }

    fn forget(&mut self, index: usize) {
        if let Some(program) = self.programs.remove(&index) {
            program.station.hls().clear();
        }
    }

    fn sweep(&mut self, now: Time) {
        let over =
            |program: &Program| !program.station.is_wanted(now) || now.since(program.came) >= OVER;
        let over: Vec<usize> =
            self.programs.iter().filter(|(_, p)| over(p)).map(|(index, _)| *index).collect();
        over.into_iter().for_each(|index| self.forget(index));
        let waited = self.programs.values_mut().filter_map(|program| {
            let error = program.wait(now).err()?;
            Some((Arc::clone(&program.station), error))
        });
        let failed: Vec<(Arc<Station>, WorkerError)> = waited.collect();
        failed.iter().for_each(|(station, error)| self.trouble(station, error));
    }
}

impl Worker for Sound {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut swept = clock::now();
        loop {
            let received = self.queue.receive(stop, Some(SWEEP));
            self.round.done();
            let now = clock::now();
            match received {
                Received::Item(piece) => self.take(&piece, now),
                Received::Timeout => {}
                Received::Stopped => return Ok(()),
            }
            if now.since(swept) >= SWEEP {
                swept = now;
                self.sweep(now);
            }
        }
    }
}

impl Program {
    fn new(station: &Arc<Station>, now: Time) -> Self {
        let (station, decoder, last) = (Arc::clone(station), Decoder::default(), [0; BLOCK]);
        Self { station, decoder, last, came: now, silent: None, mp3: None, opus: None }
    }

    fn play(&mut self, piece: &Piece, now: Time) -> Result<(), WorkerError> {
        let mut block = [0; BLOCK];
        self.decoder.decode(&piece.datagram, &mut block)?;
        block.iter_mut().for_each(|sample| *sample = sample.saturating_mul(LOUDER));
        let missing = if self.silent.take().is_some() { 0 } else { piece.missing };
        if self.station.is_heard_on_web(now) {
            for number in 0..missing {
                let filled = if number == 0 { fade(&self.last) } else { [0; BLOCK] };
                self.give_web(&filled)?;
            }
            self.give_web(&block)?;
        } else if self.mp3.take().is_some() {
            self.station.hls().clear();
        }
        self.give_ears(&block, piece)?;
        (self.last, self.came) = (block, now);
        Ok(())
    }

    /// Nothing came for a while: silence for those on the web, in whose players nothing else goes on.
    fn wait(&mut self, now: Time) -> Result<(), WorkerError> {
        if self.mp3.is_none() || !self.station.is_heard_on_web(now) {
            return Ok(());
        }
        let mut until = self.silent.unwrap_or(self.came + KEPT);
        while until + STEP <= now {
            let last = std::mem::replace(&mut self.last, [0; BLOCK]);
            self.give_web(&fade(&last))?;
            until = until + STEP;
            self.silent = Some(until);
        }
        Ok(())
    }

    fn give_web(&mut self, block: &[i16; BLOCK]) -> Result<(), WorkerError> {
        let mp3 = match &mut self.mp3 {
            Some(mp3) => mp3,
            none => none.insert(Mp3Encoder::new()?),
        };
        let Some(segment) = mp3.push(block)? else { return Ok(()) };
        let mut hls = self.station.hls();
        let id = loop {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes)?;
            let id = u32::from_be_bytes(bytes);
            if !hls.knows(id) {
                break id;
            }
        };
        hls.push(id, &segment);
        self.station.news.send_replace(hls.count());
        Ok(())
    }

    fn give_ears(&mut self, block: &[i16; BLOCK], piece: &Piece) -> Result<(), WorkerError> {
        let mut ears = self.station.ears();
        if ears.is_empty() {
            self.opus = None;
            return Ok(());
        }
        let opus = match &mut self.opus {
            Some(opus) => opus,
            none => none.insert(StationVoice::new()?),
        };
        let mut packet = Vec::new();
        opus.encode(block, &mut packet)?;
        let payload = Bytes::from(packet);
        for ear in ears.iter_mut() {
            let packet = Packet {
                kind: PacketKind::Voice,
                sequence: ear.sequence,
                captured: piece.captured,
                after_gap: piece.missing > 0,
                payload: payload.clone(),
            };
            ear.sequence = ear.sequence.wrapping_add(1);
            // Newest wins: never refused while the peer is there.
            let _ = ear.voice_out.send(packet);
        }
        Ok(())
    }
}

/// The same once more, ending in silence.
fn fade(block: &[i16; BLOCK]) -> [i16; BLOCK] {
    let left = |place: usize| (BLOCK - place) as i32;
    std::array::from_fn(|i| (i32::from(block[i]) * left(i) / BLOCK as i32) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::server::house::House;
    use crate::stop::stop_pair;
    use crate::wire::urtp::{Coding, DATAGRAM_LIMIT, Encoder};

    const BEGIN: Time = Time::from_micros(1_000_000_000);

    fn piece(station: &Arc<Station>, missing: u16) -> Piece {
        let mut out = [0; DATAGRAM_LIMIT];
        let length = Encoder::new(Coding::Unicam, 12).encode(&[0; BLOCK], 0, 0, &mut out);
        let datagram = Bytes::copy_from_slice(&out[..length]);
        Piece { station: Arc::clone(station), missing, captured: BEGIN, datagram }
    }

    #[test]
    fn who_listens_on_the_web_hears_silence_for_half_a_minute_and_then_it_is_over() {
        let house = House::new(vec!["Garden".to_owned()], 1);
        let station = &house.stations[0];
        let mut sound = Sound::new(house.sound[0].clone(), Round::default());
        let at = |ms: u64| BEGIN + Duration::from_millis(ms);
        let sweep = |sound: &mut Sound, second: u64| {
            station.listened(at(1000 * second));
            sound.sweep(at(1000 * second));
            station.hls().count()
        };
        station.listened(BEGIN);
        for n in 0..100 {
            sound.take(&piece(station, 0), at(20 * n));
        }
        // 2 s of sound have two segments and a bit.
        assert_eq!([2, 3].map(|second| sweep(&mut sound, second)), [2, 2]);
        assert_eq!([4, 5, 6].map(|second| sweep(&mut sound, second)), [2, 3, 4]);
        // The line is back: what was filled is not filled again.
        sound.take(&piece(station, 24), at(6000));
        assert_eq!(station.hls().count(), 4);
        let last = (7..36).map(|second| sweep(&mut sound, second)).last();
        assert!(last.is_some_and(|count| (30..33).contains(&count)), "{last:?}");
        assert!(!station.hls().is_empty());
        sweep(&mut sound, 36);
        assert!(station.hls().is_empty() && sound.programs.is_empty());
    }

    #[test]
    fn what_fails_with_one_station_costs_no_other_one_its_sound() {
        let house = House::new(vec!["Garden".to_owned(), "Hall".to_owned()], 1);
        let [garden, hall] = [&house.stations[0], &house.stations[1]];
        let (stopper, stop) = stop_pair();
        let mut sound = Sound::new(house.sound[0].clone(), Round::default());
        let run = std::thread::Builder::new().spawn(move || sound.run_once(&stop).is_ok());
        let run = run.unwrap();
        let mut news = hall.news.subscribe();
        hall.listened(clock::now() + Duration::from_secs(600));
        for _ in 0..100 {
            let broken = Piece { datagram: Bytes::from_static(b"Z"), ..piece(garden, 0) };
            assert!(house.sound[0].send(broken).is_ok());
            assert!(house.sound[0].send(piece(hall, 0)).is_ok());
        }
        let limit = std::time::Instant::now() + Duration::from_secs(40);
        while !news.has_changed().unwrap() && !run.is_finished() {
            assert!(std::time::Instant::now() < limit, "no sound of the hall");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!run.is_finished(), "the thread of all stations ended");
        assert!(news.borrow_and_update().gt(&0));
        stopper.stop();
        assert!(run.join().unwrap());
    }

    #[test]
    fn a_block_that_fades_begins_as_it_was_and_ends_in_silence() {
        let faded = fade(&[i16::MIN; BLOCK]);
        assert_eq!((faded[0], faded[BLOCK / 2]), (i16::MIN, i16::MIN / 2));
        assert!(faded[BLOCK - 1] > -200);
    }
}
