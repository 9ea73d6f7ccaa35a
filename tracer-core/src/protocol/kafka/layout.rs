//! How requests and responses are laid out, field by field and version by version, as far as something in them is told
//! (the message definitions of Apache Kafka, `clients/src/main/resources/common/message`).
//!
//! Of a request that is up to its first topic, of a response up to its last error code. Invariant: an entry of an array is
//! whole wherever an entry may follow it. Memory: static tables.

use Kind::{Acks, Bytes, Error, Fixed, Many, Records, Session, Skip, Text, Topic, TopicId, Topics};

/// A field, and the versions that have it, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) from: i16,
    pub(super) to: i16,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// So many bytes that say nothing here.
    Skip(usize),
    /// A text that says nothing here; it may be null, as may everything that has a length.
    Text,
    Bytes,
    /// The name of a topic.
    Topic,
    /// Its id.
    TopicId,
    Error,
    /// The session that a fetch belongs to.
    Session,
    /// Whom a producer waits for.
    Acks,
    /// Messages: nothing is read from here on.
    Records,
    /// An array of fields of so many bytes.
    Fixed(usize),
    /// An array of names of topics.
    Topics,
    /// An array of structures.
    Many(&'static [Field]),
}

const fn all(kind: Kind) -> Field {
    Field { kind, from: 0, to: i16::MAX }
}

const fn since(from: i16, kind: Kind) -> Field {
    Field { kind, from, to: i16::MAX }
}

const fn until(to: i16, kind: Kind) -> Field {
    Field { kind, from: 0, to }
}

const fn between(from: i16, to: i16, kind: Kind) -> Field {
    Field { kind, from, to }
}

/// Nothing is read.
pub(super) const NOTHING: &[Field] = &[];
/// Topics, each with its name before all else.
const NAMED: Field = all(Many(&[all(Topic)]));
/// Errors of partitions.
const PARTITIONS: Field = all(Many(&[all(Skip(4)), all(Error)]));
/// Responses that say first how all went.
pub(super) const ERROR: &[Field] = &[all(Error)];
/// The same behind the time for which the client is to wait, by the version that brought it.
pub(super) const THROTTLED: &[Field] = &[all(Skip(4)), all(Error)];
pub(super) const THROTTLED_SINCE_1: &[Field] = &[since(1, Skip(4)), all(Error)];
pub(super) const THROTTLED_SINCE_2: &[Field] = &[since(2, Skip(4)), all(Error)];
/// Requests that begin with topics.
pub(super) const TOPICS: &[Field] = &[NAMED];

pub(super) const PRODUCE: &[Field] =
    &[since(3, Text), all(Acks), all(Skip(4)), all(Many(&[until(12, Topic), since(13, TopicId)]))];

pub(super) const PRODUCED: &[Field] = &[all(Many(&[
    until(12, Topic),
    since(13, TopicId),
    all(Many(&[
        all(Skip(4)),
        all(Error),
        all(Skip(8)),
        since(2, Skip(8)),
        since(5, Skip(8)),
        since(8, Many(&[all(Skip(4)), all(Text)])),
        since(8, Text),
    ])),
]))];

pub(super) const FETCH: &[Field] = &[
    until(14, Skip(4)),
    all(Skip(8)),
    since(3, Skip(4)),
    since(4, Skip(1)),
    since(7, Session),
    since(7, Skip(4)),
    all(Many(&[until(12, Topic), since(13, TopicId)])),
];

pub(super) const FETCHED: &[Field] = &[
    since(1, Skip(4)),
    since(7, Error),
    since(7, Session),
    all(Many(&[
        until(12, Topic),
        since(13, TopicId),
        all(Many(&[
            all(Skip(4)),
            all(Error),
            all(Skip(8)),
            since(4, Skip(8)),
            since(5, Skip(8)),
            since(4, Many(&[all(Skip(16))])),
            since(11, Skip(4)),
            all(Records),
        ])),
    ])),
];

pub(super) const LIST_OFFSETS: &[Field] = &[all(Skip(4)), since(2, Skip(1)), NAMED];

pub(super) const OFFSETS_LISTED: &[Field] = &[
    since(2, Skip(4)),
    all(Many(&[
        all(Topic),
        all(Many(&[all(Skip(4)), all(Error), until(0, Fixed(8)), since(1, Skip(16)), since(4, Skip(4))])),
    ])),
];

pub(super) const METADATA: &[Field] = &[
    since(3, Skip(4)),
    all(Many(&[all(Skip(4)), all(Text), all(Skip(4)), since(1, Text)])),
    since(2, Text),
    since(1, Skip(4)),
    all(Many(&[
        all(Error),
        all(Topic),
        since(10, TopicId),
        since(1, Skip(1)),
        all(Many(&[all(Error), all(Skip(8)), since(7, Skip(4)), all(Fixed(4)), all(Fixed(4)), since(5, Fixed(4))])),
        since(8, Skip(4)),
    ])),
    between(8, 10, Skip(4)),
    since(13, Error),
];

