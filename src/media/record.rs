//! Records what is heard as Ogg Opus, the packets as they came: no second encoding.
//!
//! ```text
//! listen ─> Tape (bounded queue) ─> Recorder worker ─> FILE.opus, a page a second
//! ```
//! The recorder has its own thread, so a slow disk never delays the sound, and a full one ends the
//! recording with one sentence while the sound goes on. Every page is written at once and synced
//! every few seconds: after a power cut the file plays up to there. Time without packets is kept
//! by empty Opus frames, which players fill by hiding the loss (RFC 7845, 4.1).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::playout::Heard;
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
    /// Add what was heard next; nothing happens when the recording has failed.
    pub fn put(&self, heard: Heard) {
        // A closed queue is a recording that has ended, which its worker has said.
        let _ = self.0.send(heard);
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The worker that writes the file; start it with `Restart::Never`, and stop it after the listen
/// worker (start it before).
pub struct Recorder {
    heard: Queue<Heard>,
    writer: OggOpus<File>,
    path: PathBuf,
}

impl Recorder {
    /// Record to the file `place`, or to a new file named by date and time if it is a folder (or
    /// ends in `/`).
    ///
    /// # Errors
    /// See [`RecordError::Create`].
    pub fn create(place: &Path) -> Result<(Tape, Self), RecordError> {
        let (path, file) = open(place)?;
        let serial = std::process::id() ^ (clock::now().micros() as u32);
        let failed = |source| RecordError::Write { path: path.clone(), source };
        let writer = OggOpus::new(file, serial).map_err(failed)?;
        let heard = Queue::newest_wins(TAPE_LENGTH);
        Ok((Tape(heard.clone()), Self { heard, writer, path }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn record(&mut self, stop: &Stop) -> io::Result<()> {
        let mut pages_synced = 0;
        while let Received::Item(heard) = self.heard.receive(stop, None) {
            self.writer.put(heard)?;
            if self.writer.pages >= pages_synced + PAGES_PER_SYNC {
                pages_synced = self.writer.pages;
                self.writer.out.sync_data()?;
            }
        }
        while let Some(heard) = self.heard.try_receive() {
            self.writer.put(heard)?;
        }
        self.writer.finish()?;
        self.writer.out.sync_all()
    }
}

impl Worker for Recorder {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let recorded = self.record(stop);
        self.heard.close();
        self.heard.clear();
        Ok(recorded.map_err(|source| RecordError::Write { path: self.path.clone(), source })?)
    }
}

fn open(place: &Path) -> Result<(PathBuf, File), RecordError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RecordError::Create { path, source }
    };
    let is_folder = place.is_dir() || place.as_os_str().as_encoded_bytes().ends_with(b"/");
    if !is_folder {
        return Ok((place.to_owned(), File::create(place).map_err(failed(place))?));
    }
    std::fs::create_dir_all(place).map_err(failed(place))?;
    let name = date_time(clock::unix_seconds());
    let mut tries = 1;
    loop {
        let suffix = if tries == 1 { String::new() } else { format!("-{tries}") };
        let path = place.join(format!("{name}{suffix}.opus"));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => tries += 1,
            Err(error) => return Err(failed(&path)(error)),
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
    /// Samples without a packet that are not yet a whole empty frame.
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
            Heard::Packet(payload, samples) => {
                self.missing = 0;
                self.packet(payload, samples)
            }
            // Nothing is recorded before the first word.
            Heard::Missing(_) if self.samples == 0 => Ok(()),
            Heard::Missing(samples) => {
                self.missing += samples;
                while self.missing >= EMPTY_FRAME {
                    self.missing -= EMPTY_FRAME;
                    self.packet(Bytes::from_static(&EMPTY_PACKET), EMPTY_FRAME)?;
                }
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

    fn pages(frames: u8) -> Vec<u8> {
        let mut writer = OggOpus::new(Vec::new(), 7).unwrap();
        for n in 0..frames {
            let payload = Bytes::from(vec![9 << 3, n, n, n]);
            writer.put(Heard::Packet(payload, 960)).unwrap();
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
        writer.put(Heard::Packet(Bytes::from_static(&[72, 1]), 960)).unwrap();
        for _ in 0..50 {
            writer.put(Heard::Missing(480)).unwrap();
        }
        writer.put(Heard::Packet(Bytes::from_static(&[72, 2]), 960)).unwrap();
        writer.finish().unwrap();
        let packets = read_back(&writer.out);
        assert_eq!(packets.last().unwrap().1, 27 * 960);
        assert_eq!(packets.iter().filter(|packet| packet.0 == EMPTY_PACKET).count(), 25);
    }

    #[test]
    fn a_folder_gets_a_new_file_for_each_session() {
        let folder = tempfile::tempdir().unwrap();
        let (one, _) = open(folder.path()).unwrap();
        let (two, _) = open(folder.path()).unwrap();
        assert!(one != two && one.exists() && two.exists());
    }

    #[test]
    fn moments_have_their_usual_names() {
        assert_eq!(date_time(0), "1970-01-01T00-00-00Z");
        assert_eq!(date_time(951_827_696), "2000-02-29T12-34-56Z");
        assert_eq!(date_time(1_795_238_400), "2026-11-21T05-20-00Z");
    }
}
