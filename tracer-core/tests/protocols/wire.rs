//! Conversations on the wire and what is said in them, one in each file of `tests/wire`.
//!
//! A file has lines: `#` where its bytes come from (`By …` a specification: written by hand; else the programs that sent
//! them), `protocol NAME` (of more names, the last is what the connection speaks at its end, and
//! those before it lead there), `port NUMBER`, `older` (its beginning was not seen), `>` bytes of the client and `<` of the
//! server (each the bytes of one send, Rust's escapes), `close >` and `close <`, and what is found by then:
//! `= OPERATION -> STATUS [service|gateway]` a request that is over, `! OPERATION` a push, `? NAME INSIDE` a peer (`-`
//! for none). Invariant: a line that is nothing of this is a panic that names it. Memory: the files.

use std::path::{Path, PathBuf};

use tracer_core::protocol::{Conversation, Ended, Event, Fault, Message, Requests, Side};
use tracer_core::time::Moment;

/// What happens on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Bytes(Side, Vec<u8>),
    Gap(Side, u64),
    Close(Side),
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    pub(crate) name: String,
    /// Where its bytes come from: its comment.
    pub(crate) about: String,
    pub(crate) protocol: String,
    /// Those that lead to it.
    pub(crate) before: Vec<String>,
    pub(crate) port: u16,
    pub(crate) older: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) expected: Vec<String>,
}

/// Every file.
pub(crate) fn files() -> Vec<Wire> {
    // Also where the fuzzing targets, which stand beside this package, read them.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tracer-core/tests/wire");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// What is found when these steps happen, a line each as in a file; the protocol, and what was found wrong last.
pub(crate) fn run(wire: &Wire, steps: &[Step]) -> (Vec<String>, Option<&'static str>, Option<&'static str>) {
    let mut conversation = if wire.older { Conversation::older() } else { Conversation::default() };
    let mut requests = Requests::default();
    let (mut lines, mut events) = (Vec::new(), Vec::new());
    for (at, step) in (0..).zip(steps) {
        let at = Moment(at);
        match step {
            Step::Bytes(side, bytes) => conversation.feed(*side, wire.port, bytes, at, &mut events),
            Step::Gap(side, length) => conversation.gap(*side, *length, at, &mut events),
            Step::Close(side) => conversation.close(*side, at, &mut events),
        }
        for event in events.drain(..) {
            match &event {
                Event::Message(_, Message::Push { operation }) => lines.push(format!("! {}", operation.as_str())),
                Event::Message(_, Message::Peer { name, inside }) => {
                    let [name, inside] = [name, inside].map(|text| text.as_deref().unwrap_or("-").to_owned());
                    lines.push(format!("? {name} {inside}"));
                }
                _ => {}
            }
            if let Some(ended) = requests.take(&event) {
                lines.push(line(&ended));
            }
        }
    }
    let protocol = conversation.protocol().map(|protocol| tracer_core::protocol::row(protocol).name);
    (lines, protocol, conversation.wrong())
}

/// The line of a request that is over.
pub(crate) fn line(ended: &Ended) -> String {
    let fault = match ended.outcome.fault {
        None => "",
        Some(Fault::Service) => " service",
        Some(Fault::Gateway) => " gateway",
    };
    let line = format!("= {} -> {}{fault}", ended.operation.as_str(), ended.outcome.status.as_str());
    // One that nobody answers has no status.
    line.trim_end().to_owned()
}

/// Whether a line says nothing but what another says: a word of the operation may be `?` or missing, and so may the
/// status. All calls of gRPC are posted, which is what is known of one whose path is not.
pub(crate) fn says_no_more(line: &str, whole: &str) -> bool {
    let parts = |line: &'_ str| line.split_once(" -> ").map(|(asked, outcome)| (asked.to_owned(), outcome.to_owned()));
    let bare = line.strip_suffix(" ->").map(|asked| (asked.to_owned(), String::new()));
    let (Some((asked, outcome)), Some((whole_asked, whole_outcome))) = (bare.or_else(|| parts(line)), parts(whole))
    else {
        return line == whole;
    };
    let is_call = whole_asked.starts_with("= /");
    let is_said =
        |word: &str| word == "?" || (is_call && word == "POST") || whole_asked.split(' ').any(|said| said == word);
    asked.split(' ').all(is_said) && (outcome.is_empty() || outcome == whole_outcome)
}

fn read(path: &Path) -> Wire {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut wire = Wire { name, ..Wire::default() };
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "#" if wire.about.is_empty() => wire.about = rest.trim().to_owned(),
            "#" => wire.about.extend([" ", rest.trim()]),
            "" => {}
            "protocol" => {
                wire.before = rest.split(' ').map(str::to_owned).collect();
                wire.protocol = wire.before.pop().unwrap();
            }
            "port" => wire.port = rest.parse().unwrap(),
            "older" => wire.older = true,
            ">" => wire.steps.push(Step::Bytes(Side::Client, bytes(rest))),
            "<" => wire.steps.push(Step::Bytes(Side::Server, bytes(rest))),
            "close" if rest == ">" => wire.steps.push(Step::Close(Side::Client)),
            "close" if rest == "<" => wire.steps.push(Step::Close(Side::Server)),
            "=" | "!" | "?" => wire.expected.push(line.trim_end().to_owned()),
            _ => panic!("{}: {line}", path.display()),
        }
    }
    wire
}

/// The bytes of a text with escapes as in Rust: `\n \r \t \0 \xNN`, and a character for itself.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            bytes.extend(letter.to_string().bytes());
            continue;
        }
        match letters.next().unwrap() {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            'x' => {
                let digits: String = letters.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            other => bytes.push(u8::try_from(other).unwrap()),
        }
    }
    bytes
}
