//! The door: our SSH server, for contacts only.
//!
//! A contact's key opens it, nothing else does. Behind it are three subsystems and no shell, no
//! command, no terminal, no environment, no agent, no X11 and no forward: each of these is refused
//! with an answer. Who has not logged in within 5 s, or opens no stream within 5 s after, is put out;
//! at most four connections may be that far at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::server::{
    self, Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, Pty};
use ssh_key::{PrivateKey, PublicKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use super::cut::{Cut, severable};
use super::options::{self, Lane};
use super::runtime::{News, Opened, SessionId};
use super::streams::{Stream, Writer};
use super::{Counters, count};
use crate::identity::PeerKey;

/// The user name of all logins at a door; the key says who it is.
pub(super) const USER: &str = "twocan";
/// Connections that may be open without a login.
const UNAUTHENTICATED: usize = 4;
/// How long a login may take, and then the first stream.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sessions of one contact: two in use, two that replace them, one knock. The oldest goes.
const SESSIONS_EACH: usize = 5;
/// Between two attempts to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);

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
    const ALL: [Subsystem; 3] = [Subsystem::Control, Subsystem::Audio, Subsystem::Video];

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
    config: Arc<Config>,
    contacts: Mutex<HashSet<PeerKey>>,
    sessions: Mutex<HashMap<PeerKey, VecDeque<(SessionId, Cut)>>>,
    /// Those from the relay and those that come directly do not take each other's places.
    unauthenticated: [Semaphore; 2],
    news: mpsc::Sender<News>,
    counters: Arc<Counters>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    /// A door with `key` as its host key.
    pub(super) fn new(key: PrivateKey, news: mpsc::Sender<News>, counters: Arc<Counters>) -> Self {
        Self {
            config: options::server(key),
            contacts: Mutex::default(),
            sessions: Mutex::default(),
            unauthenticated: [UNAUTHENTICATED; 2].map(Semaphore::new),
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

    /// Serve one connection to its end; `via` is the outer session it came through.
    pub(super) async fn serve<S>(self: Arc<Self>, stream: S, via: Option<Lane>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(permit) = self.unauthenticated[usize::from(via.is_some())].try_acquire() else {
            count(&self.counters.turned_away);
            tracing::debug!("door: too many connections without a login, one turned away");
            return;
        };
        let (cut, stream) = severable(stream);
        let (progress, mut seen) = watch::channel(Progress::default());
        let session = SessionId::next();
        let visitor = Visitor {
            door: Arc::clone(&self),
            session,
            via,
            cut: cut.clone(),
            progress,
            peer: None,
            waiting: HashMap::new(),
            opened: HashSet::new(),
        };
        let config = Arc::clone(&self.config);
        let admitted = tokio::time::timeout(PATIENCE, async {
            let running = server::run_stream(config, stream, visitor).await.ok()?;
            seen.wait_for(|progress| progress.peer.is_some()).await.ok()?;
            Some(running)
        });
        let running = match admitted.await {
            Ok(Some(running)) => running,
            Ok(None) => return,
            Err(_) => {
                count(&self.counters.turned_away);
                tracing::debug!("door: no login within 5 s, turned away");
                return cut.cut();
            }
        };
        drop(permit);
        let peer = seen.borrow().peer.expect("the wait above was for it");
        self.enrol(peer, session, cut.clone());
        let first = tokio::time::timeout(PATIENCE, seen.wait_for(|progress| progress.opened));
        if first.await.is_err() {
            cut.cut();
        }
        if let Err(error) = running.await {
            tracing::debug!("door: a session of {peer:?} ended: {error}");
        }
        self.strike(peer, session);
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

    fn contact(&self, key: &PublicKey) -> Option<PeerKey> {
        let peer = PeerKey::from_public_key(key).ok()?;
        lock(&self.contacts).contains(&peer).then_some(peer)
    }

    /// Listen at `address` for contacts that come directly, for ever.
    pub(super) async fn listen(self: Arc<Self>, address: SocketAddr) {
        let mut told = false;
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let address = listener.local_addr().unwrap_or(address);
                    // The runtime is gone: so are we, soon.
                    let _ = self.news.send(News::DoorOpen(address)).await;
                    told = false;
                    let error = self.accept_all(&listener).await;
                    tracing::warn!("door at {address}: {error}");
                }
                Err(error) if !told => {
                    let sentence = format!("cannot listen at {address}: {error}");
                    let _ = self.news.send(News::DoorFailed(sentence)).await;
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    async fn accept_all(self: &Arc<Self>, listener: &TcpListener) -> std::io::Error {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // A connection that is gone already shows itself in what follows.
                    let _ = options::tune(&stream);
                    tokio::spawn(Arc::clone(self).serve(stream, None));
                }
                Err(error) => return error,
            }
        }
    }
}

/// How far a visitor has come.
#[derive(Default)]
struct Progress {
    peer: Option<PeerKey>,
    opened: bool,
}

/// One connection's handler.
struct Visitor {
    door: Arc<Door>,
    session: SessionId,
    via: Option<Lane>,
    cut: Cut,
    progress: watch::Sender<Progress>,
    peer: Option<PeerKey>,
    /// Channels that have not said yet which subsystem they are.
    waiting: HashMap<ChannelId, Channel<Msg>>,
    opened: HashSet<Subsystem>,
}

impl Visitor {
    /// Refuse what a channel asks for; a channel that has not become a stream is closed with it.
    fn refuse(
        &mut self,
        what: &str,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.note_refusal(what);
        session.channel_failure(channel)?;
        if self.waiting.remove(&channel).is_some() { session.close(channel) } else { Ok(()) }
    }

    fn note_refusal(&self, what: &str) {
        count(&self.door.counters.refused_requests);
        tracing::info!("door: {what} refused to {:?}", self.peer);
    }
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        match self.door.contact(offer.public_key) {
            Some(_) => Ok(Auth::Accept),
            None => {
                count(&self.door.counters.strangers);
                tracing::info!("door: an unknown key was refused");
                Ok(Auth::reject())
            }
        }
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.peer = self.door.contact(key.public_key);
        Ok(if self.peer.is_some() { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), Self::Error> {
        if let Some(peer) = self.peer {
            self.progress.send_modify(|progress| progress.peer = Some(peer));
            // The runtime is gone: so is this session, soon.
            let _ = self.door.news.send(News::Visited(peer)).await;
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.peer.is_none() || self.waiting.len() + self.opened.len() >= Subsystem::ALL.len() {
            self.note_refusal("one more channel");
            return Ok(());
        }
        reply.accept().await;
        self.waiting.insert(channel.id(), channel);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let known = Subsystem::ALL.into_iter().find(|subsystem| subsystem.name() == name);
        let (Some(peer), Some(subsystem)) = (self.peer, known) else {
            return self.refuse("an unknown subsystem", id, session);
        };
        if self.opened.contains(&subsystem) || !self.waiting.contains_key(&id) {
            return self.refuse("a second stream of its kind", id, session);
        }
        let channel = self.waiting.remove(&id).expect("looked up just now");
        self.opened.insert(subsystem);
        session.channel_success(id)?;
        let (read, write) = channel.split();
        let opened = Opened {
            peer,
            session: self.session,
            cut: self.cut.clone(),
            keep: None,
            via: self.via,
            subsystem,
            stream: Stream { read, write: Writer::Server(write) },
        };
        self.progress.send_modify(|progress| progress.opened = true);
        let _ = self.door.news.send(News::Opened(opened)).await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.waiting.remove(&id);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse("a terminal", channel, session)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse("X11", channel, session)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse("an environment variable", channel, session)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse("a shell", channel, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse("a command", channel, session)
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Session) -> Result<bool, Self::Error> {
        self.note_refusal("an agent");
        Ok(false)
    }

    async fn tcpip_forward(
        &mut self,
        _: &str,
        _: &mut u32,
        _: &mut Session,
    ) -> Result<bool, Self::Error> {
        self.note_refusal("a remote forward");
        Ok(false)
    }

    async fn streamlocal_forward(&mut self, _: &str, _: &mut Session) -> Result<bool, Self::Error> {
        self.note_refusal("a remote socket forward");
        Ok(false)
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _dropped_is_refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.note_refusal("a forward");
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _dropped_is_refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.note_refusal("a socket forward");
        Ok(())
    }
}
