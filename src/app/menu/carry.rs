//! What the loop does for the pages behind home: reads and keeps files, has PINs looked at by a worker
//! of its own, opens the camera for a code and closes it.

use std::collections::HashMap;
use std::time::Duration;

use super::{Effect, Facts, Heard, LookIn, MissedCall, NotEnrolled, Permission};
use crate::app;
use crate::app::core::Event;
use crate::app::power::{self, Habits};
use crate::app::run::{Input, Loop};
use crate::app::scan::Scanning;
use crate::app::words;
use crate::card::Card;
use crate::clock::{self, Time};
use crate::config::{Config, QuietHours};
use crate::contacts::{self, Contacts};
use crate::identity::{Identity, PeerKey};
use crate::lookins::{self, Visit};
use crate::meeting::{self, MeetingPoint};
use crate::pin::{self, PinError, Tries};
use crate::records::Records;
use crate::settings::{self, BRIGHTEST, Change, Settings};
use crate::tunnel;
use crate::wire::control::Request;

/// The newest rows of a list, at most so many.
const LIMIT: usize = 100;
/// How often a camera that looks for a code is looked at.
const SCAN_LOOK: Duration = Duration::from_secs(1);

/// What the loop holds for them.
pub(in crate::app) struct Behind {
    config: Config,
    identity: Identity,
    kept: Settings,
    /// The camera, and whether it worked when it was looked at last.
    scanning: Option<(Scanning, bool)>,
}

impl Behind {
    pub(in crate::app) fn new(config: &Config, identity: &Identity, kept: Settings) -> Self {
        Self { config: config.clone(), identity: identity.clone(), kept, scanning: None }
    }

    /// There is a door of our own to be called at.
    pub(in crate::app) fn has_door(&self) -> bool {
        self.config.door.is_some()
    }
}

/// Percent of the panel's light that the resident chose, or that the configuration says.
pub(in crate::app) fn brightness(config: &Config, kept: &Settings) -> u8 {
    let most = config.display.brightness.get();
    kept.brightness.map_or(most, |step| settings::percent(step, most))
}

/// When the light changes by itself, with the quiet hours that hold.
pub(in crate::app) fn habits(config: &Config, kept: &Settings) -> Habits {
    Habits { quiet: quiet_hours(config, kept), ..Habits::of(&config.display) }
}

/// The quiet hours that the resident chose, or that the configuration says.
fn quiet_hours(config: &Config, kept: &Settings) -> QuietHours {
    kept.quiet_hours.unwrap_or(config.display.quiet_hours)
}

/// Loudness of the ring likewise.
pub(in crate::app) fn ring_volume(config: &Config, kept: &Settings) -> u8 {
    kept.ring_volume.unwrap_or(config.speaker.ring_volume.get()).min(settings::LOUDEST)
}

