//! Cameras behind V4L2: USB cameras, capture sticks, and the kernel's test drivers.
//!
//! ```text
//! open -> can capture and stream? -> MJPEG, YUYV, NV12 or YU12, the nearest size -> 4 buffers
//! read -> wait for camera or stop -> newest filled buffer -> Picture (rows packed, full range)
//! ```
//! Chosen by what a node can do, never by its number. A camera's JPEG is passed on as it is. Raw
//! pictures in video range are stretched to JPEG's full range on the way out of the buffer. A
//! camera that is pulled out, or sends nothing for five seconds, is an error: the supervisor opens
//! it again.

mod controls;
mod node;
mod raw;
mod unpack;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::clock::{self, Time};
use crate::frame::{Picture, PixelFormat, Size};
use crate::geometry::Turn;
use crate::stop::Stop;

use self::controls::Outcome;
use self::unpack::{Rows, unpack};
use super::open::Wish;
use super::{DeviceError, VideoSource};

pub use self::node::{find, list};

const BUFFERS: u32 = 4;
/// Without a picture for this long a camera is taken for hung.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
const FLAG_ERROR: u32 = 0x40;
const FLAG_MONOTONIC: u32 = 0x2000;
const TIMESTAMP_MASK: u32 = 0xe000;

/// An open camera that streams.
pub struct Camera {
    name: String,
    device: File,
    size: Size,
    format: PixelFormat,
    rows: Rows,
    buffers: Vec<raw::Mapping>,
    outcome: Outcome,
    broken: u64,
}

impl Camera {
    /// Open the camera at `path` and start it with the nearest it has to the wish.
    ///
    /// # Errors
    /// It is not there, is in use, or is no camera with a format known here.
    pub fn open(path: &Path, wish: &Wish) -> Result<Self, DeviceError> {
        let name = path.display().to_string();
        let failed =
            |cause: String| DeviceError { deed: "open camera", device: name.clone(), cause };
        let device = node::open(path).map_err(|error| failed(error.to_string()))?;
        let (pixels, format) = node::set_best(&device, wish.size).map_err(failed)?;
        let rows = Rows::of(&pixels, format);
        node::set_rate(&device, &pixels, wish.fps);
        let outcome = controls::set(&device, wish);
        let start = || -> nix::Result<Vec<raw::Mapping>> {
            let count = raw::request_buffers(device.as_fd(), BUFFERS)?;
            let buffers = (0..count).map(|index| raw::Mapping::new(&device, index));
            let buffers = buffers.collect::<nix::Result<Vec<_>>>()?;
            for index in 0..count {
                raw::queue(device.as_fd(), index)?;
            }
            raw::start(device.as_fd())?;
            Ok(buffers)
        };
        let buffers = start().map_err(|errno| failed(said(errno)))?;
        let size = Size::new(pixels.width, pixels.height);
        tracing::debug!("camera {name}: {size} {format:?}, {rows:?}");
        Ok(Self { name, device, size, format, rows, buffers, outcome, broken: 0 })
    }

    /// A sentence for each wish that it can't fulfil.
    pub fn complaints(&self) -> &[String] {
        &self.outcome.complaints
    }

    /// Wait for the newest whole picture; `None` at the stop.
    fn next(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, String> {
        let began = clock::now();
        loop {
            let left = SILENCE_LIMIT.saturating_sub(clock::now().since(began));
            if left.is_zero() {
                let seconds = SILENCE_LIMIT.as_secs();
                return Err(format!("no whole picture for {seconds} s"));
            }
            let fds = [self.device.as_fd(), stop.as_fd()];
            let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            match nix::poll::poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))
            {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(said(errno)),
            }
            let failed = fds[0]
                .revents()
                .is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP));
            if stop.is_stopped() {
                return Ok(false);
            }
            match self.newest()? {
                Some(buffer) if self.take(buffer, into)? => return Ok(true),
                Some(_) => {}
                // An error that no buffer explains would wake us for ever.
                None if failed => return Err("it stopped sending pictures".to_owned()),
                None => {}
            }
        }
    }

    /// Of the filled buffers the newest that is not marked as broken; the others go back.
    fn newest(&mut self) -> Result<Option<raw::Buffer>, String> {
        let fd = self.device.as_fd();
        let mut newest: Option<raw::Buffer> = None;
        loop {
            let back = match raw::dequeue(fd) {
                Ok(buffer) if buffer.flags & FLAG_ERROR != 0 || buffer.used == 0 => {
                    self.broken += 1;
                    Some(buffer)
                }
                Ok(buffer) => newest.replace(buffer),
                Err(Errno::EAGAIN) => return Ok(newest),
                Err(errno) => return Err(said(errno)),
            };
            if let Some(buffer) = back {
                raw::queue(fd, buffer.index).map_err(said)?;
            }
        }
    }

    /// Copy the picture out and give its buffer back. False: the picture is cut short.
    fn take(&mut self, buffer: raw::Buffer, into: &mut Picture) -> Result<bool, String> {
        let mapping = self.buffers.get_mut(buffer.index as usize);
        let bytes = mapping.ok_or("a buffer that it doesn't have")?.bytes(buffer.used as usize);
        into.captured = captured(&buffer, clock::now());
        (into.size, into.format) = (self.size, self.format);
        let whole = unpack(bytes, self.size, self.format, self.rows, &mut into.data);
        raw::queue(self.device.as_fd(), buffer.index).map_err(said)?;
        self.broken += u64::from(!whole);
        Ok(whole)
    }
}

impl VideoSource for Camera {
    fn shape(&self) -> (Size, PixelFormat) {
        (self.size, self.format)
    }

    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
        self.next(into, stop).map_err(|cause| DeviceError {
            deed: "read from camera",
            device: self.name.clone(),
            cause,
        })
    }

    fn left_to_turn(&self) -> Turn {
        self.outcome.left
    }

    fn broken(&self) -> u64 {
        self.broken
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // Fails when the camera is gone, and then there is nothing to halt.
        let _ = raw::halt(self.device.as_fd());
    }
}

fn captured(buffer: &raw::Buffer, now: Time) -> Time {
    if buffer.flags & TIMESTAMP_MASK != FLAG_MONOTONIC {
        return now;
    }
    let seconds = u64::try_from(buffer.seconds).unwrap_or(0);
    let micros = u64::try_from(buffer.micros).unwrap_or(0);
    let time = Time::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros));
    // A driver whose clock is another one is worth no more than its arrival.
    let plausible = time <= now && now.since(time) < SILENCE_LIMIT;
    if plausible { time } else { now }
}

fn said(errno: Errno) -> String {
    match errno {
        Errno::ENODEV | Errno::ENXIO => "it was unplugged".to_owned(),
        Errno::EBUSY => "another program is using it".to_owned(),
        other => other.desc().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_camera_is_refused_by_name() {
        for path in ["/dev/null", "/dev/video-that-is-not-there"] {
            let error =
                Camera::open(Path::new(path), &Wish::new(Size::new(640, 480), 30.0)).map(|_| ());
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(&format!("open camera {path}: ")), "{error}");
        }
    }
}
