//! The journal of systemd, by its native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
//!
//! An alert is a datagram of fields: `NAME=value` and a newline, or where a value holds a newline `NAME`, newline, the
//! length as 64 little-endian bits, the value, newline. One that is too large for a datagram is passed as a sealed file in
//! memory. Invariant: names of fields are ours, so no value can add a field. Memory: one alert.

use super::settings::{Form, SinkKey, SinkSettings};
use super::{Deliver, Failure, terminal};
use anyhow::{Context as _, Result};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix};
use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use tracer_core::alert::{Alert, AlertState, Notice};
use tracer_core::detect::Severity;
use tracer_core::escape::printable;

pub(super) const ABOUT: &str =
    "The journal of systemd, with a field for everything: `journalctl TRACER_KIND=error-rate -o json`.";

pub(super) static KEYS: [SinkKey; 1] = [SinkKey {
    name: "socket",
    about: "Where the journal listens.",
    form: Form::Text,
    default: Some("/run/systemd/journal/socket"),
}];

/// Fixed numbers of messages (systemd.journal-fields(7)), made for this program.
const MESSAGE_ID_FIRING: &str = "dc6e5d39bde849c28ffbcb03d25486d3";
const MESSAGE_ID_RESOLVED: &str = "e9c7d54d69a545a08c638ae3d1121a80";

#[derive(Debug)]
struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

pub(super) fn make(settings: &SinkSettings) -> Result<Box<dyn Deliver>> {
    let socket = UnixDatagram::unbound().context("make a socket for the journal")?;
    // A journal that stands still is tried again later, not waited for.
    socket.set_nonblocking(true).context("make a socket for the journal")?;
    Ok(Box::new(Journal { socket, path: settings.path("socket").unwrap_or_default() }))
}

impl Deliver for Journal {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure> {
        notice.alerts.iter().try_for_each(|alert| {
            let sent = self.send(&entry(alert));
            sent.map_err(|error| Failure::later(format!("the journal at {}: {error}", self.path.display())))
        })
    }
}

impl Journal {
    fn send(&self, entry: &[u8]) -> std::io::Result<()> {
        match self.socket.send_to(entry, &self.path) {
            Err(error) if is_too_large(&error) => self.send_by_file(entry),
            sent => sent.map(drop),
        }
    }

    fn send_by_file(&self, entry: &[u8]) -> std::io::Result<()> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(rustix::fs::memfd_create("tracer-alert", flags)?);
        file.write_all(entry)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        let address = SocketAddrUnix::new(&self.path)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let empty: [IoSlice<'_>; 0] = [];
        rustix::net::sendmsg_addr(&self.socket, &address, &empty, &mut control, SendFlags::empty())?;
        Ok(())
    }
}

fn is_too_large(error: &std::io::Error) -> bool {
    [rustix::io::Errno::MSGSIZE, rustix::io::Errno::NOBUFS]
        .iter()
        .any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

/// The fields of an alert.
pub(super) fn entry(alert: &Alert) -> Vec<u8> {
    let evidence = &alert.evidence;
    let (word, id) = match alert.state {
        AlertState::Firing => ("firing", MESSAGE_ID_FIRING),
        AlertState::Resolved => ("resolved", MESSAGE_ID_RESOLVED),
    };
    // The levels of syslog(3).
    let priority = match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => "5",
        (AlertState::Firing, Severity::Warning) => "4",
        (AlertState::Firing, Severity::Critical) => "2",
    };
    let severity = if alert.severity == Severity::Warning { "warning" } else { "critical" };
    let name = |text: &str| printable(text, 256);
    let message = format!(
        "{word} {}: {} -> {} :{}  {}",
        alert.kind,
        name(&evidence.from_name),
        name(&evidence.to_name),
        name(&alert.port.to_string()),
        printable(&alert.message, 1_024)
    );
    let figure = |figure: Option<f64>| figure.map(|figure| figure.to_string());
    let client = evidence.client.as_ref();
    let fields = [
        ("MESSAGE", Some(message)),
        ("PRIORITY", Some(priority.to_owned())),
        ("MESSAGE_ID", Some(id.to_owned())),
        ("SYSLOG_IDENTIFIER", Some("tracer".to_owned())),
        ("TRACER_ID", Some(alert.id.clone())),
        ("TRACER_KIND", Some(alert.kind.clone())),
        ("TRACER_STATE", Some(word.to_owned())),
        ("TRACER_SEVERITY", Some(severity.to_owned())),
        ("TRACER_SINCE", Some(alert.since.clone())),
        ("TRACER_COUNT", Some(alert.count.to_string())),
        ("TRACER_FROM", Some(alert.from.clone())),
        ("TRACER_TO", Some(alert.to.clone())),
        ("TRACER_PORT", Some(alert.port.to_string())),
        ("TRACER_TRANSPORT", Some(alert.transport.clone())),
        ("TRACER_PROTOCOL", alert.protocol.clone()),
        ("TRACER_OBSERVED", figure(alert.observed)),
        ("TRACER_LIMIT", figure(alert.limit)),
        ("TRACER_CLIENT_PID", client.map(|client| client.pid.to_string())),
        ("TRACER_CLIENT_UID", client.and_then(|client| client.uid).map(|uid| uid.to_string())),
        ("TRACER_CLIENT_USER", client.and_then(|client| client.user.clone())),
        ("TRACER_CLIENT_COMMAND_LINE", client.map(|client| client.command_line.clone())),
        ("TRACER_EVIDENCE", Some(terminal::screen(alert))),
    ];
    let mut entry = Vec::new();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        entry.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            entry.push(b'\n');
            entry.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
        } else {
            entry.push(b'=');
        }
        entry.extend_from_slice(value.as_bytes());
        entry.push(b'\n');
    }
    entry
}

#[cfg(test)]
#[path = "journald_tests.rs"]
pub(super) mod tests;
