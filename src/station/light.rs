//! What the station's light says, as blinking that two people on the telephone can tell apart. Pure.
//!
//! ```text
//! boot       ▄ ▄ ▄ ▄ ▄ ▄ ▄ ▄ ▄ ▄    quick and even: it has begun, and no server has answered yet
//! online     ▄              ▄       a short flash every two seconds: connected, no sound delivered
//! streaming  ▄▄▄▄▄▄▄        ▄▄▄▄▄   slow and even: the sound is heard
//! fault      ▄ ▄ ▄          ▄ ▄ ▄   three flashes and a pause: no microphone, or no server
//! ```

use std::time::Duration;

/// How the station is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sign {
    /// Just started.
    #[default]
    Boot,
    /// Connected; nothing is known to have arrived.
    Online,
    /// The server answers to what it was sent.
    Streaming,
    /// No microphone, or no server.
    Fault,
}

impl Sign {
    /// Milliseconds of light and dark in turn, over and over.
    const fn pattern(self) -> &'static [u64] {
        match self {
            Self::Boot => &[100, 100],
            Self::Online => &[60, 1940],
            Self::Streaming => &[1000, 1000],
            Self::Fault => &[120, 180, 120, 180, 120, 1280],
        }
    }

    /// Whether it is lit so long after the sign began, and how long that stays so.
    pub fn at(self, elapsed: Duration) -> (bool, Duration) {
        let whole = Duration::from_millis(self.pattern().iter().sum());
        let mut left = Duration::from_nanos((elapsed.as_nanos() % whole.as_nanos()) as u64);
        for (place, millis) in self.pattern().iter().enumerate() {
            let part = Duration::from_millis(*millis);
            if left < part {
                return (place % 2 == 0, part - left);
            }
            left -= part;
        }
        (false, Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Sign; 4] = [Sign::Boot, Sign::Online, Sign::Streaming, Sign::Fault];

    /// When it goes on and off, in ms, in the first `span` of a sign: as whoever waits for each change
    /// sees it.
    fn changes(sign: Sign, span: u64) -> Vec<(u64, bool)> {
        let (mut at, mut seen) = (Duration::ZERO, Vec::new());
        while at < Duration::from_millis(span) {
            let (lit, stays) = sign.at(at);
            assert!(!stays.is_zero(), "whoever waits gets on");
            seen.push((at.as_millis() as u64, lit));
            at += stays;
        }
        seen
    }

    #[test]
    fn each_sign_blinks_as_it_is_drawn_and_begins_with_light() {
        assert_eq!(changes(Sign::Boot, 300), [(0, true), (100, false), (200, true)]);
        assert_eq!(changes(Sign::Online, 2060), [(0, true), (60, false), (2000, true)]);
        assert_eq!(changes(Sign::Streaming, 2001), [(0, true), (1000, false), (2000, true)]);
        let three = changes(Sign::Fault, 2000);
        assert_eq!(three.iter().filter(|(_, lit)| *lit).count(), 3);
        assert_eq!(three.last(), Some(&(720, false)));
    }

    #[test]
    fn no_two_signs_look_alike_over_two_seconds() {
        for one in ALL {
            for other in ALL {
                let alike = changes(one, 2000) == changes(other, 2000);
                assert_eq!(alike, one == other, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_pattern_goes_on_for_years() {
        let year = Duration::from_secs(31_536_000);
        for sign in ALL {
            let (lit, stays) = sign.at(year + Duration::from_micros(1));
            assert!(lit && stays < Duration::from_secs(1), "{sign:?}");
        }
    }
}
