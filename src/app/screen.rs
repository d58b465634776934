//! From what the kiosk knows to what is on its screen: one pure function.

use chrono::{DateTime, Datelike, Local, Timelike};

use super::core::{Core, FROZEN, FROZEN_STILL, SELF_VIEW, TILES, UNHEARD};
use super::facts::{Meeting, Neighbour, News};
use super::outage::Stage;
use super::words;
use crate::call::State;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::quality::Quality;
use crate::station::ear;
use crate::ui::screen::{Levels, Light, Line, Page, Person, Screen, Strip, Subject, Tile};

/// The screen for this state at this moment.
pub fn derive(core: &Core, now: Time, wall: DateTime<Local>) -> Screen {
    let light = core.power().light(now, wall.time());
    let strip = match light {
        // Nobody reads the time in the dark: a new minute is no new screen.
        Light::Dark => Strip::default(),
        Light::Dim | Light::Bright => strip(core, wall),
    };
    Screen { strip, page: page(core, now, wall), light }
}

fn strip(core: &Core, wall: DateTime<Local>) -> Strip {
    let (link, connected) = match core.meeting() {
        Meeting::Connected => ("Connected", true),
        Meeting::None if core.door().is_some() => ("Needs help", false),
        Meeting::None if core.settings().has_way => ("Ready", true),
        Meeting::None => ("Not set up yet", false),
        Meeting::Trying(None) => ("Connecting", false),
        Meeting::Trying(Some(_)) => ("No internet", false),
        Meeting::Refused(_) | Meeting::Blocked(_) => ("Needs help", false),
    };
    Strip {
        clock: wall.format("%H:%M").to_string(),
        day: words::day(wall.weekday(), wall.hour()),
        link: link.to_owned(),
        connected,
    }
}

fn page(core: &Core, now: Time, wall: DateTime<Local>) -> Page {
    match *core.call() {
        State::Idle => match core.menu_page(now, wall) {
            Some(page) => Page::Menu(page),
            None => hearing(core).unwrap_or_else(|| resting(core)),
        },
        State::Outgoing { party, .. } => {
            let person = person(core, party.peer);
            let sentence = format!("Calling {}…", person.name);
            Page::Calling { person, sentence, stoppable: true }
        }
        State::Incoming { party } => {
            Page::Incoming { person: person(core, party.peer), appears_in: core.appears_in(now) }
        }
        State::Established { party, answered } => in_call(core, party.peer, answered, false, now),
        State::Reconnecting { party, answered, .. } => {
            in_call(core, party.peer, answered, true, now)
        }
        State::Ended { party, talked, reason, .. } => {
            let person = person(core, party.peer);
            let sentence = words::ended(&person.name, party.direction, talked.is_some(), reason);
            let duration = talked.map_or_else(String::new, words::talked);
            Page::Ended { person, duration, sentence }
        }
    }
}

/// What is listened to, if anything is.
fn hearing(core: &Core) -> Option<Page> {
    let hear = core.hear();
    let station = core.station(hear.chosen()?)?;
    Some(Page::Hearing {
        sentence: hear.sentence(&station.name, &helper(core)),
        live: hear.state() == ear::State::Live,
        volume: core.volume(),
        station,
    })
}

fn resting(core: &Core) -> Page {
    if let (Some(sentence), false) = (fault(core.meeting()), core.fault_seen()) {
        return Page::Fault {
            sentence: sentence.to_owned(),
            helper: helper(core),
            works: "Nobody can listen in. Calls wait until this is mended.".to_owned(),
        };
    }
    if core.tile_count() == 0 {
        return Page::Menu(core.first_page());
    }
    let first = core.tile_page() * TILES;
    let tiles = core.neighbours().iter().map(|neighbour| tile(core, neighbour));
    let tiles = tiles.chain(core.station_tiles()).skip(first).take(TILES).collect();
    Page::Home { tiles, earlier: first > 0, later: first + TILES < core.tile_count() }
}

fn fault(meeting: &Meeting) -> Option<&'static str> {
    match meeting {
        Meeting::Blocked(_) => Some("The meeting point is not the one this screen knows."),
        Meeting::Refused(_) => Some("The meeting point does not let this screen in."),
        Meeting::None | Meeting::Trying(_) | Meeting::Connected => None,
    }
}

fn helper(core: &Core) -> String {
    match core.settings().helper.as_str() {
        "" => "Please ask the person who set this up.".to_owned(),
        name => format!("Please ask {name}."),
    }
}

fn tile(core: &Core, neighbour: &Neighbour) -> Tile {
    Tile {
        subject: Subject::Person(neighbour.person.clone()),
        reachable: core.reaches(neighbour.person.key),
        state: match (core.reaches(neighbour.person.key), &neighbour.trouble) {
            (true, _) => "Touch to call".to_owned(),
            (false, None) => "not at home".to_owned(),
            (false, Some(_)) => "needs help".to_owned(),
        },
        missed: neighbour.missed.as_ref().map(|when| format!("called {when}")),
    }
}

fn person(core: &Core, key: PeerKey) -> Person {
    let known = core.neighbours().iter().find(|neighbour| neighbour.person.key == key);
    known.map_or_else(
        || Person { key, name: "Somebody".to_owned(), photo: None },
        |neighbour| neighbour.person.clone(),
    )
}

