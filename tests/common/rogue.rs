//! A contact that has gone bad: a bare SSH client with a valid key that sends what it likes.

use std::sync::Arc;

use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg};
use twocan::identity::Identity;
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

impl Rogue {
    /// Log in with `identity`'s key.
    pub async fn enter(door: std::net::SocketAddr, identity: &Identity) -> Rogue {
        let mut handle = client::connect(Arc::default(), door, Gullible).await.unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(identity.private_key().clone()), None);
        assert!(handle.authenticate_publickey("twocan", key).await.unwrap().success());
        Rogue(handle)
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
