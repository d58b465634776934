//! Fingers into one pointer: the first that comes counts, the others are not felt.
//!
//! ```text
//!            down: Moved, Pressed            up: Moved, Released, Exited
//!   nobody ───────────────────────> finger n ──────────────────────────> nobody
//!                                   motion: Moved    cancel: Exited
//! ```
//! A finger that was down with the first one stays unfelt when that is lifted; only a new touch
//! counts. Places are from 0 to 1 of the panel; the drawing is turned against it, and so is the
//! finger. A mouse moves what is drawn as it is seen.

use crate::frame::Size;
use crate::geometry::Rotation;

/// What an input device says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Contact {
    /// A finger comes down in this slot at a place of the panel, 0 to 1.
    Down(u32, f64, f64),
    /// It has moved.
    Motion(u32, f64, f64),
    /// It is lifted.
    Up(u32),
    /// It was no finger after all.
    Cancel(u32),
    /// A mouse was moved by so many of its steps.
    Mouse(f64, f64),
    /// A tablet's pen or a virtual mouse is at a place of the panel, 0 to 1.
    Point(f64, f64),
    /// The first button was pressed or let go.
    Button(bool),
}

/// What the window is told, in pixels of the drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pointer {
    Moved(f32, f32),
    Pressed(f32, f32),
    Released(f32, f32),
    Exited,
}

/// What is down, and where the mouse is.
#[derive(Debug, Default)]
pub(super) struct Fingers {
    rotation: Rotation,
    first: Option<u32>,
    at: (f32, f32),
    mouse: bool,
}

impl Fingers {
    /// Nobody touches a panel that hangs turned like this.
    pub(super) fn new(rotation: Rotation) -> Self {
        Self { rotation, ..Self::default() }
    }

    /// Where the mouse is, if the last that was heard of was a mouse.
    pub(super) fn mouse(&self) -> Option<(f32, f32)> {
        self.mouse.then_some(self.at)
    }

    /// What `contact` is to a drawing of `size`.
    pub(super) fn handle(&mut self, contact: Contact, size: Size) -> Vec<Pointer> {
        match contact {
            Contact::Down(slot, x, y) if self.first.is_none() => {
                self.first = Some(slot);
                self.mouse = false;
                let (x, y) = self.place(x, y, size);
                vec![Pointer::Moved(x, y), Pointer::Pressed(x, y)]
            }
            Contact::Motion(slot, x, y) if self.first == Some(slot) => {
                let (x, y) = self.place(x, y, size);
                vec![Pointer::Moved(x, y)]
            }
            Contact::Up(slot) if self.first == Some(slot) => {
                self.first = None;
                let (x, y) = self.at;
                vec![Pointer::Released(x, y), Pointer::Exited]
            }
            Contact::Cancel(slot) if self.first == Some(slot) => {
                self.first = None;
                vec![Pointer::Exited]
            }
            // The other fingers; and a mouse while a finger is down.
            _ if self.first.is_some() => Vec::new(),
            Contact::Down(..) | Contact::Motion(..) | Contact::Up(_) | Contact::Cancel(_) => {
                Vec::new()
            }
            Contact::Mouse(dx, dy) => {
                let (x, y) = if self.mouse { self.at } else { middle(size) };
                let inside = |place: f64, of: u32| place.clamp(0.0, f64::from(of.max(1) - 1));
                let x = inside(f64::from(x) + dx, size.width) as f32;
                let y = inside(f64::from(y) + dy, size.height) as f32;
                (self.mouse, self.at) = (true, (x, y));
                vec![Pointer::Moved(x, y)]
            }
            Contact::Point(x, y) => {
                self.mouse = true;
                let (x, y) = self.place(x, y, size);
                vec![Pointer::Moved(x, y)]
            }
            Contact::Button(down) => {
                if !self.mouse {
                    (self.mouse, self.at) = (true, middle(size));
                }
                let (x, y) = self.at;
                vec![if down { Pointer::Pressed(x, y) } else { Pointer::Released(x, y) }]
            }
        }
    }

