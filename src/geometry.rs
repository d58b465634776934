//! Places on a panel, and what turning the panel makes of them.
//!
//! ```text
//!   as it is drawn (ui)          as the panel scans it out, turned by a quarter
//!   ┌────────────┐               ┌───────┐
//!   │ a        b │               │ c   a │
//!   │ c        d │               │ d   b │
//!   └────────────┘               └───────┘
//! ```
//! A panel that hangs turned shows the picture turned the other way round; touches come back from
//! the panel's own axes. Both go through here, so that they can't disagree.

use crate::frame::Size;

/// Whole pixels: the left upper corner, and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Pixels to the left of it.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// How large it is.
    pub size: Size,
}

impl Rect {
    /// The rectangle at `x`, `y`.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, size: Size::new(width, height) }
    }

    /// All of something that is `size` large.
    pub const fn whole(size: Size) -> Self {
        Self { x: 0, y: 0, size }
    }

    /// The first column to the right of it.
    pub const fn right(self) -> u32 {
        self.x + self.size.width
    }

    /// The first row below it.
    pub const fn bottom(self) -> u32 {
        self.y + self.size.height
    }

    /// No pixel is in it.
    pub const fn is_empty(self) -> bool {
        self.size.pixels() == 0
    }

    /// What both cover; empty where they don't meet.
    pub fn meet(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = self.right().min(other.right()).saturating_sub(x);
        let height = self.bottom().min(other.bottom()).saturating_sub(y);
        if width == 0 || height == 0 { Self::default() } else { Self::new(x, y, width, height) }
    }

    /// The smallest that covers both.
    pub fn join(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self::new(x, y, right - x, bottom - y)
    }
}

/// How far the drawing is turned clockwise on its way to the panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// 90 degrees: what is drawn at the left is scanned out at the top.
    Quarter,
    /// 180 degrees.
    Half,
    /// 270 degrees.
    ThreeQuarters,
}

impl Rotation {
    /// The rotation of so many degrees; `None` for what is no quarter turn.
    pub const fn of_degrees(degrees: u16) -> Option<Self> {
        Some(match degrees {
            0 => Self::None,
            90 => Self::Quarter,
            180 => Self::Half,
            270 => Self::ThreeQuarters,
            _ => return None,
        })
    }

    /// 0, 90, 180 or 270.
    pub const fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }

    /// The rotation that takes this one back.
    pub const fn back(self) -> Self {
        match self {
            Self::None | Self::Half => self,
            Self::Quarter => Self::ThreeQuarters,
            Self::ThreeQuarters => Self::Quarter,
        }
    }

    /// The size that `size` has once it is turned; the same way there and back.
    pub const fn turned(self, size: Size) -> Size {
        match self {
            Self::None | Self::Half => size,
            Self::Quarter | Self::ThreeQuarters => Size::new(size.height, size.width),
        }
    }

    /// Where on the panel the rectangle `drawn` goes, of a drawing that is `size` large.
    pub fn to_panel(self, drawn: Rect, size: Size) -> Rect {
        let below = size.height.saturating_sub(drawn.bottom());
        let behind = size.width.saturating_sub(drawn.right());
        let (x, y) = match self {
            Self::None => (drawn.x, drawn.y),
            Self::Quarter => (below, drawn.x),
            Self::Half => (behind, below),
            Self::ThreeQuarters => (drawn.y, behind),
        };
        Rect { x, y, size: self.turned(drawn.size) }
    }

    /// Where in the drawing a finger is that touches the panel at `x`, `y`, both from 0 to 1.
    pub fn from_panel(self, x: f64, y: f64) -> (f64, f64) {
        match self {
            Self::None => (x, y),
            Self::Quarter => (y, 1.0 - x),
            Self::Half => (1.0 - x, 1.0 - y),
            Self::ThreeQuarters => (1.0 - y, x),
        }
    }
}

/// How a picture is to be laid before anybody sees it: turned, then swapped left for right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Clockwise, first.
    pub rotation: Rotation,
    /// Left becomes right, afterwards.
    pub mirror: bool,
}

impl Turn {
    /// As it is.
    pub const NONE: Self = Self { rotation: Rotation::None, mirror: false };

    /// The turn that swaps left for right, or top for bottom, or both.
    pub const fn of_flips(across: bool, down: bool) -> Self {
        // Turned by half both are swapped: the mirror takes one of them back.
        let rotation = if down { Rotation::Half } else { Rotation::None };
        Self { rotation, mirror: across != down }
    }

    /// Whether it swaps left for right, and top for bottom; `None` where it lays the picture on
    /// its side.
    pub const fn flips(self) -> Option<(bool, bool)> {
        match self.rotation {
            Rotation::None => Some((self.mirror, false)),
            Rotation::Half => Some((!self.mirror, true)),
            Rotation::Quarter | Rotation::ThreeQuarters => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: Size = Size::new(8, 5);
    const EVERY: [Rotation; 4] =
        [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

    #[test]
    fn a_finger_on_a_turned_panel_touches_what_is_drawn_there() {
        for rotation in EVERY {
            let panel = rotation.turned(DRAWN);
            for (x, y) in [(0, 0), (7, 0), (0, 4), (7, 4), (3, 2)] {
                let there = rotation.to_panel(Rect::new(x, y, 1, 1), DRAWN);
                assert_eq!(there.size, Size::new(1, 1));
                let at = |place: u32, of: u32| (f64::from(place) + 0.5) / f64::from(of);
                let finger =
                    rotation.from_panel(at(there.x, panel.width), at(there.y, panel.height));
                let touched = (
                    (finger.0 * f64::from(DRAWN.width)) as u32,
                    (finger.1 * f64::from(DRAWN.height)) as u32,
                );
                assert_eq!(touched, (x, y), "turned by {}", rotation.degrees());
            }
        }
    }

    #[test]
    fn turned_by_a_quarter_the_left_edge_is_scanned_out_at_the_top() {
        let edge = Rect::new(0, 0, 1, 5);
        assert_eq!(Rotation::Quarter.to_panel(edge, DRAWN), Rect::new(0, 0, 5, 1));
        assert_eq!(Rotation::ThreeQuarters.to_panel(edge, DRAWN), Rect::new(0, 7, 5, 1));
        assert_eq!(Rotation::Half.to_panel(edge, DRAWN), Rect::new(7, 0, 1, 5));
    }

    #[test]
    fn rectangles_that_do_not_meet_share_nothing_and_join_to_one_around_both() {
        let (a, b) = (Rect::new(0, 0, 2, 2), Rect::new(2, 3, 4, 1));
        assert!(a.meet(b).is_empty());
        assert_eq!(a.join(b), Rect::new(0, 0, 6, 4));
        assert_eq!(a.meet(Rect::new(1, 1, 9, 9)), Rect::new(1, 1, 1, 1));
        assert_eq!(Rect::default().join(b), b);
    }

    #[test]
    fn flips_are_turns_and_turns_that_lie_on_their_side_are_no_flips() {
        for flips in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(Turn::of_flips(flips.0, flips.1).flips(), Some(flips));
        }
        assert_eq!(Turn::of_flips(false, false), Turn::NONE);
        assert_eq!(Turn::of_flips(true, true), Turn { rotation: Rotation::Half, mirror: false });
        assert_eq!(Turn { rotation: Rotation::Quarter, mirror: true }.flips(), None);
    }

    #[test]
    fn degrees_are_quarter_turns_or_nothing() {
        for rotation in EVERY {
            assert_eq!(Rotation::of_degrees(rotation.degrees()), Some(rotation));
        }
        assert_eq!(Rotation::of_degrees(45), None);
    }
}
