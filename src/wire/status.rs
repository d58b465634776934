//! What a kiosk says of itself: the answer to `twocan status --json`, and the figures of a call.

use serde::Serialize;

use crate::figures::Percentiles;
use crate::wire::signal::EndReason;

/// Everything worth knowing. Times end in `_us` and are on the machine's CLOCK_MONOTONIC.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Status {
    /// The kiosk's name.
    pub name: String,
    /// Its public key, as an OpenSSH line.
    pub key: String,
    /// The page on show: `home`, `calling`, `incoming`, `in-call`, `ended`, `hearing` or `fault`, or the
    /// name of one behind home.
    pub page: String,
    /// The relay.
    pub relay: RelayStatus,
    /// Why our door can't listen; none when it does, or when there is none.
    pub door_trouble: Option<String>,
    /// The contacts, in the order of their tiles.
    pub contacts: Vec<ContactStatus>,
    /// The call, if there is one, or the one that just ended.
    pub call: CallStatus,
    /// Loudness, 0 to 10.
    pub volume: u8,
    /// Camera and microphone are off in this call.
    pub hidden: bool,
    /// What of us is open in this call.
    pub open: OpenStatus,
    /// When the first frame was drawn; none without a screen.
    pub first_frame_us: Option<u64>,
    /// What it is drawn on.
    pub screen: ScreenStatus,
    /// The station that is listened to.
    pub hearing: Option<HearingStatus>,
    /// The workers that run now.
    pub workers: Vec<WorkerStatus>,
    /// What calls have cost.
    pub data: DataStatus,
    /// What strangers and peers sent that was refused, since the start.
    pub refused: RefusedStatus,
}

/// What was refused, and why, in times since the kiosk's start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RefusedStatus {
    /// Logins with a key that is no contact's.
    pub strangers: u64,
    /// Connections turned away because too many others had not logged in yet.
    pub crowded: u64,
    /// Connections that took longer than 5 s to log in.
    pub slow_logins: u64,
    /// Requests for a shell, a command, a forward or the like.
    pub requests: u64,
    /// Sessions ended because of what a contact sent: most of the reasons below.
    pub sessions: u64,
    /// Sessions and handshakes with bytes that are no SSH, or were changed on the way.
    pub garbled: u64,
    /// Sessions that logged in, or opened a control stream, and then said nothing for 5 s.
    pub idle: u64,
    /// Channels that were no streams.
    pub streams: u64,
    /// Signals that were none, or at the wrong time.
    pub signals: u64,
    /// More signals than are allowed in a second.
    pub signal_floods: u64,
    /// Packets that were none, or on the wrong stream.
    pub packets: u64,
    /// Signals and packets announced as longer than they may be.
    pub oversize: u64,
    /// Half a signal or packet, and then nothing.
    pub halves: u64,
    /// Sessions that were sent more than can be held for them.
    pub held: u64,
    /// Sessions whose other end took nothing for 10 s.
    pub stuck: u64,
    /// Media packets outside a call, dropped.
    pub unattached: u64,
    /// Pictures that could not be decoded or were over the limits, dropped.
    pub pictures: u64,
    /// Of these, over the limits.
    pub oversize_pictures: u64,
    /// Voice packets that were not Opus, or over its limits, dropped.
    pub voice: u64,
}

/// Which devices are open, as their workers know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpenStatus {
    /// The camera.
    pub camera: bool,
    /// The microphone.
    pub microphone: bool,
}

/// What calls, and stations that were listened to, have cost in this calendar month, and what they still may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DataStatus {
    /// The network that calls go through now is paid for by the byte.
    pub metered: bool,
    /// Bytes of calls and of stations that were listened to, both ways, on any network.
    pub month_bytes: u64,
    /// Of these, on a metered one.
    pub metered_bytes: u64,
    /// Seconds of calls on a metered network.
    pub metered_seconds: u64,
    /// Minutes of pictures that are left on a metered network; none: as many as one likes.
    pub minutes_left: Option<u64>,
}

