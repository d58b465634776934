//! Sound cards through ALSA: any PCM name, 48 kHz mono, periods of 10 ms.
//!
//! ```text
//! card ──> [ period | period | ... ] ──read──> talk        waits in poll(2) on the card's
//! listen ──write──> [ period | period | ... ] ──> card     descriptors and the Stop's
//! ```
//! A card that refuses mono is driven in stereo: folded when it captures, doubled when it plays.
//! What a card can't do itself (48 kHz, 16 bit, at most two channels) ALSA converts, but not for
//! `hw:` names, which say so and fail. Xruns are recovered and counted, and a loudspeaker with many
//! of them gets a larger buffer. A card that is gone, or silent for 4 s, is an error that names
//! it. The time stamps come from `snd_pcm_delay`, smoothed, because a card counts better than we
//! wake up.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alsa::pcm::{Access, Format, HwParams, PCM, State};
use alsa::poll::Descriptors;
use alsa::{Direction, Output, ValueOr};

use super::headroom::Headroom;
use super::{AudioSink, AudioSource, DeviceError};
use crate::clock::{self, Time};
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};
use crate::stop::Stop;

/// A card that lets this much time pass without a sample is broken.
const SILENT_LIMIT: Duration = Duration::from_secs(4);
/// Time stamps further than this from what was expected are taken as they are, in µs.
const STAMP_JUMP: i64 = 20_000;
const PERIOD_MICROS: i64 = 10_000;
/// A card that fails again this often, each time right after it was brought back, is broken.
const RECOVERIES: u32 = 4;

/// Where a PCM name may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Anywhere.
    Any,
    /// To a sound server, and not to a card.
    Server,
}

struct Card {
    pcm: PCM,
    name: String,
    direction: Direction,
    deed: &'static str,
    channels: usize,
    buffer: usize,
    xruns: u64,
}

impl Card {
    fn open(
        name: &str,
        route: Route,
        direction: Direction,
        buffer: Duration,
    ) -> Result<Self, DeviceError> {
        let (opening, deed) = match direction {
            Direction::Capture => ("open microphone", "read from microphone"),
            Direction::Playback => ("open loudspeaker", "write to loudspeaker"),
        };
        let failed = |cause: String| DeviceError { deed: opening, device: name.to_owned(), cause };
        if name.contains('\0') {
            return Err(failed("a name has no zero byte".to_owned()));
        }
        // What ALSA would print is caught; its last error number says the same in fewer words.
        let printed = Output::local_error_handler().map_err(|error| failed(plain(&error)))?;
        let pcm = PCM::new(name, direction, true).map_err(|error| failed(plain(&error)))?;
        // Plugins that lead to a server belong to no card.
        let card = pcm.info().map_or(-1, |info| info.get_card());
        if route == Route::Server && card >= 0 {
            return Err(failed("it is a card and no sound server".to_owned()));
        }
        let (channels, buffer) = configure(&pcm, direction, buffer).map_err(|cause| {
            let detail = printed.borrow().to_string();
            let detail = detail.lines().last().unwrap_or_default();
            failed(format!("{cause} {detail}").trim_end().to_owned())
        })?;
        Ok(Self { pcm, name: name.to_owned(), direction, deed, channels, buffer, xruns: 0 })
    }

    fn failed(&self, cause: impl Into<String>) -> DeviceError {
        DeviceError { deed: self.deed, device: self.name.clone(), cause: cause.into() }
    }

    /// Change the buffer's size; what was in it is lost.
    fn rebuffer(&mut self, buffer: Duration) -> Result<(), DeviceError> {
        let freed = self.pcm.drop().and_then(|()| self.pcm.hw_free());
        freed.map_err(|error| self.failed(plain(&error)))?;
        (self.channels, self.buffer) =
            configure(&self.pcm, self.direction, buffer).map_err(|cause| self.failed(cause))?;
        Ok(())
    }

    /// Bring the card back after an xrun; anything else is the card's end.
    fn recover(&mut self, error: alsa::Error, capture: bool) -> Result<(), DeviceError> {
        if !matches!(error.errno(), libc::EPIPE | libc::ESTRPIPE) {
            return Err(self.failed(plain(&error)));
        }
        self.xruns += 1;
        self.pcm.try_recover(error, true).map_err(|error| self.failed(plain(&error)))?;
        if capture {
            self.pcm.start().map_err(|error| self.failed(plain(&error)))?;
        }
        Ok(())
    }