impl Loop {
    /// Do what the pages want; false when it is the end.
    pub(in crate::app) fn carry_out_behind(&mut self, effect: Effect, now: Time) -> bool {
        match effect {
            Effect::Read => {
                let facts = self.read_facts(now);
                return self.feed(Event::Menu(Heard::Facts(Box::new(facts))), now);
            }
            Effect::CheckPin { turn, digits } => {
                let state = self.state_folder.clone();
                self.beside(move || {
                    let tried = pin::check(&state, &digits, clock::now(), &pin::boot());
                    Heard::Pin { turn, tried: told(tried) }
                });
            }
            Effect::KeepPin { turn, digits } => {
                let state = self.state_folder.clone();
                self.beside(move || {
                    let kept = match digits {
                        Some(digits) => pin::set(&state, &digits),
                        None => pin::clear(&state).map(drop),
                    };
                    Heard::PinKept { turn, guard: told(kept).map(|()| pin::guard(&state)) }
                });
            }
            Effect::Set(change) => self.set(change, now),
            Effect::Permit { peer, what, allowed } => {
                let name = self.name_of(peer);
                let changed = Contacts::change(&self.state_folder, |contacts| {
                    contacts.permit(&name, what.of(allowed)).map(drop)
                });
                return self.changed(changed, now);
            }
            Effect::Forget(peer) => {
                let name = self.name_of(peer);
                let forgotten = contacts::forget(&self.state_folder, &name).map(drop);
                return self.changed(forgotten, now);
            }
            Effect::Pair(ask) => {
                if super::adding::begins(ask) {
                    self.told.begin();
                }
                self.tunnel.send(tunnel::Command::Pair(ask));
            }
            Effect::Enrol(_) if self.behind.config.relay.is_some() => {
                let not = Heard::Enrolled(Err(NotEnrolled::Configured));
                return self.feed(Event::Menu(not), now);
            }
            Effect::Enrol(ticket) => self.tunnel.send(tunnel::Command::Enrol(ticket)),
            Effect::Scan(true) => self.scan(),
            Effect::Scan(false) => {
                if self.behind.scanning.take().is_some() {
                    self.face.clear_pictures();
                }
            }
            Effect::Adopt(card) => return self.adopt(&card, now),
        }
        true
    }

    /// Open the camera, with its small picture on the page, and hear of every code it sees.
    fn scan(&mut self) {
        let inbox = self.inbox.clone();
        let seen = move |text| {
            // A page that is swamped with codes does without this one.
            drop(inbox.send(Input::Menu(Heard::Scanned(text))));
        };
        self.behind.scanning = Some((Scanning::start(&self.plan, &self.face, seen), true));
    }

    /// While the camera looks for a code it is looked at every second.
    pub(in crate::app) fn scan_deadline(&self, now: Time) -> Option<Time> {
        self.behind.scanning.as_ref().map(|_| now + SCAN_LOOK)
    }

    /// The page says when the camera does not work.
    pub(in crate::app) fn look_at_scan(&mut self, now: Time) {
        let Some((scanning, worked)) = &mut self.behind.scanning else { return };
        let works = scanning.works();
        if works != std::mem::replace(worked, works) {
            self.feed(Event::Menu(Heard::Camera(works)), now);
        }
    }

    /// A contact from now on, on the screen at once.
    fn adopt(&mut self, card: &Card, now: Time) -> bool {
        let adopted = contacts::adopt(&self.state_folder, card).map(|contact| contact.name);
        let told = match &adopted {
            Ok(name) => Ok(name.clone()),
            Err(error) => Err(error.to_string()),
        };
        self.changed(adopted.map(drop), now) && self.feed(Event::Menu(Heard::Adopted(told)), now)
    }

    /// The relay of a ticket has taken our key, or has not: it is kept and used, whatever page is on
    /// show by now.
    pub(in crate::app) fn enrolled(
        &mut self,
        done: &Result<MeetingPoint, String>,
        now: Time,
    ) -> Event {
        let kept = match done {
            Err(sentence) => {
                tracing::warn!("{sentence}");
                Err(NotEnrolled::Refused)
            }
            Ok(point) => match point.relay() {
                None => Err(NotEnrolled::Refused),
                Some(relay) => meeting::keep(&self.state_folder, &relay)
                    .inspect_err(|error| tracing::warn!("{error}"))
                    .map(|()| relay.host.to_string())
                    .map_err(|_| NotEnrolled::NotKept),
            },
        };
        if kept.is_ok() {
            // With it, the places of the contacts there; and the next code that is shown is the new one.
            self.asked(Request::Reload, now);
            let facts = self.read_facts(now);
            self.feed(Event::Menu(Heard::Facts(Box::new(facts))), now);
        }
        Event::Menu(Heard::Enrolled(kept))
    }

