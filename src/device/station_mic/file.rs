//! What stands for a microphone: a file over and over, a tone, silence.
//!
//! `PATH.s32` is what `arecord -t raw -f S32_LE -c 2 -r 16000` writes, without a header. `PATH.wav` is PCM of
//! 16, 24 or 32 bits, any rate a card could have. Files are read as they are played, since a day of sound
//! is larger than a station's memory.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::super::null_audio::sleep_until;
use super::sample::Sample;
use super::{DeviceError, FULL_SCALE, StationMic, Stereo};
use crate::clock::{self, Time};
use crate::stop::Stop;
use crate::wire::urtp::{BLOCK, BLOCK_US, RATE};

/// A reader this far behind has lost sound, as with a card whose buffer ran over.
const OVERRUN: Duration = Duration::from_millis(500);
/// Rates and channels that are taken from a file's header.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;
const CHANNELS: std::ops::RangeInclusive<usize> = 1..=32;

/// How fast a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As a card would: 50 times a second.
    Real,
    /// As fast as it is asked, once: 20 ms of the clock's start later each time.
    Once,
}

/// When the next 20 ms are there.
struct Beat {
    pace: Pace,
    next: Option<Time>,
    overruns: u64,
}

impl Beat {
    fn new(pace: Pace) -> Self {
        Self { pace, next: None, overruns: 0 }
    }

    /// Wait until they are complete; when their first sample was.
    fn wait(&mut self, stop: &Stop) -> Option<Time> {
        let period = Duration::from_micros(BLOCK_US);
        if self.pace == Pace::Once {
            let first = self.next.unwrap_or_default();
            self.next = Some(first + period);
            return (!stop.is_stopped()).then_some(first);
        }
        let now = clock::now();
        let mut first = self.next.unwrap_or(now);
        if now.since(first) > OVERRUN {
            self.overruns += 1;
            first = now;
        }
        self.next = Some(first + period);
        sleep_until(first + period, stop).then_some(first)
    }
}

/// A sine, or silence, on both channels at 16 kHz.
pub struct ToneMic {
    /// A second of it: every whole frequency is whole in that.
    second: Vec<i32>,
    at: usize,
    beat: Beat,
}

impl ToneMic {
    /// A sine of `hertz`, its peak at `level` of full scale (0 to 1).
    pub fn new(hertz: u32, level: f64) -> Self {
        let peak = f64::from(FULL_SCALE) * level.clamp(0.0, 1.0);
        let turn = std::f64::consts::TAU * f64::from(hertz) / f64::from(RATE);
        let second = (0..RATE).map(|at| ((f64::from(at) * turn).sin() * peak) as i32).collect();
        Self { second, at: 0, beat: Beat::new(Pace::Real) }
    }
}

impl StationMic for ToneMic {
    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        2
    }

    fn read(&mut self, into: &mut Vec<Stereo>, stop: &Stop) -> Result<Option<Time>, DeviceError> {
        into.clear();
        into.extend(self.second[self.at..self.at + BLOCK].iter().map(|value| [*value; 2]));
        self.at = (self.at + BLOCK) % self.second.len();
        Ok(self.beat.wait(stop))
    }

    fn overruns(&self) -> u64 {
        self.beat.overruns
    }
}

/// What a file says of its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    sample: Sample,
    channels: usize,
    rate: u32,
    /// Where the sound begins, and its bytes: whole frames.
    start: u64,
    length: u64,
}

impl Form {
    fn frame(self) -> usize {
        self.sample.bytes() * self.channels
    }
}

/// A file that plays over and over.
pub struct FileMic {
    file: BufReader<File>,
    name: String,
    form: Form,
    left: u64,
    bytes: Vec<u8>,
    beat: Beat,
}

impl FileMic {
    /// Open `PATH.wav`, or anything else as 32 bit, stereo, 16 kHz without a header.
    ///
    /// # Errors
    /// It can't be read, or has no sound that a station could send; the text says which.
    pub fn open(path: &Path, pace: Pace) -> Result<Self, DeviceError> {
        let name = path.display().to_string();
        let failed =
            |cause: String| DeviceError { deed: "open sound file", device: name.clone(), cause };
        let system = |error: std::io::Error| failed(error.to_string());
        let file = File::open(path).map_err(system)?;
        let length = file.metadata().map_err(system)?.len();
        let mut file = BufReader::new(file);
        let is_wav = path.extension().is_some_and(|found| found.eq_ignore_ascii_case("wav"));
        let mut form = if is_wav {
            wav(&mut file, length).map_err(failed)?
        } else {
            Form { sample: Sample::S32, channels: 2, rate: RATE, start: 0, length }
        };
        form.length -= form.length % form.frame() as u64;
        if form.length == 0 {
            return Err(failed("no sound in it".to_owned()));
        }
        file.seek(SeekFrom::Start(form.start)).map_err(system)?;
        let bytes = vec![0; form.frame() * frames_in_block(form.rate)];
        Ok(Self { file, name, form, left: form.length, bytes, beat: Beat::new(pace) })
    }

    /// The next so many bytes; fewer where the file is over.
    fn fill(&mut self) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < self.bytes.len() {
            if self.left == 0 {
                if self.beat.pace == Pace::Once {
                    break;
                }
                self.file.seek(SeekFrom::Start(self.form.start))?;
                self.left = self.form.length;
            }
            let end =
                self.bytes.len().min(filled + usize::try_from(self.left).unwrap_or(usize::MAX));
            self.file.read_exact(&mut self.bytes[filled..end])?;
            self.left -= (end - filled) as u64;
            filled = end;
        }
        Ok(filled)
    }
}

