//! Records what is heard as Ogg Opus, the packets as they came: no second encoding.
//!
//! ```text
//! listen ─> Tape (bounded queue) ─> Recorder worker ─> FILE.opus, a page a second
//! ```
//! The recorder has its own thread, so a slow disk never delays the sound, and a full one ends the
//! file with one sentence while the sound goes on. Into a folder each peer's session gets a file of
//! its own. Every page is written at once and synced every few seconds: after a power cut the file
//! plays up to there. Time without packets, up to the next one, is kept by empty Opus frames, which
//! players fill by hiding the loss (RFC 7845, 4.1).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use nix::unistd::AccessFlags;
use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::playout::Heard;
use super::sessions::Sessions;
use crate::clock;
use crate::frame::SAMPLE_RATE;
use crate::queue::{Queue, Received};
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};

/// What a recorder that can't keep up may have waiting: 10 s of 10 ms.
const TAPE_LENGTH: usize = 1000;
/// Samples the decoder is to skip at the start: libopus' delay for voice, 6.5 ms.
const PRE_SKIP: u16 = 312;
/// Samples after which a page is written: 1 s.
const PAGE_SAMPLES: u64 = SAMPLE_RATE as u64;
/// Pages between two syncs to the disk.
const PAGES_PER_SYNC: u32 = 5;
/// Samples of one empty frame: 20 ms.
const EMPTY_FRAME: usize = 960;
/// An empty Opus frame of 20 ms: wideband SILK, mono, one frame (RFC 6716, 3.1).
const EMPTY_PACKET: [u8; 1] = [9 << 3];

/// A recording could not be made or went wrong.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file or its folder can't be made.
    #[error("create recording {path}: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full, or gone.
    #[error("write recording {path}: {source}; the recording ends here, the sound goes on")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The end of a recorder that the listen worker holds. Dropping it ends the recording in order.
pub struct Tape(Queue<Heard>);

impl Tape {
    /// Add what was heard next.
    pub fn put(&self, heard: Heard) {
        // A closed queue is a recording that has ended.
        let _ = self.0.send(heard);
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The worker that writes the files; stop it after the listen worker (start it before).
///
/// A file that can't be written is ended, said once and counted. In a folder the next session tries
/// again, in a file of its own.
pub struct Recorder {
    heard: Queue<Heard>,
    /// `None`: all goes into the one file that was opened at the start.
    folder: Option<PathBuf>,
    sessions: Arc<Sessions>,
    file: Option<Recording>,
    has_failed: bool,
    failures: Arc<AtomicU64>,
}

impl Recorder {
    /// Record to the file `place`; or, if it is a folder (or ends in `/`), each of the `sessions` to
    /// a new file named by the date and time it began.
    ///
    /// # Errors
    /// The file can't be made, or no file can be made in the folder.
    pub fn create(place: &Path, sessions: Arc<Sessions>) -> Result<(Tape, Self), RecordError> {
        let failed = |source| RecordError::Create { path: place.to_owned(), source };
        let is_folder = place.is_dir() || place.as_os_str().as_encoded_bytes().ends_with(b"/");
        let (folder, file) = if is_folder {
            std::fs::create_dir_all(place).map_err(failed)?;
            let access = nix::unistd::access(place, AccessFlags::W_OK | AccessFlags::X_OK);
            access.map_err(|errno| failed(errno.into()))?;
            (Some(place.to_owned()), None)
        } else {
            let file = File::create(place).map_err(failed)?;
            (None, Some(Recording::begin(place.to_owned(), file)?))
        };
        let heard = Queue::newest_wins(TAPE_LENGTH);
        let tape = Tape(heard.clone());
        let failures = Arc::default();
        Ok((tape, Self { heard, folder, sessions, file, has_failed: false, failures }))
    }

    /// Recordings that could not be made or went wrong so far; the count outlives the worker.
    pub fn failures(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.failures)
    }

    fn take(&mut self, heard: Heard) {
        if let Heard::Packet { sequence, .. } = heard
            && self.sessions.has_begun_by(sequence)
            && self.folder.is_some()
        {
            self.end_file();
            self.has_failed = false;
        }
        if !self.has_failed {
            let written = self.write(heard);
            self.note(written);
        }
    }

    fn write(&mut self, heard: Heard) -> Result<(), RecordError> {
        let file = match (&mut self.file, &self.folder, &heard) {
            (Some(file), ..) => file,
            (file, Some(folder), Heard::Packet { .. }) => {
                let (path, new) = create_in(folder)?;
                let begun = Recording::begin(path.clone(), new).inspect_err(|_| {
                    // Nothing is in it.
                    let _ = std::fs::remove_file(path);
                });
                file.insert(begun?)
            }
            _ => return Ok(()),
        };
        file.put(heard)
    }

    fn end_file(&mut self) {
        let ended = self.file.take().map_or(Ok(()), Recording::end);
        self.note(ended);
    }

    fn note(&mut self, done: Result<(), RecordError>) {
        if let Err(error) = done {
            tracing::warn!("record: {error}");
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.has_failed = true;
            self.file = None;
        }
    }
}

impl Worker for Recorder {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        while let Received::Item(heard) = self.heard.receive(stop, None) {
            self.take(heard);
        }
        while let Some(heard) = self.heard.try_receive() {
            self.take(heard);
        }
        self.end_file();
        Ok(())
    }
}

