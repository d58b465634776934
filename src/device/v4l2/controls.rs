//! The knobs of a V4L2 camera, by what the config says: flips, exposure, white balance.
//!
//! ```text
//! wish ──> has the camera this control? ──yes──> within its range? ──> set
//!                    └no: flips are left to us, the rest is one sentence for the log
//! ```
//! A camera keeps what it was set to for as long as it has power, so "auto" and "not turned" are
//! set as well. Ids and units: linux/v4l2-controls.h.

use std::fs::File;
use std::os::fd::AsFd;

use super::{raw, said};
use crate::device::open::Wish;
use crate::geometry::Turn;

const FLIP_ACROSS: u32 = 0x0098_0914;
const FLIP_DOWN: u32 = 0x0098_0915;
const WHITE_BALANCE_AUTO: u32 = 0x0098_090c;
const WHITE_BALANCE_KELVIN: u32 = 0x0098_091a;
const EXPOSURE_MODE: u32 = 0x009a_0901;
const EXPOSURE_TIME: u32 = 0x009a_0902;
/// Values of the exposure mode. Priority to the aperture is what USB cameras call automatic.
const EXPOSURE_MANUAL: i32 = 1;
const EXPOSURE_AUTO: [i32; 2] = [3, 0];

const DISABLED: u32 = 0x0001;
const READ_ONLY: u32 = 0x0004;

/// What setting them left to do, and to say.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How pictures have yet to be turned.
    pub(super) left: Turn,
    /// A sentence for each wish that the camera can't fulfil.
    pub(super) complaints: Vec<String>,
}

/// A camera's controls; a trait of two calls, so that the rules can be tried without a camera.
trait Knobs {
    /// Least and most; `None`: it has no such control.
    fn range(&self, id: u32) -> Option<(i32, i32)>;
    fn set(&self, id: u32, value: i32) -> Result<(), String>;
}

impl Knobs for File {
    fn range(&self, id: u32) -> Option<(i32, i32)> {
        let range = raw::control_range(self.as_fd(), id).ok()?;
        (range.flags & (DISABLED | READ_ONLY) == 0).then_some((range.least, range.most))
    }

    fn set(&self, id: u32, value: i32) -> Result<(), String> {
        raw::set_control(self.as_fd(), id, value).map_err(said)
    }
}

/// Set what the wish says of turning, exposure and white balance.
pub(super) fn set(device: &File, wish: &Wish) -> Outcome {
    apply(device, wish)
}

fn apply(knobs: &impl Knobs, wish: &Wish) -> Outcome {
    let mut complaints = Vec::new();
    let left = flip(knobs, wish.turn);
    if let Err(cause) = expose(knobs, wish.exposure, &mut complaints) {
        complaints.push(format!("its exposure can't be set: {cause}"));
    }
    if let Err(cause) = balance(knobs, wish.white_balance, &mut complaints) {
        complaints.push(format!("its white balance can't be set: {cause}"));
    }
    Outcome { left, complaints }
}

/// Flip by the camera what it can; the turn that is left. What lies on its side is all ours.
fn flip(knobs: &impl Knobs, turn: Turn) -> Turn {
    let (across, down) = turn.flips().unwrap_or_default();
    // True when the wish is left: one that is not to flip and can't be told so doesn't flip.
    let left = |id, wanted: bool| {
        let set = knobs.range(id).is_some() && knobs.set(id, i32::from(wanted)).is_ok();
        wanted && !set
    };
    let (across, down) = (left(FLIP_ACROSS, across), left(FLIP_DOWN, down));
    if turn.flips().is_some() { Turn::of_flips(across, down) } else { turn }
}

fn expose(
    knobs: &impl Knobs,
    wanted: Option<u32>,
    complaints: &mut Vec<String>,
) -> Result<(), String> {
    let Some(time) = wanted else {
        if knobs.range(EXPOSURE_MODE).is_some() {
            let [most, other] = EXPOSURE_AUTO;
            return knobs.set(EXPOSURE_MODE, most).or_else(|_| knobs.set(EXPOSURE_MODE, other));
        }
        return Ok(());
    };
    let range = knobs.range(EXPOSURE_TIME).ok_or("it has no such control")?;
    if knobs.range(EXPOSURE_MODE).is_some() {
        knobs.set(EXPOSURE_MODE, EXPOSURE_MANUAL)?;
    }
    let time = within(time, range, "exposure", "x 100 µs", complaints);
    knobs.set(EXPOSURE_TIME, time)
}

fn balance(
    knobs: &impl Knobs,
    wanted: Option<u32>,
    complaints: &mut Vec<String>,
) -> Result<(), String> {
    let Some(kelvin) = wanted else {
        let has = knobs.range(WHITE_BALANCE_AUTO).is_some();
        return if has { knobs.set(WHITE_BALANCE_AUTO, 1) } else { Ok(()) };
    };
    let range = knobs.range(WHITE_BALANCE_KELVIN).ok_or("it has no such control")?;
    if knobs.range(WHITE_BALANCE_AUTO).is_some() {
        knobs.set(WHITE_BALANCE_AUTO, 0)?;
    }
    let kelvin = within(kelvin, range, "white balance", "kelvin", complaints);
    knobs.set(WHITE_BALANCE_KELVIN, kelvin)
}

