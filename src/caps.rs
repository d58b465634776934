//! Caps: the most of everything that somebody else may send us, and the longest that we wait for it.
//!
//! ```text
//!  a stranger      Before a login     four connections, 5 s each
//!  a contact       Signals            4 KiB each, 30 a second
//!                  Pictures, voice    bytes and pixels, read from the header before memory is taken
//!                  Queues, windows    what waits here for whom; the oldest goes, or the session
//!  a station       Stations           datagrams a second, connections, junk, silence
//!  a listener      Listeners          connections, bytes of a request, patience
//!  a contact's card, a photo          Texts and files
//!  a station       A station's log     records, files and uploads
//!  a local program                    The control socket, files of the state folder
//! ```
//! A cap is here and nowhere else: what reads bytes takes it from here, and what it does to those who
//! go over it is said there. tests/architecture.rs holds that no such number stands elsewhere. Those of
//! SSH itself (packets of 32 KiB and the like) are russh's, and are asked for in tunnel/options.rs.

use std::time::Duration;

use crate::frame::Size;

// ---- Before a login --------------------------------------------------------------------------------

/// Connections to our door that may be open without a login, of those through the relay and those that
/// come directly each: an honest login takes tens of milliseconds, so four wait for nobody long.
pub const UNAUTHENTICATED: usize = 4;
/// How long a login at the door may take, and then its first stream, and then the stream's hello: some
/// round trips of a bad line.
pub const LOGIN_PATIENCE: Duration = Duration::from_secs(5);
/// Sessions of one contact: two in use, two that replace them, one knock. The oldest goes.
pub const SESSIONS_EACH: usize = 5;
/// Bytes that the relay may print when it is asked for its folder: a long path, and a greeting in front.
pub const PRINTED_LIMIT: usize = 4096;
/// Characters of foreign text in a sentence or a line of the log: enough to say what it is.
pub const SAID_LIMIT: usize = 120;

// ---- Signals ---------------------------------------------------------------------------------------

/// Bytes of a signal without its length: several times the largest, a hello with all its fields.
pub const SIGNAL_LIMIT: usize = 4096;
/// Signals a second that a peer may send on the average: a call has two or three, its start ten.
pub const SIGNALS_PER_SECOND: u32 = 30;
/// Signals that may come at once: what a line held back while it stood still.
pub const SIGNALS_AT_ONCE: u32 = 64;
/// Signals of ours that may wait for a peer who reads slowly; more end the session.
pub const SIGNALS_QUEUED: usize = 64;
/// How long a message that has begun may stand still, and how long a peer may take nothing of ours.
pub const STUCK_LIMIT: Duration = Duration::from_secs(10);

// ---- Pictures --------------------------------------------------------------------------------------

/// Bytes of a JPEG: the largest picture at the best quality has half of that.
pub const PICTURE_LIMIT: usize = 512 * 1024;
/// Pixels of a picture each way, which we also say in hello: a decoded one has 1.4 MB.
pub const PICTURE_SIZE: Size = Size::new(1280, 720);
/// Scans a picture may have: a progressive one has about ten, an attack has thousands.
pub const SCAN_LIMIT: u32 = 50;
/// Bytes before a marker that belong to nothing and are forgiven (cameras put them there); more is a
/// torn picture.
pub const STRAY_LIMIT: u32 = 4;
/// Bytes that are no picture, in a row, before a stream of pictures counts as something else.
pub const JUNK_LIMIT: usize = 4096;
/// Pictures that wait, on the way out and on the way in: a stale one is worth nothing.
pub const PICTURES_QUEUED: usize = 2;
/// Bytes of pictures under way to us on one channel: the few that the sender's credits allow.
pub const PICTURES_WINDOW: u32 = 256 * 1024;

// ---- Voice -----------------------------------------------------------------------------------------

/// Bytes of an Opus packet (RFC 6716, 3.2.1).
pub const VOICE_LIMIT: usize = 1275;
/// Samples of an Opus packet: 120 ms (RFC 6716, 2.1.4).
pub const VOICE_SAMPLES_LIMIT: usize = 5760;
/// Bytes of a station's URTP datagram: 14 of header, and 20 ms of 16 bits at 16 kHz.
pub const DATAGRAM_LIMIT: usize = 654;
/// Characters of a station's name.
pub const STATION_NAME_LIMIT: usize = 64;
/// Bytes of a playlist: those of an Internet-of-Chuffs server have 700.
pub const PLAYLIST_LIMIT: usize = 64 * 1024;
/// Segments of a playlist that are looked at, the newest: those servers list seven.
pub const SEGMENTS_LISTED: usize = 64;
/// Bytes of a segment's address.
pub const SEGMENT_ADDRESS_LIMIT: usize = 1024;
/// Bytes of a segment of sound: ten seconds of the best MP3.
pub const SEGMENT_LIMIT: usize = 400 * 1024;
/// Packets of our voice that wait for the line: 200 ms of it, since older sound is worth nothing.
pub const VOICE_OUT_QUEUED: usize = 10;
/// Packets of theirs that wait for the play-out: 600 ms.
pub const VOICE_IN_QUEUED: usize = 30;
/// Bytes of voice and signals under way to us on one channel: a second or two of sound. More would only
/// be delay.
pub const VOICE_WINDOW: u32 = 8 * 1024;
/// Acknowledgements of ours that wait for the line; a newer one says more than an older one.
pub const ACKS_OUT_QUEUED: usize = 16;
/// Theirs that wait for the pace.
pub const ACKS_IN_QUEUED: usize = 32;

