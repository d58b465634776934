//! Says a short prompt over a call, while the listen worker holds the loudspeaker.
//!
//! ```text
//! Announcer::say ─> slot (the newest wins) ─10 ms─> over the call, which goes down by 14 dB
//! ```
//! Pure: whoever plays the call hands every period through [`VoiceOver::mix`]. The call's sound
//! glides down and up again in 10 ms, so that nothing clicks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::frame::PERIOD_SAMPLES;

/// What is left of the call under a prompt: 14 dB less, so that every word is understood.
const DUCKED: f32 = 0.2;

/// The end that speaks; clones speak into the same call.
#[derive(Clone, Debug, Default)]
pub struct Announcer(Arc<Mutex<Prompt>>);

#[derive(Debug, Default)]
struct Prompt {
    sound: Option<Arc<[i16]>>,
    at: usize,
}

impl Announcer {
    /// One that is silent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Say this (48 kHz mono) from the next period on, in place of what is being said.
    pub fn say(&self, sound: Arc<[i16]>) {
        *self.prompt() = Prompt { sound: Some(sound), at: 0 };
    }

    /// Stop in the middle of a word: what it says is no longer true.
    pub fn hush(&self) {
        *self.prompt() = Prompt::default();
    }

    /// Whether something is being said, or waits for a loudspeaker.
    pub fn is_speaking(&self) -> bool {
        self.prompt().sound.is_some()
    }

    fn prompt(&self) -> MutexGuard<'_, Prompt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next samples of the prompt into `into`; how many there were.
    fn take(&self, into: &mut [i16; PERIOD_SAMPLES]) -> usize {
        let mut prompt = self.prompt();
        let Some(sound) = prompt.sound.clone() else { return 0 };
        let left = &sound[prompt.at.min(sound.len())..];
        let taken = left.len().min(PERIOD_SAMPLES);
        into[..taken].copy_from_slice(&left[..taken]);
        prompt.at += taken;
        if prompt.at >= sound.len() {
            *prompt = Prompt::default();
        }
        taken
    }
}

/// Lays what an [`Announcer`] says over the sound of a call.
#[derive(Debug)]
pub struct VoiceOver {
    announcer: Announcer,
    /// The call's factor at the end of the last period.
    call: f32,
}

impl VoiceOver {
    /// For one loudspeaker.
    pub fn new(announcer: Announcer) -> Self {
        Self { announcer, call: 1.0 }
    }

    /// Mix the next 10 ms into `period`; true while the prompt has something to say.
    pub fn mix(&mut self, period: &mut [i16; PERIOD_SAMPLES]) -> bool {
        let mut prompt = [0; PERIOD_SAMPLES];
        let speaks = self.announcer.take(&mut prompt) > 0;
        let wanted = if speaks { DUCKED } else { 1.0 };
        if !speaks && self.call == wanted {
            return false;
        }
        let step = (wanted - self.call) / PERIOD_SAMPLES as f32;
        for (sample, said) in period.iter_mut().zip(prompt) {
            self.call += step;
            let mixed = f32::from(*sample) * self.call + f32::from(said);
            *sample = mixed.clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16;
        }
        self.call = wanted;
        speaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(over: &mut VoiceOver, call: i16, periods: usize) -> Vec<i16> {
        let mut all = Vec::new();
        for _ in 0..periods {
            let mut period = [call; PERIOD_SAMPLES];
            over.mix(&mut period);
            all.extend(period);
        }
        all
    }

    #[test]
    fn a_prompt_is_heard_whole_over_a_quieter_call_which_comes_back() {
        let announcer = Announcer::new();
        let mut over = VoiceOver::new(announcer.clone());
        assert_eq!(said(&mut over, 1000, 1), vec![1000; PERIOD_SAMPLES]);
        announcer.say(vec![5000; 3 * PERIOD_SAMPLES + 10].into());
        assert!(announcer.is_speaking());
        let heard = said(&mut over, 1000, 6);
        assert_eq!(heard[PERIOD_SAMPLES], 5200);
        assert_eq!(heard[3 * PERIOD_SAMPLES + 9], 5200);
        assert!(heard[3 * PERIOD_SAMPLES + 10] <= 1000);
        assert!(!announcer.is_speaking());
        assert_eq!(heard[5 * PERIOD_SAMPLES], 1000);
    }

    #[test]
    fn the_call_glides_down_and_up() {
        let announcer = Announcer::new();
        let mut over = VoiceOver::new(announcer.clone());
        announcer.say(vec![0; 2 * PERIOD_SAMPLES].into());
        let heard = said(&mut over, 10_000, 5);
        let steepest = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
        assert!(steepest <= 20, "a step of {steepest}");
    }

    #[test]
    fn loud_on_loud_is_clipped_and_never_wraps() {
        let announcer = Announcer::new();
        let mut over = VoiceOver::new(announcer.clone());
        announcer.say(vec![i16::MAX; PERIOD_SAMPLES].into());
        assert!(said(&mut over, i16::MAX, 1).iter().all(|sample| *sample > 0));
    }

    #[test]
    fn a_newer_prompt_takes_the_place_of_the_one_being_said_and_hush_ends_it() {
        let announcer = Announcer::new();
        let mut over = VoiceOver::new(announcer.clone());
        announcer.say(vec![100; 10 * PERIOD_SAMPLES].into());
        said(&mut over, 0, 2);
        announcer.say(vec![200; 10 * PERIOD_SAMPLES].into());
        assert_eq!(said(&mut over, 0, 1)[0], 200);
        announcer.hush();
        assert_eq!(said(&mut over, 0, 2), vec![0; 2 * PERIOD_SAMPLES]);
    }
}
