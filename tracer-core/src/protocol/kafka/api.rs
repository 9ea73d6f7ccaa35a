//! What may be asked for: names, versions and layouts by number (the Kafka protocol guide, "Api Keys").
//!
//! Invariant: a layout is used only for versions that it was written for. Memory: static tables.

use super::layout::{self, Field};

pub(super) const PRODUCE: i16 = 0;
pub(super) const FETCH: i16 = 1;
pub(super) const METADATA: i16 = 3;
pub(super) const SASL_HANDSHAKE: i16 = 17;
pub(super) const API_VERSIONS: i16 = 18;

/// Versions that may come after those that are known here.
const NEWER: i16 = 4;
/// The versions of what has no layout here.
const VERSIONS: i16 = 9;
/// No version has tagged fields and compact lengths.
const NEVER: i16 = i16::MAX;

/// Names by number.
const NAMES: [&str; 93] = [
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "LeaderAndIsr",
    "StopReplica",
    "UpdateMetadata",
    "ControlledShutdown",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "SaslHandshake",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "DeleteRecords",
    "InitProducerId",
    "OffsetForLeaderEpoch",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "WriteTxnMarkers",
    "TxnOffsetCommit",
    "DescribeAcls",
    "CreateAcls",
    "DeleteAcls",
    "DescribeConfigs",
    "AlterConfigs",
    "AlterReplicaLogDirs",
    "DescribeLogDirs",
    "SaslAuthenticate",
    "CreatePartitions",
    "CreateDelegationToken",
    "RenewDelegationToken",
    "ExpireDelegationToken",
    "DescribeDelegationToken",
    "DeleteGroups",
    "ElectLeaders",
    "IncrementalAlterConfigs",
    "AlterPartitionReassignments",
    "ListPartitionReassignments",
    "OffsetDelete",
    "DescribeClientQuotas",
    "AlterClientQuotas",
    "DescribeUserScramCredentials",
    "AlterUserScramCredentials",
    "Vote",
    "BeginQuorumEpoch",
    "EndQuorumEpoch",
    "DescribeQuorum",
    "AlterPartition",
    "UpdateFeatures",
    "Envelope",
    "FetchSnapshot",
    "DescribeCluster",
    "DescribeProducers",
    "BrokerRegistration",
    "BrokerHeartbeat",
    "UnregisterBroker",
    "DescribeTransactions",
    "ListTransactions",
    "AllocateProducerIds",
    "ConsumerGroupHeartbeat",
    "ConsumerGroupDescribe",
    "ControllerRegistration",
    "GetTelemetrySubscriptions",
    "PushTelemetry",
    "AssignReplicasToDirs",
    "ListConfigResources",
    "DescribeTopicPartitions",
    "ShareGroupHeartbeat",
    "ShareGroupDescribe",
    "ShareFetch",
    "ShareAcknowledge",
    "AddRaftVoter",
    "RemoveRaftVoter",
    "UpdateRaftVoter",
    "InitializeShareGroupState",
    "ReadShareGroupState",
    "WriteShareGroupState",
    "DeleteShareGroupState",
    "ReadShareGroupStateSummary",
    "StreamsGroupHeartbeat",
    "StreamsGroupDescribe",
    "DescribeShareGroupOffsets",
    "AlterShareGroupOffsets",
    "DeleteShareGroupOffsets",
];

/// What is asked for, in one version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api {
    pub(super) key: i16,
    pub(super) version: i16,
    pub(super) name: &'static str,
    layouts: Option<&'static Layouts>,
}

#[derive(Debug)]
struct Layouts {
    key: i16,
    /// The last version that the layouts are of.
    latest: i16,
    /// The first version with compact lengths and tagged fields.
    flexible: i16,
    request: &'static [Field],
    response: &'static [Field],
}

const fn of(key: i16, latest: i16, flexible: i16, request: &'static [Field], response: &'static [Field]) -> Layouts {
    Layouts { key, latest, flexible, request, response }
}

