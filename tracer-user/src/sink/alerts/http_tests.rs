//! Sending JSON to a server of this test, which answers as it is told and keeps what it was sent.

use super::*;
use crate::sink::alerts::settings::Value;
use crate::sink::alerts::table::SinkKind;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// Answers one request with `answer`; gives its head and its body.
fn server(answer: &'static str) -> (String, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?key=s3cret", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0);
        }
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        (head, String::from_utf8(body).unwrap())
    });
    (url, thread)
}

fn settings(values: &[(&'static str, &str)]) -> SinkSettings {
    let values: BTreeMap<&'static str, Value> =
        values.iter().map(|(name, value)| (*name, Value::Text((*value).to_owned()))).collect();
    let kind = SinkKind::find("webhook").unwrap();
    SinkSettings { kind, name: "hook".to_owned(), filter: tracer_core::alert::Filter::default(), values, line: 1 }
}

fn ask(answer: &'static str) -> Result<(), Failure> {
    let (url, thread) = server(answer);
    let sent = Client::new(&settings(&[("url", &url)]), "").unwrap().post(Some("id-1"), b"{}");
    thread.join().unwrap();
    sent
}

#[test]
fn a_message_has_its_id_its_secret_and_its_type() {
    let token = std::env::temp_dir().join(format!("tracer-token-{}", std::process::id()));
    std::fs::write(&token, "s3cret\n").unwrap();
    for (header, expected) in [("Authorization", "authorization: bearer s3cret"), ("X-Api-Key", "x-api-key: s3cret")] {
        let (url, thread) = server("HTTP/1.1 204 No Content\r\n\r\n");
        let values = [("url", url.as_str()), ("token_file", token.to_str().unwrap()), ("token_header", header)];
        Client::new(&settings(&values), "").unwrap().post(Some("id-1"), br#"{"a":1}"#).unwrap();
        let (head, body) = thread.join().unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /hook?key=s3cret http/1.1"), "{head}");
        for line in [expected, "idempotency-key: id-1", "content-type: application/json"] {
            assert!(head.lines().any(|found| found == line), "{line}: {head}");
        }
        assert_eq!(body, r#"{"a":1}"#);
    }
    std::fs::remove_file(token).unwrap();
}

#[test]
fn what_the_receiver_answers_decides_whether_it_is_tried_again_and_when() {
    assert!(ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok());
    let Err(Failure::Later { reason, after: None }) = ask("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\ndead") else {
        panic!("a failing server is tried again")
    };
    assert!(reason.contains("answers 500") && reason.contains("dead"), "{reason}");
    let busy = ask("HTTP/1.1 429 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(busy, Err(Failure::Later { after: Some(after), .. }) if after == Duration::from_secs(7)));
    let wrong = ask("HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(wrong, Err(Failure::Later { .. })), "a token may be mended");
    let refused = ask("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(refused, Err(Failure::Never { .. })));
    let elsewhere = ask("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(elsewhere, Err(Failure::Later { reason, .. }) if reason.contains("302")), "nothing is followed");
}

#[test]
fn an_error_shows_neither_the_path_nor_the_query_of_the_url_nor_the_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://user:s3cret@127.0.0.1:{port}/s3cret?key=s3cret");
    let client = Client::new(&settings(&[("url", &url)]), "").unwrap();
    let Err(Failure::Later { reason, .. }) = client.post(None, b"{}") else { panic!("nobody listens") };
    assert!(reason.starts_with(&format!("http://127.0.0.1:{port}: ")) && !reason.contains("s3cret"), "{reason}");
    let refused = Client::new(&settings(&[("url", "ftp://s3cret/")]), "").err().unwrap();
    assert!(!format!("{refused:#}").contains("s3cret"), "{refused:#}");
}

#[test]
fn what_cannot_be_used_is_said_at_once() {
    for (expected, values) in [
        ("has no `url`", &[("timeout", "1s")][..]),
        ("from two places", &[("url", "http://x/"), ("url_env", "X")]),
        ("is no name of a header", &[("url", "http://x/"), ("token_header", "a b")]),
        ("is not set", &[("url", "http://x/"), ("token_env", "TRACER_NOT_SET")]),
        ("holds no certificate", &[("url", "http://x/"), ("ca_file", "/dev/null")]),
    ] {
        let error = format!("{:#}", Client::new(&settings(values), "").err().unwrap());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_longer_than_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = Client::new(&settings(&[("url", &url), ("timeout", "200ms")]), "").unwrap();
    let began = std::time::Instant::now();
    assert!(matches!(client.post(None, b"{}"), Err(Failure::Later { .. })));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_answer_that_goes_on_for_long_is_not_waited_for_once_its_status_is_known() {
    for (status, taken) in [("200 OK", true), ("500 Oops", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n").unwrap();
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let client = Client::new(&settings(&[("url", &url), ("timeout", "50s")]), "").unwrap();
        let began = std::time::Instant::now();
        assert_eq!(client.post(None, b"{}").is_ok(), taken);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        drop(client);
        thread.join().unwrap();
    }
}
