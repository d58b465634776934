//! The camera that looks for a code, while a page that wants one is on show.
//!
//! ```text
//!  camera ─> Camera ─┬─> Scan ─> text, once each
//!                    └─> Viewer ─> the small own picture, as in a mirror
//! ```
//! Dropping it closes the camera.

use std::sync::Arc;
use std::time::Duration;

use super::media::{MediaPlan, limits};
use crate::device::mirror::Mirror;
use crate::media::camera::{Camera, Gate, Settings};
use crate::media::scan::Scan;
use crate::media::viewer::{self, Viewer};
use crate::queue::Queue;
use crate::supervisor::{Restart, Supervisor};
use crate::ui::face::Face;

/// How long its workers may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// Workers of a scan.
pub(super) struct Scanning(Supervisor);

impl Scanning {
    /// Open the camera; `found` is called with each new text, from the worker's thread.
    pub(super) fn start(
        plan: &MediaPlan,
        face: &Arc<dyn Face>,
        found: impl FnMut(String) + Send + 'static,
    ) -> Self {
        let mut supervisor = Supervisor::new();
        let (looked_at, own) = (Queue::newest_wins(1), Queue::newest_wins(1));
        let settings = Settings { quality: 85, limit: plan.limit() };
        let (open, pictures, shown) = (plan.open_camera(), looked_at.clone(), own.clone());
        let mut started = vec![
            supervisor.start_with("scan camera", Restart::DEVICE, |health| {
                let counters = Arc::default();
                Camera::new(open, settings, Gate::Open, pictures, counters, health)
                    .with_own_view(shown)
            }),
            supervisor.start("scan", Restart::DEVICE, Scan::new(looked_at, found)),
        ];
        if face.own().is_some() {
            let face = Arc::clone(face);
            let open: viewer::OpenSink = Box::new(move || {
                // People know themselves from mirrors.
                Ok(Box::new(Mirror::new(face.own().expect("it was there"))))
            });
            started.push(supervisor.start_with("own view", Restart::DEVICE, |health| {
                Viewer::new(open, limits(), own, None, Arc::default(), health)
            }));
        }
        for error in started.into_iter().filter_map(Result::err) {
            tracing::error!("start the workers of a scan: {error}");
        }
        Self(supervisor)
    }
}

impl Drop for Scanning {
    fn drop(&mut self) {
        self.0.stop_within(STOP);
    }
}
