//! The people a kiosk knows, in `STATE/contacts.toml`: a name, a pinned key, how to reach them and
//! what they may do. Photos lie beside it in `STATE/photos`.
//!
//! Two contacts never share a name (in any case of letters) or a key, and none has our own key. A
//! change is read, made and written under the lock of the state folder, so that commands at the same
//! time don't undo each other; a file that cannot be read is never replaced by a change.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::address::HostPort;
use crate::card::Card;
use crate::identity::{Identity, PeerKey};
use crate::meeting::{self, MeetingPoint};
use crate::name::{NAME_LIMIT, clean_name};
use crate::photo::{self, PhotoError};
use crate::store::{self, Loaded, Origin, StoreError};

pub use crate::caps::{CONTACTS_LIMIT as LIMIT, DIRECT_LIMIT};

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Clean, 1 to 64 characters.
    pub name: String,
    /// Who they prove to be.
    pub key: PeerKey,
    /// Where their door may be reached without a relay, best first.
    #[serde(default)]
    pub direct: Vec<HostPort>,
    /// Whether they are looked for at the relay. Default true.
    #[serde(default = "yes")]
    pub via_relay: bool,
    /// Whether they may ring here. Default true.
    #[serde(default = "yes")]
    pub may_ring: bool,
    /// Whether they may look in: a call of theirs is announced, counted down, and then answered by the
    /// kiosk itself. Default false.
    #[serde(default)]
    pub look_in: bool,
    /// Whether they may ring in the quiet hours too. Default false.
    #[serde(default)]
    pub in_quiet_hours: bool,
    /// The name of a file in `STATE/photos`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<String>,
    /// Where they can be met, as they said it, best first; at most [`meeting::LIMIT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meeting: Vec<MeetingPoint>,
}

fn yes() -> bool {
    true
}

impl Contact {
    /// Someone who is reached through the relay and may ring.
    pub fn new(name: &str, key: PeerKey) -> Self {
        Self {
            name: clean_name(name),
            key,
            direct: Vec::new(),
            via_relay: true,
            may_ring: true,
            look_in: false,
            in_quiet_hours: false,
            photo: None,
            meeting: Vec::new(),
        }
    }

    /// Where the photo is, in the state folder `state`.
    pub fn photo_path(&self, state: &Path) -> Option<PathBuf> {
        let name = self.photo.as_deref().filter(|name| !name.contains('/') && *name != "..")?;
        Some(state.join(PHOTOS).join(name))
    }
}

/// What somebody may do from now on; none: as before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions {
    /// See [`Contact::may_ring`].
    pub may_ring: Option<bool>,
    /// See [`Contact::in_quiet_hours`].
    pub in_quiet_hours: Option<bool>,
    /// See [`Contact::look_in`].
    pub look_in: Option<bool>,
}

const FILE: &str = "contacts.toml";
const PHOTOS: &str = "photos";

/// Why the contacts were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// Nothing is left of the name once it is cleaned.
    #[error("a contact needs a name")]
    NoName,
    /// The name is taken.
    #[error("there is a contact named {0} already")]
    SameName(String),
    /// The key is taken.
    #[error("this key belongs to the contact {0} already")]
    SameKey(String),
    /// It is the kiosk's own key.
    #[error(
        "this is the key of this kiosk; a contact needs the other one's, from `twocan identity` there"
    )]
    OwnKey,
    /// Nobody has that name.
    #[error("there is no contact named {0}")]
    Unknown(String),
    /// Neither the relay nor an address.
    #[error("{0} could not be reached: without the relay a direct address is needed")]
    Unreachable(String),
    /// A limit.
    #[error("there are {LIMIT} contacts already")]
    TooMany,
    /// A limit.
    #[error("{0} has more than {DIRECT_LIMIT} direct addresses")]
    TooManyAddresses(String),
    /// A limit.
    #[error("{0} has more than {limit} meeting points", limit = meeting::LIMIT)]
    TooManyMeetings(String),
    /// The file is bad, and so is the copy.
    #[error("the contacts were left as they are: {0}")]
    Unreadable(String),
    /// The photo's file was refused.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All of them, in the order of their tiles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Contacts {
    contact: Vec<Contact>,
}

