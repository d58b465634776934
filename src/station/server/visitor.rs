//! The door of the web, and what one who comes through it may take: a place among a number of them, and
//! patience that starts anew with every byte that goes to him.
//!
//! ```text
//!  accept ── a place is free ──> Visitor ── reads ≤ 16 KiB between two answers ──> gone
//!                                        └─ 10 s without a byte written to it ──> gone
//! ```
//! One rule for who asks slowly, who asks nothing and who takes nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use crate::caps::{LISTENER_PATIENCE, LISTENER_REQUEST_LIMIT, LISTENERS_LIMIT};

/// The pause after a failure that is no visitor's: no descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// See the top of the file.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(LISTENERS_LIMIT)) }
    }
}

impl Listener for Door {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("nobody closes the semaphore");
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // It only makes answers earlier.
                    let _ = stream.set_nodelay(true);
                    return (Visitor::new(stream, place), from);
                }
                Err(error) => {
                    tracing::debug!("accept a listener: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection.
pub(super) struct Visitor {
    stream: TcpStream,
    patience: Pin<Box<Sleep>>,
    /// Bytes read since something was written.
    asked: usize,
    _place: OwnedSemaphorePermit,
}

impl Visitor {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        let patience = Box::pin(tokio::time::sleep(LISTENER_PATIENCE));
        Self { stream, patience, asked: 0, _place: place }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.patience.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        self.asked += into.filled().len() - before;
        if self.asked > LISTENER_REQUEST_LIMIT {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                if matches!(written, Ok(1..)) {
                    self.asked = 0;
                    self.patience.as_mut().reset(Instant::now() + LISTENER_PATIENCE);
                }
                Poll::Ready(written)
            }
            Poll::Pending if self.is_over(context) => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
