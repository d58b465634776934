//! The part of the kernel's video interface that a camera needs (linux/videodev2.h): its
//! structures, its calls made safe, and buffers that are mapped while they live.
//!
//! Own ioctls, because the bindings there are need libclang and panic when a camera is pulled out.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use nix::Result;
use nix::libc::{c_int, c_long, c_void};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

pub(super) const CAPTURE: u32 = 1;
const MEMORY_MMAP: u32 = 1;

/// v4l2_capability.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Capability {
    driver: [u8; 16],
    card: [u8; 32],
    bus: [u8; 32],
    version: u32,
    all: u32,
    device: u32,
    reserved: [u32; 3],
}

impl Capability {
    /// What this very node can do.
    pub(super) fn bits(&self) -> u32 {
        const HAS_DEVICE_BITS: u32 = 0x8000_0000;
        if self.all & HAS_DEVICE_BITS != 0 { self.device } else { self.all }
    }

    /// What the maker calls it: `HD Pro Webcam C920`.
    pub(super) fn card(&self) -> String {
        words(&self.card)
    }

    /// The kernel's driver: `uvcvideo`.
    pub(super) fn driver(&self) -> String {
        words(&self.driver)
    }
}

/// v4l2_fmtdesc.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FormatDescription {
    index: u32,
    kind: u32,
    flags: u32,
    description: [u8; 32],
    fourcc: u32,
    mbus_code: u32,
    reserved: [u32; 3],
}

/// v4l2_input.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Input {
    index: u32,
    name: [u8; 32],
    kind: u32,
    audioset: u32,
    tuner: u32,
    standards: u64,
    status: u32,
    capabilities: u32,
    reserved: [u32; 3],
}

/// v4l2_frmivalenum; `rates` is seconds a picture as a fraction, or min, max and step of it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Interval {
    index: u32,
    fourcc: u32,
    width: u32,
    height: u32,
    pub(super) kind: u32,
    pub(super) seconds: [[u32; 2]; 3],
    reserved: [u32; 2],
}

/// v4l2_queryctrl.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ControlRange {
    id: u32,
    kind: u32,
    name: [u8; 32],
    pub(super) least: i32,
    pub(super) most: i32,
    step: i32,
    pub(super) default: i32,
    pub(super) flags: u32,
    reserved: [u32; 2],
}

/// v4l2_control.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Control {
    id: u32,
    value: i32,
}

/// v4l2_frmsizeenum; `sizes` is width and height, or min, max and step of each in turn.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct FrameSize {
    index: u32,
    fourcc: u32,
    pub(super) kind: u32,
    pub(super) sizes: [u32; 6],
    reserved: [u32; 2],
}

/// v4l2_pix_format.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fourcc: u32,
    pub(super) field: u32,
    pub(super) bytes_per_line: u32,
    pub(super) bytes: u32,
    pub(super) colorspace: u32,
    private: u32,
    flags: u32,
    encoding: u32,
    pub(super) quantization: u32,
    transfer: u32,
}

/// v4l2_format; its union has pointers in it, hence the alignment, and 200 bytes.
#[repr(C)]
struct Format {
    kind: u32,
    align: [usize; 0],
    pixels: Pixels,
    rest: [u8; 152],
}

/// v4l2_requestbuffers.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RequestBuffers {
    count: u32,
    kind: u32,
    memory: u32,
    capabilities: u32,
    flags: u32,
}

/// v4l2_buffer.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Buffer {
    pub(super) index: u32,
    kind: u32,
    pub(super) used: u32,
    pub(super) flags: u32,
    field: u32,
    pub(super) seconds: c_long,
    pub(super) micros: c_long,
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    place: Place,
    length: u32,
    reserved: [u32; 2],
}

/// The union `m`: an offset to map, as wide as a pointer.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Place {
    align: [usize; 0],
    offset: u32,
}

/// v4l2_streamparm with v4l2_captureparm in it.
#[repr(C)]
struct StreamParameters {
    kind: u32,
    capability: u32,
    mode: u32,
    /// Seconds of one picture, as a fraction.
    numerator: u32,
    denominator: u32,
    rest: [u8; 184],
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<Capability>() == 104 && size_of::<FormatDescription>() == 64);
    assert!(size_of::<FrameSize>() == 44 && size_of::<Format>() == 208);
    assert!(size_of::<RequestBuffers>() == 20 && size_of::<Buffer>() == 88);
    assert!(size_of::<StreamParameters>() == 204 && size_of::<Input>() == 80);
    assert!(size_of::<Interval>() == 52 && size_of::<ControlRange>() == 68);
};