impl Contacts {
    /// Those of the state folder `state`.
    pub fn load(state: &Path) -> Loaded<Self> {
        store::load(&state.join(FILE), Self::parse)
    }

    /// From the bytes of the file; every rule holds for it too.
    ///
    /// # Errors
    /// A sentence for whoever wrote the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            contact: Vec<Contact>,
        }
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        let raw: Raw = toml::from_str(text).map_err(|e| {
            let line = text[..e.span().map_or(0, |span| span.start)].matches('\n').count() + 1;
            format!("line {line}: {}", e.message())
        })?;
        let mut contacts = Self::default();
        for contact in raw.contact {
            contacts.add(contact, None).map_err(|e| e.to_string())?;
        }
        Ok(contacts)
    }

    /// Read, let `change` change, and write, while nobody else does. `state` must exist.
    ///
    /// # Errors
    /// Those of `change`, and of the disk. Nothing is changed then.
    pub fn change<T>(
        state: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, ContactError>,
    ) -> Result<T, ContactError> {
        let _lock = store::lock(state)?;
        let Loaded { value: mut contacts, from, trouble } = Self::load(state);
        if let Some(trouble) = trouble {
            if from == Origin::Default {
                return Err(ContactError::Unreadable(trouble));
            }
            tracing::warn!("{trouble}");
        }
        let done = change(&mut contacts)?;
        let text = toml::to_string(&contacts).expect("contacts are strings and booleans");
        store::write(&state.join(FILE), text.as_bytes())?;
        Ok(done)
    }

    /// One more, at the end. `own` is our own key, when it is known.
    ///
    /// # Errors
    /// A rule in [`ContactError`] says no.
    pub fn add(&mut self, contact: Contact, own: Option<PeerKey>) -> Result<(), ContactError> {
        let contact = Contact { name: clean_name(&contact.name), ..contact };
        if contact.name.is_empty() {
            return Err(ContactError::NoName);
        }
        if own == Some(contact.key) {
            return Err(ContactError::OwnKey);
        }
        if let Some(known) = self.by_name(&contact.name) {
            return Err(ContactError::SameName(known.name.clone()));
        }
        if let Some(known) = self.by_key(&contact.key) {
            return Err(ContactError::SameKey(known.name.clone()));
        }
        if !contact.via_relay && contact.direct.is_empty() {
            return Err(ContactError::Unreachable(contact.name));
        }
        if contact.direct.len() > DIRECT_LIMIT {
            return Err(ContactError::TooManyAddresses(contact.name));
        }
        if contact.meeting.len() > meeting::LIMIT {
            return Err(ContactError::TooManyMeetings(contact.name));
        }
        if self.contact.len() >= LIMIT {
            return Err(ContactError::TooMany);
        }
        self.contact.push(contact);
        Ok(())
    }

    /// Without the one of that name (in any case of letters), which is returned.
    ///
    /// # Errors
    /// [`ContactError::Unknown`].
    pub fn remove(&mut self, name: &str) -> Result<Contact, ContactError> {
        let place = self.place(name).ok_or_else(|| ContactError::Unknown(clean_name(name)))?;
        Ok(self.contact.remove(place))
    }

    /// Let the one of that name (in any case of letters) do what `change` says.
    ///
    /// # Errors
    /// [`ContactError::Unknown`].
    pub fn permit(&mut self, name: &str, change: Permissions) -> Result<&Contact, ContactError> {
        let place = self.place(name).ok_or_else(|| ContactError::Unknown(clean_name(name)))?;
        let contact = &mut self.contact[place];
        contact.may_ring = change.may_ring.unwrap_or(contact.may_ring);
        contact.in_quiet_hours = change.in_quiet_hours.unwrap_or(contact.in_quiet_hours);
        contact.look_in = change.look_in.unwrap_or(contact.look_in);
        Ok(contact)
    }

    /// In the order of the tiles.
    pub fn iter(&self) -> std::slice::Iter<'_, Contact> {
        self.contact.iter()
    }

    /// Whoever proves this key.
    pub fn by_key(&self, key: &PeerKey) -> Option<&Contact> {
        self.contact.iter().find(|contact| contact.key == *key)
    }

    /// Whoever has this name, in any case of letters.
    pub fn by_name(&self, name: &str) -> Option<&Contact> {
        self.place(name).map(|place| &self.contact[place])
    }

    /// `name`, or the first of `name 2`, `name 3`, … that nobody has.
    fn free_name(&self, name: &str) -> String {
        let name = clean_name(name);
        let short: String = name.chars().take(NAME_LIMIT - 4).collect();
        let numbered = (2..).map(|number| format!("{} {number}", short.trim_end()));
        let mut names = std::iter::once(name).chain(numbered);
        names
            .find(|name| self.by_name(name).is_none())
            .expect("there are more numbers than contacts")
    }

    fn place(&self, name: &str) -> Option<usize> {
        let folded = |name: &str| clean_name(name).to_lowercase();
        let name = folded(name);
        self.contact.iter().position(|contact| folded(&contact.name) == name)
    }
}

