//! The door of the web, and what one who comes through it may take: a place among a number of them, of which
//! one address has few, and patience that starts anew with every byte that goes to him.
//!
//! ```text
//!  accept ── a place is free ── his address has fewer than 16
//!              └──> Visitor ──┬─ reads more than 16 KiB between two answers ──> gone
//!                             └─ 10 s without a byte written to it ──> gone
//! ```
//! On loopback a proxy may sit, behind which are many: it may have all places. One rule for who asks slowly,
//! who asks nothing and who takes nothing.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use crate::caps::{LISTENER_PATIENCE, LISTENER_REQUEST_LIMIT, LISTENERS_EACH, LISTENERS_LIMIT};

/// The pause after a failure that is no visitor's: no descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// See the top of the file.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    seats: Seats,
}

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Seats {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None: that address has enough.
    fn take(&self, from: IpAddr) -> Option<Seat> {
        let from = from.to_canonical();
        let mut taken = self.lock();
        let number = taken.entry(from).or_default();
        if *number >= LISTENERS_EACH && !from.is_loopback() {
            return None;
        }
        *number += 1;
        Some(Seat { seats: self.clone(), from })
    }
}

struct Seat {
    seats: Seats,
    from: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if let Some(number) = taken.get_mut(&self.from) {
            *number -= 1;
            if *number == 0 {
                taken.remove(&self.from);
            }
        }
    }
}

impl Door {
    pub(super) fn new(listener: TcpListener) -> Self {
        let places = Arc::new(Semaphore::new(LISTENERS_LIMIT));
        Self { listener, places, seats: Seats::default() }
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
                    let Some(seat) = self.seats.take(from.ip()) else { continue };
                    // It only makes answers earlier.
                    let _ = stream.set_nodelay(true);
                    return (Visitor::new(stream, place, seat), from);
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
    _seat: Seat,
}

impl Visitor {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, seat: Seat) -> Self {
        let patience = Box::pin(tokio::time::sleep(LISTENER_PATIENCE));
        Self { stream, patience, asked: 0, _place: place, _seat: seat }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_few_places_and_gets_them_back_and_a_proxy_has_all() {
        let seats = Seats::default();
        let lan: IpAddr = [192, 0, 2, 1].into();
        let mut taken: Vec<Seat> = (0..LISTENERS_EACH).filter_map(|_| seats.take(lan)).collect();
        assert_eq!(taken.len(), LISTENERS_EACH);
        assert!(seats.take(lan).is_none());
        assert!(seats.take("::ffff:192.0.2.1".parse().unwrap()).is_none(), "it is the same one");
        assert!(seats.take([192, 0, 2, 2].into()).is_some());
        taken.pop();
        assert!(seats.take(lan).is_some());
        let local: IpAddr = [127, 0, 0, 1].into();
        let all: Vec<Seat> = (0..LISTENERS_LIMIT).filter_map(|_| seats.take(local)).collect();
        assert_eq!(all.len(), LISTENERS_LIMIT);
        drop((taken, all));
        assert!(seats.lock().is_empty());
    }
}
