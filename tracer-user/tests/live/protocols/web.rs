//! The web: HTTP/1.1 through a gateway, HTTP/2, gRPC.
//!
//! Invariant: as in `main`. Memory: none.

use super::{Server, agrees, report};
use crate::coverage;
use crate::host::{Folder, Peer, Tracer, port};

/// nginx at `front`, before a server at `back` and one that is not there.
pub(super) fn gateway(folder: &Folder, front: u16, back: u16, nobody: u16) -> Server {
    gateway_that_speaks("", folder, front, back, nobody)
}

/// The same, for what nginx calls its parameter of listening.
pub(super) fn gateway_that_speaks(protocol: &str, folder: &Folder, front: u16, back: u16, nobody: u16) -> Server {
    let configuration = folder.file("nginx.conf");
    let lines = format!(
        "daemon off; worker_processes 1; pid {pid}; error_log /dev/null;
         events {{ worker_connections 1024; }}
         http {{ access_log off; server {{ listen 127.0.0.1:{front} {protocol};
           location /wait/ {{ proxy_pass http://127.0.0.1:{back}; }}
           location /users/ {{ proxy_pass http://127.0.0.1:{back}; }}
           location /behind {{ proxy_pass http://127.0.0.1:{nobody}; }}
           location /broken {{ return 500; }}
           location /orders/ {{ return 200 ok; }} }} }}",
        pid = folder.file("nginx.pid").display()
    );
    std::fs::write(&configuration, lines).unwrap();
    Server::start(&["nginx", "-c", configuration.to_str().unwrap()], folder, front)
}

#[test]
fn http_through_a_gateway() {
    let folder = Folder::new("http");
    let (front, back, nobody) = (port(), port(), port());
    let source = include_str!("../traffic/http.py");
    let _back = Peer::start_script(&[], source, "back.py", &["server", &back.to_string()]);
    let _front = gateway(&folder, front, back, nobody);
    let tracer = Tracer::watch(&folder, &[]);
    let told = report(source, "client.py", &["client", &front.to_string(), "50", "4"]);
    let graph = tracer.finish();
    agrees(&graph, "client.py", "nginx", front, "http", &told);
    let call = graph.only_call("client.py", "nginx", front);
    let kinds = &call["errors_by_kind"];
    assert_eq!((&kinds["service"], &kinds["gateway"]), (&200.into(), &200.into()), "{call:#}");
    let behind = graph.only_call("nginx", "back.py", back);
    assert_eq!(behind["requests"], 400, "{behind:#}");
    coverage::passed("protocol/http");
}

#[test]
fn http2() {
    let (folder, port) = (Folder::new("http2"), port());
    let source = include_str!("../traffic/http2.py");
    let _server = Peer::start_script(&[], source, "server.py", &["server", &port.to_string()]);
    let tracer = Tracer::watch(&folder, &[]);
    let told = report(source, "client.py", &["client", &port.to_string(), "10", "5", "500"]);
    agrees(&tracer.finish(), "h2load", "nghttpd", port, "http2", &told);
    coverage::passed("protocol/http2");
}

#[test]
fn grpc() {
    let (folder, port) = (Folder::new("grpc"), port());
    let source = include_str!("../traffic/rpc.py");
    let _server = Peer::start_script(&[], source, "server.py", &["server", &port.to_string()]);
    let tracer = Tracer::watch(&folder, &[]);
    let told = report(source, "client.py", &["client", &port.to_string(), "10", "5", "4"]);
    agrees(&tracer.finish(), "client.py", "server.py", port, "http2", &told);
    coverage::passed("protocol/grpc");
}
