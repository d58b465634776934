//! What listeners get over HTTP. Nobody is asked who he is: the address that it listens at decides who
//! comes here.
//!
//! ```text
//!  /                     the stations, for browsers
//!  /NAME/                a page that plays one of them
//!  /NAME/live.m3u8       the playlist, in the shape of an ioc-server's
//!  /NAME/1234567890.ts   a segment of it
//!  /NAME/live.mp3        the same sound in one piece, until 40 s after the station: what every browser and
//!                        radio plays
//!  /status.json          figures
//! ```
//! Pages of other sites get nothing: no answer may be used across origins, and only a request for one of our
//! names is answered (host.rs).

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http_body::Frame;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::host::Names;
use super::house::{House, Station};
use super::page;
use super::receive::until_stopped;
use super::rounds::Round;
use super::visitor::Door;
use crate::clock;
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};

/// Whoever comes first waits so long for the first segment, which takes a second to be made: players give
/// up at an empty list, and kiosks at an answer that takes two seconds.
const FIRST: Duration = Duration::from_millis(1500);
/// Segments that one who listens without end begins with: a browser wants some before it starts.
const BEGIN: u64 = 2;
/// Between two times of saying that such a one still listens.
const STILL: Duration = Duration::from_secs(4);
/// Segments under way to such a one; who takes them slowly misses some.
const UNDER_WAY: usize = 2;

/// See the top of the file.
pub(super) struct Web {
    pub(super) house: Arc<House>,
    pub(super) listener: std::net::TcpListener,
    pub(super) round: Round,
    pub(super) names: Arc<Names>,
}

impl Worker for Web {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let (house, names) = (Arc::clone(&self.house), Arc::clone(&self.names));
        let listener = self.listener.try_clone()?;
        until_stopped(stop, &self.round, async move {
            let door = Door::new(TcpListener::from_std(listener)?);
            axum::serve(door, router(house, names)).await
        })
    }
}

fn router(house: Arc<House>, names: Arc<Names>) -> Router {
    let guard = move |request: Request, next: Next| guarded(Arc::clone(&names), request, next);
    Router::new()
        .route("/", get(home))
        .route("/status.json", get(status))
        .route("/-/listen.js", get(script))
        .route("/{station}", get(to_page))
        .route("/{station}/", get(station_page))
        .route("/{station}/{file}", get(file))
        .layer(middleware::from_fn(guard))
        .with_state(house)
}

async fn guarded(names: Arc<Names>, request: Request, next: Next) -> Response {
    if !names.answers(request.headers()) {
        let words =
            "this server does not answer to that name; `names` in [station_server] are its own";
        return (StatusCode::MISDIRECTED_REQUEST, words).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let from_us = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(from_us, "same-origin".parse().expect("plain ASCII"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, "nosniff".parse().expect("plain ASCII"));
    headers.insert(CACHE_CONTROL, "no-store".parse().expect("plain ASCII"));
    response
}

async fn home(State(house): State<Arc<House>>) -> Response {
    html(page::home(&house.status(clock::now())))
}

async fn status(State(house): State<Arc<House>>) -> Response {
    let text = serde_json::to_string(&house.status(clock::now()));
    let text = text.expect("a status has only strings and numbers");
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript")], page::SCRIPT).into_response()
}

async fn to_page(State(house): State<Arc<House>>, Path(name): Path<String>) -> Response {
    match house.station(&name) {
        Some(_) => {
            let place = format!("/{}/", page::in_address(&name));
            (StatusCode::PERMANENT_REDIRECT, [(LOCATION, place)]).into_response()
        }
        None => unknown(),
    }
}

async fn station_page(State(house): State<Arc<House>>, Path(name): Path<String>) -> Response {
    match house.station(&name) {
        Some(station) => html(page::station(&station.name)),
        None => unknown(),
    }
}

async fn file(
    State(house): State<Arc<House>>,
    Path((name, file)): Path<(String, String)>,
) -> Response {
    let Some(station) = house.station(&name) else { return unknown() };
    match file.as_str() {
        "live.m3u8" => {
            let playlist = playlist(station).await;
            ([(CONTENT_TYPE, "application/x-mpegurl")], playlist).into_response()
        }
        "live.mp3" => ([(CONTENT_TYPE, "audio/mpeg")], live(Arc::clone(station))).into_response(),
        _ => {
            let id = file.strip_suffix(".ts").and_then(|id| id.parse().ok());
            match id.and_then(|id| station.hls().segment(id)) {
                Some(segment) => ([(CONTENT_TYPE, "audio/mpeg")], segment).into_response(),
                None => unknown(),
            }
        }
    }
}

fn html(text: String) -> Response {
    const POLICY: &str = "default-src 'none'; media-src 'self' blob:; script-src 'self'; \
        connect-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, text).into_response()
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing of that name").into_response()
}

/// The playlist; of a station that is live and was listened to by nobody so far, its first.
async fn playlist(station: &Station) -> String {
    let now = clock::now();
    station.listened(now);
    if station.is_live(now) {
        let mut news = station.news.subscribe();
        let first = async {
            while station.hls().is_empty() {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        // Nothing in time: the list is empty, as it is.
        let _ = tokio::time::timeout(FIRST, first).await;
    }
    station.hls().playlist()
}

/// MP3 without end, from the newest on.
fn live(station: Arc<Station>) -> Body {
    let (send, receive) = mpsc::channel(UNDER_WAY);
    tokio::spawn(async move {
        let mut news = station.news.subscribe();
        let mut next = station.hls().count().saturating_sub(BEGIN);
        loop {
            station.listened(clock::now());
            let found = station.hls().from(next);
            match found {
                Some((number, mp3)) => {
                    next = number + 1;
                    let sent = tokio::time::timeout(STILL, send.send(mp3)).await;
                    if matches!(sent, Ok(Err(_))) {
                        return;
                    }
                }
                None => tokio::select! {
                    _ = news.changed() => {}
                    () = send.closed() => return,
                    () = tokio::time::sleep(STILL) => {}
                },
            }
        }
    });
    Body::new(Live(receive))
}

struct Live(mpsc::Receiver<Bytes>);

impl http_body::Body for Live {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Where listeners come to.
///
/// # Errors
/// The system does not let us listen there.
pub(super) fn bind(address: std::net::SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
