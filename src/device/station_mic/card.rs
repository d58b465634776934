//! A card that captures for a station, as it is: ALSA converts nothing that we can.
//!
//! ```text
//! wanted               else
//! S32_LE               S24_LE, S24_3LE, S16_LE
//! 2 channels           1, else as few as it has; the first two count
//! 16 kHz               48, 32, 96, 44.1 … kHz: brought to 16 kHz by capture
//! 20 ms a period       what it has
//! ```
//! Time stamps are the kernel's own of when the card's position was read, on the monotonic clock, less
//! what then waited; smoothed, since a card counts better than it is read. A card that is gone, silent
//! for 4 s, or gives more sound than there is time is an error that names it.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use alsa::pcm::{Access, Format, Frames, HwParams, PCM, State, TstampType};
use alsa::poll::Descriptors;
use alsa::{Direction, Output, ValueOr};

use super::super::alsa::plain;
use super::sample::Sample;
use super::{DeviceError, StationMic, Stereo};
use crate::clock::{self, Time};
use crate::stop::Stop;
use crate::wire::urtp::RATE;

/// What is asked for, the best first.
struct Wishes {
    samples: &'static [Sample],
    channels: &'static [u32],
    /// Whole multiples of ours before the rest, few before many.
    rates: &'static [u32],
}

const WISHES: Wishes = Wishes {
    samples: &[Sample::S32, Sample::S24, Sample::S24In3, Sample::S16],
    channels: &[2, 1],
    rates: &[
        RATE, 48_000, 32_000, 96_000, 44_100, 192_000, 24_000, 64_000, 88_200, 22_050, 8_000,
        11_025,
    ],
};
/// A card that lets this much time pass without a sample is broken.
const SILENT_LIMIT: Duration = Duration::from_secs(4);
/// Room for our delays; it adds none of its own.
const BUFFER: Duration = Duration::from_secs(1);
/// Time stamps further than this from what was expected are taken as they are, in µs.
const STAMP_JUMP: i64 = 20_000;
/// A stamp of the card's further than this from now is none.
const STAMP_LIMIT: Duration = Duration::from_secs(2);
/// A card that fails again this often, each time right after it was brought back, is broken.
const RECOVERIES: u32 = 4;
/// So much more sound than time, in so much time, is no card's.
const AHEAD: Duration = Duration::from_secs(2);
const AHEAD_WINDOW: Duration = Duration::from_secs(60);

/// A card.
pub struct CardMic {
    pcm: PCM,
    name: String,
    sample: Sample,
    channels: usize,
    rate: u32,
    scratch: Vec<u8>,
    expected: Option<Time>,
    overruns: u64,
    /// Recoveries since sound came last.
    recoveries: u32,
    /// Since when how many frames came.
    window: (Time, u64),
}

impl CardMic {
    /// Open the PCM `name`, such as `mic_hw` or `hw:CARD=Device`, and start it.
    ///
    /// # Errors
    /// No such PCM, in use, or it has nothing that we could take.
    pub fn open(name: &str) -> Result<Self, DeviceError> {
        Self::open_as(name, &WISHES)
    }

    fn open_as(name: &str, wishes: &Wishes) -> Result<Self, DeviceError> {
        let failed =
            |cause: String| DeviceError { deed: "open microphone", device: name.to_owned(), cause };
        if name.contains('\0') {
            return Err(failed("a name has no zero byte".to_owned()));
        }
        // What ALSA would print is caught; its last error number says the same in fewer words.
        let _printed = Output::local_error_handler().map_err(|error| failed(plain(&error)))?;
        let pcm =
            PCM::new(name, Direction::Capture, true).map_err(|error| failed(plain(&error)))?;
        let (sample, channels, rate) = agree(&pcm, wishes).map_err(failed)?;
        start(&pcm, rate).map_err(|error| failed(plain(&error)))?;
        tracing::info!("microphone {name}: {rate} Hz, {channels} channels, {sample:?}");
        Ok(Self {
            pcm,
            name: name.to_owned(),
            sample,
            channels,
            rate,
            scratch: vec![0; sample.bytes() * channels * (rate / 50) as usize],
            expected: None,
            overruns: 0,
            recoveries: 0,
            window: (clock::now(), 0),
        })
    }

