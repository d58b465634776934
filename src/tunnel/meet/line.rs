//! A conversation's bytes: messages behind their length, at most 4 KiB of them altogether, read and
//! written by one task, which never holds up whoever owns the other end.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::pairing::wire::{TOTAL_LIMIT, decode_length};

/// How long the other end may take to read our last words.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Who said what; none: nothing comes any more.
pub(super) type Heard = (u32, Option<Vec<u8>>);

/// Our end. Dropped, it is closed when all was sent.
pub(super) struct Carrier(mpsc::UnboundedSender<Vec<u8>>);

impl Carrier {
    /// Carry what comes over `stream` to `heard`, as said by `who`.
    pub(super) fn start<S>(who: u32, stream: S, heard: mpsc::UnboundedSender<Heard>) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (sender, to_send) = mpsc::unbounded_channel();
        tokio::spawn(carry(who, stream, heard, to_send));
        Self(sender)
    }

    /// A message with its length; our own machine sends a handful in all.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        // A line that is gone says so by itself.
        let _ = self.0.send(bytes);
    }
}

async fn carry<S>(
    who: u32,
    stream: S,
    heard: mpsc::UnboundedSender<Heard>,
    mut to_send: mpsc::UnboundedReceiver<Vec<u8>>,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut read, mut write) = tokio::io::split(stream);
    let (sent, all_sent) = oneshot::channel::<()>();
    let reading = async {
        let mut room = TOTAL_LIMIT;
        while let Some(message) = message(&mut read, &mut room).await {
            // Nobody listens any more: the rest is let go.
            let _ = heard.send((who, Some(message)));
        }
        let _ = heard.send((who, None));
    };
    let reading = async {
        tokio::select! {
            () = reading => {}
            () = async {
                // Only ever an error: the sender is dropped, never used.
                let _ = all_sent.await;
                tokio::time::sleep(LAST_WORDS).await;
            } => {}
        }
    };
    let writing = async move {
        while let Some(bytes) = to_send.recv().await {
            if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
                break;
            }
        }
        // A line that is gone needs no end.
        let _ = write.shutdown().await;
        drop(sent);
    };
    let writing =
        async { drop(tokio::time::timeout(crate::pairing::offer::LIMIT * 3, writing).await) };
    tokio::join!(reading, writing);
}

/// The next message; none at the end, or when there is more than there may be.
async fn message(read: &mut (impl AsyncRead + Unpin), room: &mut usize) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    read.read_exact(&mut length).await.ok()?;
    let length = decode_length(length).ok()?;
    *room = room.checked_sub(2 + length)?;
    let mut message = vec![0; length];
    read.read_exact(&mut message).await.ok()?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn messages_come_one_by_one_until_there_are_4_kib_of_them() {
        block_on(async {
            let (mut far, near) = tokio::io::duplex(64 * 1024);
            let (tell, mut heard) = mpsc::unbounded_channel();
            let _line = Carrier::start(7, near, tell);
            let message = [&1000_u16.to_be_bytes()[..], &[5; 1000]].concat();
            for _ in 0..5 {
                far.write_all(&message).await.unwrap();
            }
            for _ in 0..4 {
                assert_eq!(heard.recv().await, Some((7, Some(vec![5; 1000]))));
            }
            assert_eq!(heard.recv().await, Some((7, None)));
        });
    }

    #[test]
    fn last_words_are_sent_before_the_line_is_closed() {
        block_on(async {
            let (mut far, near) = tokio::io::duplex(64);
            let (tell, _heard) = mpsc::unbounded_channel();
            let line = Carrier::start(7, near, tell);
            line.send(vec![9; 500]);
            drop(line);
            let mut read = Vec::new();
            far.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, [9; 500]);
        });
    }
}
