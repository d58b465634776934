//! Two kiosks that know each other, Anna's and Bert's, with a private relay between them.

use std::path::Path;

use anyhow::Context;

use super::kiosk::Home;
use super::place::Places;
use super::sshd::Relay;
use crate::contacts::Contact;

/// Both kiosks' folders and their relay.
pub struct Family {
    /// Anna's kiosk.
    pub anna: Home,
    /// Bert's kiosk.
    pub bert: Home,
    /// Where they meet.
    pub relay: Relay,
}

/// What differs between one family and another.
#[derive(Debug, Clone)]
pub struct Habits {
    /// The value of `camera.source`, for both; `pattern` gets a letter for each.
    pub camera: String,
    /// The value of `camera.size`.
    pub size: String,
    /// The value of `camera.fps`.
    pub fps: u32,
    /// The value of `camera.quality`.
    pub quality: u8,
    /// The values of `microphone.device` and `speaker.device`, Anna's then Bert's.
    pub sound: [(String, String); 2],
    /// More lines for the section `[kiosk]`.
    pub kiosk: String,
    /// More lines for the section `[call]`.
    pub call: String,
}

impl Default for Habits {
    /// Test pattern, 640x480 at 30 a second, a tone and a speaker that swallows it.
    fn default() -> Self {
        let sound = ("tone".to_owned(), "null".to_owned());
        Self {
            camera: "pattern".to_owned(),
            size: "640x480".to_owned(),
            fps: 30,
            quality: 75,
            sound: [sound.clone(), sound],
            kiosk: String::new(),
            call: String::new(),
        }
    }
}

impl Family {
    /// Make both kiosks in `folder`, each in the other's contacts, and start their relay.
    ///
    /// # Errors
    /// The folder can't be written to, or OpenSSH's server does not start.
    pub fn make(folder: &Path, habits: &Habits) -> anyhow::Result<Self> {
        Self::make_at(&Places::here(), folder, habits)
    }

    /// The same with the three of them where `places` says.
    ///
    /// # Errors
    /// As [`Family::make`].
    pub fn make_at(places: &Places, folder: &Path, habits: &Habits) -> anyhow::Result<Self> {
        let anna = Home::make(&folder.join("anna"), "Anna").context("make Anna's kiosk")?;
        let bert = Home::make(&folder.join("bert"), "Bert").context("make Bert's kiosk")?;
        let [anna, bert] = [anna.at(&places.anna), bert.at(&places.bert)];
        let keys = [&anna, &bert].map(|home| home.identity.public().to_openssh(&home.name));
        let relay = Relay::start_at(&places.relay, &folder.join("relay"), &keys, "")?;
        let family = Self { anna, bert, relay };
        for (home, sound) in [&family.anna, &family.bert].into_iter().zip(&habits.sound) {
            home.configure(&family.config(home, habits, sound))?;
        }
        family.anna.knows(Contact::new("Bert", family.bert.identity.public()))?;
        family.bert.knows(Contact::new("Anna", family.anna.identity.public()))?;
        Ok(family)
    }

    /// The config of one of them.
    pub fn config(&self, home: &Home, habits: &Habits, sound: &(String, String)) -> String {
        let Habits { camera, size, fps, quality, kiosk, call, .. } = habits;
        let (name, host) = (&home.name, home.place.relay());
        let (microphone, speaker) = sound;
        let letter = if camera == "pattern" { format!(":{}", &name[..1]) } else { String::new() };
        let Relay { port, user, host_key, .. } = &self.relay;
        format!(
            r#"[kiosk]
name = "{name}"
{kiosk}
[camera]
source = "{camera}{letter}"
size = "{size}"
fps = {fps}
quality = {quality}
[microphone]
device = "{microphone}"
[speaker]
device = "{speaker}"
[call]
{call}
[relay]
host = "{host}"
port = {port}
user = "{user}"
host_key = "{host_key}"
"#
        )
    }
}
