//! Whether voice is to leave more of a thin line to itself: fewer, longer packets.
//!
//! ```text
//!              stills at best, for 200 ms
//!   as configured ──────────────────────────────────────> 60 ms, at most 16 kbit/s
//!                 <──────────────────────────────────────
//!                    pictures that move well, for 5 s
//! ```
//! A packet of 60 bytes has about 160 more around it (our header, two layers of SSH, TCP and IP): at
//! 50 a second voice needs 88 kbit/s, at 16 of them 37. What the pictures had to become tells how
//! thin the line is; sound comes 40 ms later then, and comes.

use std::time::Duration;

use crate::clock::Time;
use crate::codec::opus::VoiceFormat;
use crate::quality::Quality;

/// A fall that lasts no longer is no reason.
const SPARE_AFTER: Duration = Duration::from_millis(200);
/// A line that is wide again stays so.
const SPEND_AFTER: Duration = Duration::from_secs(5);
/// Milliseconds in a packet that spares the line.
const LONG_MS: u32 = 60;
/// Bits a second in such packets, at most.
const FEW_BITS: u32 = 16_000;

/// The sense. Pure: `now` is an argument.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thrift {
    spares: bool,
    /// Since when the pictures have asked for the other way.
    otherwise: Option<Time>,
}

impl Thrift {
    /// Pictures are `class` now: whether voice is to spare the line.
    pub(super) fn look(&mut self, class: Quality, now: Time) -> bool {
        let thin = if self.spares { Quality::Slower } else { Quality::Stills };
        if (class >= thin) == self.spares {
            self.otherwise = None;
            return self.spares;
        }
        let since = *self.otherwise.get_or_insert(now);
        let after = if self.spares { SPEND_AFTER } else { SPARE_AFTER };
        if now.since(since) >= after {
            self.spares = !self.spares;
            self.otherwise = None;
        }
        self.spares
    }
}

/// `format`, or what is made of it where the line is to be spared.
pub(super) fn format(format: VoiceFormat, spares: bool) -> VoiceFormat {
    if spares {
        VoiceFormat { frame_ms: LONG_MS, bitrate: format.bitrate.min(FEW_BITS), ..format }
    } else {
        format
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1000)
    }

    #[test]
    fn a_short_fall_changes_nothing_and_a_lasting_one_spares_the_line() {
        let mut thrift = Thrift::default();
        assert!(!thrift.look(Quality::Stills, at(0)));
        assert!(!thrift.look(Quality::Full, at(190)));
        assert!(!thrift.look(Quality::Stills, at(200)));
        assert!(!thrift.look(Quality::Slower, at(300)));
        assert!(!thrift.look(Quality::VoiceOnly, at(400)));
        assert!(thrift.look(Quality::Stills, at(600)));
    }

    #[test]
    fn the_line_is_spared_until_it_was_wide_for_five_seconds() {
        let mut thrift = Thrift::default();
        thrift.look(Quality::VoiceOnly, at(0));
        assert!(thrift.look(Quality::VoiceOnly, at(200)));
        assert!(thrift.look(Quality::Smaller, at(1000)));
        assert!(thrift.look(Quality::Slower, at(5900)));
        assert!(thrift.look(Quality::Full, at(6000)));
        assert!(thrift.look(Quality::Smaller, at(10_990)));
        assert!(!thrift.look(Quality::Smaller, at(11_000)));
    }
}
