//! Why nothing was read of a message.
//!
//! Invariant: what is short of bytes is never said to be wrong. Memory: none.

use super::{Next, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    More,
    Wrong(&'static str),
}

impl From<Short> for Next {
    fn from(short: Short) -> Self {
        match short {
            Short::More => Self::More,
            Short::Wrong(reason) => Self::Wrong(reason),
        }
    }
}

impl From<Short> for Verdict {
    fn from(short: Short) -> Self {
        match short {
            Short::More => Self::More,
            Short::Wrong(_) => Self::No,
        }
    }
}
