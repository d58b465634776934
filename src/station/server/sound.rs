//! Datagrams to what listeners take: MP3 segments for those on the web, Opus packets for kiosks. A worker
//! for some of the stations; one that nobody listens to any more is forgotten within a second.
//!
//! ```text
//!  queue ──> decode ──> louder ──┬─> MP3, 0.972 s a segment ──> Hls
//!                                └─> Opus, 20 ms a packet   ──> the ports of each ear
//! ```
//! What is missing is filled for MP3 (the block before it, fading, then silence), whose players have no
//! clock but the sound itself. A kiosk's play-out hides it better: it sees the capture times.

use std::collections::HashMap;
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
use crate::wire::urtp::{BLOCK, Decoder};

/// Stations keep their peaks 18 to 42 dB under full scale; this lifts them and cuts nothing off that was
/// sent so (ioc-server does the same).
const LOUDER: i16 = 7;
/// Between two looks at who is still wanted.
const SWEEP: Duration = Duration::from_secs(1);

/// See the top of the file.
pub(super) struct Sound {
    queue: Queue<Piece>,
    programs: HashMap<usize, Program>,
    round: Round,
}

/// One station's, while it is listened to.
struct Program {
    station: Arc<Station>,
    decoder: Decoder,
    last: [i16; BLOCK],
    mp3: Option<Mp3Encoder>,
    opus: Option<StationVoice>,
}

impl Sound {
    pub(super) fn new(queue: Queue<Piece>, round: Round) -> Self {
        Self { queue, programs: HashMap::new(), round }
    }

    fn take(&mut self, piece: &Piece, now: Time) -> Result<(), WorkerError> {
        let index = piece.station.index;
        let program = self.programs.entry(index).or_insert_with(|| Program::new(&piece.station));
        let played = program.play(piece, now);
        if played.is_err() {
            self.forget(index);
        }
        played
    }

    fn forget(&mut self, index: usize) {
        if let Some(program) = self.programs.remove(&index) {
            program.station.hls().clear();
        }
    }

    fn sweep(&mut self, now: Time) {
        let over =
            |program: &Program| !program.station.is_wanted(now) || !program.station.is_live(now);
        let over: Vec<usize> =
            self.programs.iter().filter(|(_, p)| over(p)).map(|(index, _)| *index).collect();
        over.into_iter().for_each(|index| self.forget(index));
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
                Received::Item(piece) => self.take(&piece, now)?,
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
    fn new(station: &Arc<Station>) -> Self {
        let (decoder, last) = (Decoder::default(), [0; BLOCK]);
        Self { station: Arc::clone(station), decoder, last, mp3: None, opus: None }
    }

    fn play(&mut self, piece: &Piece, now: Time) -> Result<(), WorkerError> {
        let mut block = [0; BLOCK];
        self.decoder.decode(&piece.datagram, &mut block)?;
        block.iter_mut().for_each(|sample| *sample = sample.saturating_mul(LOUDER));
        if self.station.is_heard_on_web(now) {
            for number in 0..piece.missing {
                let filled = if number == 0 { fade(&self.last) } else { [0; BLOCK] };
                self.give_web(&filled)?;
            }
            self.give_web(&block)?;
        } else if self.mp3.take().is_some() {
            self.station.hls().clear();
        }
        self.give_ears(&block, piece)?;
        self.last = block;
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

    #[test]
    fn a_block_that_fades_begins_as_it_was_and_ends_in_silence() {
        let faded = fade(&[i16::MIN; BLOCK]);
        assert_eq!((faded[0], faded[BLOCK / 2]), (i16::MIN, i16::MIN / 2));
        assert!(faded[BLOCK - 1] > -200);
    }
}
