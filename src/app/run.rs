//! The loop that joins the parts: one queue in, one thread, and everything that is done is done here.
//!
//! ```text
//!  ui commands ─┐
//!  tunnel ──────┼─> inbox ─> Core::handle ─> effects ─> tunnel, media, records
//!  requests ────┘      ▲                └──> screen ──> face
//!  deadlines ──────────┘ (the queue's time-out; nothing ticks while nothing is due, nor, in the
//!                         dark, with the minutes)
//! ```

mod asked;
mod hearing;
mod presence;
mod visits;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use chrono::{DateTime, Datelike, Local, Timelike};

pub(super) use self::hearing::Hearing;
use super::control::Reply;
use super::core::{Core, Effect, Event, Ring};
use super::facts::News;
use super::media::{CallMedia, MediaPlan};
use super::meet::Moves;
use super::menu::{self, Behind};
use super::pairing::Told;
use super::pictures::Report;
use super::presence::Presence;
use super::relay::Meets;
use super::{power, screen, status};
use crate::call::State;
use crate::clock::{self, Time};
use crate::device::backlight::Backlight;
use crate::frame::Size;
use crate::identity::PeerKey;
use crate::media::ring::{BELL, CHIME, RINGBACK};
use crate::queue::{Queue, Received};
use crate::records;
use crate::settings::Change;
use crate::station::ear;
use crate::stop::Stop;
use crate::supervisor::{Restart, Supervisor};
use crate::tunnel::{self, MediaPorts, Tunnel};
use crate::ui::face::Face;
use crate::ui::screen::{Command, Light, Screen};
use crate::usage::{Month, Usage};
use crate::watchdog::{self, Herald};
use crate::wire::control::Request;
use crate::wire::signal::{Media, Signal};

/// How long the tunnel may take to say goodbye at the end.
const GOODBYE: Duration = Duration::from_millis(500);
/// While media runs the workers are looked at this often ...
const SECOND: Duration = Duration::from_secs(1);
/// ... and while somebody sees the screen, so often at how loud they are.
const GLANCE: Duration = Duration::from_millis(200);
/// Figures count from this long after the answer, when everything has settled.
const SETTLED: Duration = Duration::from_secs(3);

/// What reaches the loop.
pub(super) enum Input {
    /// A finger.
    Touched(Command),
    /// The tunnel.
    Tunnel(tunnel::Event),
    /// A program, and where its answer goes.
    Asked(Request, mpsc::Sender<Reply>),
    /// The screen, for the service manager.
    Watch(watchdog::Event),
    /// Whether the network is paid for by the byte.
    Metered(bool),
    /// What the pages behind home asked for.
    Menu(menu::Heard),
    /// How it stands with what is heard in this round.
    Heard(u64, ear::State),
}

/// The parts that the loop owns.
pub(super) struct Loop {
    pub(super) core: Core,
    pub(super) inbox: Queue<Input>,
    pub(super) tunnel: Tunnel,
    pub(super) face: Arc<dyn Face>,
    pub(super) backlight: Backlight,
    /// Percent, while somebody uses it.
    pub(super) brightness: u8,
    pub(super) plan: MediaPlan,
    pub(super) media: Option<CallMedia>,
    pub(super) ring: Option<(Ring, Supervisor)>,
    /// The station that is listened to.
    pub(super) hearing: Hearing,
    pub(super) state_folder: PathBuf,
    pub(super) key_line: String,
    pub(super) name: String,
    /// The relay.
    pub(super) meets: Meets,
    pub(super) shown: Option<Screen>,
    pub(super) next_look: Option<Time>,
    /// When the workers' next report is due, in a call.
    pub(super) next_news: Time,
    pub(super) settled: bool,
    pub(super) reconnects: u64,
    /// What was refused in the calls that are over.
    pub(super) refused: crate::wire::status::RefusedStatus,
    /// What calls cost could not be kept the last time, which was said.
    pub(super) usage_fails: bool,
    /// The largest picture each peer takes, as it said in hello.
    pub(super) sizes: HashMap<PeerKey, Size>,
    /// How the sessions with those that can be reached run.
    pub(super) paths: HashMap<PeerKey, tunnel::Path>,
    /// What the pages behind home need.
    pub(super) behind: Behind,
    /// Who was up when, and who has called in vain.
    pub(super) presence: Presence,
    /// How pairing went, for programs.
    pub(super) told: Told,
    /// Where we and others can be met.
    pub(super) moves: Moves,
    /// Where a service manager listens.
    pub(super) herald: Option<Herald>,
}

