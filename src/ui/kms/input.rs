//! The input devices of this machine, through libinput: they come and go as they like.
//!
//! ```text
//!  udev: every device of seat0, and those that come ──> libinput (calibration) ──> Contact
//! ```
//! Libinput applies the calibration matrix that udev gives a device; how the panel hangs is
//! [`super::touch`]'s to know. Without udev libinput knows of no device what it is, whoever opens it.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use input::event::device::DeviceEvent;
use input::event::pointer::{ButtonState, PointerEvent};
use input::event::touch::{TouchEvent, TouchEventPosition, TouchEventSlot};
use input::event::{Event, EventTrait};
use input::{DeviceCapability, Libinput, LibinputInterface};

use super::touch::Contact;

/// There while udev runs.
const UDEV: &str = "/run/udev/control";
/// The first button of a mouse (linux/input-event-codes.h).
const BTN_LEFT: u32 = 0x110;

/// Who hears of the names of the touch devices.
pub(super) type Names = Arc<Mutex<Vec<String>>>;

/// Every input device there is.
pub(super) struct Devices {
    libinput: RefCell<Libinput>,
    /// Libinput's descriptor, which it can't lend while it is borrowed.
    readable: OwnedFd,
    touch: Names,
}

/// The input devices can't be listened to.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("listen to the input devices: {0}")]
    Descriptor(#[from] io::Error),
    #[error("listen to the input devices of seat0: udev does not answer")]
    Seat,
}

impl Devices {
    /// All that are there, and all that will come. The names of those that feel fingers are kept
    /// in `touch`.
    pub(super) fn open(touch: Names) -> Result<Self, InputError> {
        if !Path::new(UDEV).exists() {
            tracing::warn!("udev does not run, so no touch device can be found");
        }
        let mut libinput = Libinput::new_with_udev(Opener);
        libinput.udev_assign_seat("seat0").map_err(|()| InputError::Seat)?;
        let readable = libinput.as_fd().try_clone_to_owned()?;
        let devices = Self { libinput: RefCell::new(libinput), readable, touch };
        // Libinput tells of what is there already without becoming readable.
        devices.contacts();
        Ok(devices)
    }

    /// Readable when something was touched, or a device has come or gone.
    pub(super) fn readable(&self) -> &OwnedFd {
        &self.readable
    }

    /// Everything that has happened.
    pub(super) fn contacts(&self) -> Vec<Contact> {
        let mut libinput = self.libinput.borrow_mut();
        if let Err(error) = libinput.dispatch() {
            tracing::warn!("read the input devices: {error}");
        }
        let mut contacts = Vec::new();
        for event in libinput.by_ref() {
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