    fn failed(&self, cause: impl Into<String>) -> DeviceError {
        DeviceError { deed: "read from microphone", device: self.name.clone(), cause: cause.into() }
    }

    /// How long so many frames take, in µs.
    fn micros(&self, frames: u64) -> u64 {
        frames * 1_000_000 / u64::from(self.rate)
    }

    /// Bring the card back after an overrun; anything else is its end.
    fn recover(&mut self, error: alsa::Error) -> Result<(), DeviceError> {
        if !matches!(error.errno(), libc::EPIPE | libc::ESTRPIPE) {
            return Err(self.failed(plain(&error)));
        }
        self.recoveries += 1;
        if self.recoveries > RECOVERIES {
            return Err(self.failed("it fails again as soon as it is recovered"));
        }
        self.overruns += 1;
        self.expected = None;
        self.pcm
            .try_recover(error, true)
            .and_then(|()| self.pcm.start())
            .map_err(|e| self.failed(plain(&e)))
    }

    /// Wait until `frames` can be read; false: it is time to stop.
    fn wait(&mut self, frames: usize, stop: &Stop) -> Result<bool, DeviceError> {
        let began = clock::now();
        let mut called = false;
        loop {
            if stop.is_stopped() {
                return Ok(false);
            }
            let available = match self.pcm.avail_update() {
                Ok(available) => usize::try_from(available).unwrap_or(0),
                Err(error) => {
                    self.recover(error)?;
                    continue;
                }
            };
            if available >= frames {
                return Ok(true);
            }
            if std::mem::take(&mut called) {
                // It called and has too little: sound servers do, at once and again. No spinning.
                let missing = Duration::from_micros(self.micros((frames - available) as u64));
                stop.sleep(missing.max(Duration::from_millis(1)));
                continue;
            }
            if self.pcm.state() == State::Disconnected {
                return Err(self.failed("the device is gone"));
            }
            if clock::now().since(began) >= SILENT_LIMIT {
                return Err(self.failed("it has not moved for 4 s"));
            }
            let mut fds = self.pcm.get().map_err(|error| self.failed(plain(&error)))?;
            let stopped =
                libc::pollfd { fd: stop.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
            fds.push(stopped);
            if let Err(error) = alsa::poll::poll(&mut fds, 500)
                && error.errno() != libc::EINTR
            {
                return Err(self.failed(plain(&error)));
            }
            fds.pop();
            called = fds.iter().any(|fd| fd.revents != 0);
            // Read for its side effect: some plugins take their wake-up back here.
            let _ = self.pcm.revents(&fds);
        }
    }

    /// When the next unread frame was captured.
    fn stamp(&mut self) -> Time {
        let now = clock::now();
        let measured = self.pcm.status().map_or(now, |status| {
            let stamp = status.get_htstamp();
            let micros =
                stamp.tv_sec.max(0) as u64 * 1_000_000 + stamp.tv_nsec.max(0) as u64 / 1000;
            let stamp = Time::from_micros(micros);
            // Plugins have none, or one of another clock.
            let is_one = now.since(stamp) < STAMP_LIMIT && stamp.since(now) < STAMP_LIMIT;
            let waiting = u64::try_from(status.get_delay()).unwrap_or(0);
            let read_at = if is_one { stamp } else { now };
            read_at.offset(-(self.micros(waiting) as i64))
        });
        match self.expected {
            Some(expected) => {
                let off = measured.micros() as i64 - expected.micros() as i64;
                if off.abs() > STAMP_JUMP { measured } else { expected.offset(off / 16) }
            }
            None => measured,
        }
    }

    /// False: more sound came than there was time, as from a device that has none of its own.
    fn keeps_time(&mut self, frames: u64, now: Time) -> bool {
        self.window.1 += frames;
        let (passed, sound) =
            (now.since(self.window.0), Duration::from_micros(self.micros(self.window.1)));
        if passed > AHEAD_WINDOW {
            self.window = (now, 0);
        }
        sound <= passed + AHEAD
    }
}

impl StationMic for CardMic {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn read(&mut self, into: &mut Vec<Stereo>, stop: &Stop) -> Result<Option<Time>, DeviceError> {
        into.clear();
        let frame = self.sample.bytes() * self.channels;
        loop {
            if !self.wait(self.scratch.len() / frame, stop)? {
                return Ok(None);
            }
            let captured = self.stamp();
            let read = self.pcm.io_bytes().readi(&mut self.scratch);
            match read {
                Ok(0) => {}
                Ok(frames) => {
                    self.recoveries = 0;
                    let bytes = &self.scratch[..(frames * frame).min(self.scratch.len())];
                    into.extend(self.sample.frames(self.channels, bytes));
                    self.expected = Some(captured.offset(self.micros(frames as u64) as i64));
                    if !self.keeps_time(frames as u64, clock::now()) {
                        return Err(self.failed("it gives more sound than there is time"));
                    }
                    return Ok(Some(captured));
                }
                Err(error) if error.errno() == libc::EAGAIN => self.expected = None,
                Err(error) => self.recover(error)?,
            }
        }
    }

