//! Looking at the flows of datagrams, which no hook ends: each look walks all of their maps.
//!
//! Invariant: while datagrams come, every look walks; on a quiet host only every [`QUIET_LOOKS`]th does, as an empty map
//! takes a walk through all of its buckets as well. A look that does not walk has no number, so no socket is taken for
//! gone because nobody looked. Memory: what is over at one look.

use super::capture::{Look, take};
use super::iterate::{Iterator, record_length};
use anyhow::Result;
use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use tracer_common::{FlowKey, FlowRecord, FlowState, RecordKind, SocketCause};
use zerocopy::FromBytes as _;

type KeyBytes = [u8; size_of::<FlowKey>()];
type StateBytes = [u8; size_of::<FlowState>()];

/// Looks that still walk after the last datagram, and from then on every how many do.
const QUIET_LOOKS: u32 = 10;

/// The iterators over flows, and their maps.
pub(super) struct Flows {
    living: Iterator,
    flows: Iterator,
    stale: Iterator,
    states: HashMap<MapData, KeyBytes, StateBytes>,
    sockets: HashMap<MapData, u64, u32>,
    /// The number of the last look at which sockets live.
    look: u32,
    /// Every how many walks that is found out.
    between_living: u32,
    until_living: u32,
    /// What the hooks had counted at the last look.
    heard: u64,
    /// Looks since that changed.
    quiet: u32,
}

/// What one look walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    Nothing,
    Flows,
    FlowsAndLiving,
}

impl Flows {
    pub(super) fn new(iterators: [Iterator; 3], programs: &mut Ebpf, between_living: u32) -> Result<Self> {
        let [living, flows, stale] = iterators;
        Ok(Self {
            living,
            flows,
            stale,
            states: HashMap::try_from(take(programs, "FLOWS")?)?,
            sockets: HashMap::try_from(take(programs, "LIVING")?)?,
            look: 1,
            between_living,
            until_living: 1,
            heard: 0,
            quiet: 0,
        })
    }

    /// The number that programs give to what they find alive.
    pub(super) fn look(&self) -> u32 {
        self.look
    }

    /// Begins a look; `heard` is what the hooks on input and output have followed so far.
    pub(super) fn begin(&mut self, look: Look, heard: u64) -> Walk {
        self.quiet = if heard == self.heard { self.quiet.saturating_add(1) } else { 0 };
        self.heard = heard;
        if look == Look::Changed && self.quiet > QUIET_LOOKS && !self.quiet.is_multiple_of(QUIET_LOOKS) {
            return Walk::Nothing;
        }
        self.until_living -= 1;
        if self.until_living > 0 {
            return Walk::Flows;
        }
        self.until_living = self.between_living;
        self.look = self.look.wrapping_add(1);
        Walk::FlowsAndLiving
    }

    /// Reports flows, and removes those that are over.
    pub(super) fn walk(&mut self, walk: Walk, mut each: impl FnMut(&[u8])) -> Result<()> {
        match walk {
            Walk::Nothing => return Ok(()),
            Walk::Flows => {}
            Walk::FlowsAndLiving => self.living.run(|_| size_of::<u64>(), |_| {})?,
        }
        let mut over = Vec::new();
        self.flows.run(record_length, |bytes| {
            if let Ok((record, _)) = FlowRecord::read_from_prefix(bytes)
                && record.socket.header.kind == RecordKind::FLOW
                && record.socket.cause == SocketCause::CLOSED
            {
                over.push(record.key);
            }
            each(bytes);
        })?;
        for key in over {
            // Whether it is still there is no matter: it is to go.
            let _ = self.states.remove(&zerocopy::transmute!(key));
        }
        let mut gone = Vec::new();
        self.stale.run(|_| size_of::<u64>(), |bytes| gone.extend(u64::read_from_bytes(bytes)))?;
        for cookie in gone {
            let _ = self.sockets.remove(&cookie);
        }
        Ok(())
    }
}
