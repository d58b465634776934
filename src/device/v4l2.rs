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

mod raw;

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::clock::{self, Time};
use crate::frame::{Picture, PixelFormat, Size};
use crate::stop::Stop;

use super::{DeviceError, VideoSource};

const CAN_CAPTURE: u32 = 0x0000_0001;
const CAN_STREAM: u32 = 0x0400_0000;
const BUFFERS: u32 = 4;
/// Without a picture for this long a camera is taken for hung.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
const FLAG_ERROR: u32 = 0x40;
const FLAG_MONOTONIC: u32 = 0x2000;
const TIMESTAMP_MASK: u32 = 0xe000;

/// What is taken, the best first.
const FORMATS: [(u32, PixelFormat); 5] = [
    (fourcc(b"MJPG"), PixelFormat::Jpeg),
    (fourcc(b"JPEG"), PixelFormat::Jpeg),
    (fourcc(b"YUYV"), PixelFormat::Yuyv),
    (fourcc(b"NV12"), PixelFormat::Nv12),
    (fourcc(b"YU12"), PixelFormat::I420),
];

const fn fourcc(code: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*code)
}

/// An open camera that streams.
pub struct Camera {
    name: String,
    device: File,
    size: Size,
    format: PixelFormat,
    rows: Rows,
    buffers: Vec<raw::Mapping>,
}

/// How rows lie in a buffer.
#[derive(Clone, Copy, Debug)]
struct Rows {
    stride: usize,
    full_range: bool,
}

impl Camera {
    /// Open the camera at `path` and start it with the nearest it has to `size` and `fps`.
    ///
    /// # Errors
    /// It is not there, is in use, or is no camera with a format known here.
    pub fn open(path: &Path, size: Size, fps: f64) -> Result<Self, DeviceError> {
        let name = path.display().to_string();
        let failed =
            |cause: String| DeviceError { deed: "open camera", device: name.clone(), cause };
        let device = open_node(path).map_err(|error| failed(error.to_string()))?;
        let known =
            formats(&device).ok_or_else(|| failed("it does not capture pictures".to_owned()))?;
        let (pixels, format) = known
            .iter()
            .find_map(|(code, format)| {
                set_nearest(&device, *code, size).transpose().map(|set| set.map(|s| (s, *format)))
            })
            .ok_or_else(|| failed("it has no format and size known here".to_owned()))?
            .map_err(|errno| failed(said(errno)))?;
        let rows = Rows {
            stride: (pixels.bytes_per_line as usize).max(packed_row(format, pixels.width)),
            full_range: is_full_range(&pixels),
        };
        // Some drivers have one rate and say so with an error.
        let _ = raw::set_rate(device.as_fd(), (fps * 1000.0).clamp(1.0, 1e6) as u32);
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
        Ok(Self { name, device, size, format, rows, buffers })
    }

