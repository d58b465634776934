//! Behind the door: one visitor's session, as the SSH library sees it.
//!
//! There are three subsystems and no shell, no command, no terminal, no environment, no agent, no
//! X11 and no forward: each of these is refused with an answer, counted, and told once in the log.
//!
//! The library hands what comes on a channel to a short queue and waits, with the whole session and
//! our handler in it, while that is full. So each channel has a task that drains it from its first
//! moment on: until it says which subsystem it is the one below, from then on its stream's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelMsg, Pty};
use tokio::sync::{oneshot, watch};

use super::cut::Cut;
use super::door::{Door, Subsystem};
use super::road::Road;
use super::runtime::{News, Opened, SessionId};
use super::streams::{Stream, Writer};
use super::{Fault, count};
use crate::caps::LOGIN_PATIENCE;
use crate::identity::PeerKey;

/// How far a visitor has come.
#[derive(Default)]
pub(super) struct Progress {
    /// Logged in as whom.
    pub(super) peer: Option<PeerKey>,
    /// Has a stream.
    pub(super) opened: bool,
}

/// One connection's handler.
pub(super) struct Visitor {
    door: Arc<Door>,
    session: SessionId,
    road: Road,
    cut: Cut,
    progress: watch::Sender<Progress>,
    peer: Option<PeerKey>,
    /// Channels that have not said yet which subsystem they are; each comes when it does.
    waiting: HashMap<ChannelId, oneshot::Receiver<Channel<Msg>>>,
    opened: HashSet<Subsystem>,
    refused: bool,
}

/// Drain a channel until it asks to be a subsystem, then hand it over: the session waits for its
/// handler meanwhile, so nothing is lost in between. Data before that, or 5 s of nothing, is the
/// end of the whole session.
async fn until_it_asks(
    mut channel: Channel<Msg>,
    asked: oneshot::Sender<Channel<Msg>>,
    door: Arc<Door>,
    cut: Cut,
) {
    let asks = async {
        loop {
            match channel.wait().await {
                Some(ChannelMsg::RequestSubsystem { .. }) => return Ok(true),
                Some(ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. }) => {
                    return Err("sent data on a channel that is no stream");
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Ok(false),
                Some(_) => {}
            }
        }
    };
    match tokio::time::timeout(LOGIN_PATIENCE, asks).await {
        // Nobody there to take it: it was refused, and closes.
        Ok(Ok(true)) => drop(asked.send(channel)),
        Ok(Ok(false)) => {}
        Ok(Err(what)) => end_badly(&door, &cut, what),
        Err(_) => end_badly(&door, &cut, "opened a channel and did not say for what within 5 s"),
    }
}

fn end_badly(door: &Door, cut: &Cut, what: &str) {
    count(&door.counters.bad_sessions);
    door.counters.blame(Fault::Stream);
    tracing::warn!("door: a contact {what}: its session is ended");
    cut.cut();
}

impl Visitor {
    /// One that has only connected.
    pub(super) fn new(
        door: Arc<Door>,
        session: SessionId,
        road: Road,
        cut: Cut,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            door,
            session,
            road,
            cut,
            progress,
            peer: None,
            waiting: HashMap::new(),
            opened: HashSet::new(),
            refused: false,
        }
    }

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

    fn note_refusal(&mut self, what: &str) {
        count(&self.door.counters.refused_requests);
        if !std::mem::replace(&mut self.refused, true) {
            tracing::info!(
                "door: {what} refused to {:?}; more in its session count only",
                self.peer
            );
        }
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
                self.door.note_stranger();
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
        let (asked, asks) = oneshot::channel();
        self.waiting.insert(channel.id(), asks);
        tokio::spawn(until_it_asks(channel, asked, Arc::clone(&self.door), self.cut.clone()));
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
        let asks = self.waiting.remove(&id).expect("looked up just now");
        // An error: the channel misbehaved before, and the session is being ended.
        let Ok(channel) = asks.await else { return session.channel_failure(id) };
        self.opened.insert(subsystem);
        session.channel_success(id)?;
        let (read, write) = channel.split();
        let opened = Opened {
            peer,
            session: self.session,
            cut: self.cut.clone(),
            keep: None,
            road: self.road.clone(),
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