/// What the pages are shown on, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ScreenStatus {
    /// `kms`, `window`, `headless` or `none`.
    pub kind: String,
    /// The card's device file.
    pub card: Option<String>,
    /// The kernel driver behind it, such as `vc4` or `virtio_gpu`.
    pub driver: Option<String>,
    /// The panel's connector, such as `DSI-1`.
    pub connector: Option<String>,
    /// The panel's mode, such as `800x480@60`.
    pub mode: Option<String>,
    /// Degrees that the drawing is turned by, clockwise.
    pub rotate: u16,
    /// How the other's picture gets onto it: `plane`, `compose` or `image`.
    pub video_path: String,
    /// Why this way and no better one, in a sentence.
    pub reason: String,
    /// What is wrong with it now, in a sentence.
    pub trouble: Option<String>,
    /// The touch devices by name.
    pub touch: Vec<String>,
    /// How often something was drawn.
    pub drawings: u64,
    /// Of these, drawings of every pixel.
    pub full_drawings: u64,
    /// Pixels of the pages that were handed on to be shown.
    pub copied_pixels: u64,
    /// Changes of the panel's contents that the kernel was asked for.
    pub commits: u64,
    /// Light of the panel in percent; 0: dark. Without a backlight only that is seen: black pixels.
    pub light: u8,
    /// What gives that light, by its name in `/sys/class/backlight`.
    pub backlight: Option<String>,
    /// Why that light can't be set now, in a sentence. The pages are on the panel all the same.
    pub light_trouble: Option<String>,
}

/// A station that is listened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HearingStatus {
    /// As on its tile.
    pub name: String,
    /// `looking`, `live`, `silent`, `away` or `unknown`.
    pub state: String,
    /// False while a call keeps it silent.
    pub sounds: bool,
    /// Sound that waits to be heard, in ms.
    pub waiting_ms: u64,
    /// Times it ran dry.
    pub gaps: u64,
    /// Times too much had come, and the oldest was left out.
    pub cuts: u64,
}

/// The relay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RelayStatus {
    /// `none`, `connecting`, `connected`, `refused` or `blocked`.
    pub state: String,
    /// Why it is not connected.
    pub sentence: Option<String>,
    /// As in the twocan.toml of the kiosk's start.
    pub host: Option<String>,
    /// Likewise.
    pub port: Option<u16>,
    /// The login name, likewise.
    pub user: Option<String>,
    /// The pinned key as an OpenSSH line, likewise.
    pub host_key: Option<String>,
}

/// One contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContactStatus {
    /// As on its tile.
    pub name: String,
    /// Its key's fingerprint.
    pub fingerprint: String,
    /// A call would ring there now.
    pub reachable: bool,
    /// When it was up last, in seconds since 1970; while it is up, when it came.
    pub seen: Option<u64>,
    /// When they called in vain, as on the tile.
    pub missed: Option<String>,
    /// What only a person can mend.
    pub trouble: Option<String>,
}

/// The call.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CallStatus {
    /// `idle`, `outgoing`, `incoming`, `established`, `reconnecting` or `ended`.
    pub state: String,
    /// The contact's name.
    pub peer: Option<String>,
    /// `outgoing` or `incoming`.
    pub direction: Option<String>,
    /// When the tile was touched, or the invite came.
    pub began_us: Option<u64>,
    /// When it was answered.
    pub answered_us: Option<u64>,
    /// When the first remote picture was shown.
    pub first_picture_us: Option<u64>,
    /// What the page says of our own camera, microphone and loudspeaker.
    pub notice: Option<String>,
    /// What the page says instead of the other's picture.
    pub no_picture: Option<String>,
    /// Why it ended.
    pub reason: Option<EndReason>,
    /// While media runs.
    pub figures: Option<Figures>,
    /// Times the link was lost and came back.
    pub reconnects: u64,
    /// How the way to them leads now: `relay`, or the address that was dialled; none while it is lost.
    pub path: Option<String>,
}

/// What went through in a call, as seen from one end.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Since when the counts run: the third second of the call, once that has passed.
    pub since_us: u64,
    /// Pictures.
    pub video: VideoFigures,
    /// Sound.
    pub audio: AudioFigures,
}