    /// Wait for a filled buffer, give older ones back; `None` at the stop.
    fn newest(&self, stop: &Stop) -> Result<Option<raw::Buffer>, String> {
        let fd = self.device.as_fd();
        let timeout = PollTimeout::try_from(SILENCE_LIMIT).unwrap_or(PollTimeout::MAX);
        loop {
            let mut fds =
                [PollFd::new(fd, PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
            match nix::poll::poll(&mut fds, timeout) {
                Ok(0) => return Err(format!("no picture for {} s", SILENCE_LIMIT.as_secs())),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(said(errno)),
            }
            if stop.is_stopped() {
                return Ok(None);
            }
            let events = fds[0].revents().unwrap_or(PollFlags::empty());
            let mut newest: Option<raw::Buffer> = None;
            loop {
                match raw::dequeue(fd) {
                    Ok(buffer) => {
                        if let Some(older) = newest.replace(buffer) {
                            raw::queue(fd, older.index).map_err(said)?;
                        }
                    }
                    Err(Errno::EAGAIN) => break,
                    Err(errno) => return Err(said(errno)),
                }
            }
            match newest {
                Some(broken) if broken.flags & FLAG_ERROR != 0 || broken.used == 0 => {
                    raw::queue(fd, broken.index).map_err(said)?;
                }
                Some(buffer) => return Ok(Some(buffer)),
                // An error that no buffer explains would wake us for ever.
                None if events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) => {
                    return Err("it stopped sending pictures".to_owned());
                }
                None => {}
            }
        }
    }

    fn next(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, String> {
        while let Some(buffer) = self.newest(stop)? {
            let now = clock::now();
            let mapping = self.buffers.get_mut(buffer.index as usize);
            let bytes = mapping.ok_or("a buffer that it doesn't have")?.bytes(buffer.used as usize);
            into.captured = captured(&buffer, now);
            (into.size, into.format) = (self.size, self.format);
            let whole = unpack(bytes, self.size, self.format, self.rows, &mut into.data);
            raw::queue(self.device.as_fd(), buffer.index).map_err(said)?;
            if whole {
                return Ok(true);
            }
        }
        Ok(false)
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
}

impl Drop for Camera {
    fn drop(&mut self) {
        // Fails when the camera is gone, and then there is nothing to halt.
        let _ = raw::halt(self.device.as_fd());
    }
}

/// The nodes under `/dev` that capture pictures in a format known here, lowest number first.
pub fn find() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/dev") else { return Vec::new() };
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("video")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let paths = numbers.into_iter().map(|number| PathBuf::from(format!("/dev/video{number}")));
    let capable = |path: &PathBuf| {
        let device = open_node(path).ok();
        device.and_then(|device| formats(&device)).is_some_and(|formats| !formats.is_empty())
    };
    paths.filter(capable).collect()
}

fn open_node(path: &Path) -> std::io::Result<File> {
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// The formats of ours that the node captures, the best first; `None`: it is no camera.
fn formats(device: &File) -> Option<Vec<(u32, PixelFormat)>> {
    let bits = raw::capability(device.as_fd()).ok()?.bits();
    if bits & CAN_CAPTURE == 0 || bits & CAN_STREAM == 0 {
        return None;
    }
    let has: Vec<u32> = (0..256).map_while(|index| raw::format(device.as_fd(), index)).collect();
    Some(FORMATS.into_iter().filter(|(code, _)| has.contains(code)).collect())
}

/// Set the format at the size nearest to `wanted`; `None` when the driver makes another of it.
fn set_nearest(device: &File, code: u32, wanted: Size) -> nix::Result<Option<raw::Pixels>> {
    let fd = device.as_fd();
    let sizes = (0..256).map_while(|index| raw::frame_size(fd, code, index));
    let size = nearest(sizes.map(|size| offered(&size, wanted)), wanted).unwrap_or(wanted);
    let pixels = raw::set_format(fd, code, size.width, size.height)?;
    let usable = Size::new(pixels.width, pixels.height).is_even();
    Ok((pixels.fourcc == code && usable).then_some(pixels))
}

/// What a driver's entry offers that comes nearest: it is one size, or a range with steps.
fn offered(entry: &raw::FrameSize, wanted: Size) -> Size {
    const DISCRETE: u32 = 1;
    let [a, b, c, d, e, f] = entry.sizes;
    if entry.kind == DISCRETE {
        return Size::new(a, b);
    }
    let within = |wanted: u32, least: u32, most: u32, step: u32| {
        let length = wanted.clamp(least, most.max(least));
        length - (length - least) % step.max(1)
    };
    Size::new(within(wanted.width, a, b, c), within(wanted.height, d, e, f))
}

/// The nearest size; one that is not over what was asked for goes first.
fn nearest(sizes: impl Iterator<Item = Size>, wanted: Size) -> Option<Size> {
    sizes.min_by_key(|size| {
        let over = size.width > wanted.width || size.height > wanted.height;
        (over, size.width.abs_diff(wanted.width) + size.height.abs_diff(wanted.height))
    })
}

/// V4L2_MAP_QUANTIZATION_DEFAULT: YUV is in video range unless said otherwise or in JPEG's colours.
fn is_full_range(pixels: &raw::Pixels) -> bool {
    const COLORSPACE_JPEG: u32 = 7;
    match pixels.quantization {
        1 => true,
        2 => false,
        _ => pixels.colorspace == COLORSPACE_JPEG,
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

fn packed_row(format: PixelFormat, width: u32) -> usize {
    match format {
        PixelFormat::Yuyv => 2 * width as usize,
        _ => width as usize,
    }
}

/// Copy the picture in a buffer into `data`, rows packed and in full range. False: there are fewer
/// bytes than it needs.
fn unpack(bytes: &[u8], size: Size, format: PixelFormat, rows: Rows, data: &mut Vec<u8>) -> bool {
    data.clear();
    if format == PixelFormat::Jpeg {
        data.extend_from_slice(bytes);
        return true;
    }
    let row = packed_row(format, size.width);
    let (height, stride) = (size.height as usize, rows.stride);
    // Each plane: rows, bytes of a row, stride.
    let planes: &[(usize, usize, usize)] = match format {
        PixelFormat::Nv12 => &[(height, row, stride), (height / 2, row, stride)],
        PixelFormat::I420 => &[
            (height, row, stride),
            (height / 2, row / 2, stride / 2),
            (height / 2, row / 2, stride / 2),
        ],
        _ => &[(height, row, stride)],
    };
    let mut rest = bytes;
    for (number, (height, row, stride)) in planes.iter().enumerate() {
        for y in 0..*height {
            // The last row may end with its picture.
            let Some(line) = rest.get(..*row) else { return false };
            let start = data.len();
            data.extend_from_slice(line);
            if !rows.full_range {
                stretch(&mut data[start..], format, number);
            }
            let last = number + 1 == planes.len() && y + 1 == *height;
            match rest.get(*stride..) {
                Some(after) => rest = after,
                None if last => {}
                None => return false,
            }
        }
    }
    true
}

/// From video range (luma 16-235, chroma 16-240) to full range (ITU-R BT.601-7, 2.5.3).
fn stretch(row: &mut [u8], format: PixelFormat, plane: usize) {
    let luma = |value: u8| (((i32::from(value) - 16) * 298 + 128) >> 8).clamp(0, 255) as u8;
    let chroma = |value: u8| (((i32::from(value) - 128) * 291 + 128) >> 8).clamp(-128, 127) + 128;
    match (format, plane) {
        (PixelFormat::Yuyv, _) => {
            for pair in row.chunks_exact_mut(2) {
                (pair[0], pair[1]) = (luma(pair[0]), chroma(pair[1]) as u8);
            }
        }
        (_, 0) => row.iter_mut().for_each(|value| *value = luma(*value)),
        _ => row.iter_mut().for_each(|value| *value = chroma(*value) as u8),
    }
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

    const FULL: bool = true;

    #[test]
    fn padded_rows_come_out_packed_in_every_raw_format() {
        let size = Size::new(4, 2);
        let cases: [(PixelFormat, usize, &[u8], &[u8]); 3] = [
            (PixelFormat::Yuyv, 10, b"aubvcudv..eufvguhv", b"aubvcudveufvguhv"),
            (PixelFormat::Nv12, 6, b"abcd..efgh..uvuv", b"abcdefghuvuv"),
            (PixelFormat::I420, 6, b"abcd..efgh..uu.vv.", b"abcdefghuuvv"),
        ];
        for (format, stride, bytes, wanted) in cases {
            let rows = Rows { stride, full_range: FULL };
            let mut data = Vec::new();
            assert!(unpack(bytes, size, format, rows, &mut data), "{format:?}");
            assert_eq!(data, wanted);
            assert_eq!(data.len(), format.bytes(size));
            assert!(!unpack(&bytes[..bytes.len() - 2], size, format, rows, &mut data));
        }
    }

    #[test]
    fn video_range_is_stretched_to_full_range() {
        let rows = Rows { stride: 4, full_range: false };
        let mut data = Vec::new();
        let bytes = [16, 128, 235, 16, 0, 240, 255, 128];
        assert!(unpack(&bytes, Size::new(2, 2), PixelFormat::Yuyv, rows, &mut data));
        assert_eq!(data, [0, 128, 255, 1, 0, 255, 255, 128]);
    }

    #[test]
    fn the_nearest_size_is_taken_and_rather_a_smaller_one() {
        let wanted = Size::new(640, 360);
        let sizes = [(1280, 720), (640, 480), (320, 180), (424, 240)];
        let sizes = sizes.map(|(width, height)| Size::new(width, height));
        assert_eq!(nearest(sizes.into_iter(), wanted), Some(Size::new(424, 240)));
        assert_eq!(nearest([Size::new(800, 600)].into_iter(), wanted), Some(Size::new(800, 600)));
        let mut stepwise = raw::FrameSize::default();
        (stepwise.kind, stepwise.sizes) = (3, [2, 1920, 16, 2, 100, 2]);
        assert_eq!(offered(&stepwise, wanted), Size::new(626, 100));
    }

    #[test]
    fn what_is_no_camera_is_refused_by_name() {
        for path in ["/dev/null", "/dev/video-that-is-not-there"] {
            let error = Camera::open(Path::new(path), Size::new(640, 480), 30.0).map(|_| ());
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(&format!("open camera {path}: ")), "{error}");
        }
    }
}
