//! A contact that has gone bad: a bare SSH client with a valid key that sends what it likes.

use std::sync::Arc;

use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg};
use twocan::identity::Identity;
use twocan::tunnel::RelayConfig;
use twocan::wire::signal::{Media, Signal, VERSION};

/// Believes any door.
pub struct Gullible;

impl client::Handler for Gullible {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// A session at a door, logged in.
pub struct Rogue(Handle<Gullible>);

async fn login(mut handle: Handle<Gullible>, user: &str, who: &Identity) -> Handle<Gullible> {
    let key = PrivateKeyWithHashAlg::new(Arc::new(who.private_key().clone()), None);
    assert!(handle.authenticate_publickey(user, key).await.unwrap().success());
    handle
}

impl Rogue {
    /// Log in with `identity`'s key.
    pub async fn enter(door: std::net::SocketAddr, identity: &Identity) -> Rogue {
        let handle = client::connect(Arc::default(), door, Gullible).await.unwrap();
        Rogue(login(handle, "twocan", identity).await)
    }

    /// Log in at the door behind a socket on the relay.
    pub async fn enter_through(relay: &RelayConfig, socket: &str, identity: &Identity) -> Rogue {
        let address = (relay.host.as_str(), relay.port);
        let outer = client::connect(Arc::default(), address, Gullible).await.unwrap();
        let outer = login(outer, &relay.user, identity).await;
        let channel = outer.channel_open_direct_streamlocal(socket).await.unwrap();
        let stream = channel.into_stream();
        let inner = client::connect_stream(Arc::default(), stream, Gullible).await.unwrap();
        // The outer session ends with the handle: the inner one keeps it in a task of its own.
        let inner = login(inner, "twocan", identity).await;
        tokio::spawn(async move {
            let _outer = outer;
            std::future::pending::<()>().await
        });
        Rogue(inner)
    }

    /// The session itself.
    pub fn session(&self) -> &Handle<Gullible> {
        &self.0
    }

    /// A channel on which nothing was asked for.
    pub async fn channel(&self) -> Channel<Msg> {
        self.0.channel_open_session().await.unwrap()
    }

    /// Send more messages than any queue holds on a channel without a subsystem, and see the
    /// session end.
    pub async fn flood_a_bare_channel(&self) {
        let channel = self.channel().await;
        for _ in 0..40 {
            if channel.data_bytes(&b"x"[..]).await.is_err() {
                break;
            }
        }
        Self::until_put_out(channel).await;
    }

    /// The session of `channel` must be ended by the other end.
    pub async fn until_put_out(mut channel: Channel<Msg>) {
        let end = async { while channel.wait().await.is_some() {} };
        tokio::time::timeout(super::kiosk::LIMIT, end).await.expect("the door ends the session");
    }

    /// Whether the request just made on `channel` was answered with a no.
    pub async fn is_refused(mut channel: Channel<Msg>) -> bool {
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Failure) => return true,
                Some(ChannelMsg::Success) | None => return false,
                Some(_) => {}
            }
        }
    }

    /// Open a subsystem; `None` when it is refused.
    pub async fn open(&self, name: &str) -> Option<Channel<Msg>> {
        let mut channel = self.0.channel_open_session().await.ok()?;
        channel.request_subsystem(true, name).await.ok()?;
        loop {
            match channel.wait().await? {
                ChannelMsg::Success => return Some(channel),
                ChannelMsg::Failure | ChannelMsg::Close => return None,
                _ => {}
            }
        }
    }

    /// Open control and say hello.
    pub async fn greet(&self) -> Channel<Msg> {
        let control = self.open("twocan-control").await.unwrap();
        let name = "Rogue".to_owned();
        let hello = Signal::Hello { version: VERSION, name, media: Media::default() };
        control.data_bytes(hello.encode()).await.unwrap();
        control
    }
}