fn within(
    wanted: u32,
    (least, most): (i32, i32),
    name: &str,
    unit: &str,
    complaints: &mut Vec<String>,
) -> i32 {
    let value = i32::try_from(wanted).unwrap_or(i32::MAX).min(most).max(least);
    if i64::from(value) != i64::from(wanted) {
        complaints.push(format!(
            "its {name} goes from {least} to {most}: {value} {unit} instead of {wanted}"
        ));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;
    use crate::geometry::Rotation;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// A camera with these controls; each set value is kept.
    struct Fake(Vec<(u32, i32, i32)>, RefCell<BTreeMap<u32, i32>>);

    impl Knobs for Fake {
        fn range(&self, id: u32) -> Option<(i32, i32)> {
            self.0.iter().find(|knob| knob.0 == id).map(|knob| (knob.1, knob.2))
        }
        fn set(&self, id: u32, value: i32) -> Result<(), String> {
            let (least, most) = self.range(id).ok_or("no such control")?;
            // As the kernel does for menus whose item a camera leaves out.
            if !(least..=most).contains(&value) {
                return Err("Numerical result out of range".to_owned());
            }
            self.1.borrow_mut().insert(id, value);
            Ok(())
        }
    }

    fn camera(knobs: &[(u32, i32, i32)]) -> Fake {
        Fake(knobs.to_vec(), RefCell::default())
    }

    fn set_to(camera: &Fake) -> Vec<(u32, i32)> {
        camera.1.borrow().iter().map(|(id, value)| (*id, *value)).collect()
    }

    fn wish() -> Wish {
        Wish::new(Size::new(640, 480), 30.0)
    }

    const FLIPS: [(u32, i32, i32); 2] = [(FLIP_ACROSS, 0, 1), (FLIP_DOWN, 0, 1)];

    #[test]
    fn a_camera_flips_what_it_can_and_the_rest_is_left_to_us() {
        let half = Turn { rotation: Rotation::Half, mirror: false };
        let mirror = Turn::of_flips(true, false);
        let on_its_side = Turn { rotation: Rotation::Quarter, mirror: true };
        let left = |knobs: &[_], turn| {
            let camera = camera(knobs);
            let outcome = apply(&camera, &Wish { turn, ..wish() });
            assert_eq!(outcome.complaints, Vec::<String>::new());
            (outcome.left, set_to(&camera))
        };
        assert_eq!(left(&FLIPS, half), (Turn::NONE, vec![(FLIP_ACROSS, 1), (FLIP_DOWN, 1)]));
        assert_eq!(left(&FLIPS, mirror), (Turn::NONE, vec![(FLIP_ACROSS, 1), (FLIP_DOWN, 0)]));
        assert_eq!(left(&FLIPS[1..], half), (mirror, vec![(FLIP_DOWN, 1)]));
        assert_eq!(left(&FLIPS[..1], half), (Turn::of_flips(false, true), vec![(FLIP_ACROSS, 1)]));
        assert_eq!(left(&[], half), (half, vec![]));
        let untouched = vec![(FLIP_ACROSS, 0), (FLIP_DOWN, 0)];
        assert_eq!(left(&FLIPS, on_its_side), (on_its_side, untouched.clone()));
        assert_eq!(left(&FLIPS, Turn::NONE), (Turn::NONE, untouched));
    }

    const USB: [(u32, i32, i32); 4] = [
        (EXPOSURE_MODE, 0, 3),
        (EXPOSURE_TIME, 3, 2047),
        (WHITE_BALANCE_AUTO, 0, 1),
        (WHITE_BALANCE_KELVIN, 2800, 6500),
    ];

    #[test]
    fn numbers_switch_the_automatic_off_and_auto_switches_it_on_again() {
        let camera = camera(&USB);
        let fixed = Wish { exposure: Some(100), white_balance: Some(4000), ..wish() };
        assert!(apply(&camera, &fixed).complaints.is_empty());
        let wanted = [
            (WHITE_BALANCE_AUTO, 0),
            (WHITE_BALANCE_KELVIN, 4000),
            (EXPOSURE_MODE, EXPOSURE_MANUAL),
            (EXPOSURE_TIME, 100),
        ];
        assert_eq!(set_to(&camera), wanted);
        assert!(apply(&camera, &wish()).complaints.is_empty());
        assert_eq!(set_to(&camera)[0], (WHITE_BALANCE_AUTO, 1));
        assert_eq!(set_to(&camera)[2], (EXPOSURE_MODE, 3));
    }

    #[test]
    fn a_wish_out_of_range_is_held_at_the_end_and_a_missing_control_is_one_sentence() {
        let camera = camera(&USB[..2]);
        let outcome =
            apply(&camera, &Wish { exposure: Some(9000), white_balance: Some(4000), ..wish() });
        assert_eq!(set_to(&camera), [(EXPOSURE_MODE, EXPOSURE_MANUAL), (EXPOSURE_TIME, 2047)]);
        assert_eq!(
            outcome.complaints,
            [
                "its exposure goes from 3 to 2047: 2047 x 100 µs instead of 9000",
                "its white balance can't be set: it has no such control",
            ]
        );
    }
}
