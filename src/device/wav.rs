//! Sound from a WAV file, looped, and sound into one.
//!
//! Reading takes 16 bit PCM of any rate and number of channels; it is folded to mono and brought
//! to 48 kHz once, when the file is opened, by a windowed sinc. Writing keeps the sizes in the
//! header true once a second, so a file that was cut off still plays; it never replaces a file that
//! is there, so that a sink opened again after a failure goes on beside what was written before.

use std::f64::consts::PI;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::null_audio::{Metronome, Void};
use super::{AudioSink, AudioSource, DeviceError};
use crate::clock::Time;
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};
use crate::stop::Stop;

/// The largest file that is read, in bytes: 10 minutes of 48 kHz stereo.
const FILE_LIMIT: u64 = 120_000_000;
/// Files of one name and different numbers, after which no further one is made.
const FILES_LIMIT: u32 = 10_000;
/// Samples on each side of the sinc.
const HALF_TAPS: i64 = 16;

/// A WAV file as 48 kHz mono samples.
///
/// # Errors
/// It can't be read, is too large, or is not 16 bit PCM; the text says which.
pub fn load(path: &Path) -> Result<Vec<i16>, DeviceError> {
    let failed = |cause: String| DeviceError {
        deed: "open sound file",
        device: path.display().to_string(),
        cause,
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let length = file.metadata().map_err(|error| failed(error.to_string()))?.len();
    if length > FILE_LIMIT {
        return Err(failed(format!("{length} bytes, at most {FILE_LIMIT} are read")));
    }
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    let (rate, mono) = parse(&bytes).map_err(|cause| failed(cause.to_owned()))?;
    Ok(resample(&mono, rate))
}

/// The rate and the mono samples of a RIFF WAVE file.
fn parse(bytes: &[u8]) -> Result<(u32, Vec<i16>), &'static str> {
    let riff = bytes.get(..12).ok_or("not a WAV file")?;
    if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
        return Err("not a WAV file");
    }
    let mut rest = &bytes[12..];
    let mut form = None;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        // A file that was cut off, or streamed with no length, ends where its bytes end.
        let chunk = &body[..length.min(body.len())];
        match &head[..4] {
            b"fmt " if chunk.len() >= 16 => {
                let word = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
                if !matches!(word(0), 1 | 0xfffe) || word(14) != 16 {
                    return Err("not 16 bit PCM");
                }
                let rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
                form = Some((usize::from(word(2)), rate));
            }
            b"data" => {
                let (channels, rate) = form.ok_or("a WAV file without a format")?;
                if channels == 0 || !(4_000..=192_000).contains(&rate) {
                    return Err("channels or rate out of range (4 to 192 kHz)");
                }
                let frames = chunk.chunks_exact(2 * channels);
                let mono: Vec<i16> = frames.map(fold).collect();
                return if mono.is_empty() { Err("no sound in it") } else { Ok((rate, mono)) };
            }
            _ => {}
        }
        let padded = length.saturating_add(length % 2).min(body.len());
        rest = &body[padded..];
    }
    Err("no sound in it")
}

fn fold(frame: &[u8]) -> i16 {
    let channels = (frame.len() / 2) as i64;
    let samples =
        frame.chunks_exact(2).map(|pair| i64::from(i16::from_le_bytes([pair[0], pair[1]])));
    (samples.sum::<i64>() / channels) as i16
}

/// Bring `samples` from `rate` to 48 kHz by a Hann-windowed sinc, cut off at the lower rate's half.
fn resample(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate == SAMPLE_RATE {
        return samples.to_vec();
    }
    let step = f64::from(rate) / f64::from(SAMPLE_RATE);
    // Downwards the filter is stretched, so that what 48 kHz can't carry is gone.
    let stretch = step.max(1.0);
    let reach = (HALF_TAPS as f64 * stretch).ceil();
    let count = (samples.len() as f64 / step) as usize;
    (0..count)
        .map(|index| {
            let centre = index as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize).min(samples.len() - 1);
            let sum: f64 = (first..=last)
                .map(|at| f64::from(samples[at]) * kernel((at as f64 - centre) / stretch) / stretch)
                .sum();
            sum.clamp(-32768.0, 32767.0) as i16
        })
        .collect()
}

fn kernel(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        return 1.0;
    }
    let window = 0.5 + 0.5 * (PI * x / HALF_TAPS as f64).cos();
    (PI * x).sin() / (PI * x) * window
}

/// A microphone that plays a WAV file over and over.
pub struct WavSource {
    samples: Vec<i16>,
    next: usize,
    metronome: Metronome,
}

impl WavSource {
    /// Read the whole file; see [`load`].
    ///
    /// # Errors
    /// As [`load`].
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        Ok(Self { samples: load(path)?, next: 0, metronome: Metronome::default() })
    }
}

impl AudioSource for WavSource {
    fn read(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        stop: &Stop,
    ) -> Result<Option<Time>, DeviceError> {
        for sample in into.iter_mut() {
            *sample = self.samples[self.next];
            self.next = (self.next + 1) % self.samples.len();
        }
        Ok(self.metronome.tick(stop))
    }

    fn overruns(&self) -> u64 {
        self.metronome.overruns()
    }
}

/// The 44 bytes in front of `samples` samples of 16 bits, mono, `rate` a second.
pub(crate) fn header(samples: u32, rate: u32) -> [u8; 44] {
    let bytes = samples.saturating_mul(2);
    let mut header = [0; 44];
    header[..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&bytes.saturating_add(36).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16] = 16;
    header[20] = 1;
    header[22] = 1;
    header[24..28].copy_from_slice(&rate.to_le_bytes());
    header[28..32].copy_from_slice(&(rate * 2).to_le_bytes());
    header[32] = 2;
    header[34] = 16;
    header[36..40].copy_from_slice(b"data");
    header[40..].copy_from_slice(&bytes.to_le_bytes());
    header
}