#[allow(unreachable_pub, missing_docs)]
mod call {
    use super::{
        Buffer, Capability, Control, ControlRange, Format, FormatDescription, FrameSize, Input,
        Interval, RequestBuffers, StreamParameters, c_int,
    };
    nix::ioctl_read!(querycap, b'V', 0, Capability);
    nix::ioctl_readwrite!(enum_fmt, b'V', 2, FormatDescription);
    nix::ioctl_readwrite!(s_fmt, b'V', 5, Format);
    nix::ioctl_readwrite!(reqbufs, b'V', 8, RequestBuffers);
    nix::ioctl_readwrite!(querybuf, b'V', 9, Buffer);
    nix::ioctl_readwrite!(qbuf, b'V', 15, Buffer);
    nix::ioctl_readwrite!(dqbuf, b'V', 17, Buffer);
    nix::ioctl_write_ptr!(streamon, b'V', 18, c_int);
    nix::ioctl_write_ptr!(streamoff, b'V', 19, c_int);
    nix::ioctl_readwrite!(s_parm, b'V', 22, StreamParameters);
    nix::ioctl_readwrite!(enum_input, b'V', 26, Input);
    nix::ioctl_readwrite!(s_ctrl, b'V', 28, Control);
    nix::ioctl_readwrite!(queryctrl, b'V', 36, ControlRange);
    nix::ioctl_readwrite!(enum_framesizes, b'V', 74, FrameSize);
    nix::ioctl_readwrite!(enum_frameintervals, b'V', 75, Interval);
}

