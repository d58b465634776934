//! The display's loop: the only one that touches DRM, and the one that no error of it ends.
//!
//! ```text
//!            ┌────────── trouble: said once, in the log and in the status ◀──────────┐
//!            ▼                                                                       │
//!   Away: every second, and when udev has news ──> a panel is taken ──> On: update ──┘
//! ```
//! It sleeps in poll(2) until there is something to do: pages or a picture, a flip that is done, a
//! panel that comes or goes.

use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::card::Look;
use super::choose::Layout;
use super::display::Options;
use super::error::KmsError;
use super::rounds::Rounds;
use super::scanout::Scanout;
use super::shared::Shared;
use super::stage::Stage;
use super::take::{Found, find, is_anothers};
use crate::clock::{self, Time};
use crate::geometry::Rect;
use crate::stop::Stop;
use crate::supervisor::in_full;

/// After trouble the panel is tried again this much later.
const RETRY: Duration = Duration::from_secs(1);
/// A change that takes longer to be shown is trouble. A panel that is gone is heard of otherwise; this
/// is for a card that hangs, and no machine that is short of time for moments is to be taken for one.
const FLIP_LIMIT: Duration = Duration::from_secs(5);

/// What the thread owns.
pub(super) struct Loop<'a> {
    options: &'a Options,
    shared: &'a Shared,
    stage: Stage,
    /// In this order: what was shown is put back before the card is given up.
    panel: Option<(Scanout, Found)>,
    /// Layouts that this panel's kernel took in the test and refused later.
    refused: Vec<Layout>,
    rounds: Rounds,
    /// The connector of the panel that was taken last.
    last: Option<String>,
    /// How closely the cards are looked at the next time.
    look: Look,
    retry_at: Time,
    news: Option<udev::MonitorSocket>,
}

impl<'a> Loop<'a> {
    /// One that has no panel yet.
    pub(super) fn new(options: &'a Options, shared: &'a Shared) -> Self {
        let size = shared.lock().size;
        let news = udev::MonitorBuilder::new_kernel()
            .and_then(|monitor| monitor.match_subsystem("drm")?.listen())
            .inspect_err(|error| tracing::warn!("no news of panels that come and go: {error}"));
        Self {
            options,
            shared,
            stage: Stage::new(size),
            panel: None,
            refused: Vec::new(),
            rounds: Rounds::default(),
            last: None,
            look: Look::Probe,
            retry_at: clock::now(),
            news: news.ok(),
        }
    }

    /// Until `stop`. `ready` hears when a panel was looked for first.
    pub(super) fn run(mut self, stop: &Stop, ready: Option<mpsc::Sender<()>>) {
        self.take_panel();
        if let Some(ready) = ready {
            // Who asked has gone: nobody waits.
            let _ = ready.send(());
        }
        while !stop.is_stopped() {
            self.read_shared();
            self.update();
            self.answer();
            let woken = self.wait(stop);
            if woken.news {
                self.hear_news();
            }
            if woken.card {
                self.hear_card();
            }
            self.miss_flip();
            if self.panel.is_none() && clock::now() >= self.retry_at {
                self.take_panel();
            }
        }
    }

    /// Look for the panel and take it.
    fn take_panel(&mut self) {
        let found = find(&self.options.display, self.options.size, self.look);
        let taken = found.and_then(|found| {
            let scanout = found.take(&self.refused)?;
            Ok((scanout, found))
        });
        // Who did not hold the card did not look closely.
        let held = matches!(&taken, Err(KmsError::Card { source, .. }) if is_anothers(source));
        self.look = if held { self.look } else { Look::Glance };
        match taken {
            Ok((scanout, found)) => self.has_panel(scanout, found),
            Err(error) => self.trouble(error),
        }
    }

    fn has_panel(&mut self, mut scanout: Scanout, found: Found) {
        let drawing = scanout.taken().drawing();
        let mut state = self.shared.lock();
        scanout.taken().describe(scanout.way(), &mut state.status);
        if self.options.display.video_path == crate::config::VideoPath::Image {
            state.status.video_path = "image".to_owned();
        }
        let status = &state.status;
        let after = status.trouble.as_ref().map(|trouble| format!(", after: {trouble}"));
        tracing::info!(
            "panel {} of {} in {}: {}{}",
            scanout.taken().connector,
            scanout.taken().driver,
            status.mode.as_deref().unwrap_or_default(),
            status.reason,
            after.unwrap_or_default(),
        );
        state.status.trouble = None;
        self.last = state.status.connector.clone();
        state.layout = scanout.way().layout;
        state.keep_frames_of(&scanout.taken().card);
        let another = self.stage.canvas.size() != drawing;
        if another {
            self.stage.clear(&mut state);
            self.stage = Stage::new(drawing);
            state.size = drawing;
            state.room = None;
            state.patches.clear();
        }
        drop(state);
        scanout.damage(Rect::whole(drawing));
        self.panel = Some((scanout, found));
        if another {
            (self.options.changed)();
        }
    }

    /// Say what is wrong, once, and let go of the panel.
    fn trouble(&mut self, error: KmsError) {
        let sentence = in_full(&error.of_connector(self.last.as_deref()));
        let mut state = self.shared.lock();
        if state.status.trouble.as_ref() != Some(&sentence) {
            tracing::warn!("{sentence}; trying again every second");
            state.status.trouble = Some(sentence);
        }
        drop(state);
        self.let_go();
        self.retry_at = clock::now() + RETRY;
    }

