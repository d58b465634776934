//! One light: a GPIO line through the kernel's interface of today, or a light that the kernel knows.
//!
//! ```text
//! GPIO23, gpiochip0:23 ──> /dev/gpiochip*  requested as an output for as long as the value lives
//! ACT                  ──> /sys/class/leds/ACT/{trigger,brightness,max_brightness}
//! ```
//! A light of the kernel's has a trigger of its own (`mmc0`: the card is read); while it is ours that is
//! `none`, and in the end it is what it was. That stands in a file meanwhile, for the next start after one
//! that was killed. On a Raspberry Pi the lines are named as its documents count
//! them, whichever chip they are on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gpiocdev::Request;
use gpiocdev::line::Value;

use super::DeviceError;
use crate::config;
use crate::store;

/// Where the kernel lists its lights.
pub const ROOT: &str = "/sys/class/leds";
/// The chip of a line by its number, where no line has the name.
const FIRST_CHIP: &str = "/dev/gpiochip0";
const TRIGGER: &str = "trigger";
const BRIGHTNESS: &str = "brightness";
/// The trigger of a light that nobody but us switches.
const NONE: &str = "none";

enum Kind {
    Line(Request),
    Kernel {
        folder: PathBuf,
        most: String,
        /// The trigger that it had, and where that is written.
        before: Option<String>,
        memory: PathBuf,
    },
}

/// A light, dark at first. Dropping it leaves it dark, or to the kernel.
pub struct Led {
    kind: Kind,
    name: String,
    lit: bool,
}

impl Led {
    /// Open the one that `wanted` means; none where none is wanted. Lights of the kernel's are looked for
    /// in `root`, which is [`ROOT`]; what one was before is kept in the file `memory` while it is ours.
    ///
    /// # Errors
    /// It is not there, or not ours to switch.
    pub fn open(
        wanted: &config::Led,
        root: &Path,
        memory: &Path,
    ) -> Result<Option<Self>, DeviceError> {
        let name = wanted.to_string();
        let failed =
            |cause: String| DeviceError { deed: "open light", device: name.clone(), cause };
        let kind = match wanted {
            config::Led::None => return Ok(None),
            config::Led::Gpio(line) => gpio(*line).map_err(failed)?,
            config::Led::Line { chip, line } => {
                request(&format!("/dev/{chip}"), *line).map_err(failed)?
            }
            config::Led::Named(name) => kernel(&root.join(name), memory).map_err(failed)?,
        };
        let mut led = Self { kind, name, lit: true };
        led.light(false)?;
        Ok(Some(led))
    }

    /// Switch it; nothing is written when it is so already.
    ///
    /// # Errors
    /// It can't be switched any more.
    pub fn light(&mut self, lit: bool) -> Result<(), DeviceError> {
        if lit == self.lit {
            return Ok(());
        }
        let done = match &self.kind {
            Kind::Line(request) => {
                let value = if lit { Value::Active } else { Value::Inactive };
                request.set_lone_value(value).map_err(|error| error.to_string())
            }
            Kind::Kernel { folder, most, .. } => {
                let text = if lit { most.as_str() } else { "0" };
                fs::write(folder.join(BRIGHTNESS), text).map_err(|error| error.to_string())
            }
        };
        let failed = |cause| DeviceError { deed: "switch light", device: self.name.clone(), cause };
        done.map_err(failed)?;
        self.lit = lit;
        Ok(())
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        // Whoever takes it away takes it dark.
        let _ = self.light(false);
        if let Kind::Kernel { folder, before: Some(before), memory, .. } = &self.kind
            && fs::write(folder.join(TRIGGER), before).is_ok()
        {
            // Should it stay, it says nothing untrue.
            let _ = fs::remove_file(memory);
        }
    }
}

/// The line that is named as a Raspberry Pi names it, else by its number on the first chip.
fn gpio(line: u32) -> Result<Kind, String> {
    match gpiocdev::find_named_line(&format!("GPIO{line}")) {
        Some(found) => request(&found.chip.display().to_string(), found.info.offset),
        None => request(FIRST_CHIP, line),
    }
}

fn request(chip: &str, line: u32) -> Result<Kind, String> {
    let mut wanted = Request::builder();
    wanted.on_chip(chip).with_consumer("twocan").with_line(line).as_output(Value::Inactive);
    wanted.request().map(Kind::Line).map_err(|error| format!("line {line} of {chip}: {error}"))
}

fn kernel(folder: &Path, memory: &Path) -> Result<Kind, String> {
    let said = |file: &str, error: io::Error| format!("{}: {error}", folder.join(file).display());
    let most = fs::read_to_string(folder.join("max_brightness"));
    let most = most.map_err(|error| said("max_brightness", error))?.trim().to_owned();
    // `none [mmc0] timer`: the one in brackets counts.
    let triggers = fs::read_to_string(folder.join(TRIGGER)).unwrap_or_default();
    let before =
        triggers.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let before = before.map(|before| original(before, &triggers, folder, memory));
    if before.is_some() {
        fs::write(folder.join(TRIGGER), NONE).map_err(|error| said(TRIGGER, error))?;
    }
    Ok(Kind::Kernel { folder: folder.to_owned(), most, before, memory: memory.to_owned() })
}

