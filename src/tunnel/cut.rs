//! A connection that can be cut from outside, whatever the SSH session on it is waiting for.
//!
//! A session that waits for a peer who reads nothing hears no polite request to end. So every
//! transport is wrapped: once the [`Cut`] is used (or all its clones are gone) reads and writes fail,
//! and the session ends with them. A session looks at its transport for every packet: that costs a look
//! at a flag, and whom to wake is told again only when it is another task.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// The scissors.
#[derive(Clone)]
pub(super) struct Cut(Arc<Blades>);

struct Blades {
    /// Set before anybody is told.
    is_cut: Arc<AtomicBool>,
    tell: watch::Sender<bool>,
}

impl Drop for Blades {
    fn drop(&mut self) {
        self.is_cut.store(true, Ordering::Release);
    }
}

impl Cut {
    /// Scissors with nothing between them yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Blades { is_cut: Arc::default(), tell: watch::Sender::new(false) }))
    }

    /// Put a transport between them.
    pub(super) fn around<S>(&self, stream: S) -> Severable<S> {
        let is_cut = Arc::clone(&self.0.is_cut);
        // A task whose turn is over would be told to come again, and not be noted.
        let cut = Box::pin(tokio::task::unconstrained(self.done()));
        Severable { stream, cut, is_cut, told: None }
    }

    /// End the connection now.
    pub(super) fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.tell.send_replace(true);
    }

    /// Completes when it was cut, or when nobody is left to do so.
    pub(super) fn done(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut receiver = self.0.tell.subscribe();
        async move {
            // The sender's end is a cut too.
            let _ = receiver.wait_for(|cut| *cut).await;
        }
    }
}

/// The transport with the thread that can be cut.
pub(super) struct Severable<S> {
    stream: S,
    cut: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    is_cut: Arc<AtomicBool>,
    /// Who is woken when it is cut.
    told: Option<Waker>,
}

/// Wrap a transport.
pub(super) fn severable<S>(stream: S) -> (Cut, Severable<S>) {
    let cut = Cut::new();
    let stream = cut.around(stream);
    (cut, stream)
}

impl<S> Severable<S> {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let known = self.told.as_ref().is_some_and(|told| told.will_wake(cx.waker()));
        let mut is_cut = self.is_cut.load(Ordering::Acquire);
        if !is_cut && !known {
            is_cut = self.cut.as_mut().poll(cx).is_ready();
            self.told = Some(cx.waker().clone());
        }
        if is_cut {
            self.is_cut.store(true, Ordering::Release);
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "we ended it"));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Severable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_reader_that_waits_is_ended_by_a_cut_and_by_the_end_of_all_scissors() {
        for drops in [false, true] {
            let (mut far, near) = tokio::io::duplex(1 << 20);
            let (cut, mut near) = severable(near);
            let other = cut.clone();
            // More than a task does in one turn.
            far.write_all(&[7; 1000]).await.unwrap();
            let (tell, told) = tokio::sync::oneshot::channel();
            let reader = tokio::spawn(async move {
                for _ in 0..1000 {
                    near.read_u8().await.unwrap();
                }
                let mut waits = std::pin::pin!(near.read_u8());
                assert!(look_at(waits.as_mut()).await.is_pending());
                tell.send(()).unwrap();
                waits.await.unwrap_err().kind()
            });
            told.await.unwrap();
            if drops {
                drop((cut, other));
            } else {
                other.cut();
            }
            assert_eq!(reader.await.unwrap(), io::ErrorKind::ConnectionAborted);
        }
    }

    /// One look at `work`, whatever comes of it.
    async fn look_at<F: Future>(mut work: Pin<&mut F>) -> Poll<F::Output> {
        std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await
    }
}
