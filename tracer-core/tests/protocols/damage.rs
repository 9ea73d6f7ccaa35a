//! What happens to a conversation on the way to whoever listens: its bytes are cut at other places, and some are lost.
//!
//! Invariant: what is not lost is the same bytes in the same order. Memory: the conversation.

use crate::wire::{Step, Wire, says_no_more};

/// Steps with their bytes cut at other places: each step's bytes into pieces of the lengths of `cuts`, again and again.
pub(crate) fn cut(steps: &[Step], cuts: &[usize]) -> Vec<Step> {
    let mut lengths = cuts.iter().copied().cycle();
    let mut pieces = Vec::new();
    for step in steps {
        let Step::Bytes(side, bytes) = step else {
            pieces.push(step.clone());
            continue;
        };
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            let (piece, rest) = left.split_at(lengths.next().unwrap_or(1).min(left.len()));
            pieces.push(Step::Bytes(*side, piece.to_vec()));
            left = rest;
        }
    }
    pieces
}

/// Steps of which `length` bytes from `start` on were not seen; what was not seen before counts as well.
pub(crate) fn with_hole(steps: &[Step], start: usize, length: usize) -> Vec<Step> {
    let mut pieces = Vec::new();
    let mut place = 0;
    for step in steps {
        let (side, bytes) = match step {
            Step::Bytes(side, bytes) => (side, bytes),
            Step::Gap(_, gap) => {
                place += usize::try_from(*gap).unwrap();
                pieces.push(step.clone());
                continue;
            }
            Step::Close(_) => {
                pieces.push(step.clone());
                continue;
            }
        };
        let from = start.saturating_sub(place).min(bytes.len());
        let to = (start + length).saturating_sub(place).min(bytes.len());
        place += bytes.len();
        let (before, rest) = bytes.split_at(from);
        let (gap, after) = rest.split_at(to - from);
        pieces.push(Step::Bytes(*side, before.to_vec()));
        pieces.push(Step::Gap(*side, gap.len() as u64));
        pieces.push(Step::Bytes(*side, after.to_vec()));
    }
    pieces
        .retain(|step| !matches!(step, Step::Gap(_, 0)) && !matches!(step, Step::Bytes(_, bytes) if bytes.is_empty()));
    pieces
}

/// Bytes that both sides send.
pub(crate) fn length(wire: &Wire) -> usize {
    wire.steps.iter().map(|step| if let Step::Bytes(_, bytes) = step { bytes.len() } else { 0 }).sum()
}

/// Whether all of `some` are among `all`, in this order, or less than what is.
pub(crate) fn are_among(some: &[String], all: &[String]) -> bool {
    let mut all = all.iter();
    some.iter().all(|line| all.any(|other| says_no_more(line, other)))
}
