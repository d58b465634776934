//! What the loop does for the pages behind home: reads and keeps files, has PINs looked at by a worker
//! of its own, opens the camera for a code and closes it.

use std::collections::HashMap;

use super::{Effect, Facts, Heard, LookIn, MissedCall, NotEnrolled, Permission};
use crate::app::core::Event;
use crate::app::power::{self, Habits};
use crate::app::run::{Input, Loop};
use crate::app::words;
use crate::clock::{self, Time};
use crate::config::{Config, QuietHours};
use crate::contacts::{self, Contacts};
use crate::identity::PeerKey;
use crate::lookins::{self, Visit};
use crate::meeting::{self, MeetingPoint};
use crate::pin::{self, PinError, Tries};
use crate::records::Records;
use crate::settings::{self, BRIGHTEST, Change, Settings};
use crate::tunnel;
use crate::wire::control::Request;

/// The newest rows of a list, at most so many.
const LIMIT: usize = 100;

/// What the loop holds for them.
pub(in crate::app) struct Behind {
    config: Config,
    kept: Settings,
}

impl Behind {
    pub(in crate::app) fn new(config: &Config, kept: Settings) -> Self {
        Self { config: config.clone(), kept }
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
            Effect::Pair(ask) => self.tunnel.send(tunnel::Command::Pair(ask)),
            Effect::Enrol(_) if self.behind.config.relay.is_some() => {
                let not = Heard::Enrolled(Err(NotEnrolled::Configured));
                return self.feed(Event::Menu(not), now);
            }
            Effect::Enrol(ticket) => self.tunnel.send(tunnel::Command::Enrol(ticket)),
            Effect::Scan(_) | Effect::Adopt(_) => {}
        }
        true
    }

    /// The relay of a ticket has taken our key, or has not: it is kept and used, whatever page is on
    /// show by now.
    pub(in crate::app) fn enrolled(&mut self, done: Result<MeetingPoint, String>) -> Event {
        let kept = match &done {
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
            self.meets.reload(&self.state_folder);
            self.tunnel.send(tunnel::Command::SetRelay(self.meets.for_tunnel()));
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
        let Behind { config, kept, .. } = &self.behind;
        let state = &self.state_folder;
        let quiet = quiet_hours(config, kept);
        // What can't be read can't be said to be whole.
        let log = lookins::load(state).inspect_err(|error| tracing::warn!("{error}"));
        let whole = log.as_ref().is_ok_and(|log| log.broken.is_none());
        let log = log.unwrap_or_default();
        let quiet_before = kept.quiet_before.unwrap_or(config.display.quiet_hours);
        Facts {
            card: String::new(),
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