/// Frames in 20 ms.
fn frames_in_block(rate: u32) -> usize {
    (rate / 50) as usize
}

impl StationMic for FileMic {
    fn rate(&self) -> u32 {
        self.form.rate
    }

    fn channels(&self) -> usize {
        self.form.channels
    }

    fn read(&mut self, into: &mut Vec<Stereo>, stop: &Stop) -> Result<Option<Time>, DeviceError> {
        let filled = self.fill().map_err(|error| DeviceError {
            deed: "read sound file",
            device: self.name.clone(),
            cause: error.to_string(),
        })?;
        into.clear();
        into.extend(self.form.sample.frames(self.form.channels, &self.bytes[..filled]));
        if into.is_empty() {
            return Ok(None);
        }
        Ok(self.beat.wait(stop))
    }

    fn overruns(&self) -> u64 {
        self.beat.overruns
    }
}

/// Find the sound of a RIFF WAVE file of `size` bytes.
fn wav(file: &mut BufReader<File>, size: u64) -> Result<Form, String> {
    let system = |error: std::io::Error| error.to_string();
    let mut riff = [0; 12];
    let no_wav = |_| "not a WAV file".to_owned();
    file.read_exact(&mut riff).map_err(no_wav)?;
    if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
        return Err("not a WAV file".to_owned());
    }
    let (mut at, mut found) = (12, None);
    loop {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(at)).map_err(system)?;
        file.read_exact(&mut head).map_err(|_| "no sound in it".to_owned())?;
        let [kind @ .., a, b, c, d] = head;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        at += 8;
        match &kind {
            b"fmt " if length >= 16 => {
                let mut bytes = [0; 16];
                file.read_exact(&mut bytes).map_err(no_wav)?;
                found = Some(format(bytes)?);
            }
            b"data" => {
                let (sample, channels, rate) = found.ok_or("a WAV file without a format")?;
                // A file that was cut off, or streamed with no length, ends where its bytes end.
                let length = length.min(size.saturating_sub(at));
                return Ok(Form { sample, channels, rate, start: at, length });
            }
            _ => {}
        }
        at = at.saturating_add(length + length % 2);
    }
}

/// What the first 16 bytes of `fmt ` say.
fn format(bytes: [u8; 16]) -> Result<(Sample, usize, u32), String> {
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    // 0xfffe: the extensible form, of PCM in every file that anybody records.
    let sample = match (word(0), word(14)) {
        (1 | 0xfffe, 16) => Sample::S16,
        (1 | 0xfffe, 24) => Sample::S24In3,
        (1 | 0xfffe, 32) => Sample::S32,
        _ => return Err("not PCM of 16, 24 or 32 bits".to_owned()),
    };
    let (channels, rate) =
        (usize::from(word(2)), u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
    if !CHANNELS.contains(&channels) || !RATES.contains(&rate) {
        return Err(format!("{channels} channels at {rate} Hz; expected 1 to 32 at 8 to 192 kHz"));
    }
    Ok((sample, channels, rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::stop_pair;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn wave(channels: u16, rate: u32, bits: u16, sound: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0".to_vec();
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data\xff\xff\xff\xff");
        bytes.extend(sound);
        bytes
    }

    #[test]
    fn a_file_read_once_gives_every_frame_and_ends() {
        let frames: Vec<u8> =
            (0..800u32).flat_map(|n| [n << 8, (n << 8) + 7]).flat_map(u32::to_le_bytes).collect();
        let (_folder, path) = written("x.s32", &frames);
        let (_stopper, stop) = stop_pair();
        let mut mic = FileMic::open(&path, Pace::Once).unwrap();
        let (mut into, mut all, mut times) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(time) = mic.read(&mut into, &stop).unwrap() {
            all.extend_from_slice(&into);
            times.push(time.micros());
        }
        assert_eq!(times, [0, 20_000, 40_000]);
        assert_eq!(all, (0..800).map(|n| [n, n]).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_that_is_shorter_than_a_block_plays_over_and_over() {
        let (_folder, path) = written("x.wav", &wave(1, 16_000, 24, &[1, 0, 0, 2, 0, 0, 3, 0, 0]));
        let (_stopper, stop) = stop_pair();
        let mut mic = FileMic::open(&path, Pace::Real).unwrap();
        assert_eq!((mic.rate(), mic.channels()), (16_000, 1));
        let mut into = Vec::new();
        let first = mic.read(&mut into, &stop).unwrap().unwrap();
        assert_eq!((into.len(), into[0], into[319]), (320, [1; 2], [2; 2]));
        let second = mic.read(&mut into, &stop).unwrap().unwrap();
        assert_eq!((into[0], second.since(first)), ([3; 2], Duration::from_millis(20)));
    }

    #[test]
    fn files_without_sound_are_refused_in_words() {
        let why = |name: &str, bytes: &[u8]| {
            let (_folder, path) = written(name, bytes);
            FileMic::open(&path, Pace::Real).err().unwrap().cause
        };
        assert_eq!(why("x.s32", &[1; 7]), "no sound in it");
        assert_eq!(why("x.wav", b"RIFFxxxxWAVE"), "no sound in it");
        assert_eq!(why("x.wav", b"OggS"), "not a WAV file");
        assert_eq!(why("x.wav", &wave(2, 16_000, 8, &[0; 8])), "not PCM of 16, 24 or 32 bits");
        assert!(why("x.wav", &wave(0, 16_000, 16, &[0; 8])).starts_with("0 channels"));
        assert!(why("x.wav", &wave(2, 1_000_000, 16, &[0; 8])).contains("1000000 Hz"));
    }
}
