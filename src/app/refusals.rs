//! What was refused since the kiosk's start, for `twocan status`: the tunnel's counts, those of the calls
//! that are over, and of the one that runs.

use std::sync::atomic::Ordering;

use super::run::Loop;
use crate::tunnel::Fault;
use crate::wire::status::{Figures, RefusedStatus};

/// All of it at this moment.
pub(super) fn of(kiosk: &Loop) -> RefusedStatus {
    let counters = kiosk.tunnel.counters();
    let turned_away = counters.turned_away.load(Ordering::Relaxed);
    let slow_logins = counters.slow_logins.load(Ordering::Relaxed);
    let mut refused = RefusedStatus {
        strangers: counters.strangers.load(Ordering::Relaxed),
        crowded: turned_away.saturating_sub(slow_logins),
        slow_logins,
        requests: counters.refused_requests.load(Ordering::Relaxed),
        sessions: counters.bad_sessions.load(Ordering::Relaxed),
        garbled: counters.of(Fault::Garbled),
        idle: counters.of(Fault::Idle),
        streams: counters.of(Fault::Stream),
        signals: counters.of(Fault::Signal),
        signal_floods: counters.of(Fault::SignalFlood),
        packets: counters.of(Fault::Packet),
        oversize: counters.of(Fault::Oversize),
        halves: counters.of(Fault::Half),
        held: counters.of(Fault::Held),
        stuck: counters.of(Fault::Stuck),
        unattached: counters.unattached.load(Ordering::Relaxed),
        ..kiosk.refused.clone()
    };
    if let Some(media) = &kiosk.media {
        add(&mut refused, &media.whole_call());
    }
    refused
}

/// What a call's end had to drop.
pub(super) fn add(refused: &mut RefusedStatus, call: &Figures) {
    refused.pictures += call.video.bad;
    refused.oversize_pictures += call.video.oversize;
    refused.voice += call.audio.bad;
}
