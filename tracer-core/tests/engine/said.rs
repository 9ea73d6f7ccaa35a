//! What is said on connections: who is wanted, what is asked, and what waits unread.
//!
//! Invariant: inputs come from `sim` alone. Memory: one run.

use crate::run::{Run, client, server};
use tracer_core::alert::AlertState::Firing;
use tracer_core::baseline::Baseline;
use tracer_core::sim::{self, Connection, SimSocket};
use tracer_core::time::Span;

/// A ClientHello (RFC 8446 §4.1.2) that wants `name` and to speak h2.
fn client_hello(name: &str) -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let host = [&[0], with_length(name.as_bytes()).as_slice()].concat();
    let server_name = [&[0, 0], with_length(&with_length(&host)).as_slice()].concat();
    let protocols = [&[0, 16], with_length(&with_length(b"\x02h2")).as_slice()].concat();
    let extensions = with_length(&[server_name, protocols].concat());
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &extensions].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    [&[22, 3, 1], with_length(&message).as_slice()].concat()
}

#[test]
fn a_peer_elsewhere_that_nobody_asked_for_is_called_by_the_name_that_its_client_wants() {
    let mut run = Run::new(None);
    let ends = sim::tuple(([192, 0, 2, 10], 40_001).into(), ([198, 51, 100, 7], 443).into());
    let mut out = Vec::new();
    let mut socket = SimSocket::connect(77, client(), ends, run.now, &mut out);
    socket.established(run.now, &mut out);
    let hello = client_hello("Shop.example.com");
    socket.send(u32::try_from(hello.len()).unwrap(), run.now, &mut out);
    out.push(sim::said(77, true, 0, &hello, run.now));
    socket.snapshot(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_seconds(3));
    let call = run.only_call();
    assert_eq!((call.from.as_str(), call.to.as_str()), ("program:client", "peer:shop.example.com"));
    assert_eq!((call.protocol.as_deref(), call.inner_protocol.as_deref()), (Some("tls"), Some("h2")));
}

#[test]
fn a_request_is_told_by_what_it_asks_and_one_that_its_server_has_not_read_is_in_flight() {
    const GET: &[u8] = b"GET /users/4711 HTTP/1.1\r\nHost: a\r\n\r\n";
    const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    let cookie = connection.server.cookie();
    let [asked, answered] = [GET, NOT_FOUND].map(|bytes| u32::try_from(bytes.len()).unwrap());
    let mut out = Vec::new();
    connection.client.send(asked, run.now, &mut out);
    connection.server.receive(asked, run.now, &mut out);
    out.push(sim::said(cookie, false, 0, GET, run.now));
    connection.server.send(answered, run.now, &mut out);
    out.push(sim::said(cookie, true, asked.into(), NOT_FOUND, run.now));
    connection.client.receive(answered, run.now, &mut out);
    run.give(out);
    run.pass(Span::from_millis(300));
    assert_eq!(run.only_call().in_flight, 0);
    let mut out = Vec::new();
    // The next one is not read, which is known before anybody looks.
    connection.client.send(asked, run.now, &mut out);
    run.give(out);
    run.pass(Span::from_millis(100));
    assert_eq!(run.only_call().in_flight, 1);
    let mut out = Vec::new();
    connection.client.snapshot(run.now, &mut out);
    connection.server.snapshot(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_seconds(2));
    let call = run.only_call();
    let operations: Vec<_> = call.operations.iter().map(|it| (it.name.as_deref(), it.statuses.get("404"))).collect();
    assert_eq!(operations, [(Some("GET /users/{id}"), Some(&1))]);
    assert_eq!((call.protocol.as_deref(), call.in_flight), (Some("http"), 1));
    assert!(call.oldest_in_flight_ms.unwrap() >= 2_000.0, "{call:#?}");
}

/// A connection, and what both of its ends have sent.
struct Talking {
    connection: Connection,
    /// By the client, by the server.
    places: [u64; 2],
    /// Who spoke last.
    server_spoke: bool,
}

impl Talking {
    fn open(run: &mut Run) -> Self {
        Self { connection: run.open(client(), server()), places: [0, 0], server_spoke: true }
    }