/// One file that is being written.
struct Recording {
    path: PathBuf,
    writer: OggOpus<File>,
    pages_synced: u32,
}

impl Recording {
    fn begin(path: PathBuf, file: File) -> Result<Self, RecordError> {
        let serial = std::process::id() ^ (clock::now().micros() as u32);
        match OggOpus::new(file, serial) {
            Ok(writer) => {
                tracing::info!("recording to {}", path.display());
                Ok(Self { path, writer, pages_synced: 0 })
            }
            Err(source) => Err(RecordError::Write { path, source }),
        }
    }

    fn put(&mut self, heard: Heard) -> Result<(), RecordError> {
        let written = self.writer.put(heard).and_then(|()| {
            if self.writer.pages < self.pages_synced + PAGES_PER_SYNC {
                return Ok(());
            }
            self.pages_synced = self.writer.pages;
            self.writer.out.sync_data()
        });
        written.map_err(|source| RecordError::Write { path: self.path.clone(), source })
    }

    fn end(mut self) -> Result<(), RecordError> {
        let ended = self.writer.finish().and_then(|()| self.writer.out.sync_all());
        ended.map_err(|source| RecordError::Write { path: self.path, source })
    }
}

/// A new file in `folder`, named by date and time.
fn create_in(folder: &Path) -> Result<(PathBuf, File), RecordError> {
    let name = date_time(clock::unix_seconds());
    let mut tries = 1;
    loop {
        let suffix = if tries == 1 { String::new() } else { format!("-{tries}") };
        let path = folder.join(format!("{name}{suffix}.opus"));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => tries += 1,
            Err(source) => return Err(RecordError::Create { path, source }),
        }
    }
}

/// `2026-11-21T05-04-09Z`, from seconds since 1970 (days to civil date after Howard Hinnant).
fn date_time(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}Z")
}

/// Writes one Opus stream, a page a second, each page in one piece.
struct OggOpus<W: Write> {
    out: W,
    pages_made: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    /// The newest packet waits here: the last one has to be marked as such.
    held: Option<(Bytes, u64)>,
    samples: u64,
    page_from: u64,
    /// Samples without a packet since the last one.
    missing: usize,
    pages: u32,
}

