//! The server: HTTP/1.1, one thread, a few connections at a time.
//!
//! Invariant: who sends nothing, reads nothing or never ends is let go after a time. A page of the web cannot ask in a
//! browser's name: a request that names a host other than an address or `localhost` is refused where it listens on loopback.
//! Memory: [`MOST_CONNECTIONS`] times [`MOST_HEADER_BYTES`] and what is being sent.

use super::board::Board;
use super::routes::{self, Answer};
use crate::console::say;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Connections at a time; others wait in the kernel's queue.
pub(super) const MOST_CONNECTIONS: usize = 16;
/// Of a request's head: hyper takes no less.
const MOST_HEADER_BYTES: usize = 8 * 1024;
/// For a request's head to come.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// After this time a connection ends with the answer that is being sent.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// For that answer.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(5);
/// Between two attempts to accept where that failed, for want of descriptors perhaps.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until it is told to end.
pub(super) fn run(socket: TcpListener, board: &Arc<Board>, ended: oneshot::Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say(&format!("warning: nobody is answered over HTTP: {error}")),
    };
    runtime.block_on(async {
        tokio::select! {
            () = accept(socket, board) => {}
            _ = ended => {}
        }
    });
    runtime.shutdown_background();
}

async fn accept(socket: TcpListener, board: &Arc<Board>) {
    let loopback = socket.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return say(&format!("warning: nobody is answered over HTTP: {error}")),
    };
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // A semaphore that nobody closes gives places for ever.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                let board = Arc::clone(board);
                tokio::spawn(async move {
                    serve(stream, &board, loopback).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn serve(stream: TcpStream, board: &Arc<Board>, loopback: bool) {
    let service = service_fn(move |request: Request<Incoming>| {
        let board = Arc::clone(board);
        async move { Ok::<_, Infallible>(respond(request, &board, loopback).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(MOST_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    );
    // How a connection of somebody else ends is no matter here.
    if timeout(CONNECTION_TIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER_TIME, connection).await;
    }
}

async fn respond(request: Request<Incoming>, board: &Board, loopback: bool) -> Response<Full<Bytes>> {
    let refused =
        |status, text: &str| Answer { status, content_type: "text/plain", text: Bytes::from(text.to_owned()) };
    let answer = if !matches!(*request.method(), Method::GET | Method::HEAD) {
        refused(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n")
    } else if loopback && !is_address(request.headers()) {
        refused(StatusCode::FORBIDDEN, "ask for an address or for localhost, not for another name\n")
    } else {
        let page = board.page().await;
        routes::answer(request.uri().path(), page.as_deref(), request.headers())
            .unwrap_or_else(|| refused(StatusCode::NOT_FOUND, &format!("there are:\n{}", routes::index())))
    };
    let Answer { status, content_type, text } = answer;
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Whether the request is for an address, or for `localhost`: a name could be made to lead here by who owns it.
fn is_address(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str().unwrap_or_default().parse::<http::uri::Authority>() else { return false };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
