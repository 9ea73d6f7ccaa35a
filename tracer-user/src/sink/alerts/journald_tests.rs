//! The journal's protocol against a real datagram socket, read as the journal reads it.

use super::*;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use tracer_core::alert::{Notice, ProcessEvidence, sample};

/// The fields of an entry, by the protocol's page.
pub(in crate::sink::alerts) fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| *byte == b'\n').unwrap();
        let (line, rest) = (&entry[..end], &entry[end + 1..]);
        let (name, value, rest) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (&line[..at], &line[at + 1..], rest),
            None => {
                let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
                assert_eq!(rest[8 + length], b'\n');
                (line, &rest[8..8 + length], &rest[9 + length..])
            }
        };
        assert!(name.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_'), "{name:?}");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert!(fields.insert(text(name), text(value)).is_none(), "a field came twice");
        entry = rest;
    }
    fields
}

/// What the journal receives: the datagram, or the file that came instead of one.
fn receive(socket: &UnixDatagram) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [std::io::IoSliceMut::new(&mut bytes)];
    let received =
        rustix::net::recvmsg(socket, &mut buffers, &mut control, rustix::net::RecvFlags::empty()).unwrap().bytes;
    let files: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            rustix::net::RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    match files.into_iter().next() {
        Some(file) => {
            use std::io::Seek as _;
            let mut file = File::from(file);
            let seals = rustix::fs::fcntl_get_seals(&file).unwrap();
            assert!(seals.contains(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL));
            let mut text = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut text).unwrap();
            text
        }
        None => bytes[..received].to_vec(),
    }
}

fn journal(name: &str) -> (UnixDatagram, Journal, PathBuf) {
    let path = std::env::temp_dir().join(format!("tracer-journal-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listens = UnixDatagram::bind(&path).unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    (listens, Journal { socket, path: path.clone() }, path)
}

fn notice(alert: Alert) -> Notice {
    Notice::group("host", vec![alert]).remove(0)
}

#[test]
fn an_alert_is_an_entry_with_a_field_for_everything() {
    let (listens, mut journal, path) = journal("fields");
    let alert = sample::alert("2026-01-01T00:00:00.000Z");
    journal.deliver(&notice(alert.clone())).unwrap();
    let fields = fields(&receive(&listens));
    for (name, value) in [
        ("MESSAGE", "firing test: tracer -> nobody :9  this is a test of the alerts, nothing is wrong"),
        ("PRIORITY", "2"),
        ("SYSLOG_IDENTIFIER", "tracer"),
        ("TRACER_KIND", "test"),
        ("TRACER_FROM", "program:tracer"),
        ("TRACER_CLIENT_USER", "root"),
        ("TRACER_ID", &alert.id),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert!(fields["TRACER_EVIDENCE"].lines().count() > 5, "with its newlines");
    assert!(!fields.contains_key("TRACER_OBSERVED"), "what is absent has no field");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_hostile_command_line_adds_no_field() {
    let (listens, mut journal, path) = journal("hostile");
    let mut alert = sample::alert("2026-01-01T00:00:00.000Z");
    alert.evidence.client.as_mut().unwrap().command_line = "x\nPRIORITY=7\nTRACER_KIND=none".to_owned();
    journal.deliver(&notice(alert)).unwrap();
    let fields = fields(&receive(&listens));
    assert_eq!((fields["PRIORITY"].as_str(), fields["TRACER_KIND"].as_str()), ("2", "test"));
    assert_eq!(fields["TRACER_CLIENT_COMMAND_LINE"], "x\nPRIORITY=7\nTRACER_KIND=none");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_entry_too_large_for_a_datagram_comes_as_a_sealed_file() {
    let (listens, mut journal, path) = journal("large");
    let mut alert = sample::alert("2026-01-01T00:00:00.000Z");
    let client = alert.evidence.client.clone().unwrap();
    let long = ProcessEvidence { command_line: "y".repeat(4 << 20), ..client };
    alert.evidence.client = Some(long);
    journal.deliver(&notice(alert)).unwrap();
    assert_eq!(fields(&receive(&listens))["TRACER_CLIENT_COMMAND_LINE"].len(), 4 << 20);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_journal_that_is_not_there_is_tried_again() {
    let (listens, mut journal, path) = journal("gone");
    drop(listens);
    std::fs::remove_file(&path).unwrap();
    let failure = journal.deliver(&notice(sample::alert("2026-01-01T00:00:00.000Z")));
    assert!(matches!(failure, Err(Failure::Later { .. })), "{failure:?}");
    let listens = UnixDatagram::bind(&path).unwrap();
    journal.deliver(&notice(sample::alert("2026-01-01T00:00:00.000Z"))).unwrap();
    assert!(!receive(&listens).is_empty());
    std::fs::remove_file(path).unwrap();
}
