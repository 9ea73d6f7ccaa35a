//! Inputs from a tape.
//!
//! Invariant: the inputs are those that were recorded, tick by tick; a tape whose last frame is cut is read up to
//! there with a warning. Memory: one piece of 64 KiB and one frame.

use super::{Delivery, Source, Turn};
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tracer_core::identity::ProcessKey;
use tracer_core::input::{Input, ProcessFacts};
use tracer_core::tape::{Ending, Reader, TapeHeader};

const PIECE_BYTES: usize = 64 << 10;

/// A tape file being replayed.
#[derive(Debug)]
pub(crate) struct Tape {
    path: PathBuf,
    file: File,
    reader: Reader,
    piece: Vec<u8>,
    /// What of `piece` is not fed yet.
    fed: usize,
    warning: Option<String>,
}

impl Tape {
    /// Opens a tape and reads its header.
    pub(crate) fn open(path: &Path) -> Result<(Self, TapeHeader)> {
        let file = File::open(path).with_context(|| format!("open the tape {}", path.display()))?;
        let reader = Reader::default();
        let mut tape = Self { path: path.to_owned(), file, reader, piece: Vec::new(), fed: 0, warning: None };
        loop {
            if let Some(header) = tape.reader.header() {
                let header = header.clone();
                return Ok((tape, header));
            }
            if !tape.feed()? {
                bail!("{} ends before its header does: it is no tape, or nothing was recorded", path.display());
            }
            // The header is read by the first look for an input, which cannot be there yet.
            if let Some(input) = tape.next_input()? {
                bail!("{}: an input before the header: {input:?}", path.display());
            }
        }
    }

    /// Feeds what one frame takes; `false` at the end of the file.
    fn feed(&mut self) -> Result<bool> {
        if self.fed >= self.piece.len() {
            self.piece.resize(PIECE_BYTES, 0);
            let length = self.file.read(&mut self.piece).with_context(|| format!("read {}", self.path.display()))?;
            self.piece.truncate(length);
            self.fed = 0;
            if length == 0 {
                return Ok(false);
            }
        }
        let rest = self.reader.feed(self.piece.get(self.fed..).unwrap_or_default()).len();
        self.fed = self.piece.len() - rest;
        Ok(true)
    }

    fn next_input(&mut self) -> Result<Option<Input>> {
        self.reader.next_input().with_context(|| format!("replay {}", self.path.display()))
    }
}

impl Source for Tape {
    fn host(&self) -> Option<&str> {
        None
    }

    fn turn(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<Turn> {
        loop {
            match self.next_input() {
                Ok(Some(tick @ Input::Tick { .. })) => return Ok(Turn::Tick(tick)),
                Ok(Some(Input::Record(record))) => each(Delivery::Record(&record)),
                Ok(Some(input)) => each(Delivery::Input(input)),
                Ok(None) if self.feed()? => {}
                Ok(None) => {
                    if let Ok(Ending::Cut { at_byte, bytes }) = std::mem::take(&mut self.reader).finish() {
                        self.warning = Some(format!(
                            "{} is cut: its last {bytes} bytes, from byte {at_byte} on, are no whole frame; \
                             everything before was read",
                            self.path.display()
                        ));
                    }
                    return Ok(Turn::Over);
                }
                Err(error) => {
                    // Damaged in the middle: what precedes the damage was read, and is shown with this warning.
                    self.warning = Some(format!("{error:#}; everything before was read"));
                    return Ok(Turn::Over);
                }
            }
        }
    }

    fn finish(&mut self, _each: &mut dyn FnMut(Delivery<'_>)) -> Result<Turn> {
        Ok(Turn::Over)
    }

    fn look_up(&mut self, _process: ProcessKey) -> Option<ProcessFacts> {
        None
    }

    fn warning(&self) -> Option<String> {
        self.warning.clone()
    }
}
