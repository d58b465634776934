//! The panel as a [`Surface`]: everyone's handle on the display thread.
//!
//! ```text
//!  pages  ── present, clear ─────────┐
//!  worker ── pictures().push ────────┼─> Shared ──> thread `display` (Loop) ──> DRM
//!  app    ── status, snapshot, ───────┘
//!            come_round
//! ```

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::error::KmsError;
use super::picture::PictureSink;
use super::shared::Shared;
use super::surface::{Patch, Room, Surface};
use super::thread::Loop;
use crate::config::{self, VideoPath};
use crate::device::VideoSink;
use crate::frame::Size;
use crate::stop::Stop;
use crate::supervisor::{Restart, Supervisor, WorkerError};
use crate::ui::face::{Hook, Shown};
use crate::ui::snapshot::Snapshot;
use crate::wire::status::ScreenStatus;

/// How long a snapshot may take: a mode that is being set has to be waited for.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(4);
/// How long the start waits for the first look at the panel.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Told that [`Surface::size`] is another one now: the pages are to be laid out and presented as a
/// whole again. Called in the display's thread; must return at once.
pub type Changed = Box<dyn Fn() + Send + Sync>;

/// What a display is started with.
pub struct Options {
    /// `[display]` of the config.
    pub display: config::Display,
    /// `kiosk.size`: the panel's size that is wished for, not turned. The drawing has it, turned,
    /// until a panel is there.
    pub size: Size,
    /// Who hears of another panel.
    pub changed: Changed,
}

/// Owns the thread `display`. Dropping it gives the panel back as it was found.
pub struct Display {
    shared: Arc<Shared>,
    has_hole: bool,
    /// Stops the thread when it is dropped.
    _thread: Mutex<Supervisor>,
}

impl Display {
    /// Start the thread; it takes the panel as soon as there is one, and waits for it otherwise. It
    /// has looked once when this returns; what is shown changes with the first [`Surface::present`].
    ///
    /// # Errors
    /// There is no thread to be had. A missing panel is no error; see [`ScreenStatus::trouble`].
    pub fn start(options: Options) -> Result<Arc<Display>, KmsError> {
        let status = ScreenStatus {
            kind: "kms".to_owned(),
            rotate: options.display.rotate.0.degrees(),
            light: 100,
            ..ScreenStatus::default()
        };
        let drawing = options.display.rotate.0.turned(options.size);
        let has_hole = options.display.video_path != VideoPath::Image;
        let shared = Arc::new(Shared::new(drawing, status)?);
        let (looked, ready) = mpsc::channel();
        let mut looked = Some(looked);
        let seen = Arc::clone(&shared);
        let run = move |stop: &Stop| -> Result<(), WorkerError> {
            let again = looked.is_none();
            if again {
                // Only a panic brings us here: the canvas is lost, the pages have to be drawn anew.
                (options.changed)();
            }
            Loop::new(&options, &seen).run(stop, looked.take());
            Ok(())
        };
        let mut thread = Supervisor::new();
        thread.start("display", Restart::DEVICE, run).map_err(KmsError::Thread)?;
        // Later is as good: `changed` tells of a panel that was slow.
        let _ = ready.recv_timeout(FIRST_LOOK);
        Ok(Arc::new(Self { shared, has_hole, _thread: Mutex::new(thread) }))
    }
}

impl Surface for Display {
    fn size(&self) -> Size {
        self.shared.lock().size
    }

    fn present(&self, patches: Vec<Patch>, room: Option<Room>) {
        let mut state = self.shared.lock();
        state.patches.extend(patches);
        state.room = room;
        drop(state);
        self.shared.wake();
    }

    fn has_hole(&self) -> bool {
        self.has_hole
    }

    fn pictures(&self, shown: Shown) -> Box<dyn VideoSink> {
        Box::new(PictureSink::new(Arc::clone(&self.shared), shown))
    }

    fn clear(&self) {
        self.shared.lock().clear();
        self.shared.wake();
    }

    fn come_round(&self, answer: Hook) {
        self.shared.lock().rounds.push(answer);
        self.shared.wake();
    }

    fn status(&self) -> ScreenStatus {
        self.shared.lock().status.clone()
    }

    fn snapshot(&self) -> Result<Snapshot, String> {
        let (asked, answer) = mpsc::channel();
        self.shared.lock().snapshots.push(asked);
        self.shared.wake();
        answer.recv_timeout(SNAPSHOT_LIMIT).map_err(|_| "the panel does not answer".to_owned())
    }
}