/// Text of the kernel's that ends with a zero.
fn words(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

pub(super) fn capability(fd: BorrowedFd<'_>) -> Result<Capability> {
    let mut capability = Capability::default();
    // SAFETY: the kernel fills the structure that the call's number is made of.
    unsafe { call::querycap(fd.as_raw_fd(), &mut capability) }?;
    Ok(capability)
}

/// The four-character code of the format number `index`; `None` past the last one.
pub(super) fn format(fd: BorrowedFd<'_>, index: u32) -> Option<u32> {
    let mut format = FormatDescription { index, kind: CAPTURE, ..Default::default() };
    // SAFETY: as in `capability`.
    unsafe { call::enum_fmt(fd.as_raw_fd(), &mut format) }.ok()?;
    Some(format.fourcc)
}

/// Whether the node says that it has an input. What only processes another node's pictures has none;
/// for nodes that a media controller links the kernel always says yes.
pub(super) fn has_input(fd: BorrowedFd<'_>) -> bool {
    let mut input = Input::default();
    // SAFETY: as in `capability`.
    unsafe { call::enum_input(fd.as_raw_fd(), &mut input) }.is_ok()
}

/// The interval number `index` between pictures of that format and size; `None` past the last one.
pub(super) fn interval(
    fd: BorrowedFd<'_>,
    fourcc: u32,
    (width, height): (u32, u32),
    index: u32,
) -> Option<Interval> {
    let mut interval = Interval { index, fourcc, width, height, ..Default::default() };
    // SAFETY: as in `capability`.
    unsafe { call::enum_frameintervals(fd.as_raw_fd(), &mut interval) }.ok()?;
    Some(interval)
}

/// What the control `id` takes; EINVAL where the device has none.
pub(super) fn control_range(fd: BorrowedFd<'_>, id: u32) -> Result<ControlRange> {
    let mut range = ControlRange { id, ..Default::default() };
    // SAFETY: as in `capability`.
    unsafe { call::queryctrl(fd.as_raw_fd(), &mut range) }?;
    Ok(range)
}

/// Set the control `id`.
pub(super) fn set_control(fd: BorrowedFd<'_>, id: u32, value: i32) -> Result<()> {
    let mut control = Control { id, value };
    // SAFETY: as in `capability`.
    unsafe { call::s_ctrl(fd.as_raw_fd(), &mut control) }.map(drop)
}

/// The size number `index` of a format; `None` past the last one.
pub(super) fn frame_size(fd: BorrowedFd<'_>, fourcc: u32, index: u32) -> Option<FrameSize> {
    let mut size = FrameSize { index, fourcc, ..Default::default() };
    // SAFETY: as in `capability`.
    unsafe { call::enum_framesizes(fd.as_raw_fd(), &mut size) }.ok()?;
    Some(size)
}

/// Ask for a format and size; what the driver made of it.
pub(super) fn set_format(
    fd: BorrowedFd<'_>,
    fourcc: u32,
    width: u32,
    height: u32,
) -> Result<Pixels> {
    const PROGRESSIVE: u32 = 1;
    let pixels = Pixels { width, height, fourcc, field: PROGRESSIVE, ..Default::default() };
    let mut format = Format { kind: CAPTURE, align: [], pixels, rest: [0; 152] };
    // SAFETY: as in `capability`.
    unsafe { call::s_fmt(fd.as_raw_fd(), &mut format) }?;
    Ok(format.pixels)
}

/// Ask for an interval between pictures: seconds as a fraction.
pub(super) fn set_interval(fd: BorrowedFd<'_>, [numerator, denominator]: [u32; 2]) -> Result<()> {
    let mut parameters = StreamParameters {
        kind: CAPTURE,
        capability: 0,
        mode: 0,
        numerator,
        denominator,
        rest: [0; 184],
    };
    // SAFETY: as in `capability`.
    unsafe { call::s_parm(fd.as_raw_fd(), &mut parameters) }.map(drop)
}

/// Ask for `count` buffers to map; how many there are.
pub(super) fn request_buffers(fd: BorrowedFd<'_>, count: u32) -> Result<u32> {
    let mut request =
        RequestBuffers { count, kind: CAPTURE, memory: MEMORY_MMAP, ..Default::default() };
    // SAFETY: as in `capability`.
    unsafe { call::reqbufs(fd.as_raw_fd(), &mut request) }?;
    Ok(request.count)
}

/// Give a buffer to the driver to be filled.
pub(super) fn queue(fd: BorrowedFd<'_>, index: u32) -> Result<()> {
    let mut buffer = Buffer { index, kind: CAPTURE, memory: MEMORY_MMAP, ..Default::default() };
    // SAFETY: as in `capability`; with MMAP the kernel takes no address from the structure. Its
    // memory may change from here on: `Mapping::bytes` is only for buffers taken back.
    unsafe { call::qbuf(fd.as_raw_fd(), &mut buffer) }.map(drop)
}

/// Take a filled buffer back; EAGAIN when there is none.
pub(super) fn dequeue(fd: BorrowedFd<'_>) -> Result<Buffer> {
    let mut buffer = Buffer { kind: CAPTURE, memory: MEMORY_MMAP, ..Default::default() };
    // SAFETY: as in `capability`.
    unsafe { call::dqbuf(fd.as_raw_fd(), &mut buffer) }?;
    Ok(buffer)
}

pub(super) fn start(fd: BorrowedFd<'_>) -> Result<()> {
    let kind = CAPTURE as c_int;
    // SAFETY: the kernel reads one integer.
    unsafe { call::streamon(fd.as_raw_fd(), &kind) }.map(drop)
}

pub(super) fn halt(fd: BorrowedFd<'_>) -> Result<()> {
    let kind = CAPTURE as c_int;
    // SAFETY: the kernel reads one integer.
    unsafe { call::streamoff(fd.as_raw_fd(), &kind) }.map(drop)
}

/// One of the driver's buffers, mapped as long as this lives.
pub(super) struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and only one owner reads it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Map the buffer `index`.
    pub(super) fn new(device: impl AsFd, index: u32) -> Result<Self> {
        let fd = device.as_fd();
        let mut buffer = Buffer { index, kind: CAPTURE, memory: MEMORY_MMAP, ..Default::default() };
        // SAFETY: as in `capability`.
        unsafe { call::querybuf(fd.as_raw_fd(), &mut buffer) }?;
        let length = NonZeroUsize::new(buffer.length as usize).ok_or(nix::errno::Errno::EINVAL)?;
        let offset = buffer.place.offset.into();
        // SAFETY: a new mapping at an address of the kernel's choice, of the length it told.
        let start =
            unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, fd, offset) }?;
        Ok(Self { start, length: length.get() })
    }

    /// What the driver put in. Only between taking the buffer back and giving it again: then
    /// nobody writes to it. `&mut` keeps that to one reader.
    pub(super) fn bytes(&mut self, used: usize) -> &[u8] {
        // SAFETY: mapped readable for `length` bytes until the drop, and not written meanwhile.
        let all = unsafe {
            std::slice::from_raw_parts(self.start.as_ptr().cast::<u8>().cast_const(), self.length)
        };
        &all[..used.min(self.length)]
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this very mapping, once; no slice of it lives on.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}
