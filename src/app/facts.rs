//! What the core is told: how it is to behave, whom it knows, how the relay and the workers are.

use std::time::Duration;

use super::power;
use crate::clock::Time;
use crate::config::Hearable;
use crate::identity::PeerKey;
use crate::quality::Quality;
use crate::ui::screen::{Levels, Open, Person};

/// How the kiosk behaves, from its config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Our own key.
    pub us: PeerKey,
    /// How long a call rings.
    pub ring: Duration,
    /// Answer by itself.
    pub auto_answer: bool,
    /// Whom the fault page names.
    pub helper: String,
    /// Loudness at the start.
    pub volume: u8,
    /// There is a relay or a door to call by; a ticket may bring one later.
    pub has_way: bool,
    /// When the screen dims and goes dark.
    pub light: power::Habits,
    /// What there is to listen to, in the order of the tiles.
    pub hearables: Vec<Hearable>,
}

/// The relay, as far as a resident is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meeting {
    /// No relay is set up; calls go direct.
    None,
    /// Not connected, and why if that is known.
    Trying(Option<String>),
    /// Connected and probed.
    Connected,
    /// It knows us no more (or not yet): the sentence for the helper.
    Refused(String),
    /// It is not the one it was: the sentence for the helper.
    Blocked(String),
}

impl Meeting {
    /// A person has to do something.
    pub fn needs_help(&self) -> bool {
        match self {
            Meeting::Refused(_) | Meeting::Blocked(_) => true,
            Meeting::None | Meeting::Trying(_) | Meeting::Connected => false,
        }
    }
}

/// One contact with what is known of it now.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// Who it is and what it looks like.
    pub person: Person,
    /// May ring here.
    pub may_ring: bool,
    /// May ring in the quiet hours too.
    pub in_quiet_hours: bool,
    /// May look in.
    pub look_in: bool,
    /// When it was up last, in seconds since 1970; none: not that we know of.
    pub seen: Option<u64>,
    /// `14:10`, when they called and nobody answered.
    pub missed: Option<String>,
    /// Something is wrong with the link that only a person can mend (another key).
    pub trouble: Option<String>,
}

/// What the media workers report once a second in a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// When the newest remote picture was handed to the screen.
    pub picture: Option<Time>,
    /// When the newest packet of their voice came; while nobody speaks there is one every 400 ms.
    pub voice: Option<Time>,
    /// Of the pictures that we send: the line, or the data it may cost, allows no more.
    pub quality: Quality,
    /// How loud both ends are.
    pub levels: Levels,
    /// Which of our devices are open, as their workers know.
    pub open: Open,
    /// Our camera does not work: why, for the log and the status.
    pub camera: Option<String>,
    /// Our microphone does not work.
    pub microphone: Option<String>,
    /// Our speaker does not work.
    pub speaker: Option<String>,
    /// Sound comes out of another speaker, since ours was pulled out.
    pub speaker_gone: bool,
}

impl News {
    /// What the resident has to know of our own devices.
    pub fn notice(&self, peer: &str) -> Option<String> {
        let sentence = match (&self.camera, &self.microphone, &self.speaker) {
            (None, None, None) if self.speaker_gone => {
                "The loudspeaker went silent. Please check its cable.".to_owned()
            }
            (None, None, None) => return None,
            (Some(_), None, None) => {
                format!("The camera is not working. {peer} cannot see you, only hear you.")
            }
            (None, Some(_), None) => format!("The microphone is not working. {peer} can see you."),
            (None, None, Some(_)) => "The loudspeaker is not working.".to_owned(),
            (Some(_), Some(_), None) => {
                format!("Camera and microphone are not working. {peer} cannot see or hear you.")
            }
            (Some(_), None, Some(_)) => {
                format!("Camera and loudspeaker are not working. {peer} can only hear you.")
            }
            (None, Some(_), Some(_)) => {
                format!("Microphone and loudspeaker are not working. {peer} can only see you.")
            }
            (Some(_), Some(_), Some(_)) => "Camera and sound are not working.".to_owned(),
        };
        Some(sentence)
    }
}
