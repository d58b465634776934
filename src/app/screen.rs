//! From what the kiosk knows to what is on its screen: one pure function.

use chrono::{DateTime, Datelike, Local, Timelike};

use super::core::{Core, FROZEN, SELF_VIEW, TILES};
use super::facts::{Meeting, Neighbour};
use super::words;
use crate::call::State;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::quality::Quality;
use crate::ui::screen::{Light, Line, Page, Person, Screen, Strip, Tile};

/// The screen for this state at this moment.
pub fn derive(core: &Core, now: Time, wall: DateTime<Local>) -> Screen {
    let light = core.power().light(now, wall.time());
    let strip = match light {
        // Nobody reads the time in the dark: a new minute is no new screen.
        Light::Dark => Strip::default(),
        Light::Dim | Light::Bright => strip(core, wall),
    };
    Screen { strip, page: page(core, now), light }
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

fn page(core: &Core, now: Time) -> Page {
    match *core.call() {
        State::Idle => resting(core),
        State::Outgoing { party, .. } => {
            let person = person(core, party.peer);
            let sentence = format!("Calling {}…", person.name);
            Page::Calling { person, sentence, stoppable: true }
        }
        State::Incoming { party } => Page::Incoming { person: person(core, party.peer) },
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

fn resting(core: &Core) -> Page {
    let neighbours = core.neighbours();
    if let (Some(sentence), false) = (fault(core.meeting()), core.fault_seen()) {
        return Page::Fault {
            sentence: sentence.to_owned(),
            helper: helper(core),
            works: "Nobody can listen in. Calls wait until this is mended.".to_owned(),
        };
    }
    if neighbours.is_empty() {
        return Page::Fault {
            sentence: "There is nobody to call yet.".to_owned(),
            helper: helper(core),
            works: "This screen is ready for its first contact.".to_owned(),
        };
    }
    let first = core.tile_page() * TILES;
    let tiles = neighbours.iter().skip(first).take(TILES).map(|n| tile(core, n)).collect();
    Page::Home { tiles, earlier: first > 0, later: first + TILES < neighbours.len() }
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
        person: neighbour.person.clone(),
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
    let news = core.news();
    let since = core.media_since().unwrap_or(answered);
    let frozen = now.since(news.picture.unwrap_or(since)) >= FROZEN;
    let no_picture = if core.peer_hidden() {
        Some(format!("{} has turned the camera and microphone off", person.name))
    } else if lost {
        Some("The line is gone. Please wait, it comes back by itself.".to_owned())
    } else if news.picture.is_none() && !frozen {
        Some(format!("Waiting for {}'s picture", person.name))
    } else if frozen {
        Some(format!("No picture from {}. You can still talk.", person.name))
    } else {
        None
    };
    let line = if lost {
        Line::Reconnecting
    } else if frozen && !core.peer_hidden() {
        Line::VoiceOnly
    } else {
        // What is seen here is what they send; what they see of us makes no worse word than that.
        match core.peer_quality().max(news.quality.min(Quality::Slower)) {
            Quality::Full => Line::Good,
            Quality::Smaller | Quality::Slower => Line::Slow,
            Quality::Stills => Line::Stills,
            Quality::VoiceOnly => Line::VoiceOnly,
        }
    };
    Page::InCall {
        duration: now.since(answered),
        line,
        hidden: core.hidden(),
        peer_hidden: core.peer_hidden(),
        no_picture,
        notice: news.notice(&person.name),
        volume: core.volume(),
        levels: news.levels,
        self_view: !core.hidden() && now.since(since) < SELF_VIEW,
        person,
    }
}