    /// Let go of the panel, and of its card with every buffer that is ours to let go of.
    fn let_go(&mut self) {
        self.panel = None;
        self.stage.forget_frame();
        let frames = self.shared.lock().forget_frames();
        drop(frames);
    }

    /// Take in what pages and worker left.
    fn read_shared(&mut self) {
        self.shared.awake();
        let mut state = self.shared.lock();
        for patch in std::mem::take(&mut state.patches) {
            if self.stage.canvas.apply(&patch)
                && let Some((scanout, _)) = &mut self.panel
            {
                scanout.damage(patch.rect);
            }
        }
        self.stage.room = state.room;
        if std::mem::take(&mut state.cleared) {
            self.stage.clear(&mut state);
        }
        if let Some(waiting) = state.waiting.take() {
            self.stage.set(waiting, &mut state);
            if self.panel.is_none() {
                self.stage.forget_frame();
            }
        }
        let asked = std::mem::take(&mut state.snapshots);
        self.rounds.ask(std::mem::take(&mut state.rounds));
        drop(state);
        for asked in asked {
            // Whoever asked may have given up.
            let _ = asked.send(self.stage.snapshot());
        }
    }

    /// Put what is new onto the panel, if it may be now.
    fn update(&mut self) {
        let now = clock::now();
        let Some((scanout, _)) = &mut self.panel else { return };
        if scanout.earliest().is_some_and(|earliest| now < earliest) {
            return;
        }
        let updated = scanout.update(&mut self.stage, self.shared, now);
        if matches!(updated, Ok(true)) {
            self.rounds.set_out();
            self.shared.lock().status.commits += 1;
        }
        if let Err(error) = updated {
            let layout = scanout.way().layout;
            let unfit = [Errno::EINVAL, Errno::ERANGE, Errno::ENOSPC].map(|errno| errno as i32);
            let unfit = error.raw_os_error().is_some_and(|errno| unfit.contains(&errno));
            let error = scanout.taken().card.failed("change the picture")(error);
            if unfit && layout != Layout::Compose {
                tracing::warn!("{}; going on without {}", in_full(&error), layout.name());
                self.refused.push(layout);
                self.let_go();
                self.take_panel();
            } else {
                self.trouble(error);
            }
        }
    }

    /// Answer whose pages are where they can be: on the panel, or nowhere without one.
    fn answer(&mut self) {
        let Some((scanout, _)) = &self.panel else { return self.rounds.answer_all() };
        let held_back = scanout.earliest().is_some_and(|earliest| clock::now() < earliest);
        if scanout.on_its_way_since().is_none() && !held_back {
            self.rounds.answer_all();
        }
    }

    /// Sleep until there is something to do.
    fn wait(&mut self, stop: &Stop) -> Woken {
        let now = clock::now();
        let until = match &self.panel {
            None => Some(self.retry_at),
            Some((scanout, _)) => match scanout.on_its_way_since() {
                Some(since) => Some(since + FLIP_LIMIT),
                None => scanout.earliest().filter(|earliest| now < *earliest),
            },
        };
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(stop.as_fd()), readable(self.shared.as_fd())];
        if let Some(news) = &self.news {
            fds.push(readable(news.as_fd()));
        }
        if let Some((scanout, _)) = &self.panel {
            fds.push(readable(scanout.taken().card.as_fd()));
        }
        let timeout = until.map_or(PollTimeout::NONE, |until| {
            // Rounded up: a wait that ends too early only ends in another one.
            let left = until.since(now) + Duration::from_micros(999);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        // An interrupted wait is a shorter one.
        let _ = nix::poll::poll(&mut fds, timeout);
        let any = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        let news = self.news.is_some();
        let card = 2 + usize::from(news);
        Woken { news: news && any(&fds[2]), card: fds.get(card).is_some_and(any) }
    }

    /// A panel or a card came or went.
    fn hear_news(&mut self) {
        let heard = self.news.as_ref().map_or(0, |news| news.iter().count());
        if heard == 0 {
            return;
        }
        match &self.panel {
            None => {
                self.refused.clear();
                self.look = Look::Probe;
                self.retry_at = clock::now();
            }
            Some((scanout, found)) => {
                let name = &scanout.taken().connector;
                match found.is_unchanged(self.options.size) {
                    Some(true) => {}
                    Some(false) => {
                        tracing::info!("the panel on {name} is another one now");
                        self.refused.clear();
                        self.let_go();
                        self.retry_at = clock::now();
                    }
                    None => {
                        let connector = Some(name.clone());
                        self.refused.clear();
                        self.trouble(KmsError::NoPanel { connector });
                    }
                }
            }
        }
    }

    /// A change is on the panel, or the card is gone.
    fn hear_card(&mut self) {
        let Some((scanout, _)) = &mut self.panel else { return };
        let heard = scanout.events(self.shared, clock::now());
        if let Err(error) = heard {
            let failed = scanout.taken().card.failed("hear of a refresh");
            self.trouble(failed(error));
        } else if scanout.on_its_way_since().is_none() {
            self.rounds.landed();
        }
    }
}

impl Loop<'_> {
    /// A change that never shows is trouble.
    fn miss_flip(&mut self) {
        let Some((scanout, _)) = &self.panel else { return };
        let since = scanout.on_its_way_since();
        if since.is_some_and(|since| clock::now().since(since) >= FLIP_LIMIT) {
            let failed = scanout.taken().card.failed("wait for a refresh");
            self.trouble(failed(io::ErrorKind::TimedOut.into()));
        }
    }
}

/// What ended a wait, besides time, pages and pictures.
struct Woken {
    news: bool,
    card: bool,
}
