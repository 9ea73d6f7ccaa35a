//! What a client asks of MySQL, by the first byte of a packet (its "Command Phase").
//!
//! Invariant: of parameters, data and credentials nothing is looked at. Memory: none.

use super::answer::Manner;
use super::packet::Packet;
use crate::protocol::short::Short;
use crate::protocol::statements::Statements;
use crate::protocol::{Operation, sql};

pub(super) const QUIT: u8 = 0x01;
pub(super) const USE: u8 = 0x02;
pub(super) const QUERY: u8 = 0x03;
const FIELD_LIST: u8 = 0x04;
const CREATE_DB: u8 = 0x05;
const DROP_DB: u8 = 0x06;
const REFRESH: u8 = 0x07;
const SHUTDOWN: u8 = 0x08;
pub(super) const STATISTICS: u8 = 0x09;
const PROCESS_INFO: u8 = 0x0a;
const KILL: u8 = 0x0c;
pub(super) const DEBUG: u8 = 0x0d;
pub(super) const PING: u8 = 0x0e;
const CHANGE_USER: u8 = 0x11;
const BINLOG_DUMP: u8 = 0x12;
const REGISTER_SLAVE: u8 = 0x15;
pub(super) const PREPARE: u8 = 0x16;
pub(super) const EXECUTE: u8 = 0x17;
pub(super) const LONG_DATA: u8 = 0x18;
pub(super) const CLOSE: u8 = 0x19;
pub(super) const RESET: u8 = 0x1a;
pub(super) const SET_OPTION: u8 = 0x1b;
pub(super) const FETCH: u8 = 0x1c;
const BINLOG_DUMP_GTID: u8 = 0x1e;
pub(super) const RESET_CONNECTION: u8 = 0x1f;
/// Of MariaDB.
pub(super) const BULK_EXECUTE: u8 = 0xfa;

/// Stands for the statement that was prepared last (MariaDB).
const NEWEST: u32 = u32::MAX;
/// Bytes of a name.
const NAME_BYTES: usize = 64;

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// It is answered in this manner.
    Ask(Operation, Manner),
    /// A statement is to be prepared: this one.
    Prepare(Operation),
    /// Another user, or the same from the beginning: nothing that was prepared is known any more.
    Renew(Operation, Manner),
    /// A statement is not needed any more.
    Close(u32),
    /// What was written is to be sent, without end.
    Replicate,
    /// Nobody answers.
    Nothing,
}

impl Command {
    /// What a packet asks for; `statements` are known, and the operation of the newest.
    pub(super) fn read(packet: &Packet<'_>, statements: &Statements<u32>, newest: &Operation) -> Result<Self, Short> {
        let prepared = || {
            let number = packet.long(1)?;
            Ok(if number == NEWEST { newest.clone() } else { statements.find(&number) })
        };
        let about = |verb| Ok::<_, Short>(Operation::new(verb, prepared()?.as_str()));
        let named = |verb: &[u8]| Ok::<_, Short>(Operation::of_bytes(verb, name(packet.rest(1, NAME_BYTES)?)));
        let alone = |verb| Operation::new(verb, "");
        Ok(match packet.byte(0)? {
            QUIT | LONG_DATA => Self::Nothing,
            CLOSE => Self::Close(packet.long(1)?),
            USE => Self::Ask(named(b"USE")?, Manner::Result),
            QUERY => Self::Ask(query(packet)?, Manner::Result),
            FIELD_LIST => Self::Ask(named(b"DESCRIBE")?, Manner::Rows),
            CREATE_DB => Self::Ask(named(b"CREATE DATABASE")?, Manner::Result),
            DROP_DB => Self::Ask(named(b"DROP DATABASE")?, Manner::Result),
            REFRESH => Self::Ask(alone("FLUSH"), Manner::Result),
            SHUTDOWN => Self::Ask(alone("SHUTDOWN"), Manner::Result),
            STATISTICS => Self::Ask(alone("STATISTICS"), Manner::Text),
            PROCESS_INFO => Self::Ask(alone("PROCESS INFO"), Manner::Result),
            KILL => Self::Ask(alone("KILL"), Manner::Result),
            DEBUG => Self::Ask(alone("DEBUG"), Manner::Result),
            PING => Self::Ask(alone("PING"), Manner::Result),
            CHANGE_USER => Self::Renew(alone("CHANGE USER"), Manner::Login),
            RESET_CONNECTION => Self::Renew(alone("RESET CONNECTION"), Manner::Result),
            BINLOG_DUMP | BINLOG_DUMP_GTID => Self::Replicate,
            REGISTER_SLAVE => Self::Ask(alone("REGISTER REPLICA"), Manner::Result),
            PREPARE => Self::Prepare(statement(packet, 1)?),
            EXECUTE | BULK_EXECUTE => Self::Ask(prepared()?, Manner::Result),
            RESET => Self::Ask(about("RESET")?, Manner::Result),
            SET_OPTION => Self::Ask(alone("SET OPTION"), Manner::Result),
            FETCH => Self::Ask(about("FETCH")?, Manner::Rows),
            _ => return Err(Short::Wrong("a command is not known")),
        })
    }
}

fn query(packet: &Packet<'_>) -> Result<Operation, Short> {
    match attributes(packet)? {
        Some(from) => statement(packet, from),
        None => Ok(Operation::new("?", "")),
    }
}

/// Where the text of a query begins: after a count of attributes, none, and of sets of them, one, if a client sends such;
/// `None` if there are attributes, whose values stand before the text.
pub(super) fn attributes(packet: &Packet<'_>) -> Result<Option<usize>, Short> {
    match packet.byte(1)? {
        0 => Ok((packet.byte(2)? == 1).then_some(3)),
        b'\t' | b'\n' | b'\r' => Ok(Some(1)),
        control if control < b' ' => Ok(None),
        _ => Ok(Some(1)),
    }
}

fn statement(packet: &Packet<'_>, from: usize) -> Result<Operation, Short> {
    let text = packet.content.get(from..).unwrap_or_default();
    sql::operation(text, packet.is_whole(), sql::Dialect::MySql).ok_or(Short::More)
}

/// A name without what follows its end.
fn name(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}
