//! A connection that can be cut from outside, whatever the SSH session on it is waiting for.
//!
//! A session that waits for a peer who reads nothing hears no polite request to end. So every
//! transport is wrapped: once the [`Cut`] is used (or all its clones are gone) reads and writes fail,
//! and the session ends with them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// The scissors.
#[derive(Clone)]
pub(super) struct Cut(Arc<watch::Sender<bool>>);

impl Cut {
    /// Scissors with nothing between them yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Put a transport between them.
    pub(super) fn around<S>(&self, stream: S) -> Severable<S> {
        Severable { stream, cut: Box::pin(self.done()), is_cut: false }
    }

    /// End the connection now.
    pub(super) fn cut(&self) {
        self.0.send_replace(true);
    }

    /// Completes when it was cut, or when nobody is left to do so.
    pub(super) fn done(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut receiver = self.0.subscribe();
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
    is_cut: bool,
}

/// Wrap a transport.
pub(super) fn severable<S>(stream: S) -> (Cut, Severable<S>) {
    let cut = Cut::new();
    let stream = cut.around(stream);
    (cut, stream)
}

impl<S> Severable<S> {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_cut = self.is_cut || self.cut.as_mut().poll(cx).is_ready();
        if self.is_cut {
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