/// Pictures, ours out and theirs in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VideoFigures {
    /// Ours, from the camera.
    pub captured: u64,
    /// Ours, encoded and sent.
    pub sent: u64,
    /// Ours, in bytes.
    pub bytes_sent: u64,
    /// Ours, let go because the line had no room for one more.
    pub skipped: u64,
    /// Ours, not sent because nothing had changed.
    pub unchanged: u64,
    /// The rung of the ladder that ours are on, 0 at the top.
    pub rung: u64,
    /// The same as a word: `full`, `smaller`, `slower`, `stills` or `voice-only`.
    pub quality: String,
    /// What they said last of theirs, likewise.
    pub their_quality: String,
    /// Theirs, shown.
    pub shown: u64,
    /// Theirs, replaced by a newer one before they were shown.
    pub dropped: u64,
    /// Theirs, too old to be shown.
    pub late: u64,
    /// Theirs, not decodable or over the limits.
    pub bad: u64,
    /// Of these, over the limits.
    pub oversize: u64,
    /// Theirs, in bytes.
    pub bytes_received: u64,
    /// Capture there to shown here.
    pub age_ms: Percentiles,
    /// The same by the stamps that were burned into their pictures. Only a kiosk whose own camera
    /// is the test pattern looks for them; right where both share a clock.
    pub stamp_age_ms: Percentiles,
    /// When theirs that was shown last was captured.
    pub last_captured_us: Option<u64>,
    /// And when it was shown.
    pub last_shown_us: Option<u64>,
}

/// Sound, ours out and theirs in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AudioFigures {
    /// Our packets.
    pub sent: u64,
    /// Our packets, in bytes.
    pub bytes_sent: u64,
    /// Their packets.
    pub packets: u64,
    /// Their packets, in bytes.
    pub bytes_received: u64,
    /// 20 ms of silence or of guessed sound where theirs was missing.
    pub gaps: u64,
    /// Their packets that came too late to be played.
    pub late: u64,
    /// Their packets that were not Opus, or over its limits.
    pub bad: u64,
    /// How much sound the play-out holds back, in ms.
    pub target_ms: u64,
    /// Capture there to arrival at the play-out here.
    pub arrival_ms: Percentiles,
    /// Capture there to the loudspeaker here.
    pub heard_ms: Percentiles,
    /// What was invented where theirs was missing, in ms.
    pub concealed_ms: u64,
    /// Sound that came, in ms; their packets may have different lengths.
    pub received_ms: u64,
    /// How far sound is ahead of the picture (negative: behind), in ms.
    pub lip_sync_ms: f64,
    /// Times a sound card ran dry or over.
    pub xruns: u64,
}

/// One worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorkerStatus {
    /// Its thread's name.
    pub name: String,
    /// Runs that failed.
    pub failures: u64,
    /// Runs that panicked.
    pub panics: u64,
    /// What is wrong now.
    pub trouble: Option<String>,
}

impl Figures {
    /// What was counted after `then`, an earlier count of the same call. Ages and targets are kept.
    #[must_use]
    pub fn since(self, then: &Figures) -> Figures {
        let (video, audio) = (&then.video, &then.audio);
        Figures {
            since_us: then.since_us,
            video: VideoFigures {
                captured: self.video.captured - video.captured,
                sent: self.video.sent - video.sent,
                bytes_sent: self.video.bytes_sent - video.bytes_sent,
                shown: self.video.shown - video.shown,
                dropped: self.video.dropped.saturating_sub(video.dropped),
                skipped: self.video.skipped - video.skipped,
                unchanged: self.video.unchanged - video.unchanged,
                late: self.video.late - video.late,
                bad: self.video.bad - video.bad,
                oversize: self.video.oversize - video.oversize,
                bytes_received: self.video.bytes_received - video.bytes_received,
                ..self.video
            },
            audio: AudioFigures {
                sent: self.audio.sent - audio.sent,
                bytes_sent: self.audio.bytes_sent - audio.bytes_sent,
                packets: self.audio.packets - audio.packets,
                bytes_received: self.audio.bytes_received - audio.bytes_received,
                gaps: self.audio.gaps - audio.gaps,
                late: self.audio.late - audio.late,
                bad: self.audio.bad - audio.bad,
                concealed_ms: self.audio.concealed_ms - audio.concealed_ms,
                received_ms: self.audio.received_ms - audio.received_ms,
                xruns: self.audio.xruns - audio.xruns,
                ..self.audio
            },
        }
    }
}