// ---- What lies between an outer and an inner session -----------------------------------------------

/// Bytes under way to us on a channel from the relay that carries a voice session: all of its streams.
pub const RELAYED_VOICE_WINDOW: u32 = 64 * 1024;
/// Bytes that may wait for an inner session that is busy writing: several times the windows inside it.
/// Who goes over it is cut off.
pub const HELD_LIMIT: usize = 1024 * 1024;
/// Messages between a session and the task that drains one of its channels.
pub const CHANNEL_BUFFER: usize = 16;

// ---- Stations (of the station server: they prove nothing) ------------------------------------------

/// Stations of one server: twice what is measured.
pub const STATIONS_LIMIT: usize = 1000;
/// Connections to one station's place that have not shown a whole datagram yet: it has one, and one that
/// replaces it; the others are so many that nobody who comes at the same time pushes it out before it
/// speaks, which it does at once.
pub const STATION_CANDIDATES: usize = 8;
/// How long such a connection may take: a bad line's round trips.
pub const STATION_PATIENCE: Duration = Duration::from_secs(5);
/// A station's connection that says nothing for so long is gone: it has something to say all the time.
pub const STATION_SILENCE: Duration = Duration::from_secs(10);
/// Datagrams a second that a station may send on the average: there are 50 in a second of sound.
pub const STATION_DATAGRAMS_PER_SECOND: u64 = 60;
/// Datagrams that may come at once: five seconds that an old station holds back, and what two systems
/// have in their sockets.
pub const STATION_DATAGRAMS_AT_ONCE: u64 = 600;
/// Datagrams that wait to become sound: a sixth of a second of 500 stations. The oldest goes.
pub const STATION_SOUND_QUEUED: usize = 4096;

// ---- Listeners of the station server (anybody who reaches its address) -----------------------------

/// Connections over HTTP: more wait at the door.
pub const LISTENERS_LIMIT: usize = 256;
/// Of these, from one address that is not on this machine: the browsers of a room. More are closed.
pub const LISTENERS_EACH: usize = 16;
/// A listener that was sent nothing for so long, because it asks for nothing or takes nothing, is gone.
pub const LISTENER_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that a listener may send between two answers: a request of any browser.
pub const LISTENER_REQUEST_LIMIT: usize = 16 * 1024;

// ---- Texts and files -------------------------------------------------------------------------------

/// Characters of a name that is shown or stored, after what does not print is gone.
pub const NAME_LIMIT: usize = 64;
/// Contacts that are kept.
pub const CONTACTS_LIMIT: usize = 500;
/// Direct addresses of a contact.
pub const DIRECT_LIMIT: usize = 8;
/// Meeting points of a contact, and of ourselves.
pub const MEETING_LIMIT: usize = 4;
/// Bytes of a kiosk's place at a meeting point, a path of folders.
pub const PLACE_LIMIT: usize = 64;
/// Bytes of a card or a ticket as text: four meeting points and eight addresses with long names.
pub const CARD_LIMIT: usize = 2048;
/// Bytes of a message of pairing, without its length: a card of the usual kind, sealed.
pub const PAIRING_LIMIT: usize = 1024;
/// Bytes that one end may send in a conversation of pairing: an honest one sends half of it at most.
pub const PAIRING_TOTAL_LIMIT: usize = 4096;
/// Bytes of a card in such a message, which has its seal around it.
pub const PAIRING_CARD_LIMIT: usize = PAIRING_LIMIT - 32;
/// Bytes of a contact's photo: what a telephone's camera makes.
pub const PHOTO_LIMIT: usize = 8 << 20;
/// Pixels of a contact's photo each way.
pub const PHOTO_SIDE_LIMIT: u32 = 4096;
/// Bytes of twocan.toml: a hundred times the one with every key.
pub const CONFIG_LIMIT: u64 = 1 << 20;
/// Bytes of a file in the state folder.
pub const STATE_FILE_LIMIT: u64 = 16 << 20;

// ---- A station's log -------------------------------------------------------------------------------

/// Records that wait for the disk: ten minutes of a station with trouble. The oldest goes.
pub const LOG_QUEUED: usize = 4096;
/// Bytes of a station's log file: a day or two. Then there is a new one.
pub const LOG_FILE_LIMIT: u64 = 4 << 20;
/// Bytes of a station's own log files together: some weeks that no log server took. The oldest goes.
pub const LOG_FOLDER_LIMIT: u64 = 64 << 20;
/// Bytes of a log that `twocan log-receive` takes on one connection: the original's stations have one
/// file from start to stop, of months.
pub const LOG_UPLOAD_LIMIT: u64 = 64 << 20;
/// Bytes that its folder may hold, logs as text included.
pub const LOGS_LIMIT: u64 = 2 << 30;
/// Files that its folder may hold.
pub const LOG_FILES_LIMIT: usize = 20_000;
/// Stations that may upload to it at once.
pub const LOG_UPLOADS_AT_ONCE: usize = 8;
/// How long such an upload may stand still, since a cellular line does; and how long it may take.
pub const LOG_UPLOAD_STILL: Duration = Duration::from_secs(120);
/// See [`LOG_UPLOAD_STILL`].
pub const LOG_UPLOAD_TIME: Duration = Duration::from_secs(3600);
/// How long our own upload waits for the log server to take something.
pub const LOG_PATIENCE: Duration = Duration::from_secs(30);

// ---- The control socket (of this user's programs) --------------------------------------------------

/// Bytes of a request.
pub const REQUEST_LIMIT: usize = 4096;
/// How long a program may take over its request, and over taking the answer.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(2);