/// Write 48 kHz mono samples as a WAV file.
///
/// # Errors
/// What the system said.
pub fn save(path: &Path, samples: &[i16]) -> std::io::Result<()> {
    let mut bytes = header(u32::try_from(samples.len()).unwrap_or(u32::MAX), SAMPLE_RATE).to_vec();
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    std::fs::write(path, bytes)
}

/// A new file at `path`, or with the first number that is free behind its name.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let mut candidate = path.to_owned();
    for number in 2..FILES_LIMIT {
        match File::create_new(&candidate) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (candidate, file)),
        }
        candidate = path.with_file_name(format!("{stem}-{number}.{extension}"));
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A loudspeaker that writes what it would play into a WAV file, at the pace of a card.
pub struct WavSink {
    file: File,
    path: String,
    samples: u32,
    void: Void,
}

impl WavSink {
    /// Make the file, or `NAME-2.wav` and so on where there is one already; the sink's buffer holds
    /// `buffer` of sound.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn create(path: &Path, buffer: Duration) -> Result<Self, DeviceError> {
        let failed = |error: io::Error| DeviceError {
            deed: "create sound file",
            device: path.display().to_string(),
            cause: error.to_string(),
        };
        let (made, mut file) = create_beside(path).map_err(failed)?;
        if let Err(error) = file.write_all(&header(0, SAMPLE_RATE)) {
            // Nothing is in it, and the next try would find it in its way.
            let _ = std::fs::remove_file(&made);
            return Err(failed(error));
        }
        if made != path {
            tracing::info!("{} is kept: sound goes to {}", path.display(), made.display());
        }
        Ok(Self { file, path: made.display().to_string(), samples: 0, void: Void::new(buffer) })
    }

    fn put(&mut self, period: &[i16]) -> std::io::Result<()> {
        let bytes: Vec<u8> = period.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.file.write_all(&bytes)?;
        let before = self.samples / SAMPLE_RATE;
        self.samples = self.samples.saturating_add(u32::try_from(period.len()).unwrap_or(0));
        if self.samples / SAMPLE_RATE != before { self.finish_header() } else { Ok(()) }
    }

    fn finish_header(&mut self) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(self.samples, SAMPLE_RATE))?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(())
    }
}

impl Drop for WavSink {
    fn drop(&mut self) {
        if let Err(error) = self.finish_header() {
            tracing::warn!("finish sound file {}: {error}", self.path);
        }
    }
}

impl AudioSink for WavSink {
    fn wait(&mut self, stop: &Stop) -> Result<bool, DeviceError> {
        Ok(self.void.wait(stop))
    }

    fn write(&mut self, samples: &[i16], stop: &Stop) -> Result<bool, DeviceError> {
        for period in samples.chunks(PERIOD_SAMPLES) {
            if !self.void.wait(stop) {
                return Ok(false);
            }
            self.put(period).map_err(|error| DeviceError {
                deed: "write sound file",
                device: self.path.clone(),
                cause: error.to_string(),
            })?;
            self.void.take(period.len());
        }
        Ok(!stop.is_stopped())
    }

    fn queued(&mut self) -> Duration {
        self.void.queued()
    }

    fn delay(&mut self) -> Duration {
        self.void.queued()
    }

    fn underruns(&self) -> u64 {
        self.void.underruns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn garbage_behind_a_riff_head_never_panics(tail in any::<Vec<u8>>()) {
            let _ = parse(&[b"RIFF\0\0\0\0WAVEfmt ".as_slice(), &tail].concat());
            let _ = parse(&[header(9, SAMPLE_RATE).as_slice(), &tail].concat());
        }
    }

    #[test]
    fn what_is_saved_is_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let samples: Vec<i16> = (-500..500).collect();
        save(&path, &samples).unwrap();
        assert_eq!(load(&path).unwrap(), samples);
    }

    #[test]
    fn a_sink_that_is_opened_again_goes_on_beside_what_it_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let (_stopper, stop) = crate::stop::stop_pair();
        for level in [1, 2, 3] {
            let mut sink = WavSink::create(&path, Duration::from_millis(30)).unwrap();
            assert!(sink.write(&[level; PERIOD_SAMPLES], &stop).unwrap());
        }
        for (name, level) in [("a.wav", 1), ("a-2.wav", 2), ("a-3.wav", 3)] {
            assert_eq!(load(&folder.path().join(name)).unwrap(), [level; PERIOD_SAMPLES]);
        }
    }

    #[test]
    fn a_tone_of_16_khz_rate_is_the_same_tone_at_48() {
        let tone = |rate: f64, count: usize| -> Vec<i16> {
            (0..count)
                .map(|i| ((i as f64 * 440.0 / rate * 2.0 * PI).sin() * 8000.0) as i16)
                .collect()
        };
        let (ours, ideal) = (resample(&tone(16_000.0, 4000), 16_000), tone(48_000.0, 12_000));
        assert_eq!(ours.len(), ideal.len());
        for (a, b) in ours.iter().zip(&ideal).skip(200).take(11_000) {
            assert!((i32::from(*a) - i32::from(*b)).abs() < 80, "{a} {b}");
        }
    }

    #[test]
    fn a_file_that_is_not_16_bit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eight.wav");
        let mut bytes = header(1, SAMPLE_RATE).to_vec();
        bytes[34] = 8;
        std::fs::write(&path, bytes).unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains("eight.wav") && error.contains("not 16 bit"), "{error}");
    }
}