impl Loop {
    /// Run until `stop`, or until a finger or the window says that it is enough.
    pub(super) fn run(mut self, stop: &Stop) {
        let mut shown = self.publish();
        let mut going = true;
        while going {
            // Counted from what is shown: a minute or an hour that began since is not passed over.
            let due = self.next_deadline(shown);
            let wait = due.map(|due| due.since(clock::now()));
            let received = self.inbox.receive(stop, wait);
            let now = clock::now();
            going = match received {
                Received::Item(input) => self.take(input, now),
                Received::Timeout => self.look(now),
                Received::Stopped => self.feed(Event::ShutDown, now),
            };
            self.follow_ring();
            shown = self.publish();
            self.report(watchdog::Event::Tick);
        }
        if let Some(herald) = &mut self.herald {
            herald.stopping();
        }
        // Whoever still waits for an answer gets none.
        self.inbox.close();
        self.inbox.clear();
        drop(self.ring.take());
        drop(self.media.take());
        self.hear(None, clock::now());
        self.keep_usage(&self.core.budget().usage().clone());
        self.tunnel.stop(GOODBYE);
    }

    fn next_deadline(&self, (now, wall): (Time, DateTime<Local>)) -> Option<Time> {
        let due = next_deadline(&self.core, self.light(), self.next_look, now, wall);
        let watch = self.herald.as_ref().and_then(Herald::deadline);
        let scan = self.scan_deadline(now);
        let hearing = self.hearing.deadline(self.light());
        [due, watch, self.backlight.deadline(), scan, hearing].into_iter().flatten().min()
    }

    /// The light of the screen on show.
    pub(super) fn light(&self) -> Light {
        self.shown.as_ref().map_or(Light::Bright, |screen| screen.light)
    }

    fn take(&mut self, input: Input, now: Time) -> bool {
        match input {
            Input::Touched(command) => {
                self.feed(Event::Touched(power::as_felt(self.light(), command)), now)
            }
            Input::Tunnel(event) => {
                let matter = self.matter(&event);
                let event = self.heard(event, now);
                let going = event.is_none_or(|event| self.feed(event, now));
                if let Some(matter) = matter {
                    self.attend(matter);
                }
                going
            }
            Input::Asked(Request::PairNews { after }, reply) => {
                self.told.answer(after, reply);
                true
            }
            Input::Asked(request, reply) => {
                let (answer, going) = self.asked(request, now);
                // A client that went away does not want its answer.
                let _ = reply.send((answer, Vec::new()));
                going
            }
            Input::Watch(event) => {
                self.report(event);
                true
            }
            Input::Metered(metered) => self.feed(Event::Metered(metered), now),
            Input::Menu(heard) => self.feed(Event::Menu(heard), now),
            Input::Heard(round, state) => self.heard_of(round, state, now),
        }
    }

    fn heard(&mut self, event: tunnel::Event, now: Time) -> Option<Event> {
        if let tunnel::Event::PeerDown { peer, .. } = &event {
            self.paths.remove(peer);
        }
        if let tunnel::Event::PeerUp { peer, media, path, .. } = &event {
            self.paths.insert(*peer, path.clone());
            self.sizes.insert(*peer, media.size);
            if let Some(media) = self.media.as_ref().filter(|media| media.peer() == *peer) {
                media.path_renewed();
            }
        }
        match &event {
            tunnel::Event::PeerUp { peer, .. } => self.tell_meeting(*peer),
            tunnel::Event::Signal { peer, signal: Signal::Meet { points } } => {
                self.meets_at(*peer, points);
                return None;
            }
            tunnel::Event::Pairing(news) => self.pairing(news),
            tunnel::Event::Enrolled(done) => return Some(self.enrolled(done, now)),
            _ => {}
        }
        if let tunnel::Event::DoorFailed { sentence } = &event {
            tracing::warn!("{sentence}");
        }
        Event::of_tunnel(event)
    }

    /// Time has passed: the machine's deadline, the workers' second, or a new minute.
    fn look(&mut self, now: Time) -> bool {
        if self.next_look.is_some_and(|due| due <= now) {
            self.look_at_media(now);
        }
        self.look_at_scan(now);
        self.look_at_hearing(now);
        self.feed(Event::Tick, now)
    }