    /// Keep a setting, and let it be seen and heard at once.
    pub(in crate::app) fn set(&mut self, change: Change, now: Time) {
        self.behind.kept = self.behind.kept.with(change);
        if let Err(error) = settings::keep(&self.state_folder, self.behind.kept) {
            tracing::warn!("{error}");
        }
        match change {
            Change::RingVolume(volume) => {
                self.plan.set_ring_volume(volume);
                // One that is being tried begins anew, as loud as it is now.
                self.ring = None;
            }
            Change::Brightness(_) => {
                self.brightness = brightness(&self.behind.config, &self.behind.kept);
                self.backlight.set(power::percent(self.light(), self.brightness), now);
            }
            Change::Volume(_) | Change::Quiet { .. } => {}
        }
    }

    /// The contacts were changed, or could not be: either way what is shown is what is kept.
    fn changed(&mut self, done: Result<(), contacts::ContactError>, now: Time) -> bool {
        if let Err(error) = done {
            tracing::warn!("{error}");
        }
        self.asked(Request::Reload, now).1
    }

    /// Do it in a worker of its own: what comes of it comes back to the loop.
    fn beside(&self, work: impl FnOnce() -> Heard + Send + 'static) {
        let inbox = self.inbox.clone();
        let worker = std::thread::Builder::new().name("pin".to_owned());
        let run = move || {
            // An app that has ended wants no answer.
            drop(inbox.send(Input::Menu(work())));
        };
        if let Err(error) = worker.spawn(run) {
            tracing::error!("start the thread pin: {error}");
        }
    }

    fn read_facts(&self, now: Time) -> Facts {
        let Behind { config, identity, kept, .. } = &self.behind;
        let state = &self.state_folder;
        let quiet = quiet_hours(config, kept);
        // What can't be read can't be said to be whole.
        let log = lookins::load(state).inspect_err(|error| tracing::warn!("{error}"));
        let whole = log.as_ref().is_ok_and(|log| log.broken.is_none());
        let log = log.unwrap_or_default();
        let quiet_before = kept.quiet_before.unwrap_or(config.display.quiet_hours);
        Facts {
            card: app::card_of(config, &self.meets, identity).to_text(),
            ring_volume: ring_volume(config, kept),
            brightness: kept.brightness.unwrap_or(BRIGHTEST).clamp(1, BRIGHTEST),
            quiet,
            quiet_before: if quiet.times().is_some() { quiet } else { quiet_before },
            guard: pin::guard(state),
            wait: Tries::load(state).wait(now, &pin::boot()),
            missed: self.missed_calls(),
            look_ins: log.visits().into_iter().take(LIMIT).map(look_in).collect(),
            look_ins_whole: whole,
        }
    }

    fn missed_calls(&self) -> Vec<MissedCall> {
        let records = Records::load(&self.state_folder).unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Records::default()
        });
        let keys = self.core.neighbours().iter().map(|n| n.person.key);
        let keys: HashMap<String, PeerKey> = keys.map(|key| (key.fingerprint(), key)).collect();
        let missed = records.entries.iter().rev().filter(|entry| entry.record.is_missed());
        let call = |entry: &crate::records::Entry| {
            let peer = *keys.get(&entry.record.fingerprint)?;
            Some(MissedCall { peer, when: entry.record.began, unseen: entry.missed })
        };
        missed.filter_map(call).take(LIMIT).collect()
    }
}

fn look_in(visit: Visit) -> LookIn {
    LookIn { name: visit.name, when: visit.when, how: words::visit(visit.how) }
}

impl Permission {
    fn of(self, allowed: bool) -> contacts::Permissions {
        let mut change = contacts::Permissions::default();
        match self {
            Permission::Ring => change.may_ring = Some(allowed),
            Permission::InQuietHours => change.in_quiet_hours = Some(allowed),
            Permission::LookIn => change.look_in = Some(allowed),
        }
        change
    }
}

/// With a line in the log where it failed.
fn told<T>(done: Result<T, PinError>) -> Option<T> {
    done.inspect_err(|error| tracing::warn!("{error}")).ok()
}
