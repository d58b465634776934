//! How a sender leaves a line that is slow.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::*;
use crate::stop::stop_pair;

/// What a server that reads late gets of a datagram of which the line had `taken` bytes at the stop.
fn late_reader(taken: usize) -> Result<usize, ErrorKind> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(1).unwrap();
    let listener = TcpListener::from(socket);
    let server: HostPort = listener.local_addr().unwrap().to_string().parse().unwrap();
    let (_stopper, stop) = stop_pair();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ours = tokio.block_on(async {
        let news = News::to_nobody(Arc::default());
        let ring = Ring::new(Duration::from_secs(2));
        let mut line = Line::tcp(&server).await.unwrap();
        // Full: nothing more goes before somebody reads.
        let Line::Tcp { stream, .. } = &mut line else { panic!("it is TCP") };
        let mut bytes = 0;
        let still = Duration::from_millis(100);
        while tokio::time::timeout(still, stream.writable()).await.is_ok() {
            bytes += stream.try_write(&[7; 4096]).unwrap_or(0);
        }
        let datagram = Datagram::new(&[7; 344], 0, clock::now());
        let mut stream = Stream::over(line);
        stream.in_hand = Some(InHand { datagram, taken });
        Sending::new(Direct::Tcp(server), None, ring, news, stop).farewell(stream).await;
        bytes
    });
    let (mut theirs, _) = listener.accept().unwrap();
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).map_err(|error| error.kind())?;
    Ok(ours.abs_diff(all.len()))
}

#[test]
fn a_slow_line_that_is_left_never_ends_in_order_behind_half_a_datagram() {
    assert_eq!(late_reader(100), Err(ErrorKind::ConnectionReset));
    assert_eq!(late_reader(0), Ok(0), "what went before it went whole");
}
