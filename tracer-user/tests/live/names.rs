//! Names of real processes that would be syntax, or would speak to the terminal.
//!
//! Invariant: as in `main`. Memory: none.

use crate::host::{Folder, Peer, Tracer, port};
use std::process::Command;

#[test]
fn a_hostile_name_is_shown_escaped_everywhere_and_breaks_nothing() {
    let folder = Folder::new("names");
    let port = port();
    let hostile = "\x1b]0;x\x07\n\"];n0 -> n1 [-->].py";
    let _server = Peer::start(hostile, &["server", "127.0.0.1", &port.to_string()]);
    let (dot, mermaid) = (folder.file("graph.dot"), folder.file("graph.mmd"));
    let exports = ["--export", dot.to_str().unwrap(), "--export", mermaid.to_str().unwrap()];
    let tracer = Tracer::watch(&folder, &exports);
    let mut client = Peer::start("client.py", &["short", "127.0.0.1", &port.to_string(), "5", "100"]);
    client.expect("done");
    let graph = tracer.finish();
    assert_eq!(graph.only_call("client.py", hostile, port)["requests"], 5);
    let drawn = Command::new("dot").arg("-Tsvg").arg(&dot).output().unwrap();
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    for file in [&dot, &mermaid] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text}");
    }
}
