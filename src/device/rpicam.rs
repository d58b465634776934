//! A Raspberry Pi's own camera, through the program `rpicam-vid` that its system brings.
//!
//! ```text
//! rpicam-vid (child, its own process group) ── stdout: I420 pictures back to back ──> Picture
//!                                           └─ stderr: the last line, for the error
//! ```
//! The camera behind `/dev/video0` of a Pi is a raw sensor; what makes pictures of it is libcamera,
//! whose interface changes with every release. The program's options do not. One that ends is an
//! error, and so is one that is silent for five seconds: dropping the source kills it, and the
//! supervisor starts another. It dies with the thread that started it, whatever ends that.
//!
//! Rows lie as the image processor wrote them, padded to 64 bytes, and chroma rows are half as long:
//! at a width that is a multiple of 128 no generation of Pi pads anything.
#![allow(unsafe_code)]

mod list;

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpid, getppid};

use crate::clock;
use crate::frame::{Picture, PixelFormat, Size};
use crate::geometry::Turn;
use crate::stop::Stop;

use super::open::{CameraFound, Wish};
use super::{DeviceError, VideoSource};

const PROGRAM: &str = "rpicam-vid";
/// Without a picture for this long it is taken for hung.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
/// The same for the first one: the program tunes the sensor before it.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Widths whose rows, and half rows, have no padding.
const WIDTH_STEP: u32 = 128;
/// Room for a picture or two on their way; a pipe has 64 KiB otherwise.
const PIPE_BYTES: i32 = 1 << 20;
/// What is kept of a line on stderr, in bytes.
const LINE_LIMIT: usize = 300;

/// The running program.
pub struct Rpicam {
    child: Child,
    /// It was waited for: its number may be somebody else's.
    over: bool,
    pictures: ChildStdout,
    words: Option<ChildStderr>,
    last: LastLine,
    size: Size,
    turn: Turn,
    limit: Duration,
}

impl Rpicam {
    /// Start `program` for pictures of about what the wish says: the size is the nearest below whose
    /// rows have no padding, in the same shape.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn open(program: &Path, wish: &Wish) -> Result<Self, DeviceError> {
        let failed = |error: io::Error| failure("start", format!("{}: {error}", program.display()));
        let size = unpadded(wish.size);
        let mut command = Command::new(program);
        command.args(arguments(size, wish)).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let parent = getpid();
        // SAFETY: between fork and exec only two system calls are made, and nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                // Whose parent died before that would live on.
                if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
            });
        }
        let mut child = command.spawn().map_err(failed)?;
        let pictures = child.stdout.take().expect("a pipe was asked for");
        let words = child.stderr.take().expect("a pipe was asked for");
        let turn = if wish.turn.flips().is_some() { Turn::NONE } else { wish.turn };
        let last = LastLine::default();
        let limit = START_LIMIT;
        // From here on dropping it ends the child.
        let source =
            Self { child, over: false, pictures, words: Some(words), last, size, turn, limit };
        let pipes = [Some(source.pictures.as_fd()), source.words.as_ref().map(AsFd::as_fd)];
        for pipe in pipes.into_iter().flatten() {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
                .map_err(|errno| failed(errno.into()))?;
        }
        // A system that allows less gives less; it costs wake-ups.
        let _ = fcntl(&source.pictures, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        tracing::debug!("{PROGRAM} runs as process {}: {size}", source.child.id());
        Ok(source)
    }

    /// The process of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn next(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, String> {
        let bytes = PixelFormat::I420.bytes(self.size);
        (into.size, into.format) = (self.size, PixelFormat::I420);
        into.data.resize(bytes, 0);
        let mut filled = 0;
        let began = clock::now();
        loop {
            let left = self.limit.saturating_sub(clock::now().since(began));
            if left.is_zero() {
                let seconds = self.limit.as_secs();
                return Err(format!("no picture for {seconds} s{}", self.last.quoted()));
            }
            if self.wait(stop, left)? {
                return Ok(false);
            }
            self.listen();
            match self.pictures.read(&mut into.data[filled..]) {
                Ok(0) => return Err(self.ended()),
                Ok(length) => {
                    if filled == 0 {
                        // There is no time stamp in the stream: this is when it began to come.
                        into.captured = clock::now();
                    }
                    filled += length;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
            if filled == bytes {
                if waiting(self.pictures.as_fd()) < bytes {
                    self.limit = SILENCE_LIMIT;
                    return Ok(true);
                }
                // A newer one is there already.
                filled = 0;
            }
        }
    }

    /// Wait for pictures, words or the stop; true at the stop.
    fn wait(&self, stop: &Stop, left: Duration) -> Result<bool, String> {
        let fds =
            [Some(stop.as_fd()), Some(self.pictures.as_fd()), self.words.as_ref().map(AsFd::as_fd)];
        let mut fds: Vec<PollFd<'_>> =
            fds.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // Rounded up: a wait of no milliseconds would be none.
        let left = left + Duration::from_micros(999);
        match nix::poll::poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => Ok(stop.is_stopped()),
            Err(errno) => Err(errno.desc().to_owned()),
        }
    }

    /// Take in what the program says.
    fn listen(&mut self) {
        let Some(words) = &mut self.words else { return };
        let mut bytes = [0; 1024];
        loop {
            match words.read(&mut bytes) {
                Ok(0) => break self.words = None,
                Ok(length) => self.last.push(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break self.words = None,
            }
        }
    }

    /// No more pictures will come: how it ended and what it said last.
    fn ended(&mut self) -> String {
        let how = self.end();
        self.listen();
        how + &self.last.quoted()
    }

    /// End it and whatever it started, and wait for it. One that has ended already keeps its status
    /// until then.
    fn end(&mut self) -> String {
        if let (false, Ok(pid)) = (self.over, i32::try_from(self.child.id())) {
            // Gone is as good.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.over = true;
        match self.child.wait() {
            Ok(status) => format!("it ended ({status})"),
            Err(error) => format!("it ended ({error})"),
        }
    }
}

impl VideoSource for Rpicam {
    fn shape(&self) -> (Size, PixelFormat) {
        (self.size, PixelFormat::I420)
    }

    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
        self.next(into, stop).map_err(|cause| failure("read from", cause))
    }

    fn left_to_turn(&self) -> Turn {
        self.turn
    }
}

