//! From the loop's state to what `twocan status` says.

use super::core::Core;
use super::facts::Meeting;
use super::power;
use super::refusals;
use super::run::Loop;
use crate::call::{Party, State};
use crate::clock::Time;
use crate::records::Direction;
use crate::supervisor::Health;
use crate::ui::screen::Page;
use crate::wire::status::{
    CallStatus, ContactStatus, DataStatus, OpenStatus, RelayStatus, ScreenStatus, Status,
    WorkerStatus,
};

/// The status at this moment.
pub(super) fn of(kiosk: &Loop) -> Status {
    let core = &kiosk.core;
    Status {
        name: kiosk.name.clone(),
        key: kiosk.key_line.clone(),
        page: page(kiosk).to_owned(),
        relay: relay(core.meeting(), kiosk.meets.status()),
        door_trouble: core.door().map(str::to_owned),
        contacts: core
            .neighbours()
            .iter()
            .map(|neighbour| ContactStatus {
                name: neighbour.person.name.clone(),
                fingerprint: neighbour.person.key.fingerprint(),
                reachable: core.reaches(neighbour.person.key),
                seen: neighbour.seen,
                missed: neighbour.missed.clone(),
                trouble: neighbour.trouble.clone(),
            })
            .collect(),
        call: call(kiosk),
        volume: core.volume(),
        hidden: core.hidden(),
        open: open(kiosk),
        first_frame_us: kiosk.face.first_frame().map(Time::micros),
        screen: screen(kiosk),
        data: data(core),
        refused: refusals::of(kiosk),
        workers: workers(kiosk),
        hearing: kiosk.hearing_status(),
    }
}

/// How a worker is.
pub(super) fn worker(name: &str, health: &Health) -> WorkerStatus {
    WorkerStatus {
        name: name.to_owned(),
        failures: health.failures(),
        panics: health.panics(),
        trouble: health.trouble(),
    }
}

fn workers(kiosk: &Loop) -> Vec<WorkerStatus> {
    let mut workers = kiosk.media.as_ref().map(|media| media.workers()).unwrap_or_default();
    workers.extend(kiosk.hearing.workers());
    workers
}

fn open(kiosk: &Loop) -> OpenStatus {
    let open = kiosk.media.as_ref().map(|media| media.open()).unwrap_or_default();
    OpenStatus { camera: open.camera, microphone: open.microphone }
}

fn data(core: &Core) -> DataStatus {
    let (budget, spent) = (core.budget(), core.budget().spent());
    DataStatus {
        metered: budget.is_metered(),
        month_bytes: spent.bytes,
        metered_bytes: spent.metered_bytes,
        metered_seconds: spent.metered_seconds,
        minutes_left: budget.minutes_left(),
    }
}

/// How the kiosk is, for `systemctl status`: whoever reads that need not know who talks with whom.
pub(super) fn sentence(core: &Core) -> String {
    let call = match core.call() {
        State::Idle | State::Ended { .. } => "at rest",
        State::Outgoing { .. } => "calling",
        State::Incoming { .. } => "ringing",
        State::Established { .. } => "in a call",
        State::Reconnecting { .. } => "in a call whose line is lost",
    };
    let relay = match core.meeting() {
        Meeting::None => "no relay",
        Meeting::Trying(_) => "looking for the relay",
        Meeting::Connected => "relay connected",
        Meeting::Refused(_) => "refused by the relay",
        Meeting::Blocked(_) => "the relay's key is not the one that is pinned",
    };
    let people = core.neighbours();
    let here = people.iter().filter(|neighbour| core.reaches(neighbour.person.key)).count();
    format!("{call}; {relay}; {here} of {} contacts can be reached", people.len())
}

/// The face's own, and the light that it gets.
fn screen(kiosk: &Loop) -> ScreenStatus {
    ScreenStatus {
        light: power::percent(kiosk.light(), kiosk.brightness),
        backlight: kiosk.backlight.name(),
        light_trouble: kiosk.backlight.trouble().map(str::to_owned),
        ..kiosk.face.status()
    }
}

fn page(kiosk: &Loop) -> &'static str {
    match kiosk.shown.as_ref().map(|screen| &screen.page) {
        None | Some(Page::Home { .. }) => "home",
        Some(Page::Calling { .. }) => "calling",
        Some(Page::Incoming { .. }) => "incoming",
        Some(Page::InCall { .. }) => "in-call",
        Some(Page::Ended { .. }) => "ended",
        Some(Page::Hearing { .. }) => "hearing",
        Some(Page::Menu(page)) => page.name(),
        Some(Page::Fault { .. }) => "fault",
    }
}

fn relay(meeting: &Meeting, wanted: RelayStatus) -> RelayStatus {
    let (state, sentence) = match meeting {
        Meeting::None => ("none", None),
        Meeting::Trying(sentence) => ("connecting", sentence.clone()),
        Meeting::Connected => ("connected", None),
        Meeting::Refused(sentence) => ("refused", Some(sentence.clone())),
        Meeting::Blocked(sentence) => ("blocked", Some(sentence.clone())),
    };
    RelayStatus { state: state.to_owned(), sentence, ..wanted }
}

fn call(kiosk: &Loop) -> CallStatus {
    let with = |state: &str, party: &Party| CallStatus {
        state: state.to_owned(),
        peer: kiosk
            .core
            .neighbours()
            .iter()
            .find(|neighbour| neighbour.person.key == party.peer)
            .map(|neighbour| neighbour.person.name.clone()),
        direction: Some(match party.direction {
            Direction::Outgoing => "outgoing".to_owned(),
            Direction::Incoming => "incoming".to_owned(),
        }),
        began_us: Some(party.began.micros()),
        ..CallStatus::default()
    };
    let (notice, no_picture) = match kiosk.shown.as_ref().map(|screen| &screen.page) {
        Some(Page::InCall { notice, no_picture, .. }) => (notice.clone(), no_picture.clone()),
        _ => (None, None),
    };
    let talking = |state: &str, party: &Party, answered: Time| CallStatus {
        notice: notice.clone(),
        no_picture: no_picture.clone(),
        answered_us: Some(answered.micros()),
        first_picture_us: kiosk.media.as_ref().and_then(|m| m.first_picture()).map(Time::micros),
        figures: kiosk.media.as_ref().map(|media| {
            let mut figures = media.figures();
            figures.video.their_quality = kiosk.core.pictures().theirs().word().to_owned();
            figures
        }),
        reconnects: kiosk.reconnects,
        path: kiosk.paths.get(&party.peer).map(ToString::to_string),
        ..with(state, party)
    };
    match kiosk.core.call() {
        State::Idle => CallStatus { state: "idle".to_owned(), ..CallStatus::default() },
        State::Outgoing { party, .. } => with("outgoing", party),
        State::Incoming { party } => with("incoming", party),
        State::Established { party, answered } => talking("established", party, *answered),
        State::Reconnecting { party, answered, .. } => talking("reconnecting", party, *answered),
        State::Ended { party, reason, .. } => {
            CallStatus { reason: Some(*reason), ..with("ended", party) }
        }
    }
}
