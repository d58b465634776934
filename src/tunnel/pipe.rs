//! A channel of an outer session as the transport of an inner one, which never holds the outer up.
//!
//! An SSH session hands what arrives on a channel to a short queue and waits while that is full, with
//! all its other channels. An inner session that is busy writing to a peer who reads nothing does not
//! read either: the outer one would wait with it, for ever. So a task of its own drains the channel,
//! and holds at most [`HELD_LIMIT`] for the inner session. Honest peers stay far below, since the windows
//! inside limit what they may send unread; who goes over it is cut off.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

use super::cut::{Cut, Severable};
use super::{Counters, Fault};
use crate::caps::HELD_LIMIT;

/// Bytes taken from the channel at once.
const PIECE: usize = 16 * 1024;

#[derive(Default)]
struct Held {
    bytes: BytesMut,
    ended: bool,
    reader: Option<Waker>,
}

#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Held>>);

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False: that was too much.
    fn put(&self, bytes: &[u8]) -> bool {
        let mut held = self.lock();
        let fits = held.bytes.len() + bytes.len() <= HELD_LIMIT;
        if fits {
            held.bytes.extend_from_slice(bytes);
        } else {
            held.bytes = BytesMut::new();
        }
        if let Some(reader) = held.reader.take() {
            reader.wake();
        }
        fits
    }

    fn end(&self) {
        let mut held = self.lock();
        held.ended = true;
        if let Some(reader) = held.reader.take() {
            reader.wake();
        }
    }
}

/// The inner session's end of a channel.
pub(super) struct Pipe<S> {
    write: WriteHalf<S>,
    shelf: Shelf,
    drain: JoinHandle<()>,
}

/// Drain `stream` from now on, until what is returned is dropped; who goes over the limit is counted.
pub(super) fn pipe<S>(stream: S, counters: &Arc<Counters>) -> Severable<Pipe<S>>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let shelf = Shelf::default();
    let cut = Cut::new();
    let drain = tokio::spawn(drain(read, shelf.clone(), cut.clone(), Arc::clone(counters)));
    cut.around(Pipe { write, shelf, drain })
}

async fn drain<S: AsyncRead>(
    mut read: ReadHalf<S>,
    shelf: Shelf,
    cut: Cut,
    counters: Arc<Counters>,
) {
    let mut piece = vec![0; PIECE];
    let mut over = false;
    while let Ok(length @ 1..) = read.read(&mut piece).await {
        if !over && !shelf.put(&piece[..length]) {
            over = true;
            counters.blame(Fault::Held);
            tracing::warn!("a session that reads nothing was sent over 1 MiB: cut off");
            cut.cut();
        }
    }
    shelf.end();
    // What is held is still to be read, and the end of the last scissors would be a cut.
    std::future::pending().await
}

impl<S> Drop for Pipe<S> {
    fn drop(&mut self) {
        self.drain.abort();
    }
}

impl<S> AsyncRead for Pipe<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut held = self.shelf.lock();
        if held.bytes.is_empty() && !held.ended {
            held.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = held.bytes.len().min(buf.remaining());
        buf.put_slice(&held.bytes.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite> AsyncWrite for Pipe<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn what_went_in_comes_out_and_then_the_end() {
        block_on(async {
            let (mut far, near) = tokio::io::duplex(1000);
            let counters = Arc::default();
            let mut pipe = pipe(near, &counters);
            let sent: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
            let mut read = vec![0; sent.len()];
            // Nobody reads while it is written: the far end waits for nothing.
            far.write_all(&sent).await.unwrap();
            drop(far);
            pipe.read_exact(&mut read).await.unwrap();
            assert!(read == sent);
            assert_eq!(pipe.read(&mut read).await.unwrap(), 0);
        });
    }

    #[test]
    fn who_sends_without_end_to_one_that_only_writes_is_drained_and_cut_off() {
        block_on(async {
            let (far, near) = tokio::io::duplex(1000);
            let counters = Arc::default();
            let mut pipe = pipe(near, &counters);
            let (_never_read, mut far) = tokio::io::split(far);
            // The inner session's write, which the far end never takes.
            let stuck = tokio::spawn(async move { pipe.write_all(&[0; 5000]).await });
            let flood = far.write_all(&vec![1; 2 * HELD_LIMIT]).await;
            assert!(stuck.await.unwrap().is_err(), "the write was cut, {flood:?}");
            assert_eq!(counters.of(Fault::Held), 1);
        });
    }
}
