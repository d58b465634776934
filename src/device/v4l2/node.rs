//! What a node under `/dev` can do, without starting it.
//!
//! ```text
//! /dev/video0 ──> captures? streams? stands alone? ──> formats ──> sizes ──> intervals
//! ```
//! A Pi has a dozen nodes that capture and are no camera by themselves: the stages of its codecs,
//! which have no input of their own, and those of its image pipeline, whose inputs and outputs a
//! media controller links (the kernel answers for their input itself, so that tells nothing). A
//! search passes them by: what makes pictures of them is libcamera. Whoever names one in the config
//! gets it all the same.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::frame::{PixelFormat, Size};

use super::{raw, said};
use crate::device::open::CameraFound;

const CAN_CAPTURE: u32 = 0x0000_0001;
const CAN_STREAM: u32 = 0x0400_0000;
/// V4L2_CAP_IO_MC: a media controller decides what comes in and goes out.
const IS_LINKED: u32 = 0x2000_0000;
/// An entry that is one value and no range.
const DISCRETE: u32 = 1;

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

/// The nodes `/dev/video*`, lowest number first.
fn nodes() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/dev") else { return Vec::new() };
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("video")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| PathBuf::from(format!("/dev/video{number}"))).collect()
}

/// The cameras that are connected: nodes that stand alone and have a format known here, lowest
/// number first.
pub fn find() -> Vec<PathBuf> {
    let capable = |path: &PathBuf| {
        open(path).is_ok_and(|device| {
            raw::capability(device.as_fd())
                .is_ok_and(|can| stands_alone(can.bits(), raw::has_input(device.as_fd())))
                && formats(&device).is_some_and(|known| !known.is_empty())
        })
    };
    nodes().into_iter().filter(capable).collect()
}

/// Whether a node with these capabilities is a camera and no stage of a pipeline.
fn stands_alone(bits: u32, has_input: bool) -> bool {
    bits & IS_LINKED == 0 && has_input
}

/// Every node that captures pictures, and every one that can't be asked.
pub fn list() -> Vec<CameraFound> {
    nodes().iter().filter_map(|path| describe(path)).collect()
}

fn describe(path: &Path) -> Option<CameraFound> {
    let name = by_id(path).unwrap_or_else(|| path.to_owned()).display().to_string();
    let node = path.display();
    let device = match open(path) {
        Ok(device) => device,
        Err(error) => {
            let sentence = format!("{node} can't be opened: {error}");
            return Some(CameraFound { name, sentence, ..CameraFound::default() });
        }
    };
    let capability = raw::capability(device.as_fd()).ok()?;
    let known = formats(&device)?;
    let (card, driver) = (capability.card(), capability.driver());
    let codes = (0..256).map_while(|index| raw::format(device.as_fd(), index));
    let formats: Vec<String> = codes.map(code_name).collect();
    let alone = stands_alone(capability.bits(), raw::has_input(device.as_fd()));
    let usable = alone && !known.is_empty();
    let sentence = if usable {
        format!("{card} at {node} sends {}", code_name(known[0].0))
    } else if !alone {
        format!("{card} at {node} is a stage of a pipeline and no camera by itself")
    } else {
        format!("{card} at {node} has no format known here, only {}", formats.join(", "))
    };
    Some(CameraFound { name, card, driver, formats, usable, sentence })
}

/// The link that names the camera and not the order in which it was plugged in.
fn by_id(path: &Path) -> Option<PathBuf> {
    let links = fs::read_dir("/dev/v4l/by-id").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut links: Vec<PathBuf> =
        links.filter(|link| fs::canonicalize(link).is_ok_and(|target| target == *path)).collect();
    links.sort();
    links.into_iter().next()
}

