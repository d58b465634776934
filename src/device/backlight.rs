//! The light behind a panel: `/sys/class/backlight/NAME/{brightness,bl_power}`.
//!
//! Where there are several, the kernel's documentation (ABI/stable/sysfs-class-backlight) says which
//! one works best: `type` firmware before platform before raw. A panel is made dark with `bl_power`
//! where it has that, and never by switching the panel itself off: some lose their touch with it.
//! What can't be written (or is not there yet: a driver or udev's rights may come late) is warned of
//! once and tried again: after 2 s, 4 s and so on for two minutes, and with the next change. In the end
//! the light that was found comes back, or the most that was given, whichever is more: what was found may be
//! what a kiosk that was killed had dimmed it to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Time;

/// Where the kernel lists them.
pub const ROOT: &str = "/sys/class/backlight";

/// Values of `bl_power` (include/linux/backlight.h).
const POWER_ON: u32 = 0;
const POWER_OFF: u32 = 4;

/// The first pause before a light that could not be given is tried again; each one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// So often it is tried again.
const TRIES: u32 = 6;
/// Panels without a light behind them that we could reach: another panel's is not theirs.
const WITHOUT: [&str; 4] = ["HDMI-", "DP-", "DVI-", "VGA-"];

/// One panel's light, or none. Writes are quick: no thread is needed.
#[derive(Debug, Default)]
pub struct Backlight {
    wanted: Wanted,
    lamp: Option<Lamp>,
    trouble: Option<String>,
    again: Option<Again>,
    /// The last sentence in the log: the same one again says nothing new.
    warned: Option<String>,
}

/// A light that could not be given.
#[derive(Debug, Clone, Copy)]
struct Again {
    percent: u8,
    due: Time,
    pause: Duration,
    tries: u32,
}

#[derive(Debug, Default)]
enum Wanted {
    #[default]
    None,
    Best {
        root: PathBuf,
        connector: Option<String>,
    },
    Folder(PathBuf),
}

#[derive(Debug)]
struct Lamp {
    folder: PathBuf,
    most: u32,
    /// Its light as it was found; none when it was dark.
    found: Option<u32>,
    /// The most that was given so far.
    given: u32,
}

impl Backlight {
    /// Black pixels are all there is.
    pub fn none() -> Self {
        Self::default()
    }

    /// The best one in the folder `root` (see [`ROOT`]) for the panel on `connector`: the one that
    /// hangs on it if any does, else by its type, where such a panel has one. `None`: there is no
    /// panel yet, and so no light.
    pub fn best_of(root: impl Into<PathBuf>, connector: Option<&str>) -> Self {
        Self::wanting(Wanted::Best { root: root.into(), connector: connector.map(str::to_owned) })
    }

    /// The panel is on this connector now. Another one's light is left as a kiosk leaves it.
    pub fn follow(&mut self, now_on: Option<&str>) {
        if let (Wanted::Best { connector, .. }, Some(now_on)) = (&mut self.wanted, now_on)
            && connector.as_deref() != Some(now_on)
        {
            *connector = Some(now_on.to_owned());
            self.lamp = None;
            self.trouble = None;
        }
    }