    /// Frames that can be read or written now; 0 when it is time to stop.
    fn available(
        &mut self,
        capture: bool,
        is_stopped: impl Fn() -> bool,
    ) -> Result<usize, DeviceError> {
        let asked = insist(is_stopped, || match self.pcm.avail_update() {
            Ok(frames) => Ok(Some(usize::try_from(frames).unwrap_or(0))),
            Err(error) => self.recover(error, capture).map(|()| None),
        })?;
        match asked {
            Insisted::Answer(frames) => Ok(frames),
            Insisted::Stopped => Ok(0),
            Insisted::InVain => Err(self.failed("it fails again as soon as it is recovered")),
        }
    }

    /// Wait until `frames` can be read or written; false: it is time to stop.
    fn wait(&mut self, frames: usize, capture: bool, stop: &Stop) -> Result<bool, DeviceError> {
        let began = clock::now();
        let mut called = false;
        loop {
            if stop.is_stopped() {
                return Ok(false);
            }
            let available = self.available(capture, || stop.is_stopped())?;
            if available >= frames {
                return Ok(true);
            }
            if std::mem::take(&mut called) {
                // It called and has too little: sound servers do, at once and again. No spinning.
                stop.sleep(time_of(frames - available).max(Duration::from_millis(1)));
                continue;
            }
            if self.pcm.state() == State::Disconnected {
                return Err(self.failed("the device is gone"));
            }
            if clock::now().since(began) >= SILENT_LIMIT {
                return Err(self.failed("it has not moved for 4 s"));
            }
            let mut fds = self.pcm.get().map_err(|error| self.failed(plain(&error)))?;
            fds.push(libc::pollfd {
                fd: stop.as_fd().as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            });
            match alsa::poll::poll(&mut fds, 500) {
                Err(error) if error.errno() != libc::EINTR => {
                    return Err(self.failed(plain(&error)));
                }
                _ => {}
            }
            fds.pop();
            called = fds.iter().any(|fd| fd.revents != 0);
            // Read for its side effect: some plugins take their wake-up back here.
            let _ = self.pcm.revents(&fds);
        }
    }
}