/// Take `bytes` (a JPEG or a PNG) as the photo of the contact `name`, unchanged.
///
/// # Errors
/// See [`ContactError`]; the old photo stays then.
pub fn set_photo(state: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, ContactError> {
    let (kind, _) = photo::inspect(bytes)?;
    let folder = state.join(PHOTOS);
    store::ensure_folder(&folder)?;
    let mut old = None;
    let new = Contacts::change(state, |contacts| {
        let place = contacts.place(name).ok_or_else(|| ContactError::Unknown(clean_name(name)))?;
        let contact = &mut contacts.contact[place];
        let file = format!("{}.{}", contact.key.id16(), kind.extension());
        old = contact.photo_path(state);
        contact.photo = Some(file.clone());
        let new = folder.join(file);
        store::replace(&new, bytes)?;
        Ok(new)
    })?;
    // A photo of the other kind is nobody's now.
    if let Some(old) = old.filter(|old| *old != new) {
        let _ = std::fs::remove_file(old);
    }
    Ok(new)
}

/// Take whoever was paired, or whose card was accepted, as a contact, and return it as it is kept. Of
/// one that is known already only the ways to reach it are renewed; where the name is taken by another
/// key, the new one is called `Anna 2`.
///
/// # Errors
/// See [`ContactError`]; [`ContactError::OwnKey`] when it is our own card.
pub fn adopt(state: &Path, card: &Card) -> Result<Contact, ContactError> {
    // A folder without an identity has no key of its own to mistake for another's.
    let own = Identity::find(state).ok().flatten().map(|identity| identity.public());
    Contacts::change(state, |contacts| {
        if let Some(known) = contacts.contact.iter_mut().find(|known| known.key == card.key) {
            if !card.meeting.is_empty() {
                known.meeting.clone_from(&card.meeting);
            }
            if !card.direct.is_empty() {
                known.direct.clone_from(&card.direct);
            }
            return Ok(known.clone());
        }
        let name = contacts.free_name(&card.name);
        let (direct, meeting) = (card.direct.clone(), card.meeting.clone());
        let contact = Contact { direct, meeting, ..Contact::new(&name, card.key) };
        contacts.add(contact.clone(), own)?;
        Ok(contact)
    })
}

/// Keep where the contact with this key says that it can be met; false: it is none, or that is known.
///
/// # Errors
/// See [`ContactError`].
pub fn meet(state: &Path, key: PeerKey, points: &[MeetingPoint]) -> Result<bool, ContactError> {
    let points = &points[..points.len().min(meeting::LIMIT)];
    let is_news = |contact: &Contact| contact.key == key && contact.meeting != points;
    if !Contacts::load(state).value.iter().any(is_news) {
        return Ok(false);
    }
    Contacts::change(state, |contacts| {
        for contact in contacts.contact.iter_mut().filter(|contact| contact.key == key) {
            contact.meeting = points.to_vec();
        }
        Ok(true)
    })
}

/// Forget the contact `name` and the photo; the call records stay.
///
/// # Errors
/// See [`ContactError`].
pub fn forget(state: &Path, name: &str) -> Result<Contact, ContactError> {
    let gone = Contacts::change(state, |contacts| contacts.remove(name))?;
    if let Some(photo) = gone.photo_path(state) {
        let _ = std::fs::remove_file(photo);
    }
    Ok(gone)
}