    fn look_at_media(&mut self, now: Time) {
        let pause = if self.light() == Light::Dark { SECOND } else { GLANCE };
        let Some(media) = &mut self.media else {
            self.next_look = None;
            return;
        };
        self.next_look = Some(now + pause);
        // The words in place of a picture give way at once to the first one.
        let first = self.core.news().picture.is_none() && media.has_picture();
        if now < self.next_news && !first {
            // Between two seconds only the meters move, and a screen that is the same is not drawn.
            let (levels, open) = (media.levels(), media.open());
            let news = self.core.news();
            if (levels, open) != (news.levels, news.open) {
                let news = News { levels, open, ..news.clone() };
                self.feed(Event::News(news), now);
            }
            return;
        }
        self.next_news = now + SECOND;
        let since = self.core.media_since().unwrap_or(now);
        if !self.settled && now.since(since) >= SETTLED {
            self.settled = true;
            media.settle(now);
        }
        let (news, tally) = (media.news(), media.tally());
        self.feed(Event::News(news), now);
        self.feed(Event::Spent(tally), now);
    }

    /// One event into the core, its effects out into the world; false when it is the end.
    pub(super) fn feed(&mut self, event: Event, now: Time) -> bool {
        let today = Local::now();
        let month = Month::new(today.year(), today.month());
        let was_lost = matches!(self.core.call(), State::Reconnecting { .. });
        let month = month.filter(|month| *month != self.core.budget().month());
        let calendar = month.map(|month| self.core.handle(Event::Month(month), now));
        let mut effects = calendar.unwrap_or_default();
        let quiet = self.core.power().is_quiet(today.time());
        if quiet != self.core.is_quiet() {
            effects.extend(self.core.handle(Event::Quiet(quiet), now));
        }
        effects.extend(self.core.handle(event, now));
        let talks = matches!(self.core.call(), State::Established { .. });
        self.reconnects += u64::from(was_lost && talks);
        let mut going = true;
        for effect in effects {
            going &= self.carry_out(effect, now);
        }
        going
    }

    fn carry_out(&mut self, effect: Effect, now: Time) -> bool {
        match effect {
            Effect::Send(peer, signal) => self.tunnel.send(tunnel::Command::Send { peer, signal }),
            Effect::StartMedia(peer) => self.start_media(peer, now),
            Effect::StopMedia => {
                // The figures are wanted by the record, which comes right behind.
                if let Some(media) = &mut self.media {
                    self.tunnel.send(tunnel::Command::Detach { peer: media.peer() });
                    media.stop();
                    let tally = media.tally();
                    self.feed(Event::Spent(tally), now);
                }
            }
            Effect::Report(peer, Report { quality, takes }) => {
                let (shown, voice) = self.media.as_ref().map_or((0, 0), CallMedia::arrived);
                let signal = Signal::Report { shown, voice, quality, takes };
                self.tunnel.send(tunnel::Command::Send { peer, signal });
            }
            effect @ (Effect::Allow(_) | Effect::Say(_) | Effect::Hush) => {
                if let Some(media) = &self.media {
                    media.carry_out(&effect);
                }
            }
            Effect::Metered(metered) => {
                self.tunnel.send(tunnel::Command::SetMetered(metered));
            }
            Effect::KeepUsage(usage) => self.keep_usage(&usage),
            Effect::Hide(hidden) => {
                if let Some(media) = &mut self.media {
                    media.hide(hidden);
                    // What is open now is to be seen at once.
                    self.next_look = Some(now);
                }
            }
            Effect::Volume(volume) => {
                if let Some(media) = &mut self.media {
                    media.set_volume(volume);
                }
                self.hearing.set_volume(volume);
                self.set(Change::Volume(volume), now);
            }
            Effect::Seen(peer) => {
                let seen = records::mark_seen(&self.state_folder, &peer.fingerprint());
                if let Err(error) = seen {
                    tracing::warn!("{error}");
                }
            }
            Effect::Retry => self.tunnel.send(tunnel::Command::Retry),
            Effect::Record(outcome) => self.record(outcome),
            Effect::LetIn(peer) => return self.let_in(peer, now),
            Effect::Visit(peer, how) => drop(self.log_visit(peer, how)),
            Effect::Answer => return self.feed(Event::Answer, now),
            Effect::Hear(sound) => self.hear(sound, now),
            Effect::Menu(effect) => return self.carry_out_behind(effect, now),
            Effect::Quit => return false,
        }
        true
    }