/// How long so many frames take.
fn time_of(frames: usize) -> Duration {
    Duration::from_micros(frames as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
}

/// What came of asking again and again.
#[derive(Debug, PartialEq, Eq)]
enum Insisted<T> {
    Answer(T),
    Stopped,
    InVain,
}

/// Ask until there is an answer. `None` is "recovered, ask again": so often and no more, since a
/// card that fails at once for ever would hold the thread here.
fn insist<T>(
    is_stopped: impl Fn() -> bool,
    mut ask: impl FnMut() -> Result<Option<T>, DeviceError>,
) -> Result<Insisted<T>, DeviceError> {
    for _ in 0..=RECOVERIES {
        if is_stopped() {
            return Ok(Insisted::Stopped);
        }
        if let Some(answer) = ask()? {
            return Ok(Insisted::Answer(answer));
        }
    }
    Ok(Insisted::InVain)
}

/// The channels (1 or 2) and the buffer in frames that the card agreed to.
fn configure(pcm: &PCM, direction: Direction, buffer: Duration) -> Result<(usize, usize), String> {
    let (channels, rate) = shape(pcm, buffer)?;
    if rate != SAMPLE_RATE {
        return Err(format!("it does {rate} Hz and not {SAMPLE_RATE}{CONVERT}"));
    }
    let buffer = start(pcm, direction).map_err(|error| plain(&error))?;
    Ok((channels, buffer))
}

/// What helps a card that does not do itself what we ask.
const CONVERT: &str = "; named plughw: in place of hw: it is converted";

/// Agree on channels (1 or 2), 16 bit, periods of 10 ms and a buffer; channels and rate as they are
/// to be.
fn shape(pcm: &PCM, buffer: Duration) -> Result<(usize, u32), String> {
    let period = PERIOD_SAMPLES as alsa::pcm::Frames;
    let wanted = buffer.as_micros() as i64 * i64::from(SAMPLE_RATE) / 1_000_000;
    let agree = || {
        let hw = HwParams::any(pcm)?;
        hw.set_access(Access::RWInterleaved)?;
        if hw.set_format(Format::s16()).is_err() {
            return Ok(Err(format!("it has no 16 bit samples{CONVERT}")));
        }
        hw.set_rate_resample(true)?;
        let Some(channels) = [1, 2].into_iter().find(|&count| hw.set_channels(count).is_ok())
        else {
            let least = hw.get_channels_min()?;
            return Ok(Err(format!("it has no fewer than {least} channels{CONVERT}")));
        };
        hw.set_rate(SAMPLE_RATE, ValueOr::Nearest)?;
        hw.set_period_size_near(period, ValueOr::Nearest)?;
        hw.set_buffer_size_near(wanted.max(2 * period))?;
        pcm.hw_params(&hw)?;
        Ok(Ok((channels as usize, hw.get_rate()?)))
    };
    agree().unwrap_or_else(|error: alsa::Error| Err(plain(&error)))
}

/// Make it ready, and start it if it captures; its buffer in frames.
fn start(pcm: &PCM, direction: Direction) -> alsa::Result<usize> {
    let (buffer, period) = pcm.get_params()?;
    let frames = |count: u64| alsa::pcm::Frames::try_from(count).unwrap_or(alsa::pcm::Frames::MAX);
    let sw = pcm.sw_params_current()?;
    sw.set_avail_min(frames(period.min(buffer)))?;
    match direction {
        // We start it ourselves.
        Direction::Capture => sw.set_start_threshold(1)?,
        // Whole periods, so that the writes before the start can reach it.
        Direction::Playback => sw.set_start_threshold(frames(buffer / period * period))?,
    }
    pcm.sw_params(&sw)?;
    pcm.prepare()?;
    if direction == Direction::Capture {
        pcm.start()?;
    }
    Ok(usize::try_from(buffer).unwrap_or(usize::MAX))
}

/// An ALSA error in the system's words.
pub(super) fn plain(error: &alsa::Error) -> String {
    match error.errno() {
        libc::ENODEV => "the device is gone".to_owned(),
        libc::ENOENT => "there is no such device".to_owned(),
        libc::EBUSY => "another program uses it".to_owned(),
        errno => nix::errno::Errno::from_raw(errno).desc().to_lowercase(),
    }
}

/// A microphone.
pub struct AlsaSource {
    card: Card,
    scratch: Vec<i16>,
    expected: Option<Time>,
}

impl AlsaSource {
    /// Open the PCM `name`, such as `default` or `plughw:CARD=Headset`, and start it.
    ///
    /// # Errors
    /// No such PCM, in use, or it can't do 48 kHz 16 bit in one or two channels; or it leads
    /// elsewhere than `route` says.
    pub(super) fn open(name: &str, route: Route) -> Result<Self, DeviceError> {
        // The card's buffer is room for our delays and adds none of its own.
        let buffer = Duration::from_millis(200);
        let card = Card::open(name, route, Direction::Capture, buffer)?;
        let scratch = vec![0; PERIOD_SAMPLES * card.channels];
        Ok(Self { card, scratch, expected: None })
    }

    /// When the next unread sample was captured, by the card's own count, smoothed.
    fn stamp(&mut self) -> Time {
        let delay = self.card.pcm.delay().unwrap_or(0).max(0);
        let measured = clock::now().offset(-(delay * 1_000_000 / i64::from(SAMPLE_RATE)));
        let stamp = match self.expected {
            Some(expected) => {
                let off = measured.micros() as i64 - expected.micros() as i64;
                if off.abs() > STAMP_JUMP { measured } else { expected.offset(off / 16) }
            }
            None => measured,
        };
        self.expected = Some(stamp.offset(PERIOD_MICROS));
        stamp
    }
}

impl AudioSource for AlsaSource {
    fn read(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        stop: &Stop,
    ) -> Result<Option<Time>, DeviceError> {
        loop {
            let xruns = self.card.xruns;
            if !self.card.wait(PERIOD_SAMPLES, true, stop)? {
                return Ok(None);
            }
            if self.card.xruns != xruns {
                self.expected = None;
            }
            let captured = self.stamp();
            let read = {
                let io = self.card.pcm.io_i16().map_err(|e| self.card.failed(plain(&e)))?;
                io.readi(&mut self.scratch)
            };
            match read {
                Ok(PERIOD_SAMPLES) => {
                    if self.card.channels == 1 {
                        into.copy_from_slice(&self.scratch);
                    } else {
                        for (one, pair) in into.iter_mut().zip(self.scratch.chunks_exact(2)) {
                            *one = ((i32::from(pair[0]) + i32::from(pair[1])) / 2) as i16;
                        }
                    }
                    return Ok(Some(captured));
                }
                Ok(_) => return Err(self.card.failed("it gave less than it promised")),
                Err(error) if error.errno() == libc::EAGAIN => self.expected = None,
                Err(error) => {
                    self.card.recover(error, true)?;
                    self.expected = None;
                }
            }
        }
    }

    fn overruns(&self) -> u64 {
        self.card.xruns
    }
}

/// A loudspeaker.
pub struct AlsaSink {
    card: Card,
    doubled: Vec<i16>,
    headroom: Arc<Mutex<Headroom>>,
    xruns: u64,
}

impl AlsaSink {
    /// Open the PCM `name` with a buffer (2 periods at least) as `headroom` says. It starts to play
    /// when the buffer has been filled once.
    ///
    /// # Errors
    /// No such PCM, in use, or it can't do 48 kHz 16 bit in one or two channels; or it leads
    /// elsewhere than `route` says.
    pub(super) fn open(
        name: &str,
        route: Route,
        headroom: Arc<Mutex<Headroom>>,
    ) -> Result<Self, DeviceError> {
        let buffer = Headroom::of(&headroom).size();
        let card = Card::open(name, route, Direction::Playback, buffer)?;
        Ok(Self { card, doubled: Vec::new(), headroom, xruns: 0 })
    }

    /// Give a card that ran dry too often a larger buffer.
    fn follow_headroom(&mut self) -> Result<(), DeviceError> {
        while self.xruns < self.card.xruns {
            self.xruns += 1;
            let grown = Headroom::of(&self.headroom).ran_dry(clock::now());
            if let Some(size) = grown {
                let name = &self.card.name;
                tracing::info!(
                    "loudspeaker {name} keeps running dry: {size:?} of sound from now on"
                );
                self.card.rebuffer(size)?;
            }
        }
        Ok(())
    }

    fn write_frames(&mut self, samples: &[i16]) -> Result<usize, DeviceError> {
        let interleaved = if self.card.channels == 1 {
            samples
        } else {
            self.doubled.clear();
            self.doubled.extend(samples.iter().flat_map(|sample| [*sample, *sample]));
            &self.doubled
        };
        let written = {
            let io = self.card.pcm.io_i16().map_err(|e| self.card.failed(plain(&e)))?;
            io.writei(interleaved)
        };
        match written {
            Ok(frames) => Ok(frames.min(samples.len())),
            Err(error) if error.errno() == libc::EAGAIN => Ok(0),
            Err(error) => {
                self.card.recover(error, false)?;
                Ok(0)
            }
        }
    }
}

impl AudioSink for AlsaSink {
    fn wait(&mut self, stop: &Stop) -> Result<bool, DeviceError> {
        self.card.wait(PERIOD_SAMPLES.min(self.card.buffer), false, stop)
    }

    fn write(&mut self, mut samples: &[i16], stop: &Stop) -> Result<bool, DeviceError> {
        self.follow_headroom()?;
        while !samples.is_empty() {
            let room = samples.len().min(PERIOD_SAMPLES).min(self.card.buffer);
            if !self.card.wait(room, false, stop)? {
                return Ok(false);
            }
            let written = self.write_frames(samples)?;
            samples = &samples[written..];
        }
        Ok(!stop.is_stopped())
    }

    fn queued(&mut self) -> Duration {
        let free = self.card.available(false, || false).unwrap_or(self.card.buffer);
        frames_time(self.card.buffer.saturating_sub(free) as i64)
    }

    fn delay(&mut self) -> Duration {
        frames_time(self.card.pcm.delay().unwrap_or(0))
    }

    fn underruns(&self) -> u64 {
        self.card.xruns
    }
}

fn frames_time(frames: i64) -> Duration {
    let frames = u64::try_from(frames).unwrap_or(0);
    Duration::from_micros(frames * 1_000_000 / u64::from(SAMPLE_RATE))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_card_that_fails_as_often_as_it_is_recovered_is_given_up_after_a_few_times() {
        let mut asked = 0;
        let came = insist(
            || false,
            || {
                asked += 1;
                Ok(None::<usize>)
            },
        );
        assert_eq!(came.unwrap(), Insisted::InVain);
        assert_eq!(asked, RECOVERIES + 1);
    }

    #[test]
    fn a_card_that_is_recovered_gives_its_answer() {
        let mut answers = [None, None, Some(480)].into_iter();
        let came = insist(|| false, || Ok(answers.next().flatten()));
        assert_eq!(came.unwrap(), Insisted::Answer(480));
    }

    #[test]
    fn between_two_recoveries_the_stop_is_looked_at() {
        let asked = Cell::new(0);
        let came = insist(
            || asked.get() == 1,
            || {
                asked.set(asked.get() + 1);
                Ok(None::<usize>)
            },
        );
        assert_eq!((came.unwrap(), asked.get()), (Insisted::Stopped, 1));
    }
}
