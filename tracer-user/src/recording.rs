//! Writing a tape while observing.
//!
//! Invariant: what was said on connections is not on it unless that was asked for, and the header says which; the file holds whole frames up to the last flush; a disk that fills ends the recording, not the
//! observation, and is said. Memory: one buffer of 256 KiB.

use crate::source::Delivery;
use anyhow::{Context as _, Result};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::mem::offset_of;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tracer_common::{Header, RecordKind};
use tracer_core::Input;
use tracer_core::identity::bare;
use tracer_core::tape::{TapeHeader, Writer};

const FLUSH_BYTES: usize = 256 << 10;

/// A tape file being written.
#[derive(Debug)]
pub(crate) struct Recording {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    failed: Option<anyhow::Error>,
    payload: bool,
}

impl Recording {
    /// Begins a tape. Command lines are private: only the owner may read it.
    pub(crate) fn begin(path: &Path, header: &TapeHeader) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("begin the tape {}", path.display()))?;
        // A file that was there keeps its mode otherwise. What has none (a pipe) is the owner's own affair.
        if path.is_file() {
            let private = std::fs::Permissions::from_mode(0o600);
            file.set_permissions(private).with_context(|| format!("make {} private", path.display()))?;
        }
        let buffer = Writer::header(header)?;
        Ok(Self { path: path.to_owned(), file, buffer, failed: None, payload: header.payload })
    }

    /// Records what a source delivered.
    pub(crate) fn record(&mut self, delivery: &Delivery<'_>) {
        match delivery {
            Delivery::Record(bytes) => self.input(&Input::Record(bytes.to_vec())),
            Delivery::Input(input) => self.input(input),
        }
    }

    /// Records an input.
    pub(crate) fn input(&mut self, input: &Input) {
        if self.failed.is_some() {
            return;
        }
        let told = if self.payload { Some(Cow::Borrowed(input)) } else { without_payload(input) };
        let Some(told) = told else { return };
        let result = Writer::frame(&told, &mut self.buffer).map_err(Into::into);
        let result = if self.buffer.len() >= FLUSH_BYTES { result.and_then(|()| self.flush()) } else { result };
        self.failed = result.err();
    }

    fn flush(&mut self) -> Result<()> {
        let result = self.file.write_all(&self.buffer).with_context(|| format!("write {}", self.path.display()));
        self.buffer.clear();
        result
    }

    /// Ends the tape; says what went wrong on the way.
    pub(crate) fn finish(mut self) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error.context("the tape ends where it could not be written any more"));
        }
        self.flush()?;
        self.file.sync_all().with_context(|| format!("write {}", self.path.display()))
    }
}

/// What a tape has of an input that is to hold nothing of what was said; `None` for nothing. The names and addresses that
/// resolvers told are kept: without them, a replay would name peers otherwise.
fn without_payload(input: &Input) -> Option<Cow<'_, Input>> {
    let Input::Record(bytes) = input else { return Some(Cow::Borrowed(input)) };
    let at = offset_of!(Header, kind);
    let is = |kind: u16| bytes.get(at..at + 2) == Some(&kind.to_ne_bytes());
    if is(RecordKind::STREAM) {
        None
    } else if is(RecordKind::PAYLOAD) {
        bare(bytes).map(|left| Cow::Owned(Input::Record(left)))
    } else {
        Some(Cow::Borrowed(input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::PayloadRecord;
    use tracer_core::time::{Span, Wall};

    #[test]
    fn a_tape_is_private_even_where_a_public_file_was() {
        let path = std::env::temp_dir().join(format!("tracer-recording-{}", std::process::id()));
        std::fs::write(&path, "public").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let header = TapeHeader::new("0", "host", "kernel", Span::from_seconds(1), Wall(0));
        Recording::begin(&path, &header).unwrap().finish().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_was_said_is_on_a_tape_only_if_it_was_asked_for() {
        let path = std::env::temp_dir().join(format!("tracer-recording-payload-{}", std::process::id()));
        let said = |kind: u16, length: usize| {
            let mut record = vec![0; length];
            record[offset_of!(Header, kind)..][..2].copy_from_slice(&kind.to_ne_bytes());
            record[length - 8..].copy_from_slice(b"password");
            record
        };
        let records = [
            said(RecordKind::STREAM, size_of::<Header>() + 8),
            // An answer that names nothing.
            said(RecordKind::PAYLOAD, size_of::<PayloadRecord>()),
        ];
        for payload in [false, true] {
            let header = TapeHeader::new("0", "host", "kernel", Span::from_seconds(1), Wall(0)).with_payload(payload);
            let mut recording = Recording::begin(&path, &header).unwrap();
            for record in &records {
                recording.record(&Delivery::Record(record));
                recording.input(&Input::Record(record.clone()));
            }
            recording.finish().unwrap();
            let tape = std::fs::read(&path).unwrap();
            assert_eq!(tape.windows(8).filter(|window| window == b"password").count(), if payload { 4 } else { 0 });
        }
        std::fs::remove_file(path).unwrap();
    }
}
