//! The input devices of this machine, through libinput: they come and go as they like.
//!
//! ```text
//!  udev runs:      every device of seat0, hot-plug by udev
//!  it does not:    every /dev/input/event*, hot-plug by inotify on the folder
//!                                └─> libinput (calibration) ─> Contact
//! ```
//! Libinput applies the calibration matrix that udev gives a device; how the panel hangs is
//! [`super::touch`]'s to know.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use input::event::device::DeviceEvent;
use input::event::pointer::{ButtonState, PointerEvent};
use input::event::touch::{TouchEvent, TouchEventPosition, TouchEventSlot};
use input::event::{Event, EventTrait};
use input::{DeviceCapability, Libinput, LibinputInterface};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::touch::Contact;

/// Where the kernel's input devices are.
const FOLDER: &str = "/dev/input";
/// There while udev runs.
const UDEV: &str = "/run/udev/control";
/// The first button of a mouse (linux/input-event-codes.h).
const BTN_LEFT: u32 = 0x110;

/// Who hears of the names of the touch devices.
pub(super) type Names = Arc<Mutex<Vec<String>>>;

/// Every input device there is.
pub(super) struct Devices {
    libinput: RefCell<Libinput>,
    /// News of the folder, where there is no udev to tell.
    folder: Option<Inotify>,
    readable: Epoll,
    touch: Names,
}

/// The input devices can't be listened to.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("listen to the input devices: {0}")]
    Poll(#[from] nix::Error),
    #[error("listen to the input devices of seat0: udev does not answer")]
    Seat,
}

impl Devices {
    /// All that are there, and all that will come. The names of those that feel fingers are kept
    /// in `touch`.
    pub(super) fn open(touch: Names) -> Result<Self, InputError> {
        let readable = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let watch =
            |what: BorrowedFd<'_>| readable.add(what, EpollEvent::new(EpollFlags::EPOLLIN, 0));
        let (libinput, folder) = if Path::new(UDEV).exists() {
            let mut libinput = Libinput::new_with_udev(Opener);
            libinput.udev_assign_seat("seat0").map_err(|()| InputError::Seat)?;
            (libinput, None)
        } else {
            let folder = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            // Before the first look: what comes after it is told. Some machines have no folder.
            if let Err(error) = folder.add_watch(FOLDER, AddWatchFlags::IN_CREATE) {
                tracing::warn!("watch {FOLDER}: {error}; no touch device can be found");
            }
            watch(folder.as_fd())?;
            let mut libinput = Libinput::new_from_path(Opener);
            for entry in std::fs::read_dir(FOLDER).into_iter().flatten().flatten() {
                add(&mut libinput, &entry.path());
            }
            (libinput, Some(folder))
        };
        watch(libinput.as_fd())?;
        let devices = Self { libinput: RefCell::new(libinput), folder, readable, touch };
        // Libinput tells of what is there already without becoming readable.
        devices.contacts();
        Ok(devices)
    }

    /// Readable when something was touched, or a device has come or gone.
    pub(super) fn readable(&self) -> BorrowedFd<'_> {
        self.readable.0.as_fd()
    }

    /// Everything that has happened.
    pub(super) fn contacts(&self) -> Vec<Contact> {
        let mut libinput = self.libinput.borrow_mut();
        if let Some(folder) = &self.folder {
            for news in folder.read_events().unwrap_or_default() {
                if let Some(name) = news.name {
                    add(&mut libinput, &Path::new(FOLDER).join(name));
                }
            }
        }
        if let Err(error) = libinput.dispatch() {
            tracing::warn!("read the input devices: {error}");
        }
        let mut contacts = Vec::new();
        while let Some(event) = libinput.next() {
            match event {
                Event::Touch(event) => contacts.extend(contact(&event)),
                Event::Pointer(event) => contacts.extend(pointer(&event)),
                Event::Device(event) => self.device(&event),
                _ => {}
            }
        }
        contacts
    }

    fn device(&self, event: &DeviceEvent) {
        let device = event.device();
        if !device.has_capability(DeviceCapability::Touch) {
            return;
        }
        let name = device.name().into_owned();
        let mut touch = self.touch.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            DeviceEvent::Added(_) => {
                tracing::info!("touch: {name}");
                touch.push(name);
            }
            DeviceEvent::Removed(_) => {
                tracing::warn!("the touch device {name} is gone");
                if let Some(at) = touch.iter().position(|known| *known == name) {
                    touch.remove(at);
                }
            }
            _ => {}
        }
    }
}

/// Only event devices; those that libinput can't use stay out, which is what it says in its log.
fn add(libinput: &mut Libinput, path: &Path) {
    let is_event = path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("event"));
    if is_event
        && let Some(path) = path.to_str()
        && libinput.path_add_device(path).is_none()
    {
        tracing::debug!("{path} is no device for fingers");
    }
}

fn contact(event: &TouchEvent) -> Option<Contact> {
    Some(match event {
        TouchEvent::Down(down) => {
            Contact::Down(down.seat_slot(), down.x_transformed(1), down.y_transformed(1))
        }
        TouchEvent::Motion(motion) => {
            Contact::Motion(motion.seat_slot(), motion.x_transformed(1), motion.y_transformed(1))
        }
        TouchEvent::Up(up) => Contact::Up(up.seat_slot()),
        TouchEvent::Cancel(cancel) => Contact::Cancel(cancel.seat_slot()),
        _ => return None,
    })
}

fn pointer(event: &PointerEvent) -> Option<Contact> {
    Some(match event {
        PointerEvent::Motion(motion) => Contact::Mouse(motion.dx(), motion.dy()),
        PointerEvent::MotionAbsolute(motion) => {
            Contact::Point(motion.absolute_x_transformed(1), motion.absolute_y_transformed(1))
        }
        PointerEvent::Button(button) if button.button() == BTN_LEFT => {
            Contact::Button(button.button_state() == ButtonState::Pressed)
        }
        _ => return None,
    })
}

/// Opens device files with the rights this process has.
struct Opener;

impl LibinputInterface for Opener {
    fn open_restricted(&mut self, path: &Path, flags: i32) -> Result<OwnedFd, i32> {
        let access = flags & libc::O_ACCMODE;
        let opened = OpenOptions::new()
            .read(access != libc::O_WRONLY)
            .write(access != libc::O_RDONLY)
            .custom_flags(flags & !libc::O_ACCMODE)
            .open(path);
        let opened = opened.inspect_err(|error| match error.kind() {
            // Gone again already.
            io::ErrorKind::NotFound => {}
            _ => tracing::warn!("open the input device {}: {error}", path.display()),
        });
        opened.map(OwnedFd::from).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
    }

    fn close_restricted(&mut self, file: OwnedFd) {
        drop(file);
    }
}