    /// The one in this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self::wanting(Wanted::Folder(folder.into()))
    }

    fn wanting(wanted: Wanted) -> Self {
        let mut backlight = Self { wanted, ..Self::default() };
        backlight.look();
        backlight
    }

    /// Its name, once there is one.
    pub fn name(&self) -> Option<String> {
        let name = self.lamp.as_ref()?.folder.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    /// What can't be written now, in a sentence.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Give `percent` of its most light; 0 is dark, anything above never is.
    pub fn set(&mut self, percent: u8, now: Time) {
        self.give(percent);
        let (due, pause) = (now + FIRST_PAUSE, FIRST_PAUSE);
        self.again = (!self.is_given()).then_some(Again { percent, due, pause, tries: TRIES });
    }

    /// When [`Backlight::retry`] has something to do.
    pub fn deadline(&self) -> Option<Time> {
        self.again.map(|again| again.due)
    }

    /// Try again what is due.
    pub fn retry(&mut self, now: Time) {
        let Some(again) = self.again.filter(|again| again.due <= now) else { return };
        self.give(again.percent);
        let (pause, tries) = (again.pause * 2, again.tries - 1);
        let more = tries > 0 && !self.is_given();
        self.again = more.then_some(Again { due: now + pause, pause, tries, ..again });
    }

    fn is_given(&self) -> bool {
        let none_wanted = matches!(self.wanted, Wanted::None);
        none_wanted || self.lamp.is_some() && self.trouble.is_none()
    }

    fn give(&mut self, percent: u8) {
        if self.lamp.is_none() {
            self.look();
        }
        let Some(lamp) = &mut self.lamp else { return };
        let written = match percent {
            0 => lamp.darken(),
            percent => {
                let most = u64::from(lamp.most);
                let share = (most * u64::from(percent.min(100)) + 50) / 100;
                let share = u32::try_from(share).unwrap_or(lamp.most);
                lamp.given = lamp.given.max(share);
                lamp.light(share)
            }
        };
        match written {
            Ok(()) => self.trouble = None,
            Err(sentence) => self.fails(sentence),
        }
    }

    fn fails(&mut self, sentence: String) {
        if self.warned.as_ref() != Some(&sentence) {
            tracing::warn!("{sentence}");
            self.warned = Some(sentence.clone());
        }
        self.trouble = Some(sentence);
    }

    fn look(&mut self) {
        let folder = match &self.wanted {
            Wanted::None => return,
            Wanted::Best { root, connector } => match best(root, connector.as_deref()) {
                Some(folder) => folder,
                // A panel without a light of its own (HDMI) is nothing to warn of.
                None => return,
            },
            Wanted::Folder(folder) => folder.clone(),
        };
        match Lamp::open(&folder) {
            Ok(lamp) => {
                tracing::info!("the panel's light is {}", folder.display());
                self.lamp = Some(lamp);
                self.trouble = None;
            }
            Err(cause) => {
                self.fails(format!("read the backlight {}: {cause}", folder.display()));
            }
        }
    }
}

impl Drop for Lamp {
    fn drop(&mut self) {
        // Dark when it was found: a kiosk was killed in the dark. Nobody is served by that again.
        if let Err(sentence) = self.light(self.found.unwrap_or(self.most).max(self.given)) {
            tracing::debug!("{sentence}");
        }
    }
}

impl Lamp {
    fn open(folder: &Path) -> io::Result<Self> {
        let most = number(folder, "max_brightness")?;
        let brightness = number(folder, "brightness")?;
        let power = number(folder, "bl_power").unwrap_or(POWER_ON);
        let lit = brightness > 0 && power == POWER_ON;
        Ok(Self { folder: folder.to_owned(), most, found: lit.then_some(brightness), given: 0 })
    }

    /// The brightness first, so that the old one is not seen for a moment.
    fn light(&self, brightness: u32) -> Result<(), String> {
        let bright = self.write("brightness", brightness.clamp(1, self.most.max(1)));
        let powered = if self.has_power() { self.write("bl_power", POWER_ON) } else { Ok(()) };
        bright.and(powered)
    }

    fn darken(&self) -> Result<(), String> {
        let off =
            if self.has_power() { self.write("bl_power", POWER_OFF) } else { Err(String::new()) };
        // For some drivers 0 is their least light: better than all of it.
        off.or_else(|_| self.write("brightness", 0))
    }

    fn has_power(&self) -> bool {
        self.folder.join("bl_power").exists()
    }

    fn write(&self, property: &str, value: u32) -> Result<(), String> {
        let path = self.folder.join(property);
        // No create: a panel that is gone leaves nothing behind.
        let file = OpenOptions::new().write(true).truncate(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()));
        written.map_err(|cause| format!("write {}: {cause}", path.display()))
    }
}

fn number(folder: &Path, property: &str) -> io::Result<u32> {
    let text = fs::read_to_string(folder.join(property))?;
    text.trim().parse().map_err(|_| io::Error::other(format!("{property} is no number")))
}

/// The folder of the best backlight in `root`.
fn best(root: &Path, connector: Option<&str>) -> Option<PathBuf> {
    let name = connector?;
    let without = WITHOUT.iter().any(|kind| name.starts_with(kind));
    let folders = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    let folders = folders.filter(|folder| !without || hangs_on(folder, connector));
    folders.min_by_key(|folder| (!hangs_on(folder, connector), rank(folder), folder.clone()))
}

