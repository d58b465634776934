//! What is true of every page on every panel: large targets, words in their places.

use i_slint_backend_testing::AccessibleRole;
use twocan::ui::panel::Panel;

use super::Stage;

/// Keys of a keyboard are for helpers: 10 mm, and near to each other.
fn is_key(label: &str) -> bool {
    label.chars().count() == 1 || ["Erase", "OK"].contains(&label)
}

/// At least 16 mm both ways (keys 10 mm), on the panel, and apart from each other.
pub fn every_target_is_large_enough(stage: &Stage, page: &str, panel: Panel) {
    let buttons = stage.with_role(AccessibleRole::Button);
    let mut rectangles = Vec::new();
    for button in &buttons {
        let label = button.accessible_label().expect("a button has a label");
        assert!(!label.is_empty(), "a button on {page} has no word");
        let (at, size) = (button.absolute_position(), button.size());
        let (wide, high) =
            (size.width / panel.pixels_per_mm_x, size.height / panel.pixels_per_mm_y);
        let least = if is_key(&label) { 10.0 } else { 15.9 };
        assert!(wide >= least && high >= least, "{label} on {page}: {wide:.1} x {high:.1} mm");
        assert!(at.x >= 0.0 && at.y >= 0.0, "{label} on {page} begins outside");
        assert!(at.x + size.width <= panel.size.width as f32 + 0.5, "{label} on {page}: outside");
        assert!(at.y + size.height <= panel.size.height as f32 + 0.5, "{label} on {page}: outside");
        rectangles.push((label, at.x, at.y, size.width, size.height));
    }
    for (one, (label, x, y, w, h)) in rectangles.iter().enumerate() {
        for (other, ox, oy, ow, oh) in &rectangles[one + 1..] {
            let gap = if is_key(label) || is_key(other) { 7.5 } else { 15.0 };
            let apart = x + w + gap <= *ox
                || ox + ow + gap <= *x
                || y + h + gap <= *oy
                || oy + oh + gap <= *y;
            assert!(apart, "{label} and {other} on {page} are too near");
        }
    }
}

pub fn every_word_is_on_the_panel(stage: &Stage, page: &str, panel: Panel) {
    let words = stage.with_role(AccessibleRole::Text);
    for word in words {
        let label = word.accessible_label().unwrap_or_default();
        let (at, size) = (word.absolute_position(), word.size());
        if label.is_empty() {
            continue;
        }
        assert!(size.width > 0.0 && size.height > 0.0, "`{label}` on {page} has no room");
        assert!(at.x >= 0.0 && at.y >= 0.0, "`{label}` on {page} begins outside");
        assert!(at.x + size.width <= panel.size.width as f32 + 0.5, "`{label}` on {page}: outside");
        assert!(
            at.y + size.height <= panel.size.height as f32 + 0.5,
            "`{label}` on {page}: outside"
        );
    }
}

/// Lines may stand closer than letters are high with all that hangs below them.
pub fn no_word_stands_on_another(stage: &Stage, page: &str) {
    let mut words = stage.with_role(AccessibleRole::Text);
    words.retain(|word| {
        word.size().width > 0.0 && word.accessible_label().is_some_and(|label| !label.is_empty())
    });
    for (one, word) in words.iter().enumerate() {
        for other in &words[one + 1..] {
            let ((at, size), (oat, osize)) = (
                (word.absolute_position(), word.size()),
                (other.absolute_position(), other.size()),
            );
            let wide = (at.x + size.width).min(oat.x + osize.width) - at.x.max(oat.x);
            let high = (at.y + size.height).min(oat.y + osize.height) - at.y.max(oat.y);
            let (label, below) = (word.accessible_label(), other.accessible_label());
            assert!(wide <= 1.0 || high <= 10.0, "{label:?} and {below:?} on {page}");
        }
    }
}
