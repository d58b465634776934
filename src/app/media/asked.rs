//! What the core wants of a call's media beside its start and end, and what it asks of it.

use super::{CallMedia, count};
use crate::app::budget::Tally;
use crate::app::events::{Effect, Prompt};
use crate::media::prompt;

impl CallMedia {
    /// Do those effects that are about the media of a call, and no others.
    pub(in crate::app) fn carry_out(&self, effect: &Effect) {
        match effect {
            Effect::Allow(quality) => {
                tracing::debug!("pictures may be {} at best", quality.word());
                self.ceiling.set(*quality);
            }
            Effect::Say(what) => self.say(*what),
            Effect::Hush => self.announcer.hush(),
            _ => {}
        }
    }

    fn say(&self, what: Prompt) {
        let file = match what {
            Prompt::LineGone => prompt::LINE_GONE,
        };
        match prompt::decode(file) {
            Ok(sound) => self.announcer.say(sound),
            Err(error) => tracing::error!("the prompt {what:?}: {error}"),
        }
    }

    /// Bytes of packets so far, with headers: sent, received.
    pub(in crate::app) fn bytes(&self) -> (u64, u64) {
        let stats = &self.ports.stats;
        (count(&stats.bytes_out), count(&stats.bytes_in))
    }

    /// What went through so far.
    pub(in crate::app) fn tally(&self) -> Tally {
        let (sent, received) = self.bytes();
        let picture_bytes = count(&self.camera.bytes) + count(&self.viewer.bytes);
        Tally { bytes: sent + received, picture_bytes }
    }

    /// Pictures of theirs that were shown, and packets of their voice that were played.
    pub(in crate::app) fn arrived(&self) -> (u64, u64) {
        (self.eye.count(), count(&self.listen.packets))
    }
}
