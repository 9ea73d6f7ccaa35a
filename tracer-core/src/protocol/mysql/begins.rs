//! Whether bytes begin a packet that begins a turn.
//!
//! Invariant: what is certain fits in 40 bits or more. Memory: none.

use super::command;
use super::packet::{HEADER_BYTES, Packet};
use crate::protocol::short::Short;
use crate::protocol::{Side, Verdict, sql};

/// Bytes of a text that are looked at.
const TEXT_BYTES: usize = 64;
/// Of the reason why a client is refused.
const REASON_BYTES: usize = 16;
/// Before the zeros of a client's first packet: what it can, the longest packet, a character set.
const BEFORE_ZEROS: usize = 9;
/// The zeros; the four after them say what a client of MariaDB can.
const ZEROS: usize = 19;
/// The client speaks as since MySQL 4.1.
const PROTOCOL_41: u32 = 0x200;

pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    // The first packet of a turn is not long, but for a statement that nobody would write.
    if bytes.get(2).is_some_and(|high| *high != 0) {
        return Verdict::No;
    }
    let verdict = Packet::read(bytes).and_then(|packet| match side {
        Side::Client => request(&packet),
        Side::Server => response(&packet, bytes),
    });
    verdict.unwrap_or_else(Verdict::from)
}

fn likely(fits: bool) -> Result<Verdict, Short> {
    Ok(if fits { Verdict::Likely } else { Verdict::No })
}

fn certain(fits: bool) -> Result<Verdict, Short> {
    Ok(if fits { Verdict::Certain } else { Verdict::No })
}

fn request(packet: &Packet<'_>) -> Result<Verdict, Short> {
    if packet.sequence == 1 {
        let zeros = packet.part(BEFORE_ZEROS, ZEROS)?;
        return certain(packet.long(0)? & PROTOCOL_41 != 0 && zeros.iter().all(|byte| *byte == 0));
    }
    if packet.sequence != 0 {
        return Ok(Verdict::No);
    }
    match packet.byte(0)? {
        command::QUERY => {
            let without = command::attributes(packet)?;
            without.map_or(Ok(Verdict::No), |from| statement(packet, from))
        }
        command::PREPARE => statement(packet, 1),
        // How often, which is always once.
        command::EXECUTE => certain(packet.byte(5)? < 0x20 && packet.long(6)? == 1),
        command::BULK_EXECUTE => likely(packet.length >= 7),
        command::QUIT | command::STATISTICS | command::DEBUG | command::PING | command::RESET_CONNECTION => {
            likely(packet.length == 1)
        }
        command::CLOSE | command::RESET => likely(packet.length == 5),
        command::FETCH => likely(packet.length == 9),
        command::LONG_DATA => likely(packet.length >= 7),
        command::SET_OPTION => likely(packet.length == 3 && packet.byte(2)? == 0),
        command::USE => likely(packet.length <= TEXT_BYTES && is_text(packet.rest(1, TEXT_BYTES)?)),
        _ => Ok(Verdict::No),
    }
}

fn statement(packet: &Packet<'_>, from: usize) -> Result<Verdict, Short> {
    if matches!(packet.byte(from)?, b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'-' | b'#' | b'(') {
        return Ok(Verdict::Likely);
    }
    match sql::begins(packet.content.get(from..).unwrap_or_default(), packet.is_whole()) {
        None => Err(Short::More),
        Some(None) => Ok(Verdict::No),
        Some(Some(verb)) => Ok(if verb.len() >= 5 { Verdict::Certain } else { Verdict::Likely }),
    }
}

fn response(packet: &Packet<'_>, bytes: &[u8]) -> Result<Verdict, Short> {
    match (packet.byte(0)?, packet.sequence) {
        // The version of the protocol, then that of the server.
        (0x0a, 0) => {
            let version = packet.part(1, 4)?;
            let digits = version.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let after = version.get(digits..).unwrap_or_default();
            let goes_on = matches!(after, [b'.', next, ..] if next.is_ascii_digit());
            certain((1..=2).contains(&digits) && goes_on)
        }
        (0xff, 0..=4) => {
            let code = packet.short(1)?;
            if !(1_000..10_000).contains(&code) {
                return Ok(Verdict::No);
            }
            if packet.byte(3)? == b'#' {
                return certain(packet.part(4, 5)?.iter().all(u8::is_ascii_alphanumeric));
            }
            // Before a client has said what it can, there is only a text.
            let text = packet.rest(3, REASON_BYTES)?;
            certain(packet.sequence == 0 && text.len() == REASON_BYTES && is_text(text))
        }
        (0, 1) => likely(packet.length >= 7 && (packet.length == 12 || packet.status()? < 0x8000)),
        (0xfb, 1) => likely(packet.length < 4_096 && is_text(packet.rest(1, 8)?)),
        (0xfe, 1) => likely(packet.is_end()),
        (1..=0xfa, 1) if packet.length == 1 || (packet.length == 2 && packet.byte(1)? == 1) => {
            let definition = bytes.get(packet.length.saturating_add(HEADER_BYTES)..).unwrap_or_default();
            let definition = Packet::read(definition)?;
            certain(definition.sequence == 2 && definition.part(0, 4)? == b"\x03def")
        }
        // The client knows the columns.
        (1..=0xfa, 1) if packet.length == 2 => likely(packet.byte(1)? == 0),
        _ => Ok(Verdict::No),
    }
}

fn is_text(text: &[u8]) -> bool {
    !text.is_empty() && !text.iter().any(u8::is_ascii_control)
}