pub(super) const OFFSET_COMMIT: &[Field] = &[
    all(Text),
    since(1, Skip(4)),
    since(1, Text),
    since(7, Text),
    between(2, 4, Skip(8)),
    all(Many(&[until(9, Topic), since(10, TopicId)])),
];

pub(super) const OFFSETS_COMMITTED: &[Field] =
    &[since(3, Skip(4)), all(Many(&[until(9, Topic), since(10, TopicId), PARTITIONS]))];

pub(super) const OFFSET_FETCH: &[Field] = &[
    until(7, Text),
    until(7, Many(&[all(Topic)])),
    since(8, Many(&[all(Text), since(9, Text), since(9, Skip(4)), all(Many(&[until(9, Topic), since(10, TopicId)]))])),
];

pub(super) const OFFSETS_FETCHED: &[Field] = &[
    since(3, Skip(4)),
    until(7, Many(&[all(Topic), all(Many(&[all(Skip(12)), since(5, Skip(4)), all(Text), all(Error)]))])),
    between(2, 7, Error),
    since(
        8,
        Many(&[
            all(Text),
            all(Many(&[until(9, Topic), since(10, TopicId), all(Many(&[all(Skip(16)), all(Text), all(Error)]))])),
            all(Error),
        ]),
    ),
];

pub(super) const COORDINATOR: &[Field] = &[
    since(1, Skip(4)),
    until(3, Error),
    since(4, Many(&[all(Text), all(Skip(4)), all(Text), all(Skip(4)), all(Error), all(Text)])),
];

pub(super) const GROUP_LEFT: &[Field] =
    &[since(1, Skip(4)), all(Error), since(3, Many(&[all(Text), all(Text), all(Error)]))];

pub(super) const GROUPS_DESCRIBED: &[Field] = &[
    since(1, Skip(4)),
    all(Many(&[
        all(Error),
        since(6, Text),
        all(Text),
        all(Text),
        all(Text),
        all(Text),
        all(Many(&[all(Text), since(4, Text), all(Text), all(Text), all(Bytes), all(Bytes)])),
        since(3, Skip(4)),
    ])),
];

pub(super) const TOPICS_CREATED: &[Field] = &[
    since(2, Skip(4)),
    all(Many(&[
        all(Topic),
        since(7, TopicId),
        all(Error),
        since(1, Text),
        since(5, Skip(6)),
        since(5, Many(&[all(Text), all(Text), all(Skip(3))])),
    ])),
];

pub(super) const DELETE_TOPICS: &[Field] = &[since(6, Many(&[all(Topic), all(TopicId)])), until(5, Topics)];

pub(super) const TOPICS_DELETED: &[Field] =
    &[since(1, Skip(4)), all(Many(&[all(Topic), since(6, TopicId), all(Error), since(5, Text)]))];

pub(super) const RECORDS_DELETED: &[Field] =
    &[all(Skip(4)), all(Many(&[all(Topic), all(Many(&[all(Skip(12)), all(Error)]))]))];

pub(super) const LEADER_EPOCH: &[Field] = &[since(3, Skip(4)), NAMED];

pub(super) const LEADER_EPOCHS: &[Field] = &[
    since(2, Skip(4)),
    all(Many(&[all(Topic), all(Many(&[all(Error), all(Skip(4)), since(1, Skip(4)), all(Skip(8))]))])),
];

pub(super) const ADD_PARTITIONS: &[Field] = &[
    since(4, Many(&[all(Text), all(Skip(11)), NAMED])),
    until(3, Text),
    until(3, Skip(10)),
    until(3, Many(&[all(Topic)])),
];

pub(super) const PARTITIONS_ADDED: &[Field] = &[
    all(Skip(4)),
    since(4, Error),
    since(4, Many(&[all(Text), all(Many(&[all(Topic), PARTITIONS]))])),
    until(3, Many(&[all(Topic), PARTITIONS])),
];

pub(super) const TXN_OFFSET_COMMIT: &[Field] =
    &[all(Text), all(Text), all(Skip(10)), since(3, Skip(4)), since(3, Text), since(3, Text), NAMED];

/// Each with errors of its partitions.
pub(super) const TOPICS_WITH_ERRORS: &[Field] = &[all(Skip(4)), all(Many(&[all(Topic), PARTITIONS]))];

pub(super) const PARTITIONS_CREATED: &[Field] = &[all(Skip(4)), all(Many(&[all(Topic), all(Error), all(Text)]))];

pub(super) const GROUPS_DELETED: &[Field] = &[all(Skip(4)), all(Many(&[all(Text), all(Error)]))];
