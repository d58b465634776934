//! The door: our SSH server, for contacts only.
//!
//! A contact's key opens it, nothing else does; visitor.rs has what is behind it. Who has not logged
//! in within 5 s, or opens no stream within 5 s after, is put out; at most four connections may be
//! that far at a time. Whatever a session waits for, its [`Cut`] ends it and takes it off the list.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::server::{self, Config};
use ssh_key::{PrivateKey, PublicKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use super::cut::{Cut, severable};
use super::options::{self, Lane};
use super::road::{Pulse, Road};
use super::runtime::{News, SessionId};
use super::visitor::{Progress, Visitor};
use super::{Counters, Fault, count};
use crate::caps::{LOGIN_PATIENCE, SESSIONS_EACH, UNAUTHENTICATED};
use crate::clock;
use crate::clock::Time;
use crate::identity::PeerKey;

/// The user name of all logins at a door; the key says who it is.
pub(super) const USER: &str = "twocan";
/// How long a session that was cut may take to notice.
const LAST_BREATH: Duration = Duration::from_secs(1);
/// Between two attempts to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);
/// Between two attempts to accept while the system has no room for a connection.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// Strangers are counted, and one of them a minute is told of in the log.
const STRANGERS_LOGGED: Duration = Duration::from_secs(60);

/// What a session may open at the door, each of them once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subsystem {
    /// Signals.
    Control,
    /// Voice packets and acknowledgements.
    Audio,
    /// Pictures.
    Video,
}

impl Subsystem {
    pub(super) const ALL: [Subsystem; 3] = [Subsystem::Control, Subsystem::Audio, Subsystem::Video];

    /// As it is asked for.
    pub(super) fn name(self) -> &'static str {
        match self {
            Subsystem::Control => "twocan-control",
            Subsystem::Audio => "twocan-audio",
            Subsystem::Video => "twocan-video",
        }
    }

    /// Those that a dialled session of a lane opens, in this order.
    pub(super) fn of(lane: Lane) -> &'static [Subsystem] {
        match lane {
            Lane::Voice => &[Subsystem::Control, Subsystem::Audio],
            Lane::Video => &[Subsystem::Video],
        }
    }
}

/// The door, shared by everything that leads to it.
pub(super) struct Door {
    /// For the voice, and for pictures and whatever may turn out to be some.
    configs: [Arc<Config>; 2],
    contacts: Mutex<HashSet<PeerKey>>,
    sessions: Mutex<HashMap<PeerKey, VecDeque<(SessionId, Cut)>>>,
    /// Those from the relay and those that come directly do not take each other's places.
    unauthenticated: [Semaphore; 2],
    last_stranger: Mutex<Option<Time>>,
    /// Of all our connections, those through the door and the others.
    pub(super) pulse: Pulse,
    pub(super) news: mpsc::Sender<News>,
    pub(super) counters: Arc<Counters>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    /// A door with `key` as its host key.
    pub(super) fn new(key: PrivateKey, news: mpsc::Sender<News>, counters: Arc<Counters>) -> Self {
        Self {
            configs: Lane::ALL.map(|lane| options::server(lane, key.clone())),
            contacts: Mutex::default(),
            sessions: Mutex::default(),
            unauthenticated: [UNAUTHENTICATED; 2].map(Semaphore::new),
            last_stranger: Mutex::default(),
            pulse: Pulse::default(),
            news,
            counters,
        }
    }

    /// Whom it opens to from now on. The sessions of others end.
    pub(super) fn set_contacts(&self, contacts: HashSet<PeerKey>) {
        lock(&self.sessions).retain(|peer, sessions| {
            let stays = contacts.contains(peer);
            if !stays {
                sessions.iter().for_each(|(_, cut)| cut.cut());
            }
            stays
        });
        *lock(&self.contacts) = contacts;
    }

