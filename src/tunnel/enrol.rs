//! A ticket: bringing our key to a hardened relay, once.
//!
//! ```text
//!  ticket: host, host key, login `kiosk-anna`, place, seed of a one-time key
//!     └─> log in as `twocan-join-anna` with that key ── our key line ──> `twocan relay enrol anna`
//!                                                    <── nothing, code 0: taken ──┘ (a refusal: a sentence)
//! ```
//! The relay runs that one command for the ticket's key, whatever is asked for. Our private key is not
//! used and never leaves; who has the ticket can bring their own key in our place, so it is good once
//! and for a day.

use std::sync::Arc;
use std::time::Duration;

use russh::ChannelMsg;
use russh::client::Handle;
use ssh_key::PrivateKey;
use ssh_key::private::{Ed25519Keypair, KeypairData};

use super::client::{self, Connection, Greeting, Pinned, handshake_error};
use super::error::{TunnelError, said};
use super::options::Lane;
use super::relay::address;
use crate::identity::PeerKey;
use crate::meeting::{MeetingPoint, Ticket};

/// From the first SYN to the relay's last word.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the relay may say, in bytes.
const SAID: usize = 1024;

/// Bring `key` to the relay of `ticket`; how we meet there. Waits, half a minute at most.
///
/// # Errors
/// A sentence.
pub fn enrol(ticket: &Ticket, key: PeerKey) -> Result<MeetingPoint, String> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tokio = tokio.map_err(|error| format!("no poll descriptor: {error}"))?;
    tokio.block_on(bring(ticket, key))
}

/// The same in the tunnel's thread.
pub(super) async fn bring(ticket: &Ticket, key: PeerKey) -> Result<MeetingPoint, String> {
    let who = format!("relay {}", ticket.point.host);
    let late = || TunnelError::TimedOut { who: who.clone(), doing: "taking the ticket" };
    let brought = tokio::time::timeout(PATIENCE, hand_over(ticket, key, &who)).await;
    brought.unwrap_or_else(|_| Err(late())).map_err(|error| error.to_string())?;
    Ok(ticket.point.clone())
}

async fn hand_over(ticket: &Ticket, key: PeerKey, who: &str) -> Result<(), TunnelError> {
    let point = &ticket.point;
    let refused = |reason: &str| TunnelError::TicketRefused {
        who: who.to_owned(),
        reason: reason.to_owned(),
    };
    let login = point.join_login().ok_or_else(|| refused("it names no login of a kiosk"))?;
    let seed = Ed25519Keypair::from_seed(&ticket.seed);
    let once = PrivateKey::new(KeypairData::Ed25519(seed), "")
        .expect("a fresh Ed25519 pair is a private key");
    let stream = client::tcp(who, &address(point.host.as_str(), point.port)).await?;
    let host_key = &point.host_key.0;
    let greeting = Greeting { who, host_key, lane: Lane::Voice, forward: None };
    let mut connection = client::greet(stream, greeting).await?;
    connection.login(who, &login, &Arc::new(once)).await.map_err(|error| match error {
        TunnelError::LoginRefused { .. } => refused("it was used already, or is older than a day"),
        other => other,
    })?;
    // The cut ends the session when it is dropped with the rest.
    let Connection { handle, .. } = connection;
    let failed = |error: russh::Error| handshake_error(who, &error);
    match say(&handle, &format!("{key}\n")).await.map_err(failed)? {
        (Some(0), _) => Ok(()),
        (_, said) if said.is_empty() => Err(refused("it gave no reason")),
        (_, said) => Err(refused(&said)),
    }
}

/// Run the one command with `line` as its input: its exit code, if there was one, and what it said.
async fn say(handle: &Handle<Pinned>, line: &str) -> Result<(Option<u32>, String), russh::Error> {
    let mut channel = handle.channel_open_session().await?;
    channel.exec(true, "enrol").await?;
    channel.data_bytes(line.as_bytes().to_vec()).await?;
    channel.eof().await?;
    let (mut code, mut heard) = (None, Vec::new());
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let room = SAID - heard.len();
                heard.extend_from_slice(&data[..data.len().min(room)]);
            }
            ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
            ChannelMsg::Failure | ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok((code, said(String::from_utf8_lossy(&heard).trim())))
}
