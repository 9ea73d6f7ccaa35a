//! A webhook's receiver inside the test: away, failing, slow, lengthy or well, as the test says.
//!
//! Invariant: it keeps what it was sent even when it answers 500 or too late, as a real one may. Memory: what it was sent.

use serde_json::Value;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Keeps nothing, and answers 500.
    Failing,
    /// Keeps it, and answers later than anybody waits.
    Slow,
    /// Keeps it, and answers a byte a second.
    Trickling,
    /// Keeps nothing, and says that it is elsewhere.
    Redirecting,
    /// Keeps it, and answers a gigabyte.
    Lengthy,
}

/// A request that it kept: its idempotency key and its body.
pub(crate) type Kept = (String, Value);

#[derive(Clone)]
pub(crate) struct Receiver {
    mood: Arc<Mutex<Mood>>,
    kept: Arc<Mutex<Vec<Kept>>>,
    asked: Arc<Mutex<u64>>,
    /// Bytes of lengthy answers that were taken.
    lengths: Arc<Mutex<u64>>,
}

impl Receiver {
    pub(crate) fn listen(port: u16, mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mood = Arc::new(Mutex::new(mood));
        let receiver = Self { mood, kept: Arc::default(), asked: Arc::default(), lengths: Arc::default() };
        let answering = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answering = answering.clone();
                std::thread::spawn(move || serve(&stream, &answering));
            }
        });
        receiver
    }

    pub(crate) fn feels(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Everything it kept, repetitions included.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.kept.lock().unwrap().clone()
    }

    /// Bytes of lengthy answers that were taken from it.
    pub(crate) fn lengths(&self) -> u64 {
        *self.lengths.lock().unwrap()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        *self.asked.lock().unwrap()
    }
}

fn serve(mut stream: &TcpStream, Receiver { mood, kept, asked, lengths }: &Receiver) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((key, body)) = request(&mut reader) {
        *asked.lock().unwrap() += 1;
        let now = *mood.lock().unwrap();
        if !matches!(now, Mood::Failing | Mood::Redirecting) {
            kept.lock().unwrap().push((key, body));
        }
        let answer = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let answered = match now {
            Mood::Well => stream.write_all(answer("200 OK").as_bytes()),
            Mood::Failing => stream.write_all(answer("500 Internal Server Error").as_bytes()),
            Mood::Slow => {
                std::thread::sleep(Duration::from_secs(2));
                stream.write_all(answer("200 OK").as_bytes())
            }
            Mood::Trickling => answer("200 OK").bytes().try_for_each(|byte| {
                std::thread::sleep(Duration::from_secs(1));
                stream.write_all(&[byte])
            }),
            Mood::Redirecting => {
                let here = stream.local_addr().unwrap();
                write!(stream, "HTTP/1.1 302 Found\r\nLocation: http://{here}/\r\nContent-Length: 0\r\n\r\n")
            }
            Mood::Lengthy => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 30).and_then(|()| {
                (0..1 << 14).try_for_each(|_| {
                    stream.write_all(&[b'x'; 1 << 16])?;
                    *lengths.lock().unwrap() += 1 << 16;
                    Ok(())
                })
            }),
        };
        if answered.is_err() {
            return;
        }
    }
}

fn request(reader: &mut impl std::io::BufRead) -> Option<Kept> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.by_ref().read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let mut body = vec![0; field("content-length: ")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((field("idempotency-key: ").unwrap_or_default(), serde_json::from_slice(&body).ok()?))
}
