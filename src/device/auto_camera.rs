//! Which camera `auto` is: the order in which the drivers are tried, and what is not tried again
//! at once.
//!
//! ```text
//! every V4L2 node that is a camera, in turn ──none opens──> rpicam ──no picture──┐
//!      ▲                                                      ▲                  │
//!      └──────── the supervisor's next try ───────────────────┴── left out 30 s <┘
//! ```
//! A Pi without a camera has `rpicam-vid` all the same: it starts, looks for sensors and ends, which
//! takes a second of a core each time. V4L2 nodes are looked for meanwhile: a USB camera that is
//! plugged in is not kept waiting.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{DeviceError, VideoSource};
use crate::clock::{self, Time};
use crate::frame::{Picture, PixelFormat, Size};
use crate::geometry::Turn;
use crate::stop::Stop;

/// How long an rpicam that ended before its first picture is left out.
const LEFT_OUT: Duration = Duration::from_secs(30);

type Opened = Result<Box<dyn VideoSource>, DeviceError>;

/// What is remembered between two tries.
#[derive(Clone, Debug, Default)]
pub(super) struct AutoCamera {
    blind: Blind,
}

/// When an rpicam last ended without a picture, and why.
#[derive(Clone, Debug, Default)]
struct Blind(Arc<Mutex<Option<(Time, String)>>>);

impl Blind {
    fn lock(&self) -> MutexGuard<'_, Option<(Time, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why rpicam is to be left out at `now`.
    fn cause(&self, now: Time) -> Option<String> {
        let blind = self.lock();
        let (since, cause) = blind.as_ref()?;
        (now.since(*since) < LEFT_OUT).then(|| cause.clone())
    }
}

impl AutoCamera {
    /// The first of `nodes` that `v4l2` opens, else what `rpicam` opens.
    ///
    /// # Errors
    /// Nothing opens: what the first node said, or that there is no camera.
    pub(super) fn open(
        &self,
        now: Time,
        nodes: &[PathBuf],
        mut v4l2: impl FnMut(&Path) -> Opened,
        rpicam: impl FnOnce() -> Opened,
    ) -> Opened {
        let mut error = None;
        for path in nodes {
            match v4l2(path) {
                Ok(camera) => return Ok(camera),
                Err(failed) => error = error.or(Some(failed)),
            }
        }
        if let Some(cause) = self.blind.cause(now) {
            return Err(error.unwrap_or_else(|| no_camera(&cause)));
        }
        match rpicam() {
            Ok(source) => {
                Ok(Box::new(Unproven { source, proven: false, blind: self.blind.clone(), error }))
            }
            Err(failed) => Err(error.unwrap_or_else(|| no_camera(&failed.cause))),
        }
    }
}

fn no_camera(rpicam: &str) -> DeviceError {
    DeviceError {
        deed: "find",
        device: "a camera".to_owned(),
        cause: format!(
            "no /dev/video* is a camera with a format known here, and there is none behind \
             rpicam: {rpicam}"
        ),
    }
}

/// An rpicam that may turn out to have no camera.
struct Unproven {
    source: Box<dyn VideoSource>,
    proven: bool,
    blind: Blind,
    /// What the first V4L2 camera said; it is told if this one has no picture either.
    error: Option<DeviceError>,
}