/// What the light was before any of us had it: `found` now, or what one of us that was killed has left in
/// `memory`, as `/sys/class/leds/ACT mmc0`.
fn original(found: &str, triggers: &str, folder: &Path, memory: &Path) -> String {
    let prefix = format!("{} ", folder.display());
    if found == NONE {
        let text = store::read(memory).ok().flatten().and_then(|text| String::from_utf8(text).ok());
        let kept = text.as_deref().and_then(|text| text.strip_prefix(&prefix)).map(str::trim_end);
        // A word of a file, for a file of the kernel's.
        let kept = kept.filter(|kept| triggers.split_whitespace().any(|trigger| trigger == *kept));
        return kept.unwrap_or(found).to_owned();
    }
    if let Err(error) = store::replace(memory, format!("{prefix}{found}\n").as_bytes()) {
        tracing::debug!("what the light was is not kept: {error}");
    }
    found.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(trigger: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("ACT");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("max_brightness"), "255\n").unwrap();
        fs::write(folder.join(BRIGHTNESS), "7\n").unwrap();
        if let Some(trigger) = trigger {
            fs::write(folder.join(TRIGGER), trigger).unwrap();
        }
        root
    }

    fn file(root: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(root.path().join("ACT").join(name)).unwrap()
    }

    fn act() -> config::Led {
        "ACT".parse().unwrap()
    }

    fn open(wanted: &config::Led, root: &tempfile::TempDir) -> Result<Option<Led>, DeviceError> {
        Led::open(wanted, root.path(), &root.path().join("memory"))
    }

    #[test]
    fn after_a_kill_a_light_is_still_given_back_as_it_was_before_the_first_of_us() {
        let root = shelf(Some("none [mmc0] timer\n"));
        std::mem::forget(open(&act(), &root).unwrap());
        // What the kernel would show now.
        let trigger = root.path().join("ACT").join(TRIGGER);
        fs::write(&trigger, "[none] mmc0 timer\n").unwrap();
        drop(open(&act(), &root).unwrap());
        assert_eq!(file(&root, TRIGGER), "mmc0");
        assert!(!root.path().join("memory").exists());
        // One that is nobody's by the keeper's wish stays so.
        fs::write(&trigger, "[none] mmc0 timer\n").unwrap();
        drop(open(&act(), &root).unwrap());
        assert_eq!(file(&root, TRIGGER), "none");
        // What is kept of another light, or is no trigger of this one, is not written.
        for kept in ["/sys/class/leds/PWR mmc0\n", "nonsense", "\u{1}"] {
            fs::write(root.path().join("memory"), kept).unwrap();
            fs::write(&trigger, "[none] mmc0 timer\n").unwrap();
            drop(open(&act(), &root).unwrap());
            assert_eq!(file(&root, TRIGGER), "none");
        }
    }

    #[test]
    fn a_light_of_the_kernels_is_ours_while_it_is_open_and_then_what_it_was() {
        let root = shelf(Some("none [mmc0] timer\n"));
        let mut led = open(&act(), &root).unwrap().unwrap();
        assert_eq!((file(&root, TRIGGER), file(&root, BRIGHTNESS)), ("none".into(), "0".into()));
        led.light(true).unwrap();
        assert_eq!(file(&root, BRIGHTNESS), "255");
        // What is lit is not written again.
        fs::write(root.path().join("ACT").join(BRIGHTNESS), "3").unwrap();
        led.light(true).unwrap();
        assert_eq!(file(&root, BRIGHTNESS), "3");
        drop(led);
        assert_eq!((file(&root, TRIGGER), file(&root, BRIGHTNESS)), ("mmc0".into(), "0".into()));
    }

    #[test]
    fn a_light_without_a_trigger_is_a_light() {
        let root = shelf(None);
        let mut led = open(&act(), &root).unwrap().unwrap();
        led.light(true).unwrap();
        assert_eq!(file(&root, BRIGHTNESS), "255");
    }

    #[test]
    fn a_light_that_is_not_there_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let error = open(&act(), &root).err().unwrap().to_string();
        assert!(
            error.starts_with("open light ACT: ") && error.contains("max_brightness"),
            "{error}"
        );
        let line = "gpiochip987:1".parse().unwrap();
        let error = open(&line, &root).err().unwrap().to_string();
        assert!(error.starts_with("open light gpiochip987:1: line 1 of "), "{error}");
        assert!(open(&config::Led::None, &root).unwrap().is_none());
    }
}
