//! A file of JSON lines: one `tracer.alert/1` a line.
//!
//! Invariant: the file holds whole lines. What was written in part, because the disk is full, is taken back; a part that
//! a crash left is ended with a newline. SIGHUP opens it again, for logrotate. Memory: one notice.

use super::settings::{Form, SinkKey, SinkSettings};
use super::{Deliver, Failure};
use anyhow::{Context as _, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tracer_core::alert::Notice;
use tracer_core::escape::printable_json;

pub(super) const ABOUT: &str =
    "A file of JSON lines, `tracer.alert/1`, readable by its owner only. `SIGHUP` opens it again.";

pub(super) static KEYS: [SinkKey; 1] =
    [SinkKey { name: "path", about: "The file; it is appended to. Must be given.", form: Form::Text, default: None }];

#[derive(Debug)]
struct JsonLines {
    path: PathBuf,
    file: Option<File>,
}

pub(super) fn make(settings: &SinkSettings) -> Result<Box<dyn Deliver>> {
    let path = settings.path("path").with_context(|| format!("the sink `{}` has no `path`", settings.name))?;
    crate::files::check_folder(&path)?;
    Ok(Box::new(JsonLines { path, file: None }))
}

impl JsonLines {
    fn append(&mut self, notice: &Notice) -> std::io::Result<()> {
        append(&mut self.file, &self.path, json_lines(notice)?.as_bytes())
    }
}

/// The alerts of a notice as JSON, one a line; what a terminal would obey is written by number.
pub(super) fn json_lines(notice: &Notice) -> serde_json::Result<String> {
    let line = |alert| Ok(printable_json(&serde_json::to_string(alert)?) + "\n");
    notice.alerts.iter().map(line).collect()
}

/// Adds whole lines to a file, which is opened if it is not; all of them, or none.
pub(super) fn append(file: &mut Option<File>, path: &Path, text: &[u8]) -> std::io::Result<()> {
    let file = match file {
        Some(file) => file,
        closed => closed.insert(open(path)?),
    };
    let before = file.metadata()?;
    let written = file.write_all(text).and_then(|()| file.sync_data());
    if written.is_err() && before.is_file() {
        // A line in part would spoil the next one.
        file.set_len(before.len())?;
    }
    written
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

impl Deliver for JsonLines {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure> {
        self.append(notice).map_err(|error| {
            self.file = None;
            Failure::later(format!("write {}: {error}", self.path.display()))
        })
    }

    fn reopen(&mut self) {
        self.file = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::{Alert, sample};

    fn notice() -> Notice {
        let alert = sample::alert("2026-01-01T00:00:00.000Z");
        let second = Alert { kind: "other".to_owned(), ..alert.clone() };
        Notice::group("host", vec![alert, second]).remove(0)
    }

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or(line.into())).collect()
    }

    #[test]
    fn each_alert_is_a_line_and_a_rotated_file_is_left_alone_once_it_was_opened_again() {
        let folder = std::env::temp_dir().join(format!("tracer-alert-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, old) = (folder.join("alerts.jsonl"), folder.join("alerts.jsonl.1"));
        std::fs::write(&path, "cut off").unwrap();
        let mut sink = JsonLines { path: path.clone(), file: None };
        sink.deliver(&notice()).unwrap();
        let told = lines(&path);
        assert_eq!((told.len(), &told[0], &told[1]["schema"]), (3, &"cut off".into(), &"tracer.alert/1".into()));
        std::fs::rename(&path, &old).unwrap();
        sink.reopen();
        sink.deliver(&notice()).unwrap();
        assert_eq!((lines(&old).len(), lines(&path).len()), (3, 2));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_disk_is_a_failure_that_is_tried_again() {
        let mut sink = JsonLines { path: "/dev/full".into(), file: None };
        let Err(Failure::Later { reason, .. }) = sink.deliver(&notice()) else { panic!("it was written") };
        assert!(reason.contains("No space left"), "{reason}");
    }
}