    fn overruns(&self) -> u64 {
        self.overruns
    }
}

/// Agree on a format, the channels and a rate.
fn agree(pcm: &PCM, wishes: &Wishes) -> Result<(Sample, usize, u32), String> {
    let ask = || {
        let hw = HwParams::any(pcm)?;
        hw.set_access(Access::RWInterleaved)?;
        // What the card has, and not what ALSA's own resampler would make of it.
        let _ = hw.set_rate_resample(false);
        let format = |sample| match sample {
            Sample::S32 => Format::S32LE,
            Sample::S24 => Format::S24LE,
            Sample::S24In3 => Format::S243LE,
            Sample::S16 => Format::S16LE,
        };
        let Some(sample) =
            wishes.samples.iter().copied().find(|one| hw.set_format(format(*one)).is_ok())
        else {
            return Ok(Err("it has samples of neither 16, 24 nor 32 bits".to_owned()));
        };
        let channels =
            match wishes.channels.iter().copied().find(|count| hw.set_channels(*count).is_ok()) {
                Some(channels) => channels,
                None => {
                    let least = hw.get_channels_min()?;
                    hw.set_channels(least)?;
                    least
                }
            };
        if !wishes.rates.iter().any(|rate| hw.set_rate(*rate, ValueOr::Nearest).is_ok()) {
            let (least, most) = (hw.get_rate_min()?, hw.get_rate_max()?);
            return Ok(Err(format!(
                "it does {least} to {most} Hz, and none of those that we take"
            )));
        }
        let rate = hw.get_rate()?;
        let frames = |time: Duration| (u64::from(rate) * time.as_millis() as u64 / 1000) as Frames;
        hw.set_period_size_near(frames(Duration::from_millis(20)), ValueOr::Nearest)?;
        hw.set_buffer_size_near(frames(BUFFER))?;
        pcm.hw_params(&hw)?;
        Ok(Ok((sample, channels as usize, hw.get_rate()?)))
    };
    let agreed = ask().unwrap_or_else(|error: alsa::Error| Err(plain(&error)))?;
    // A card may say yes to one and take another.
    let (_, _, rate) = agreed;
    if !WISHES.rates.contains(&rate) {
        return Err(format!("it does {rate} Hz, which is none of the rates that we take"));
    }
    Ok(agreed)
}

/// Make it ready, with stamps of the monotonic clock, and start it.
fn start(pcm: &PCM, rate: u32) -> alsa::Result<()> {
    let (buffer, _) = pcm.get_params()?;
    let sw = pcm.sw_params_current()?;
    sw.set_avail_min(
        (Frames::from(rate) / 50).min(Frames::try_from(buffer).unwrap_or(Frames::MAX)),
    )?;
    sw.set_start_threshold(1)?;
    // Plugins that can't do without: their stamp is looked at and not believed.
    let _ = sw.set_tstamp_mode(true);
    let _ = sw.set_tstamp_type(TstampType::Monotonic);
    pcm.sw_params(&sw)?;
    pcm.prepare()?;
    pcm.start()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::cli::demo::pulse::Pulse;
    use crate::device::sound::open_sink;
    use crate::stop::stop_pair;

    const HERTZ: f64 = 1000.0;

    /// Plays a tone on both sides of `name`, until the stop.
    fn play(name: String, stop: Stop) -> std::thread::JoinHandle<()> {
        let tone: Vec<i16> = (0..48_000)
            .map(|at| ((f64::from(at) * TAU * HERTZ / 48_000.0).sin() * 1e4) as i16)
            .collect();
        let play = move || {
            let mut sink = open_sink(&name, Duration::from_millis(100)).unwrap();
            while sink.write(&tone[..480], &stop).unwrap() {}
        };
        std::thread::Builder::new().name("tone".to_owned()).spawn(play).unwrap()
    }

    #[test]
    fn cards_of_every_format_rate_and_number_of_channels_are_heard_alike() {
        let folder = tempfile::tempdir().unwrap();
        let pulse = Pulse::start(&folder.path().join("pulse"), &["a"]).unwrap();
        let (stopper, stop) = stop_pair();
        let player = play(pulse.pcm("mic_a"), stop.clone());
        // What an I2S overlay gives, a codec of HATs (googlevoicehat), USB microphones.
        for (samples, channels, rates) in [
            (&[Sample::S32][..], &[2][..], &[16_000][..]),
            (&[Sample::S32], &[2], &[48_000]),
            (&[Sample::S16], &[1], &[48_000]),
            (&[Sample::S24In3], &[2], &[44_100]),
            (&[Sample::S24], &[1], &[8_000]),
        ] {
            let name = pulse.pcm("mic_a.monitor");
            let mut mic = CardMic::open_as(&name, &Wishes { samples, channels, rates }).unwrap();
            let found = (mic.sample, mic.channels as u32, mic.rate);
            assert_eq!(found, (samples[0], channels[0], rates[0]));
            let (mut into, mut heard, mut stamps) = (Vec::new(), Vec::new(), Vec::new());
            while heard.len() < mic.rate() as usize * 2 {
                stamps.push(mic.read(&mut into, &stop).unwrap().unwrap());
                heard.extend_from_slice(&into);
            }
            let now = clock::now();
            assert!(
                stamps.is_sorted()
                    && stamps.iter().all(|at| now.since(*at) < Duration::from_secs(60))
            );
            // The tone may have begun late; by its end it is there.
            let end: Vec<f64> =
                heard[mic.rate() as usize..].iter().map(|[left, _]| f64::from(*left)).collect();
            let peak = end.iter().fold(0.0_f64, |most, sample| most.max(sample.abs()));
            assert!((2.4e6..2.7e6).contains(&peak), "{found:?}: 10000 of 16 bits is {peak} of 24");
            let ups = end.windows(2).filter(|two| two[0] < 0.0 && two[1] >= 0.0).count() as f64;
            assert!((ups - HERTZ).abs() < 20.0, "{found:?}: {ups} Hz");
            assert!(heard.iter().all(|[left, right]| (left - right).abs() < 512), "{found:?}");
        }
        stopper.stop();
        player.join().unwrap();
    }

    #[test]
    fn a_card_that_is_not_there_and_a_device_without_time_are_errors_that_name_it() {
        let error = CardMic::open("hw:CARD=Nobody").err().unwrap().to_string();
        assert!(error.starts_with("open microphone hw:CARD=Nobody: "), "{error}");
        let (_stopper, stop) = stop_pair();
        let (mut mic, mut into) = (CardMic::open("null").unwrap(), Vec::new());
        let error = loop {
            match mic.read(&mut into, &stop) {
                Ok(captured) => assert!(captured.is_some()),
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(error, "read from microphone null: it gives more sound than there is time");
    }
}
