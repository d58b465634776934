//! How loud left and right are, and what that says about the wiring. Pure.
//!
//! ```text
//! left  ████████████········│···········  -38 dB, peak -21     right dead
//! The left channel hears and the right one is dead: wired as it should be.
//! ```
//! An I2S microphone speaks in one of the two halves of a frame, which its L/R pin chooses; stations send
//! the left one. A data line that nobody drives gives the same value for ever: a microphone that
//! works never does, since its noise is tens of the 24 bits' steps.

use crate::device::station_mic::{FULL_SCALE, Stereo};

/// A channel that moves by less than this is dead.
const ALIVE: i64 = 4;
/// Beyond this a sample is clipped: full scale of 16 bits is that much less than that of 24.
const CLIPPED: i32 = FULL_SCALE - 0x100;
/// The least that is shown, in dB of full scale.
const FLOOR: f64 = -90.0;
/// Characters of a bar.
const WIDTH: usize = 32;

/// One channel's samples so far.
#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    count: u64,
    least: i32,
    most: i32,
    sum: f64,
    squares: f64,
    clipped: u64,
}

impl Channel {
    fn take(&mut self, sample: i32) {
        if self.count == 0 {
            (self.least, self.most) = (sample, sample);
        }
        self.count += 1;
        (self.least, self.most) = (self.least.min(sample), self.most.max(sample));
        self.sum += f64::from(sample);
        self.squares += f64::from(sample) * f64::from(sample);
        self.clipped += u64::from(!(-CLIPPED..=CLIPPED).contains(&sample));
    }

    fn level(&self) -> Level {
        let count = self.count.max(1) as f64;
        let mean = self.sum / count;
        let rms = (self.squares / count - mean * mean).max(0.0).sqrt();
        let peak = f64::from(self.most.max(-self.least)).max(0.0);
        Level {
            // A sine of full scale is 0 dB in both.
            rms: decibels(rms * std::f64::consts::SQRT_2),
            peak: decibels(peak),
            clipped: self.clipped,
            stuck_at: (i64::from(self.most) - i64::from(self.least) < ALIVE).then_some(self.most),
        }
    }
}

fn decibels(value: f64) -> f64 {
    (20.0 * (value.max(1e-9) / f64::from(FULL_SCALE)).log10()).max(FLOOR)
}

/// How loud a channel was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// In dB of a sine of full scale, without what does not move; -90 at least.
    pub rms: f64,
    /// The loudest sample, in dB of full scale; -90 at least.
    pub peak: f64,
    /// Samples at the end of the range.
    pub clipped: u64,
    /// It is dead: every sample is about this.
    pub stuck_at: Option<i32>,
}

/// What the levels say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    /// The card has one channel, and it hears.
    Mono,
    /// Left hears, right is dead: an I2S microphone as it should be.
    Left,
    /// Both hear, and differ.
    Both,
    /// Both hear the same.
    Same,
    /// Only the right one hears, which nobody would.
    Right,
    /// None hears.
    Dead {
        /// What every sample of the left one is.
        at: i32,
    },
}

impl Wiring {
    /// Whether what is sent has sound in it.
    pub fn is_heard(self) -> bool {
        !matches!(self, Self::Right | Self::Dead { .. })
    }
}

impl std::fmt::Display for Wiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mono => f.write_str("The card has one channel, and it hears."),
            Self::Left => {
                f.write_str("The left channel hears and the right one is dead: wired as it should be.")
            }
            Self::Both => f.write_str("Both channels hear; the left one is sent."),
            Self::Same => f.write_str("Both channels hear the same; the left one is sent."),
            Self::Right => f.write_str(
                "Only the right channel hears, and the left one is sent: connect the microphone's L/R \
                 pin to ground.",
            ),
            Self::Dead { at } => write!(
                f,
                "No channel hears: every sample is {at}. Look at the microphone's power, its clock and \
                 data lines, and the overlay."
            ),
        }
    }
}

/// What was measured over a while.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    channels: usize,
    left: Channel,
    right: Channel,
    /// Frames whose halves differ.
    different: u64,
}

impl Meter {
    /// Of a card with so many channels.
    pub fn new(channels: usize) -> Self {
        Self { channels, left: Channel::default(), right: Channel::default(), different: 0 }
    }

    /// Take frames in.
    pub fn take(&mut self, frames: &[Stereo]) {
        for [left, right] in frames {
            self.left.take(*left);
            self.right.take(*right);
            self.different += u64::from(left != right);
        }
    }

    /// Left, and right where there is one.
    pub fn levels(&self) -> (Level, Option<Level>) {
        (self.left.level(), (self.channels > 1).then(|| self.right.level()))
    }