impl VideoSource for Unproven {
    fn shape(&self) -> (Size, PixelFormat) {
        self.source.shape()
    }

    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
        let read = self.source.read(into, stop);
        match read {
            Err(failed) if !self.proven => {
                tracing::debug!("{failed}; left out for {} s", LEFT_OUT.as_secs());
                let error = self.error.take().unwrap_or_else(|| no_camera(&failed.cause));
                *self.blind.lock() = Some((clock::now(), failed.cause));
                Err(error)
            }
            read => {
                self.proven |= read.as_ref().is_ok_and(|picture| *picture);
                read
            }
        }
    }

    fn left_to_turn(&self) -> Turn {
        self.source.left_to_turn()
    }

    fn broken(&self) -> u64 {
        self.source.broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::stop_pair;

    /// A camera that gives so many pictures and then fails.
    struct Fake(u32);

    impl VideoSource for Fake {
        fn shape(&self) -> (Size, PixelFormat) {
            (Size::new(64, 48), PixelFormat::I420)
        }

        fn read(&mut self, _: &mut Picture, _: &Stop) -> Result<bool, DeviceError> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| fault("rpicam", "it ended"))?;
            Ok(true)
        }
    }

    fn fault(device: &str, cause: &str) -> DeviceError {
        DeviceError { deed: "use", device: device.to_owned(), cause: cause.to_owned() }
    }

    fn nodes(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    fn refuses(path: &Path) -> Opened {
        Err(fault(&path.display().to_string(), "broken pipe"))
    }

    fn ends_after(pictures: u32) -> impl FnOnce() -> Opened {
        move || Ok(Box::new(Fake(pictures)))
    }

    fn untouched() -> Opened {
        unreachable!("rpicam is left out")
    }

    /// Read until it fails: how many pictures there were, and what it said.
    fn read_all(mut camera: Box<dyn VideoSource>) -> (u32, String) {
        let (_stopper, stop) = stop_pair();
        let mut pictures = 0;
        loop {
            match camera.read(&mut Picture::default(), &stop) {
                Ok(_) => pictures += 1,
                Err(error) => return (pictures, error.to_string()),
            }
        }
    }

    #[test]
    fn the_first_node_that_opens_is_taken_before_rpicam() {
        let mut asked = Vec::new();
        let open = |path: &Path| {
            asked.push(path.to_owned());
            if asked.len() == 2 {
                Ok(Box::new(Fake(1)) as Box<dyn VideoSource>)
            } else {
                refuses(path)
            }
        };
        let three = nodes(&["/dev/video0", "/dev/video2", "/dev/video4"]);
        let opened = AutoCamera::default().open(clock::now(), &three, open, untouched);
        assert!(opened.is_ok());
        assert_eq!(asked, three[..2]);
    }

    #[test]
    fn rpicam_is_taken_when_no_node_opens_and_the_first_nodes_reason_is_told_when_it_fails_too() {
        let auto = AutoCamera::default();
        let two = nodes(&["/dev/video0", "/dev/video1"]);
        let camera = auto.open(clock::now(), &two, refuses, ends_after(3)).unwrap();
        assert_eq!(read_all(camera), (3, "use rpicam: it ended".to_owned()));
        let camera = auto.open(clock::now(), &two, refuses, ends_after(0)).unwrap();
        assert_eq!(read_all(camera), (0, "use /dev/video0: broken pipe".to_owned()));
        let missing = || Err(fault("rpicam", "rpicam-vid is not installed"));
        let auto = AutoCamera::default();
        let error = auto.open(clock::now(), &two, refuses, missing).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "use /dev/video0: broken pipe");
        let error = auto.open(clock::now(), &[], refuses, missing).map(drop).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("find a camera: no /dev/video*"), "{text}");
        assert!(text.ends_with("rpicam-vid is not installed"), "{text}");
    }

    #[test]
    fn an_rpicam_without_a_picture_is_left_out_for_a_while_and_nodes_are_not() {
        let auto = AutoCamera::default();
        let camera = auto.open(clock::now(), &[], refuses, ends_after(0)).unwrap();
        let (pictures, said) = read_all(camera);
        assert_eq!(pictures, 0);
        assert!(said.starts_with("find a camera: ") && said.ends_with("it ended"), "{said}");
        let failed = clock::now();
        let again = auto.open(failed, &[], refuses, untouched).map(drop).unwrap_err();
        assert_eq!(again.to_string(), said, "the same sentence, which is logged but once");
        let node = |_: &Path| Ok(Box::new(Fake(1)) as Box<dyn VideoSource>);
        assert!(auto.open(failed, &nodes(&["/dev/video0"]), node, untouched).is_ok());
        assert!(auto.open(failed + LEFT_OUT, &[], refuses, ends_after(1)).is_ok());
    }

    #[test]
    fn an_rpicam_that_had_a_picture_is_started_again_at_once() {
        let auto = AutoCamera::default();
        read_all(auto.open(clock::now(), &[], refuses, ends_after(1)).unwrap());
        assert!(auto.open(clock::now(), &[], refuses, ends_after(1)).is_ok());
    }
}