    /// Serve one connection to its end; `road` is what it runs on.
    pub(super) async fn serve<S>(self: Arc<Self>, stream: S, road: Road)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(permit) = self.unauthenticated[usize::from(road.via.is_some())].try_acquire() else {
            count(&self.counters.turned_away);
            tracing::debug!("door: too many connections without a login, one turned away");
            return;
        };
        let (cut, stream) = severable(stream);
        let (progress, mut seen) = watch::channel(Progress::default());
        let session = SessionId::next();
        let config = Arc::clone(&self.configs[road.via.unwrap_or(Lane::Video) as usize]);
        let visitor = Visitor::new(Arc::clone(&self), session, road, cut.clone(), progress);
        let admitted = tokio::time::timeout(LOGIN_PATIENCE, async {
            let running = server::run_stream(config, stream, visitor).await?;
            let logged_in = seen.wait_for(|progress| progress.peer.is_some()).await.is_ok();
            if logged_in {
                return Ok(running);
            }
            // It is over: why, it says at its end.
            Err(running.await.err().unwrap_or(russh::Error::Disconnect))
        });
        let running = match admitted.await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => return self.blame(&error),
            Err(_) => {
                count(&self.counters.turned_away);
                count(&self.counters.slow_logins);
                tracing::debug!("door: no login within 5 s, turned away");
                return cut.cut();
            }
        };
        drop(permit);
        let peer = seen.borrow().peer.expect("the wait above was for it");
        self.enrol(peer, session, cut.clone());
        let first = tokio::time::timeout(LOGIN_PATIENCE, seen.wait_for(|progress| progress.opened));
        if first.await.is_err() {
            self.counters.blame(Fault::Idle);
            cut.cut();
        }
        let mut running = std::pin::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => Some(ended),
            () = cut.done() => tokio::time::timeout(LAST_BREATH, running).await.ok(),
        };
        self.strike(peer, session);
        match ended {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                self.blame(&error);
                tracing::debug!("door: a session of {peer:?} ended: {error}");
            }
            None => tracing::error!("door: a session of {peer:?} does not end though it was cut"),
        }
    }

    /// A session ended with an error of SSH.
    fn blame(&self, error: &russh::Error) {
        if let Some(fault) = Fault::of(error) {
            self.counters.blame(fault);
        }
    }

    fn enrol(&self, peer: PeerKey, session: SessionId, cut: Cut) {
        let mut sessions = lock(&self.sessions);
        let own = sessions.entry(peer).or_default();
        own.push_back((session, cut));
        if own.len() > SESSIONS_EACH
            && let Some((_, oldest)) = own.pop_front()
        {
            oldest.cut();
        }
    }

    fn strike(&self, peer: PeerKey, session: SessionId) {
        let mut sessions = lock(&self.sessions);
        if let Some(own) = sessions.get_mut(&peer) {
            own.retain(|(id, _)| *id != session);
            if own.is_empty() {
                sessions.remove(&peer);
            }
        }
    }

    /// Whether that key may come in, and as whom.
    pub(super) fn contact(&self, key: &PublicKey) -> Option<PeerKey> {
        let peer = PeerKey::from_public_key(key).ok()?;
        lock(&self.contacts).contains(&peer).then_some(peer)
    }

    /// Somebody with another key was here.
    pub(super) fn note_stranger(&self) {
        count(&self.counters.strangers);
        let now = clock::now();
        let mut last = lock(&self.last_stranger);
        if last.is_none_or(|last| now.since(last) >= STRANGERS_LOGGED) {
            *last = Some(now);
            tracing::info!(
                "door: an unknown key was refused; more of them in this minute count only"
            );
        }
    }

    /// Listen at `address` for contacts that come directly, for ever.
    pub(super) async fn listen(self: Arc<Self>, address: SocketAddr) {
        let mut told = false;
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let address = listener.local_addr().unwrap_or(address);
                    self.say(News::DoorOpen(address)).await;
                    return self.accept_all(&listener, address).await;
                }
                Err(error) if !told => {
                    let sentence = format!("cannot listen at {address}: {error}");
                    self.say(News::DoorFailed(sentence)).await;
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    async fn say(&self, news: News) {
        // The runtime is gone: so are we, soon.
        let _ = self.news.send(news).await;
    }

    async fn accept_all(self: &Arc<Self>, listener: &TcpListener, address: SocketAddr) {
        let mut failed = false;
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    if std::mem::take(&mut failed) {
                        self.say(News::DoorOpen(address)).await;
                    }
                    // A connection that is gone already shows itself in what follows.
                    let _ = options::tune(&stream);
                    let pulse = self.pulse.branch();
                    let road = Road::direct(from.to_string(), stream.local_addr(), pulse.clone());
                    tokio::spawn(Arc::clone(self).serve(pulse.of(stream), road));
                }
                Err(error) if is_one_connections(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        let sentence = format!("cannot accept at {address}: {error}");
                        self.say(News::DoorFailed(sentence)).await;
                    }
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

/// accept(2) reports troubles of the connection that waited first, too; the next one may be well.
fn is_one_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_who_hangs_up_early_does_not_close_the_door_and_a_full_table_is_waited_out() {
        let passing = |code| is_one_connections(&io::Error::from_raw_os_error(code));
        for code in [libc::ECONNABORTED, libc::EINTR, libc::ENETDOWN, libc::EHOSTUNREACH] {
            assert!(passing(code), "{code}");
        }
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert!(!passing(code), "{code}");
        }
    }
}