    /// Where in the drawing the place `x`, `y` of the panel is.
    fn place(&mut self, x: f64, y: f64, size: Size) -> (f32, f32) {
        let (x, y) = self.rotation.from_panel(x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
        self.at = ((x * f64::from(size.width)) as f32, (y * f64::from(size.height)) as f32);
        self.at
    }
}

fn middle(size: Size) -> (f32, f32) {
    (size.width as f32 / 2.0, size.height as f32 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(800, 480);

    fn told(fingers: &mut Fingers, contacts: &[Contact]) -> Vec<Pointer> {
        contacts.iter().flat_map(|contact| fingers.handle(*contact, SIZE)).collect()
    }

    #[test]
    fn a_finger_presses_moves_lifts_and_is_gone() {
        let contacts = [Contact::Down(3, 0.5, 0.5), Contact::Motion(3, 0.75, 0.25), Contact::Up(3)];
        let pointers = [
            Pointer::Moved(400.0, 240.0),
            Pointer::Pressed(400.0, 240.0),
            Pointer::Moved(600.0, 120.0),
            Pointer::Released(600.0, 120.0),
            Pointer::Exited,
        ];
        assert_eq!(told(&mut Fingers::default(), &contacts), pointers);
    }

    #[test]
    fn a_second_finger_is_not_felt_neither_beside_the_first_nor_after_it() {
        let mut fingers = Fingers::default();
        told(&mut fingers, &[Contact::Down(0, 0.1, 0.1)]);
        let second = [
            Contact::Down(1, 0.9, 0.9),
            Contact::Motion(1, 0.8, 0.8),
            Contact::Mouse(5.0, 5.0),
            Contact::Button(true),
        ];
        assert_eq!(told(&mut fingers, &second), []);
        assert_eq!(told(&mut fingers, &[Contact::Up(0)]).len(), 2);
        assert_eq!(told(&mut fingers, &[Contact::Motion(1, 0.7, 0.7), Contact::Up(1)]), []);
        assert_eq!(told(&mut fingers, &[Contact::Down(1, 0.5, 0.5)]).len(), 2);
    }

    #[test]
    fn a_cancelled_touch_leaves_without_a_release() {
        let mut fingers = Fingers::default();
        told(&mut fingers, &[Contact::Down(0, 0.1, 0.1)]);
        assert_eq!(told(&mut fingers, &[Contact::Cancel(0)]), [Pointer::Exited]);
    }

    #[test]
    fn on_a_panel_turned_by_a_quarter_the_finger_is_turned_back() {
        let portrait = Size::new(480, 800);
        let mut fingers = Fingers::new(Rotation::Quarter);
        // The panel's right upper corner is where the drawing's left upper one is scanned out.
        let pointers = fingers.handle(Contact::Down(0, 1.0, 0.0), portrait);
        assert_eq!(pointers[1], Pointer::Pressed(0.0, 0.0));
        fingers.handle(Contact::Up(0), portrait);
        let pointers = fingers.handle(Contact::Down(0, 0.75, 0.5), portrait);
        assert_eq!(pointers[1], Pointer::Pressed(240.0, 200.0));
    }

    #[test]
    fn a_mouse_starts_in_the_middle_stays_inside_and_hides_when_a_finger_comes() {
        let mut fingers = Fingers::default();
        assert_eq!(fingers.mouse(), None);
        let moved = told(&mut fingers, &[Contact::Mouse(10.0, -1000.0), Contact::Button(true)]);
        assert_eq!(moved, [Pointer::Moved(410.0, 0.0), Pointer::Pressed(410.0, 0.0)]);
        assert_eq!(fingers.mouse(), Some((410.0, 0.0)));
        told(&mut fingers, &[Contact::Down(0, 0.0, 0.0)]);
        assert_eq!(fingers.mouse(), None);
    }
}
