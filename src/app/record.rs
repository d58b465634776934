//! From how a call went to the line that is kept of it.

use crate::call::Outcome;
use crate::clock;
use crate::quality::Quality;
use crate::records::{self, Record};
use crate::wire::status::Figures;

/// How a call went; nothing of all that where there was no talk.
#[derive(Default)]
pub(super) struct Course {
    /// What the workers counted.
    pub(super) figures: Figures,
    /// Bytes of packets, with headers.
    pub(super) bytes_sent: u64,
    /// The same, received.
    pub(super) bytes_received: u64,
    /// Times the link came back.
    pub(super) reconnects: u64,
    /// The least there was of pictures.
    pub(super) worst: Option<Quality>,
}

/// `outcome` of the call with `name`, as it is kept.
pub(super) fn of(name: String, outcome: Outcome, course: &Course) -> Record {
    let Figures { video, audio, .. } = &course.figures;
    let ago = clock::now().since(outcome.party.began).as_secs();
    Record {
        name,
        fingerprint: outcome.party.peer.fingerprint(),
        direction: outcome.party.direction,
        began: clock::unix_seconds().saturating_sub(ago),
        answered: outcome.talked.is_some(),
        seconds: outcome.talked.unwrap_or_default().as_secs(),
        reason: outcome.reason,
        call: outcome.party.call,
        figures: records::Figures {
            bytes_sent: course.bytes_sent,
            bytes_received: course.bytes_received,
            pictures_captured: video.captured,
            pictures_sent: video.sent,
            pictures_shown: video.shown,
            pictures_dropped: video.dropped,
            picture_age_p95_ms: (video.age_ms.count > 0).then_some(video.age_ms.p95),
            voice_packets: audio.packets,
            voice_gaps: audio.gaps,
            reconnects: course.reconnects,
            worst_quality: course.worst.map(Quality::word).unwrap_or_default().to_owned(),
        },
    }
}
