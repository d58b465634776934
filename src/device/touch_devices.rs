//! The touch panels that the kernel knows, without opening them: /sys says what each can do.
//!
//! A touch panel reports places (`ABS_MT_POSITION_X`, or `ABS_X` with `BTN_TOUCH`) on the thing that
//! one looks at (`INPUT_PROP_DIRECT`); a touchpad's are elsewhere. The numbers are those of the
//! kernel's `input-event-codes.h`.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

const INPUT_PROP_DIRECT: usize = 0x01;
const ABS_X: usize = 0x00;
const ABS_MT_POSITION_X: usize = 0x35;
const BTN_TOUCH: usize = 0x14a;

/// One touch panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchFound {
    /// What its driver calls it.
    pub name: String,
    /// Its device file.
    pub node: PathBuf,
    /// Whether this process may open it.
    pub readable: bool,
}

/// Those that are plugged in, by their numbers.
pub fn list() -> Vec<TouchFound> {
    below(Path::new("/sys/class/input"), Path::new("/dev/input"))
}

fn below(class: &Path, nodes: &Path) -> Vec<TouchFound> {
    let Ok(entries) = fs::read_dir(class) else { return Vec::new() };
    let mut numbers: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("event")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let found = numbers.into_iter().filter_map(|number| {
        let event = format!("event{number}");
        let device = class.join(&event).join("device");
        let said = |file: &str| fs::read_to_string(device.join(file)).unwrap_or_default();
        let can = |file: &str, bit| has_bit(&said(file), bit);
        let places = can("capabilities/abs", ABS_MT_POSITION_X)
            || (can("capabilities/abs", ABS_X) && can("capabilities/key", BTN_TOUCH));
        let node = nodes.join(event);
        (places && can("properties", INPUT_PROP_DIRECT)).then(|| TouchFound {
            name: said("name").trim().to_owned(),
            readable: access(&node, AccessFlags::R_OK | AccessFlags::W_OK).is_ok(),
            node,
        })
    });
    found.collect()
}

/// Whether `bit` is set in what /sys prints: the words of the machine in hex, the highest first.
fn has_bit(words: &str, bit: usize) -> bool {
    let size = usize::BITS as usize;
    let word = words.split_whitespace().rev().nth(bit / size);
    word.and_then(|word| usize::from_str_radix(word, 16).ok())
        .is_some_and(|word| word >> (bit % size) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(class: &Path, event: &str, name: &str, [properties, key, abs]: [&str; 3]) {
        let device = class.join(event).join("device");
        fs::create_dir_all(device.join("capabilities")).unwrap();
        let files = [("name", name), ("properties", properties)];
        let able = [("capabilities/key", key), ("capabilities/abs", abs)];
        for (file, text) in files.into_iter().chain(able) {
            fs::write(device.join(file), format!("{text}\n")).unwrap();
        }
    }

    /// As a 64-bit kernel prints them.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_panel_is_told_from_a_touchpad_a_mouse_and_a_keyboard() {
        let folder = tempfile::tempdir().unwrap();
        let (class, nodes) = (folder.path().join("class"), folder.path().join("nodes"));
        fs::create_dir_all(&nodes).unwrap();
        let multi = "2608000 3";
        device(&class, "event10", "raspberrypi-ts", ["2", "400 0 0 0 0 0", multi]);
        device(&class, "event2", "Resistive", ["2", "400 0 0 0 0 0", "3"]);
        device(&class, "event3", "Touchpad", ["5", "e520 10000 0 0 0 0", "2e08000 3"]);
        device(&class, "event4", "Mouse", ["0", "ff0000 0 0 0 0", "0"]);
        device(&class, "event5", "Keyboard", ["0", "3f000303ff 0 0", "0"]);
        fs::write(nodes.join("event2"), "").unwrap();

        let found = below(&class, &nodes);
        let names: Vec<_> = found.iter().map(|touch| (&*touch.name, touch.readable)).collect();
        assert_eq!(names, [("Resistive", true), ("raspberrypi-ts", false)]);
        assert_eq!(below(&folder.path().join("none"), &nodes), []);
    }

    #[test]
    fn bits_are_counted_from_the_last_words_end() {
        assert!(has_bit("2", 1) && !has_bit("2", 0));
        assert!(has_bit("1 0", usize::BITS as usize) && !has_bit("1 0", 0));
        assert!(!has_bit("", 0) && !has_bit("f", 1000) && !has_bit("no", 0));
    }
}
