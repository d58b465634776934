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
use crate::supervisor::{Health, Restart, Supervisor};
use crate::ui::face::Face;

/// How long its workers may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// Workers of a scan.
pub(super) struct Scanning {
    supervisor: Supervisor,
    camera: Option<Arc<Health>>,
}

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
        let camera = supervisor.start_with("scan camera", Restart::DEVICE, |health| {
            let counters = Arc::default();
            Camera::new(open, settings, Gate::Open, pictures, counters, health).with_own_view(shown)
        });
        let health = camera.as_ref().ok().cloned();
        let mut started =
            vec![camera, supervisor.start("scan", Restart::DEVICE, Scan::new(looked_at, found))];
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
        Self { supervisor, camera: health }
    }

    /// The camera gives pictures, or has not failed yet.
    pub(super) fn works(&self) -> bool {
        self.camera.as_ref().is_some_and(|camera| camera.trouble().is_none())
    }
}

impl Drop for Scanning {
    fn drop(&mut self) {
        self.supervisor.stop_within(STOP);
    }
}