fn in_call(core: &Core, peer: PeerKey, answered: Time, lost: bool, now: Time) -> Page {
    let person = person(core, peer);
    let (news, theirs) = (core.news(), Theirs::of(core, now));
    let since = core.media_since().unwrap_or(answered);
    Page::InCall {
        duration: now.since(answered),
        line: if lost { Line::Reconnecting } else { line(core, theirs, now) },
        hidden: core.hidden(),
        peer_hidden: core.peer_hidden(),
        no_picture: instead(core, theirs, &person.name, now),
        notice: notice(core, theirs, &person.name, now),
        volume: core.volume(),
        levels: Levels {
            ours: if core.hidden() { 0 } else { news.levels.ours },
            theirs: if core.peer_hidden() || lost { 0 } else { news.levels.theirs },
        },
        open: news.open,
        frosted: core.frosted_until().is_some_and(|end| now < end),
        self_view: !core.hidden() && now.since(since) < SELF_VIEW,
        person,
    }
}

/// What there is to see of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theirs {
    /// A picture that is fresh enough.
    Seen,
    /// None yet on this line, and it is early; whether there was one before.
    Awaited { before: bool },
    /// The last one is too old to be left standing.
    Frozen,
    /// It is, and nothing is heard either.
    Gone,
    /// They turned the camera off.
    Hidden,
    /// They send none, for the line's sake.
    TooSlow,
    /// They send none, since it would cost too much at one end.
    TooDear,
}

impl Theirs {
    fn of(core: &Core, now: Time) -> Self {
        let (picture, expected) = (core.news().picture, core.pictures().theirs_since());
        let limit = match core.pictures().theirs() {
            Quality::Stills => FROZEN_STILL,
            _ => FROZEN,
        };
        let fresh = picture.is_some_and(|last| now.since(last) < limit);
        match core.pictures().theirs() {
            _ if core.peer_hidden() => Self::Hidden,
            _ if core.allowed() == Quality::VoiceOnly => Self::TooDear,
            Quality::VoiceOnly => Self::TooSlow,
            _ if fresh => Self::Seen,
            _ if now.since(expected) < limit => Self::Awaited { before: picture.is_some() },
            _ if may_be_heard(core, now) => Self::Frozen,
            _ => Self::Gone,
        }
    }
}

/// Their voice comes; or there is no loudspeaker that would take it in, and nobody knows.
fn may_be_heard(core: &Core, now: Time) -> bool {
    let News { voice, speaker, .. } = core.news();
    speaker.is_some() || voice.is_some_and(|last| now.since(last) < UNHEARD)
}

/// Why there is no picture to be seen, if there is none.
fn instead(core: &Core, theirs: Theirs, name: &str, now: Time) -> Option<String> {
    match (core.outage(now), theirs) {
        (Some(Stage::Long), _) => Some(words::still_trying(name)),
        (Some(Stage::Lost), _) | (_, Theirs::Gone) => Some(words::LINE_GONE.to_owned()),
        // A blink after another one, perhaps.
        (Some(Stage::Blink), Theirs::Frozen) => Some(words::LINE_GONE.to_owned()),
        (_, Theirs::Seen) => None,
        (_, Theirs::Hidden) => Some(words::they_hide(name)),
        (_, Theirs::TooDear) => Some(words::TOO_DEAR.to_owned()),
        (_, Theirs::TooSlow) => Some(words::TOO_SLOW.to_owned()),
        (_, Theirs::Awaited { before: true }) => Some(words::BACK.to_owned()),
        (_, Theirs::Awaited { before: false }) => Some(words::awaited(name)),
        (None, Theirs::Frozen) => Some(words::frozen(name)),
    }
}

/// What does not work at our end or will not for much longer, where nothing else says it.
fn notice(core: &Core, theirs: Theirs, name: &str, now: Time) -> Option<String> {
    let ours = core.pictures().ours(core.news().quality, now);
    let unseen = ours == Quality::VoiceOnly && !core.hidden() && core.outage(now).is_none();
    let unseen = unseen && !matches!(theirs, Theirs::TooDear | Theirs::TooSlow | Theirs::Gone);
    let unseen = unseen.then(|| words::we_are_unseen(name));
    core.news().notice(name).or(unseen).or_else(|| core.budget().words(now))
}

/// How the line is. What the other's data or ours may not cost is not the line's fault.
fn line(core: &Core, theirs: Theirs, now: Time) -> Line {
    let (pictures, top) = (core.pictures(), core.allowed());
    // What is seen here is what they send; what they see of us makes no worse word than that.
    let ours = pictures.ours(core.news().quality, now).min(Quality::Slower);
    let ours = if core.hidden() { Quality::Full } else { ours };
    let worst = match theirs {
        Theirs::Frozen | Theirs::TooDear | Theirs::TooSlow => return Line::VoiceOnly,
        Theirs::Gone => return Line::Reconnecting,
        Theirs::Hidden => ours,
        Theirs::Seen | Theirs::Awaited { .. } => pictures.theirs().max(ours),
    };
    match worst {
        quality if quality <= top => Line::Good,
        Quality::Full | Quality::Smaller | Quality::Slower => Line::Slow,
        Quality::Stills => Line::Stills,
        Quality::VoiceOnly => Line::VoiceOnly,
    }
}
