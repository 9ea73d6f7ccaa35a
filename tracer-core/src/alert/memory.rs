//! What is kept of alerts over a restart: a text of lines, `tracer.alerts/1`.
//!
//! ```text
//! file  = line(header) line(alert)*
//! line  = crc32 of the JSON, 8 hexadecimal digits · blank · JSON · newline
//! ```
//!
//! The header says how many alerts follow; an alert is `tracer.alert/1` as it was told, with what was found last. A file
//! that is cut off or damaged gives every alert of which the line is whole, and the number of those that are lost: they
//! will be told again, which is better than never. A file without a whole header gives nothing and is an error, so it is
//! never taken for one that says that nothing fires.
//! Invariant: what is read is, but for one chance in 2^32 for each line, what was written. Memory: the text, at most
//! [`MOST_BYTES`]; beyond half of that, alerts are written without their evidence.

use super::Alert;
use crate::limits;
use crate::time::Wall;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use thiserror::Error;

/// The value of the header's `schema`.
pub const SCHEMA: &str = "tracer.alerts/1";
/// Bytes of a file.
pub const MOST_BYTES: usize = 32 << 20;
/// Bytes of an alert; larger ones are kept without the client's parents. It must fit into a frame of a tape.
const ALERT_BYTES: usize = 32 << 10;

/// What a file gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remembered {
    pub alerts: Vec<Alert>,
    /// Alerts that were written and cannot be read.
    pub lost: u64,
    /// RFC 3339.
    pub saved: String,
}

/// Why a file gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemoryError {
    #[error("it is cut off or damaged at its beginning, so what fired is not known")]
    Unreadable,
    #[error("it is `{schema}`, this tracer reads {SCHEMA}: use the tracer that wrote it, or move it away")]
    Schema { schema: String },
}

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    /// RFC 3339.
    saved: String,
    alerts: u64,
}

/// The file for alerts that fire.
#[must_use]
pub fn write(alerts: &[Alert], now: Wall) -> String {
    let count = u64::try_from(alerts.len()).unwrap_or(u64::MAX);
    let mut text = String::new();
    line(&mut text, &Header { schema: SCHEMA.to_owned(), saved: now.rfc3339(), alerts: count });
    for alert in alerts {
        if text.len() > MOST_BYTES / 2 {
            line(&mut text, &Alert { evidence: alert.evidence.short(), ..alert.clone() });
        } else {
            line(&mut text, &small(alert.clone()));
        }
    }
    text
}

/// The alert, in a size that can be kept.
fn small(mut alert: Alert) -> Alert {
    if serde_json::to_string(&alert).is_ok_and(|text| text.len() > ALERT_BYTES) {
        alert.evidence.client_parents = Vec::new();
    }
    alert
}

fn line(text: &mut String, value: &impl Serialize) {
    // Structs of texts and numbers: nothing that JSON could not hold, and writing to a string cannot fail.
    if let Ok(json) = serde_json::to_string(value) {
        let _ = writeln!(text, "{:08x} {json}", crc32fast::hash(json.as_bytes()));
    }
}

/// Reads a file.
///
/// # Errors
/// When it is of another version, or its header is not whole.
pub fn read(bytes: &[u8]) -> Result<Remembered, MemoryError> {
    // What follows the last newline was not written to its end.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').and_then(|at| bytes.get(..at)).unwrap_or_default();
    let mut lines = whole.split(|byte| *byte == b'\n').map(sealed);
    let header = lines.next().flatten().ok_or(MemoryError::Unreadable)?;
    let header: Header = serde_json::from_slice(header).map_err(|_| MemoryError::Unreadable)?;
    if header.schema != SCHEMA {
        return Err(MemoryError::Schema { schema: crate::escape::printable(&header.schema, 60) });
    }
    let alerts: Vec<Alert> =
        lines.take(limits::FIRING_ALERTS).filter_map(|line| serde_json::from_slice(line?).ok()).map(small).collect();
    let lost = header.alerts.saturating_sub(u64::try_from(alerts.len()).unwrap_or(u64::MAX));
    Ok(Remembered { alerts, lost, saved: header.saved })
}

/// The JSON of a line, if its sum is right.
fn sealed(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = std::str::from_utf8(sum).ok()?.strip_suffix(' ')?;
    (u32::from_str_radix(sum, 16).ok()? == crc32fast::hash(json)).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{ProcessEvidence, sample};
    use proptest::prelude::*;

    fn alerts() -> Vec<Alert> {
        let alert = |port: u16| Alert { port: port.into(), ..sample::alert("2026-01-01T00:00:00.000Z") };
        (1..=3).map(alert).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for alerts in [alerts(), Vec::new()] {
            let read = read(write(&alerts, Wall(0)).as_bytes()).unwrap();
            assert_eq!(read, Remembered { alerts, lost: 0, saved: Wall(0).rfc3339() });
        }
    }

    #[test]
    fn a_file_cut_off_at_any_byte_gives_what_is_whole_and_says_what_is_not_and_never_that_nothing_fires() {
        let alerts = alerts();
        let text = write(&alerts, Wall(0));
        for cut in 0..text.len() {
            match read(&text.as_bytes()[..cut]) {
                Err(error) => {
                    assert_eq!(error, MemoryError::Unreadable);
                    assert!(cut < text.find('\n').unwrap() + 1, "at {cut}");
                }
                Ok(Remembered { alerts: read, lost, .. }) => {
                    assert!(lost > 0, "at {cut}: something is missing");
                    assert_eq!(read, alerts[..read.len()], "at {cut}");
                    assert_eq!(read.len() as u64 + lost, 3, "at {cut}");
                }
            }
        }
    }

    #[test]
    fn a_damaged_byte_anywhere_loses_at_most_its_own_alert_and_says_so() {
        let alerts = alerts();
        let text = write(&alerts, Wall(0));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 0x20;
            match read(&bytes) {
                Err(error) => assert_eq!(error, MemoryError::Unreadable, "at {at}"),
                // A digit of the sum that only changes its case still says the same.
                Ok(read) if read.lost == 0 => assert_eq!(read.alerts, alerts, "at {at}"),
                Ok(read) => {
                    assert!(read.lost <= 2, "at {at}: {}", read.lost);
                    assert!(read.alerts.iter().all(|alert| alerts.contains(alert)), "at {at}");
                }
            }
        }
    }

    #[test]
    fn a_file_of_another_version_is_refused_with_what_to_do() {
        let json = r#"{"schema":"tracer.alerts/2","saved":"x","alerts":0}"#;
        let text = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        let error = read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("tracer.alerts/2") && error.contains("move it away"), "{error}");
    }

    #[test]
    fn an_alert_too_large_to_be_kept_loses_the_parents_of_its_client_and_nothing_else() {
        let parent = ProcessEvidence {
            pid: 1,
            name: "x".to_owned(),
            exe: None,
            uid: None,
            user: None,
            command_line: "\u{1}".repeat(2_000),
        };
        let mut large = sample::alert("2026-01-01T00:00:00.000Z");
        large.evidence.client_parents = vec![parent; 8];
        let read = read(write(&[large.clone()], Wall(0)).as_bytes()).unwrap();
        large.evidence.client_parents = Vec::new();
        assert_eq!(read.alerts, [large]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