    fn keep_usage(&mut self, usage: &Usage) {
        let kept = usage.keep(&self.state_folder);
        let failed = kept.is_err();
        if let (Err(error), false) = (kept, self.usage_fails) {
            tracing::warn!("{error}");
        }
        self.usage_fails = failed;
    }

    fn start_media(&mut self, peer: PeerKey, now: Time) {
        // The bell's loudspeaker is the call's.
        self.ring = None;
        let ports = MediaPorts::new();
        self.tunnel.send(tunnel::Command::Attach { peer, ports: ports.clone() });
        let limit = self.sizes.get(&peer).copied().unwrap_or(Media::default().size);
        let plan = self.plan.within(limit).frosted_until(self.core.frosted_until());
        let media = CallMedia::start(plan, peer, ports, &self.face, self.core.volume(), now);
        self.media = Some(media);
        self.next_look = Some(now + GLANCE);
        self.next_news = now + SECOND;
        self.settled = false;
        self.reconnects = 0;
    }

    /// Start or stop the bell so that it is what the core wants.
    fn follow_ring(&mut self) {
        let wanted = self.core.ring();
        if wanted == self.ring.as_ref().map(|(ring, _)| *ring) {
            return;
        }
        self.ring = wanted.and_then(|ring| {
            let pattern = match ring {
                Ring::Bell => BELL,
                Ring::Chime => CHIME,
                Ring::Ringback => RINGBACK,
            };
            let mut supervisor = Supervisor::new();
            let started = supervisor.start("ring", Restart::DEVICE, self.plan.ring(pattern));
            started.inspect_err(|error| tracing::error!("ring: {error}")).ok()?;
            Some((ring, supervisor))
        });
    }

    /// Have the service manager know: that it goes on, and how it is.
    fn report(&mut self, event: watchdog::Event) {
        let Some(herald) = &mut self.herald else { return };
        herald.say(status::sentence(&self.core));
        if herald.handle(event, clock::now()) {
            let inbox = self.inbox.clone();
            let answer = Input::Watch(watchdog::Event::CameRound);
            // An app that has ended wants no answer; one that is swamped is not making progress.
            self.face.come_round(Box::new(move || drop(inbox.send(answer))));
        }
    }

    /// Derive the screen, and show it if it is another one; as of when it is right.
    fn publish(&mut self) -> (Time, DateTime<Local>) {
        let (now, wall) = (clock::now(), Local::now());
        let screen = screen::derive(&self.core, now, wall);
        if self.shown.as_ref() != Some(&screen) {
            if let Some(media) = &mut self.media {
                media.follow_screen(&screen);
            }
            // Light before the page when waking, the page before the light when it goes: what is
            // seen in between is black.
            let (before, after) = (self.shown.as_ref().map(|shown| shown.light), screen.light);
            let percent = power::percent(after, self.brightness);
            self.follow_panel();
            if before.is_none_or(|before| before < after) {
                self.backlight.set(percent, now);
            }
            self.face.publish(screen.clone());
            if before.is_some_and(|before| before > after) {
                self.backlight.set(percent, now);
            }
            self.shown = Some(screen);
        }
        if self.backlight.deadline().is_some_and(|due| due <= now) {
            self.follow_panel();
            self.backlight.retry(now);
        }
        (now, wall)
    }

    /// The light belongs to the panel that was taken, which may be another one by now.
    fn follow_panel(&mut self) {
        self.backlight.follow(self.face.status().connector.as_deref());
    }
}

/// The next moment at which something changes by itself, while `light` is on; none: never.
pub(super) fn next_deadline(
    core: &Core,
    light: Light,
    next_look: Option<Time>,
    now: Time,
    wall: DateTime<Local>,
) -> Option<Time> {
    let minute = match light {
        Light::Dark => None,
        Light::Dim | Light::Bright => {
            let second = u64::from(wall.second());
            Some(now + Duration::from_secs(60_u64.saturating_sub(second).max(1)))
        }
    };
    let light = core.power().deadline(now, wall.time());
    [core.deadline(), next_look, light, minute].into_iter().flatten().min()
}