static LAYOUTS: &[Layouts] = &[
    of(PRODUCE, 13, 9, layout::PRODUCE, layout::PRODUCED),
    of(FETCH, 18, 12, layout::FETCH, layout::FETCHED),
    of(2, 11, 6, layout::LIST_OFFSETS, layout::OFFSETS_LISTED),
    of(METADATA, 13, 9, layout::NOTHING, layout::METADATA),
    of(8, 10, 8, layout::OFFSET_COMMIT, layout::OFFSETS_COMMITTED),
    of(9, 10, 6, layout::OFFSET_FETCH, layout::OFFSETS_FETCHED),
    of(10, 6, 3, layout::NOTHING, layout::COORDINATOR),
    of(11, 9, 6, layout::NOTHING, layout::THROTTLED_SINCE_2),
    of(12, 4, 4, layout::NOTHING, layout::THROTTLED_SINCE_1),
    of(13, 5, 4, layout::NOTHING, layout::GROUP_LEFT),
    of(14, 5, 4, layout::NOTHING, layout::THROTTLED_SINCE_1),
    of(15, 6, 5, layout::NOTHING, layout::GROUPS_DESCRIBED),
    of(16, 5, 3, layout::NOTHING, layout::THROTTLED_SINCE_1),
    of(SASL_HANDSHAKE, 1, NEVER, layout::NOTHING, layout::ERROR),
    of(API_VERSIONS, 4, 3, layout::NOTHING, layout::ERROR),
    of(19, 7, 5, layout::TOPICS, layout::TOPICS_CREATED),
    of(20, 6, 4, layout::DELETE_TOPICS, layout::TOPICS_DELETED),
    of(21, 2, 2, layout::TOPICS, layout::RECORDS_DELETED),
    of(22, 6, 2, layout::NOTHING, layout::THROTTLED),
    of(23, 4, 4, layout::LEADER_EPOCH, layout::LEADER_EPOCHS),
    of(24, 5, 3, layout::ADD_PARTITIONS, layout::PARTITIONS_ADDED),
    of(25, 4, 3, layout::NOTHING, layout::THROTTLED),
    of(26, 5, 3, layout::NOTHING, layout::THROTTLED),
    of(28, 5, 3, layout::TXN_OFFSET_COMMIT, layout::TOPICS_WITH_ERRORS),
    of(36, 2, 2, layout::NOTHING, layout::ERROR),
    of(37, 3, 2, layout::TOPICS, layout::PARTITIONS_CREATED),
    of(42, 2, 2, layout::NOTHING, layout::GROUPS_DELETED),
    of(60, 2, 0, layout::NOTHING, layout::THROTTLED),
    of(68, 1, 0, layout::NOTHING, layout::THROTTLED),
    of(71, 0, 0, layout::NOTHING, layout::THROTTLED),
    of(72, 0, 0, layout::NOTHING, layout::THROTTLED),
];

impl Api {
    /// What has this number, if there is or may be such a version of it.
    pub(super) fn find(key: i16, version: i16) -> Option<Self> {
        let name = NAMES.get(usize::try_from(key).ok()?)?;
        let layouts = LAYOUTS.iter().find(|layouts| layouts.key == key);
        let latest = layouts.map_or(VERSIONS, |layouts| layouts.latest.saturating_add(NEWER));
        (0..=latest).contains(&version).then_some(Self { key, version, name, layouts })
    }

    /// Whether lengths are compact and structures end with tagged fields; `None` if that is not known.
    pub(super) fn is_flexible(&self) -> Option<bool> {
        self.layouts.map(|layouts| self.version >= layouts.flexible)
    }

    pub(super) fn request(&self) -> Option<&'static [Field]> {
        self.known().map(|layouts| layouts.request)
    }

    pub(super) fn response(&self) -> Option<&'static [Field]> {
        // A broker that does not know the version answers in the first one, which begins in the same way (KIP-511).
        if self.key == API_VERSIONS { Some(layout::ERROR) } else { self.known().map(|layouts| layouts.response) }
    }

    fn known(&self) -> Option<&'static Layouts> {
        self.layouts.filter(|layouts| self.version <= layouts.latest)
    }
}
