//! The kernel boundary: loading and attaching the programs, and reading what they write.
//!
//! Invariant: the only `unsafe` of user space is here, but for the settings of the allocator; programs and maps are held by descriptors alone, so the
//! kernel removes them when this process ends in whatever way. Memory: the ring, mapped once.
#![allow(unsafe_code, reason = "system calls that no library offers; each with its reason")]

mod addresses;
mod capture;
mod cast;
mod choices;
pub(crate) mod features;
mod flows;
mod found;
mod hooks;
mod iterate;
mod load;
mod offsets;
mod plane;
mod privilege;
mod refusal;
mod settings;
#[cfg(test)]
mod size;
mod slots;
mod spill;

pub(crate) use capture::{Asked, Capture, Look, SiteTotals};
pub(crate) use found::Found;
pub(crate) use plane::PlaneChoice;
pub(crate) use slots::{Slots, Told};