impl Drop for Rpicam {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where the program is.
///
/// # Errors
/// It is not on the `PATH`.
pub fn program() -> Result<PathBuf, DeviceError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM));
    programs
        .find(|program| program.is_file())
        .ok_or_else(|| failure("find", format!("{PROGRAM} is not installed")))
}

/// What a list of cameras says of it, where it is installed.
pub(super) fn found() -> Option<CameraFound> {
    program().ok().map(|program| list::found(&program))
}

fn failure(deed: &'static str, cause: String) -> DeviceError {
    DeviceError { deed, device: "camera rpicam".to_owned(), cause }
}

/// The size below `size`, in its shape, whose rows have no padding.
fn unpadded(size: Size) -> Size {
    let width = (size.width / WIDTH_STEP * WIDTH_STEP).max(WIDTH_STEP);
    let height = u64::from(size.height) * u64::from(width) / u64::from(size.width.max(1));
    // Even, and no number that a config may hold is near the end of 32 bits.
    Size::new(width, (u32::try_from(height).unwrap_or(u32::MAX) & !1).max(2))
}

fn arguments(size: Size, wish: &Wish) -> Vec<String> {
    let fixed = ["-t", "0", "-n", "--flush", "--verbose", "0", "--codec", "yuv420"];
    let mut arguments: Vec<String> = fixed.map(str::to_owned).to_vec();
    let mut say = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    say("--width", size.width.to_string());
    say("--height", size.height.to_string());
    say("--framerate", wish.fps.to_string());
    if let Some(exposure) = wish.exposure {
        // In microseconds there.
        say("--shutter", (u64::from(exposure) * 100).to_string());
    }
    if let Some(kelvin) = wish.white_balance {
        say("--awb", light(kelvin).to_owned());
    }
    say("-o", "-".to_owned());
    match wish.turn.flips() {
        Some((true, true)) => arguments.extend(["--rotation".to_owned(), "180".to_owned()]),
        Some((true, false)) => arguments.push("--hflip".to_owned()),
        Some((false, true)) => arguments.push("--vflip".to_owned()),
        Some((false, false)) | None => {}
    }
    arguments
}