    /// What it says about the wiring; none before there was sound.
    pub fn wiring(&self) -> Option<Wiring> {
        if self.left.count == 0 {
            return None;
        }
        let (left, right) = self.levels();
        Some(match (left.stuck_at, right.map(|right| right.stuck_at)) {
            (Some(at), None | Some(Some(_))) => Wiring::Dead { at },
            (Some(_), Some(None)) => Wiring::Right,
            (None, None) => Wiring::Mono,
            (None, Some(Some(_))) => Wiring::Left,
            (None, Some(None)) if self.different == 0 => Wiring::Same,
            (None, Some(None)) => Wiring::Both,
        })
    }

    /// One line for a terminal.
    pub fn line(&self) -> String {
        let (left, right) = self.levels();
        match right {
            Some(right) => format!("left  {}   right  {}", shown(left), shown(right)),
            None => format!("mono  {}", shown(left)),
        }
    }
}

fn shown(level: Level) -> String {
    if level.stuck_at.is_some() {
        return format!("{:<w$}   dead             ", "·".repeat(WIDTH), w = WIDTH);
    }
    let place =
        |decibels: f64| (((decibels - FLOOR) / -FLOOR * WIDTH as f64) as usize).min(WIDTH - 1);
    let (filled, peak) = (place(level.rms), place(level.peak));
    let cell = |at| match at {
        at if at == peak => '│',
        at if at <= filled => '█',
        _ => '·',
    };
    let bar: String = (0..WIDTH).map(cell).collect();
    let clipped = if level.clipped > 0 { "CLIP" } else { "    " };
    format!("{bar} {:>4.0} dB {:>4.0} {clipped}", level.rms, level.peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered(channels: usize, frame: impl Fn(i32) -> Stereo) -> Meter {
        let mut meter = Meter::new(channels);
        let frames: Vec<Stereo> = (0..1600).map(frame).collect();
        frames.chunks(320).for_each(|part| meter.take(part));
        meter
    }

    fn sine(at: i32, peak: f64) -> i32 {
        ((f64::from(at) * std::f64::consts::TAU / 16.0).sin() * peak) as i32
    }

    #[test]
    fn the_wiring_is_read_off_the_channels() {
        let loud = |at| sine(at, 1e5);
        let table = [
            (2, metered(2, |at| [loud(at), 0]), Wiring::Left),
            (2, metered(2, |at| [-1, loud(at)]), Wiring::Right),
            (2, metered(2, |at| [loud(at), loud(at + 3)]), Wiring::Both),
            (2, metered(2, |at| [loud(at), loud(at)]), Wiring::Same),
            (2, metered(2, |_| [-1, 0]), Wiring::Dead { at: -1 }),
            (1, metered(1, |at| [loud(at); 2]), Wiring::Mono),
            (1, metered(1, |_| [0; 2]), Wiring::Dead { at: 0 }),
        ];
        for (channels, meter, wiring) in table {
            assert_eq!(meter.wiring(), Some(wiring), "{channels} channels");
            let heard = !matches!(wiring, Wiring::Right | Wiring::Dead { .. });
            assert_eq!(wiring.is_heard(), heard);
        }
        assert_eq!(Meter::new(2).wiring(), None);
    }

    #[test]
    fn the_noise_of_a_microphone_in_a_quiet_room_is_no_dead_line() {
        let meter = metered(2, |at| [sine(at, 30.0), 0]);
        assert_eq!(meter.wiring(), Some(Wiring::Left));
    }

    #[test]
    fn levels_are_those_of_a_sine_and_a_line_that_lies_off_the_middle_is_not_loud() {
        let half = f64::from(FULL_SCALE) / 2.0;
        let (left, right) = metered(2, |at| [sine(at, half), 1_000_000 + at % 16]).levels();
        assert!((left.rms + 6.0).abs() < 0.1 && (left.peak + 6.0).abs() < 0.1, "{left:?}");
        let right = right.unwrap();
        assert!(right.rms < -85.0 && right.peak > -20.0, "{right:?}");
        assert_eq!((left.clipped, right.clipped), (0, 0));
    }

    #[test]
    fn clipping_is_counted_at_both_ends_in_24_and_in_16_bits() {
        let ends = [FULL_SCALE, -FULL_SCALE - 1, 0x7fff << 8, -0x8000 << 8, 0x7ff0 << 8];
        let meter = metered(2, |at| [ends[at as usize % 5], 0]);
        assert_eq!(meter.levels().0.clipped, 1600 / 5 * 4);
        assert!(meter.line().contains("CLIP"));
    }

    #[test]
    fn the_line_shows_both_channels_and_says_which_is_dead() {
        let line = metered(2, |at| [sine(at, 8e4), 5]).line();
        let (left, right) = line.split_once("right").unwrap();
        assert!(left.contains('█') && left.contains("-40 dB") && !left.contains("dead"), "{line}");
        assert!(right.contains("dead") && !right.contains('█'), "{line}");
        assert!(metered(1, |at| [sine(at, 8e4); 2]).line().starts_with("mono"));
    }
}
