//! A webhook's receiver inside the test: away, failing, slow or well, as the test says.
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
}

/// A request that it kept: its idempotency key and its body.
pub(crate) type Kept = (String, Value);

pub(crate) struct Receiver {
    mood: Arc<Mutex<Mood>>,
    kept: Arc<Mutex<Vec<Kept>>>,
    asked: Arc<Mutex<u64>>,
}

impl Receiver {
    pub(crate) fn listen(port: u16, mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let receiver = Self { mood: Arc::new(Mutex::new(mood)), kept: Arc::default(), asked: Arc::default() };
        let (mood, kept, asked) = (Arc::clone(&receiver.mood), Arc::clone(&receiver.kept), Arc::clone(&receiver.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mood, kept, asked) = (Arc::clone(&mood), Arc::clone(&kept), Arc::clone(&asked));
                std::thread::spawn(move || serve(&stream, &mood, &kept, &asked));
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

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        *self.asked.lock().unwrap()
    }
}

fn serve(mut stream: &TcpStream, mood: &Mutex<Mood>, kept: &Mutex<Vec<Kept>>, asked: &Mutex<u64>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((key, body)) = request(&mut reader) {
        *asked.lock().unwrap() += 1;
        let now = *mood.lock().unwrap();
        if now != Mood::Failing {
            kept.lock().unwrap().push((key, body));
        }
        if now == Mood::Slow {
            std::thread::sleep(Duration::from_secs(2));
        }
        let status = if now == Mood::Failing { "500 Internal Server Error" } else { "200 OK" };
        if write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").is_err() {
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