/// The program knows lights by name, each for some kelvin (Raspberry Pi's documentation, "awb").
fn light(kelvin: u32) -> &'static str {
    match kelvin {
        0..3_000 => "incandescent",
        3_000..3_750 => "tungsten",
        3_750..5_100 => "fluorescent",
        5_100..6_750 => "daylight",
        _ => "cloudy",
    }
}

/// Bytes that can be read at once.
fn waiting(fd: BorrowedFd<'_>) -> usize {
    nix::ioctl_read_bad!(bytes_to_read, nix::libc::FIONREAD, nix::libc::c_int);
    let mut bytes = 0;
    // SAFETY: the kernel writes one integer, which lives here.
    let asked = unsafe { bytes_to_read(fd.as_raw_fd(), &mut bytes) };
    asked.ok().and_then(|_| usize::try_from(bytes).ok()).unwrap_or(0)
}

/// The last line that says something; one that names an error stays.
#[derive(Default)]
struct LastLine {
    open: Vec<u8>,
    line: String,
}

impl LastLine {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' || *byte == b'\r' {
                self.close();
            } else if self.open.len() < LINE_LIMIT {
                self.open.push(*byte);
            }
        }
    }

    fn close(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.open)).trim().to_owned();
        let names_error = |line: &str| line.contains("ERROR");
        if !line.is_empty() && (names_error(&line) || !names_error(&self.line)) {
            self.line = line;
        }
    }

    /// `; it said: …`, or nothing.
    fn quoted(&mut self) -> String {
        self.close();
        if self.line.is_empty() { String::new() } else { format!("; it said: {}", self.line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rotation;

    fn line(wish: &Wish) -> String {
        arguments(unpadded(wish.size), wish).join(" ")
    }

    #[test]
    fn the_program_is_asked_for_rows_without_padding_in_the_same_shape() {
        let cases = [
            ((640, 480), (640, 480)),
            ((1280, 720), (1280, 720)),
            ((640, 360), (640, 360)),
            ((592, 444), (512, 384)),
            ((320, 240), (256, 192)),
            ((64, 48), (128, 96)),
        ];
        for ((width, height), (fits, tall)) in cases {
            assert_eq!(unpadded(Size::new(width, height)), Size::new(fits, tall));
        }
    }

    #[test]
    fn the_wish_becomes_the_programs_own_options() {
        let wish = Wish::new(Size::new(640, 480), 15.0);
        let plain = "-t 0 -n --flush --verbose 0 --codec yuv420 --width 640 --height 480 \
                     --framerate 15 -o -";
        assert_eq!(line(&wish), plain);
        let turned = |across, down| Wish { turn: Turn::of_flips(across, down), ..wish };
        assert_eq!(line(&turned(true, true)), format!("{plain} --rotation 180"));
        assert_eq!(line(&turned(true, false)), format!("{plain} --hflip"));
        assert_eq!(line(&turned(false, true)), format!("{plain} --vflip"));
        let turn = Turn { rotation: Rotation::Quarter, mirror: true };
        assert_eq!(line(&Wish { turn, ..wish }), plain, "laid on its side by us");
        let fixed = Wish { exposure: Some(100), white_balance: Some(6500), ..wish };
        assert!(line(&fixed).ends_with("--shutter 10000 --awb daylight -o -"));
    }

    #[test]
    fn the_last_line_is_kept_and_rather_one_that_names_an_error() {
        let mut last = LastLine::default();
        assert_eq!(last.quoted(), "");
        last.push(b"Made X/EGL preview window\nERROR: *** no cam");
        last.push(b"eras available ***\n\nbye\n");
        assert_eq!(last.quoted(), "; it said: ERROR: *** no cameras available ***");
        let mut plain = LastLine::default();
        plain.push(&[b'x'; 5000]);
        assert_eq!(plain.quoted().len(), "; it said: ".len() + LINE_LIMIT);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let wish = Wish::new(Size::new(640, 480), 15.0);
        let error = Rpicam::open(Path::new("/nowhere/rpicam-vid"), &wish).map(drop).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("start camera rpicam: /nowhere/rpicam-vid: "), "{text}");
    }
}