/// Whether the device behind it is this connector, which the kernel calls `card0-DSI-1`.
fn hangs_on(folder: &Path, connector: Option<&str>) -> bool {
    let device = fs::canonicalize(folder.join("device")).unwrap_or_default();
    let name = device.file_name().unwrap_or_default().to_string_lossy();
    connector.is_some_and(|connector| name.ends_with(&format!("-{connector}")))
}

fn rank(folder: &Path) -> usize {
    let kind = fs::read_to_string(folder.join("type")).unwrap_or_default();
    let kinds = ["firmware", "platform", "raw"];
    kinds.iter().position(|known| *known == kind.trim()).unwrap_or(kinds.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_000_000);

    /// A folder like the kernel's.
    fn lamp(root: &Path, name: &str, kind: &str, power: bool) -> PathBuf {
        let folder = root.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("type"), format!("{kind}\n")).unwrap();
        fs::write(folder.join("max_brightness"), "200\n").unwrap();
        fs::write(folder.join("brightness"), "120\n").unwrap();
        if power {
            fs::write(folder.join("bl_power"), "0\n").unwrap();
        }
        folder
    }

    fn reads(folder: &Path, property: &str) -> u32 {
        number(folder, property).unwrap()
    }

    #[test]
    fn the_light_is_a_share_of_the_most_dark_is_power_off_and_the_end_is_bright() {
        let root = tempfile::tempdir().unwrap();
        let folder = lamp(root.path(), "10-0045", "raw", true);
        let mut backlight = Backlight::best_of(root.path(), Some("DSI-1"));
        assert_eq!(backlight.name().as_deref(), Some("10-0045"));
        backlight.set(30, NOW);
        assert_eq!((reads(&folder, "brightness"), reads(&folder, "bl_power")), (60, 0));
        backlight.set(0, NOW);
        assert_eq!((reads(&folder, "brightness"), reads(&folder, "bl_power")), (60, 4));
        backlight.set(100, NOW);
        assert_eq!((reads(&folder, "brightness"), reads(&folder, "bl_power")), (200, 0));
        backlight.set(0, NOW);
        drop(backlight);
        assert_eq!((reads(&folder, "brightness"), reads(&folder, "bl_power")), (200, 0));
    }

    #[test]
    fn without_bl_power_dark_is_no_brightness_and_a_little_light_is_never_none() {
        let root = tempfile::tempdir().unwrap();
        let folder = lamp(root.path(), "panel", "raw", false);
        fs::write(folder.join("max_brightness"), "7").unwrap();
        let mut backlight = Backlight::at(&folder);
        backlight.set(1, NOW);
        assert_eq!(reads(&folder, "brightness"), 1);
        backlight.set(0, NOW);
        assert_eq!(reads(&folder, "brightness"), 0);
    }

    #[test]
    fn of_several_the_connectors_own_is_taken_then_firmware_then_platform_then_raw() {
        let root = tempfile::tempdir().unwrap();
        let chosen = |connector| Backlight::best_of(root.path(), connector).name().unwrap();
        let raw = lamp(root.path(), "a", "raw", true);
        assert_eq!(chosen(Some("DSI-2")), "a");
        lamp(root.path(), "c", "platform", true);
        assert_eq!(chosen(Some("DSI-2")), "c");
        lamp(root.path(), "b", "firmware", true);
        assert_eq!(chosen(Some("DSI-2")), "b");
        let devices = tempfile::tempdir().unwrap();
        let device = devices.path().join("card1-DSI-1");
        fs::create_dir(&device).unwrap();
        std::os::unix::fs::symlink(&device, raw.join("device")).unwrap();
        assert_eq!(chosen(Some("DSI-1")), "a");
        assert_eq!(chosen(Some("DSI-2")), "b");
        for elsewhere in [Some("HDMI-A-1"), Some("DP-1"), None] {
            assert_eq!(Backlight::best_of(root.path(), elsewhere).name(), None, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_panel_on_another_connector_has_another_light_and_the_old_one_is_left_bright() {
        let root = tempfile::tempdir().unwrap();
        let folder = lamp(root.path(), "panel", "raw", true);
        let mut backlight = Backlight::best_of(root.path(), None);
        backlight.follow(Some("DSI-1"));
        backlight.set(0, NOW);
        assert_eq!(reads(&folder, "bl_power"), 4);
        backlight.follow(None);
        assert_eq!(reads(&folder, "bl_power"), 4, "a panel that is away keeps its light");
        backlight.follow(Some("HDMI-A-1"));
        assert_eq!((reads(&folder, "brightness"), reads(&folder, "bl_power")), (120, 0));
    }

    #[test]
    fn a_light_that_could_not_be_given_is_tried_again_until_it_is_or_two_minutes_have_passed() {
        let root = tempfile::tempdir().unwrap();
        let mut backlight = Backlight::best_of(root.path(), Some("DSI-1"));
        backlight.set(40, NOW);
        let folder = lamp(root.path(), "late", "raw", true);
        let due = backlight.deadline().unwrap();
        backlight.retry(NOW);
        assert_eq!((reads(&folder, "brightness"), backlight.deadline()), (120, Some(due)));
        backlight.retry(due);
        assert_eq!((reads(&folder, "brightness"), backlight.deadline()), (80, None));
        fs::remove_file(folder.join("brightness")).unwrap();
        backlight.set(100, due);
        let mut tries = 0;
        while let Some(due) = backlight.deadline() {
            backlight.retry(due);
            tries += 1;
        }
        assert_eq!(tries, TRIES);
        assert!(backlight.trouble().is_some());
        let mut none = Backlight::none();
        none.set(0, NOW);
        assert_eq!(none.deadline(), None, "where there is no light nobody wakes up for it");
    }

    #[test]
    fn a_property_that_is_gone_is_trouble_until_it_is_back_and_is_never_made() {
        let root = tempfile::tempdir().unwrap();
        let folder = lamp(root.path(), "panel", "raw", true);
        let mut backlight = Backlight::at(&folder);
        fs::remove_file(folder.join("brightness")).unwrap();
        backlight.set(50, NOW);
        let trouble = backlight.trouble().unwrap().to_owned();
        assert!(trouble.contains("panel/brightness"), "{trouble}");
        assert!(!folder.join("brightness").exists());
        fs::write(folder.join("brightness"), "5").unwrap();
        backlight.set(50, NOW);
        assert_eq!(backlight.trouble(), None);
        // Power that refuses: no brightness then.
        fs::remove_file(folder.join("bl_power")).unwrap();
        fs::create_dir(folder.join("bl_power")).unwrap();
        backlight.set(0, NOW);
        assert_eq!((reads(&folder, "brightness"), backlight.trouble()), (0, None));
    }

    #[test]
    fn a_light_is_left_as_it_was_found_or_as_bright_as_it_was_ever_given() {
        let root = tempfile::tempdir().unwrap();
        let folder = lamp(root.path(), "panel", "raw", true);
        let mut backlight = Backlight::at(&folder);
        backlight.set(30, NOW);
        drop(backlight);
        assert_eq!(reads(&folder, "brightness"), 120, "as it was found");
        // A kiosk was killed while dimmed; the next one has a bright of 80 %.
        fs::write(folder.join("brightness"), "60").unwrap();
        let mut backlight = Backlight::at(&folder);
        backlight.set(80, NOW);
        backlight.set(30, NOW);
        drop(backlight);
        assert_eq!(reads(&folder, "brightness"), 160);
    }

    #[test]
    fn a_light_that_a_killed_kiosk_left_dark_is_left_bright() {
        let root = tempfile::tempdir().unwrap();
        let folder = lamp(root.path(), "panel", "raw", true);
        fs::write(folder.join("bl_power"), "4").unwrap();
        drop(Backlight::at(&folder));
        assert_eq!((reads(&folder, "brightness"), reads(&folder, "bl_power")), (200, 0));
    }

    #[test]
    fn a_light_that_comes_late_is_found_and_none_is_nothing_at_all() {
        let root = tempfile::tempdir().unwrap();
        let mut backlight = Backlight::best_of(root.path(), Some("DSI-1"));
        backlight.set(100, NOW);
        assert_eq!((backlight.name(), backlight.trouble()), (None, None));
        let folder = lamp(root.path(), "late", "raw", true);
        backlight.set(100, NOW);
        assert_eq!(reads(&folder, "brightness"), 200);
        let mut none = Backlight::none();
        none.set(0, NOW);
        assert_eq!((none.name(), none.trouble()), (None, None));
        let mut missing = Backlight::at(root.path().join("nowhere"));
        missing.set(0, NOW);
        assert!(missing.trouble().unwrap().contains("nowhere"));
    }
}