fn code_name(code: u32) -> String {
    // The highest bit says big-endian.
    let bytes = (code & 0x7fff_ffff).to_le_bytes();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Open the node so that reading never waits.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// The formats of ours that the node captures, the best first; `None`: it does not capture.
pub(super) fn formats(device: &File) -> Option<Vec<(u32, PixelFormat)>> {
    let bits = raw::capability(device.as_fd()).ok()?.bits();
    if bits & CAN_CAPTURE == 0 || bits & CAN_STREAM == 0 {
        return None;
    }
    let has: Vec<u32> = (0..256).map_while(|index| raw::format(device.as_fd(), index)).collect();
    Some(FORMATS.into_iter().filter(|(code, _)| has.contains(code)).collect())
}

/// Set the first of the formats that the driver keeps, at the size nearest to `wanted`.
///
/// # Errors
/// No format is left, or the driver refuses: a sentence.
pub(super) fn set_best(device: &File, wanted: Size) -> Result<(raw::Pixels, PixelFormat), String> {
    let known = formats(device).ok_or("it does not capture pictures")?;
    for (code, format) in known {
        if let Some(pixels) = set_nearest(device, code, wanted).map_err(said)? {
            return Ok((pixels, format));
        }
    }
    Err("it has no format and size known here".to_owned())
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

/// Ask for the rate nearest to `fps`. Some drivers have one rate and say so with an error.
pub(super) fn set_rate(device: &File, pixels: &raw::Pixels, fps: f64) {
    let (fd, size) = (device.as_fd(), (pixels.width, pixels.height));
    let intervals = (0..256).map_while(|index| raw::interval(fd, pixels.fourcc, size, index));
    let offered = intervals.map_while(|entry| (entry.kind == DISCRETE).then_some(entry.seconds[0]));
    let _ = raw::set_interval(fd, nearest_interval(offered, fps));
}

/// What a driver's entry offers that comes nearest: it is one size, or a range with steps.
fn offered(entry: &raw::FrameSize, wanted: Size) -> Size {
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

/// Of the intervals on offer the one whose rate is nearest, the faster of two; where there are
/// none, `fps` itself, in thousandths.
fn nearest_interval(offered: impl Iterator<Item = [u32; 2]>, fps: f64) -> [u32; 2] {
    let away = |interval: &[u32; 2]| {
        let rate = f64::from(interval[1]) / f64::from(interval[0]);
        ((rate - fps).abs(), -rate)
    };
    let whole = offered.filter(|[seconds, parts]| *seconds > 0 && *parts > 0);
    let nearest = whole.min_by(|a, b| {
        let ((a, fast_a), (b, fast_b)) = (away(a), away(b));
        a.total_cmp(&b).then(fast_a.total_cmp(&fast_b))
    });
    nearest.unwrap_or([1000, (fps * 1000.0).clamp(1.0, 1e6) as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_nearest_rate_is_taken_and_of_two_the_faster() {
        let intervals = [[1, 30], [1, 24], [1, 15], [2, 15], [0, 1], [1, 0]];
        let nearest = |fps| nearest_interval(intervals.into_iter(), fps);
        assert_eq!(nearest(60.0), [1, 30]);
        assert_eq!(nearest(20.0), [1, 24]);
        assert_eq!(nearest(27.0), [1, 30]);
        assert_eq!(nearest(1.0), [2, 15]);
        assert_eq!(nearest_interval([].into_iter(), 12.5), [1000, 12_500]);
    }

    #[test]
    fn a_node_that_a_media_controller_links_is_a_stage_whatever_it_says_of_its_input() {
        let uvc = CAN_CAPTURE | CAN_STREAM | 0x0020_0000;
        assert!(stands_alone(uvc, true));
        assert!(!stands_alone(uvc, false), "a codec");
        // As bcm2835-unicam and rp1-cfe say it: capture, metadata, streaming, IO_MC.
        assert!(!stands_alone(0x24a0_0001, true));
    }

    #[test]
    fn a_format_is_named_as_the_kernel_names_it() {
        assert_eq!(code_name(fourcc(b"MJPG")), "MJPG");
        assert_eq!(code_name(fourcc(b"Y16 ") | 0x8000_0000), "Y16");
    }

    #[test]
    fn the_list_names_every_camera_that_the_search_finds() {
        let usable = list().into_iter().filter(|camera| camera.usable).count();
        assert_eq!(usable, find().len());
        for camera in list() {
            assert!(camera.name.starts_with("/dev/") && !camera.sentence.is_empty());
        }
    }
}