    /// Both ends tell what is said; it takes a millisecond to arrive.
    fn say(&mut self, run: &mut Run, by_server: bool, text: &str) {
        let (bytes, length) = (text.as_bytes(), u32::try_from(text.len()).unwrap());
        let ([asked, answered], more) = (self.places, u64::from(length));
        let places = if by_server { [answered, asked] } else { [asked, answered] };
        self.places = if by_server { [asked, answered + more] } else { [asked + more, answered] };
        let begins = std::mem::replace(&mut self.server_spoke, by_server) != by_server;
        let (mut out, arrives) = (Vec::new(), run.now.after(Span::from_millis(1)));
        let Connection { client, server, .. } = &mut self.connection;
        let [from, to] = if by_server { [server, client] } else { [client, server] };
        from.send(length, run.now, &mut out);
        out.push(sim::said_in(from.cookie(), true, places, begins, bytes, run.now));
        to.receive(length, arrives, &mut out);
        out.push(sim::said_in(to.cookie(), false, places, begins, bytes, arrives));
        run.give(out);
        run.now = arrives;
    }
}

/// By turns, a request would have lasted from the answer to a ping on, and what nobody answers until the next news.
#[test]
fn where_either_side_speaks_when_it_likes_a_request_lasts_from_its_own_first_byte() {
    let mut run = Run::new(None);
    let mut talking = Talking::open(&mut run);
    talking.say(&mut run, true, "INFO {}\r\n");
    talking.say(&mut run, false, "CONNECT {}\r\nSUB news 2\r\nPING\r\n");
    talking.say(&mut run, true, "PONG\r\n");
    talking.say(&mut run, true, "PING\r\n");
    talking.say(&mut run, false, "PONG\r\n");
    run.pass(Span::from_seconds(5));
    talking.say(&mut run, false, "PUB svc.time _INBOX.a.1 1\r\n?\r\n");
    run.now = run.now.after(Span::from_millis(8));
    talking.say(&mut run, true, "MSG _INBOX.a.1 1 3\r\nyes\r\n");
    talking.say(&mut run, false, "PUB orders.new 2\r\n42\r\n");
    run.pass(Span::from_seconds(5));
    talking.say(&mut run, true, "MSG news 2 3\r\nnew\r\n");
    run.close(talking.connection);
    run.pass(Span::from_seconds(4));
    let call = run.only_call();
    assert_eq!((call.protocol.as_deref(), call.requests), (Some("nats"), 5), "{call:#?}");
    let [client, server] = [&call.latency_ms, &call.server_latency_ms].map(|latency| latency.as_ref().unwrap());
    assert_eq!((client.samples, server.samples), (3, 3), "{call:#?}");
    assert!((client.max - 10.0).abs() < 0.1 && (server.max - 8.0).abs() < 0.1, "{call:#?}");
}

/// The server answers one request of the client, which asks for this.
fn ask(run: &mut Run, request: &[u8]) {
    const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut connection = run.open(client(), server());
    let cookie = connection.server.cookie();
    let [asked, answered] = [request, FINE].map(|bytes| u32::try_from(bytes.len()).unwrap());
    let mut out = Vec::new();
    connection.client.send(asked, run.now, &mut out);
    connection.server.receive(asked, run.now, &mut out);
    out.push(sim::said(cookie, false, 0, request, run.now));
    connection.server.send(answered, run.now, &mut out);
    out.push(sim::said(cookie, true, asked.into(), FINE, run.now));
    connection.client.receive(answered, run.now, &mut out);
    run.give(out);
    run.close(connection);
    run.pass(Span::from_seconds(4));
}

#[test]
fn what_is_asked_for_and_not_listed_warns_once_and_only_where_operations_were_learned() {
    let mut learning = Run::new(None);
    ask(&mut learning, b"GET /users/4711 HTTP/1.1\r\nHost: a\r\n\r\n");
    let graph = learning.graph();
    let plain = Baseline::learn(&graph).unwrap();
    let listing = plain.clone().with_operations_of(&graph);
    assert_eq!(listing.calls()[0].operations.iter().flatten().collect::<Vec<_>>(), ["GET /users/{id}"]);
    for (baseline, alerts) in [(listing, [Firing].as_slice()), (plain, &[])] {
        let mut run = Run::new(Some(baseline));
        ask(&mut run, b"GET /users/5 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(run.alerts("unexpected-operation"), [], "it is listed");
        ask(&mut run, b"DELETE /users/5 HTTP/1.1\r\nHost: a\r\n\r\n");
        ask(&mut run, b"GET /users/6 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(run.alerts("unexpected-operation"), alerts);
    }
}