impl<W: Write> OggOpus<W> {
    fn new(out: W, serial: u32) -> io::Result<Self> {
        let mut writer = Self {
            out,
            pages_made: PacketWriter::new(Vec::new()),
            serial,
            held: None,
            samples: 0,
            page_from: 0,
            missing: 0,
            pages: 0,
        };
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend_from_slice(&PRE_SKIP.to_le_bytes());
        head.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        let vendor = concat!("twocan ", env!("CARGO_PKG_VERSION"));
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&u32::try_from(vendor.len()).unwrap_or(0).to_le_bytes());
        tags.extend_from_slice(vendor.as_bytes());
        tags.extend_from_slice(&0u32.to_le_bytes());
        for header in [head, tags] {
            writer.pages_made.write_packet(header, serial, PacketWriteEndInfo::EndPage, 0)?;
        }
        writer.flush()?;
        Ok(writer)
    }

    fn put(&mut self, heard: Heard) -> io::Result<()> {
        match heard {
            Heard::Packet { payload, samples, .. } => {
                for _ in 0..std::mem::take(&mut self.missing) / EMPTY_FRAME {
                    self.packet(Bytes::from_static(&EMPTY_PACKET), EMPTY_FRAME)?;
                }
                self.packet(payload, samples)
            }
            // Nothing is recorded before the first word, nor what may be the silence after the last.
            Heard::Missing(_) if self.samples == 0 => Ok(()),
            Heard::Missing(samples) => {
                self.missing += samples;
                Ok(())
            }
        }
    }

    fn packet(&mut self, payload: Bytes, samples: usize) -> io::Result<()> {
        self.samples += samples as u64;
        let position = self.samples;
        let Some((previous, at)) = self.held.replace((payload, position)) else { return Ok(()) };
        let full = at - self.page_from >= PAGE_SAMPLES;
        let end = if full { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
        self.pages_made.write_packet(previous.to_vec(), self.serial, end, at)?;
        if full {
            self.page_from = at;
            self.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some((last, at)) = self.held.take() else { return Ok(()) };
        let end = PacketWriteEndInfo::EndStream;
        self.pages_made.write_packet(last.to_vec(), self.serial, end, at)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let pages = self.pages_made.inner_mut();
        self.out.write_all(pages)?;
        pages.clear();
        self.pages += 1;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: Bytes) -> Heard {
        Heard::Packet { payload, samples: 960, sequence: 0 }
    }

    fn pages(frames: u8) -> Vec<u8> {
        let mut writer = OggOpus::new(Vec::new(), 7).unwrap();
        for n in 0..frames {
            let payload = Bytes::from(vec![9 << 3, n, n, n]);
            writer.put(packet(payload)).unwrap();
        }
        writer.finish().unwrap();
        writer.out
    }

    fn read_back(bytes: &[u8]) -> Vec<(Vec<u8>, u64, bool)> {
        let mut reader = ogg::PacketReader::new(io::Cursor::new(bytes));
        let mut packets = Vec::new();
        while let Ok(Some(packet)) = reader.read_packet() {
            let (at, last) = (packet.absgp_page(), packet.last_in_stream());
            packets.push((packet.data, at, last));
        }
        packets
    }

    #[test]
    fn the_file_has_heads_then_every_packet_and_a_marked_end() {
        let packets = read_back(&pages(120));
        assert_eq!(packets.len(), 122);
        assert!(packets[0].0.starts_with(b"OpusHead") && packets[1].0.starts_with(b"OpusTags"));
        assert_eq!(packets[2].1, 48_000, "the first page ends after a second");
        let (_, position, last) = packets.last().unwrap();
        assert_eq!((*position, *last), (120 * 960, true));
    }

    #[test]
    fn a_file_cut_anywhere_still_has_the_packets_of_its_whole_pages() {
        let whole = pages(200);
        let all = read_back(&whole);
        for cut in (0..whole.len()).step_by(37) {
            let some = read_back(&whole[..cut]);
            assert!(all.iter().zip(&some).all(|(a, b)| a.0 == b.0));
            // Pages are a second long: at most one of them is lost.
            let bytes: usize = some.iter().map(|packet| packet.0.len()).sum();
            assert!(bytes + 50 * 5 + 400 >= cut, "{bytes} of {cut}");
        }
    }

    #[test]
    fn time_without_packets_stays_time() {
        let mut writer = OggOpus::new(Vec::new(), 7).unwrap();
        writer.put(Heard::Missing(48_000)).unwrap();
        writer.put(packet(Bytes::from_static(&[72, 1]))).unwrap();
        for _ in 0..50 {
            writer.put(Heard::Missing(480)).unwrap();
        }
        writer.put(packet(Bytes::from_static(&[72, 2]))).unwrap();
        writer.finish().unwrap();
        let packets = read_back(&writer.out);
        assert_eq!(packets.last().unwrap().1, 27 * 960);
        assert_eq!(packets.iter().filter(|packet| packet.0 == EMPTY_PACKET).count(), 25);
    }

    /// The second byte of every packet, file by file.
    fn payloads(folder: &Path) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let words = |path: PathBuf| {
            let packets = read_back(&std::fs::read(path).unwrap());
            packets[2..].iter().map(|packet| packet.0[1]).collect()
        };
        let mut payloads: Vec<_> = files.map(words).collect();
        payloads.sort();
        payloads
    }

    /// What a run records of two peers, of whom the second begins with packet 2.
    fn record_two_peers(place: &Path) -> u64 {
        let sessions = Arc::new(Sessions::default());
        let (tape, mut recorder) = Recorder::create(place, Arc::clone(&sessions)).unwrap();
        let failures = recorder.failures();
        sessions.begins_at(0);
        sessions.begins_at(2);
        for sequence in 0..4u8 {
            tape.put(Heard::Missing(100));
            let payload = Bytes::from(vec![72, sequence]);
            tape.put(Heard::Packet { payload, samples: 960, sequence: sequence.into() });
        }
        drop(tape);
        let (_stopper, stop) = crate::stop::stop_pair();
        recorder.run_once(&stop).unwrap();
        failures.load(Ordering::Relaxed)
    }

    #[test]
    fn a_folder_gets_a_new_file_for_each_session() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(record_two_peers(folder.path()), 0);
        assert_eq!(payloads(folder.path()), [[0, 1], [2, 3]]);
        assert_eq!(record_two_peers(folder.path()), 0);
        assert_eq!(payloads(folder.path()).len(), 4);
    }

    #[test]
    fn a_file_gets_the_whole_run() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(record_two_peers(&folder.path().join("run.opus")), 0);
        assert_eq!(payloads(folder.path()), [[0, 1, 2, 3]]);
    }

    #[test]
    fn a_recording_that_cannot_be_made_is_an_error_at_once() {
        for place in ["/dev/full", "/dev/full/", "/proc/nowhere/"] {
            let error = Recorder::create(Path::new(place), Arc::default()).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(&format!("recording {place}: ")), "{error}");
        }
    }

    #[test]
    fn a_failed_file_is_counted_and_the_next_session_tries_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("gone");
        std::fs::create_dir(&place).unwrap();
        let sessions = Arc::new(Sessions::default());
        let (_tape, mut recorder) = Recorder::create(&place, Arc::clone(&sessions)).unwrap();
        std::fs::remove_dir(&place).unwrap();
        for sequence in [0, 1] {
            sessions.begins_at(2 * sequence);
            for packet in [2 * sequence, 2 * sequence + 1] {
                let payload = Bytes::from_static(&[72, 1]);
                recorder.take(Heard::Packet { payload, samples: 960, sequence: packet });
            }
        }
        assert_eq!(recorder.failures().load(Ordering::Relaxed), 2, "one for each session");
    }

    #[test]
    fn moments_have_their_usual_names() {
        assert_eq!(date_time(0), "1970-01-01T00-00-00Z");
        assert_eq!(date_time(951_827_696), "2000-02-29T12-34-56Z");
        assert_eq!(date_time(1_795_238_400), "2026-11-21T05-20-00Z");
    }
}
