//! What the core is told and what it tells: events in, effects out.

use super::budget::Tally;
use super::facts::{Meeting, Neighbour, News};
use super::hear;
use super::menu;
use super::pictures::Report;
use crate::call::Outcome;
use crate::identity::PeerKey;
use crate::lookins::How;
use crate::quality::Quality;
use crate::tunnel::{self, RelayStatus};
use crate::ui::screen::{Command, StationId};
use crate::usage::{Month, Usage};
use crate::wire::signal::Signal;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A finger.
    Touched(Command),
    /// A program on the control socket dials.
    Dial(PeerKey),
    /// The kiosk was told to answer by itself: the other half of [`Effect::Answer`].
    Answer,
    /// Whether the log has taken what [`Effect::LetIn`] asked for.
    LetIn(bool),
    /// Somebody sets the loudness.
    Volume(u8),
    /// Somebody hides us, or shows us again.
    Hide(Option<bool>),
    /// The relay.
    Meeting(Meeting),
    /// There is a relay or a door to call by, or there is none.
    Way(bool),
    /// Our door: why it can't listen, or none when it does.
    Door(Option<String>),
    /// The contacts were changed.
    Contacts(Vec<Neighbour>),
    /// A peer can be reached.
    PeerUp(PeerKey),
    /// A peer can't be reached; a sentence if a person has to do something about it.
    PeerDown(PeerKey, Option<String>),
    /// A peer said something.
    Signal(PeerKey, Signal),
    /// The workers' second.
    News(News),
    /// What has gone through the call so far; the last time right behind [`Effect::StopMedia`].
    Spent(Tally),
    /// So many bytes more have gone through for a station that is listened to.
    Listened(u64),
    /// The network is paid for by the byte, or is not.
    Metered(bool),
    /// The calendar says that it is this month.
    Month(Month),
    /// By the clock on the wall it is quiet time, or is not any more.
    Quiet(bool),
    /// A program has this heard, or nothing any more.
    Hear(Option<StationId>),
    /// How it goes with what is heard.
    Heard(hear::News),
    /// Something for the pages behind home.
    Menu(menu::Heard),
    /// Time has passed.
    Tick,
    /// The program was told to end.
    ShutDown,
}

impl Event {
    /// What the tunnel says, where it concerns the core.
    pub(super) fn of_tunnel(event: tunnel::Event) -> Option<Self> {
        Some(match event {
            tunnel::Event::Relay(status) => Event::Meeting(match status {
                RelayStatus::Disconnected => Meeting::None,
                RelayStatus::Connecting => Meeting::Trying(None),
                RelayStatus::Connected => Meeting::Connected,
                RelayStatus::Backoff { sentence, refused: true } => Meeting::Refused(sentence),
                RelayStatus::Backoff { sentence, refused: false } => {
                    Meeting::Trying(Some(sentence))
                }
                RelayStatus::Blocked { sentence } => Meeting::Blocked(sentence),
            }),
            tunnel::Event::PeerUp { peer, .. } => Event::PeerUp(peer),
            tunnel::Event::PeerDown { peer, .. } => Event::PeerDown(peer, None),
            tunnel::Event::PeerBlocked { peer, sentence } => Event::PeerDown(peer, Some(sentence)),
            tunnel::Event::Signal { peer, signal } => Event::Signal(peer, signal),
            tunnel::Event::Clock { .. } => return None,
            tunnel::Event::Pairing(news) => Event::Menu(menu::Heard::Pairing(news)),
            // The loop keeps the meeting point before anybody hears of it.
            tunnel::Event::Enrolled(_) => return None,
            tunnel::Event::DoorOpen { address } => {
                tracing::info!("the door is open at {address}");
                Event::Door(None)
            }
            tunnel::Event::DoorFailed { sentence } => Event::Door(Some(sentence)),
        })
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Say this to that peer.
    Send(PeerKey, Signal),
    /// Run media with this peer.
    StartMedia(PeerKey),
    /// Stop it.
    StopMedia,
    /// Close camera and microphone (true), or open them again.
    Hide(bool),
    /// Set the loudness, and keep it.
    Volume(u8),
    /// Tell that peer how good our pictures are, and the best of theirs that we take.
    Report(PeerKey, Report),
    /// Send no better pictures than these, in this call.
    Allow(Quality),
    /// Say this aloud in the call.
    Say(Prompt),
    /// Stop in the middle of a word: what is being said is no longer true.
    Hush,
    /// Calls go through a network that is paid for by the byte, or do no more.
    Metered(bool),
    /// Keep what calls have cost.
    KeepUsage(Usage),
    /// Write a call's record.
    Record(Outcome),
    /// Answer by yourself, after all that comes before: a call that ends here wants its figures
    /// and its record before the next one begins.
    Answer,
    /// This peer looks in: once that is in the log, and not before, [`Event::LetIn`] has the kiosk
    /// answer.
    LetIn(PeerKey),
    /// Write this down of the look-in that this peer was about.
    Visit(PeerKey, How),
    /// The missed calls of this peer have been noticed.
    Seen(PeerKey),
    /// Try the relay and the peers again, whatever stood against it.
    Retry,
    /// Have this heard from the loudspeaker in the place of what is, or nothing any more.
    Hear(Option<hear::Sound>),
    /// What the pages behind home want.
    Menu(menu::Effect),
    /// End the program.
    Quit,
}

/// The sound a kiosk makes while a call is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring {
    /// They ring us.
    Bell,
    /// They ring us and will appear by themselves.
    Chime,
    /// We wait for them.
    Ringback,
}

/// What a kiosk says aloud to whoever sits in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// The line is gone and comes back by itself.
    LineGone,
}
