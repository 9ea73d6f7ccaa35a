//! What a command asks for, and how its answer says that it ended (MongoDB's manual, "Database Commands").
//!
//! Invariant: of a command nothing is told but its name and the collection that it names; whatever else it holds is a value.
//! Memory: none.

use super::bson::Document;
use super::codes;
use crate::protocol::lines::Short;
use crate::protocol::{Fault, Operation, Outcome, topic};

/// Commands whose value is a collection; of all others it is a value.
const OF_COLLECTIONS: &[&[u8]] = &[
    b"find",
    b"insert",
    b"update",
    b"delete",
    b"aggregate",
    b"count",
    b"distinct",
    b"findAndModify",
    b"findandmodify",
    b"create",
    b"drop",
    b"createIndexes",
    b"dropIndexes",
    b"deleteIndexes",
    b"listIndexes",
    b"killCursors",
    b"mapReduce",
    b"mapreduce",
    b"collMod",
    b"collStats",
    b"collstats",
    b"validate",
    b"compact",
    b"reIndex",
    b"planCacheClear",
    b"createSearchIndexes",
    b"updateSearchIndex",
    b"dropSearchIndex",
];
/// Those that a command is inside of.
const AROUND: &[&[u8]] = &[b"explain", b"$query", b"query"];
/// Bytes of a command's name.
const NAME_BYTES: usize = 64;

/// The operation of a command: its name, and the collection that it names.
pub(super) fn operation(mut document: Document<'_>) -> Result<Operation, Short> {
    let mut around = "";
    for _ in 0..2 {
        let Some(first) = document.next()? else { break };
        if around.is_empty()
            && AROUND.contains(&first.name)
            && let Some(inner) = first.document()?
        {
            around = if first.name == b"explain" { "explain" } else { " " };
            document = inner;
            continue;
        }
        if !is_name(first.name) {
            break;
        }
        let collection = match first.name {
            b"getMore" => named(&mut document, b"collection")?,
            name if OF_COLLECTIONS.contains(&name) => first.text()?,
            _ => None,
        };
        let about = collection.map(collection_name).unwrap_or_default();
        let operation = Operation::of_bytes(first.name, about.as_bytes());
        return Ok(if around == "explain" { Operation::new(around, operation.as_str()) } else { operation });
    }
    Ok(Operation::new("?", ""))
}

/// The name of a collection, with values left out.
pub(super) fn collection_name(name: &[u8]) -> String {
    topic::template(name, b"._-:")
}

fn is_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    (1..=NAME_BYTES).contains(&name.len()) && name.iter().all(is_part)
}

/// The text that has this name.
fn named<'a>(document: &mut Document<'a>, name: &[u8]) -> Result<Option<&'a [u8]>, Short> {
    while let Some(element) = document.next()? {
        if element.name == name {
            return element.text();
        }
    }
    Ok(None)
}

/// How a command ended, by what answers it: an error of the command, else of its first write that failed, else of the
/// replication that was asked for.
pub(super) fn outcome(mut document: Document<'_>) -> Result<Outcome, Short> {
    let (mut ok, mut code, mut name) = (None, None, None);
    let (mut write, mut replication) = (None, None);
    let mut ends_in_results = false;
    while let Some(element) = document.next()? {
        match element.name {
            b"ok" => ok = element.is_true()?,
            b"code" => code = element.number()?,
            b"codeName" => name = element.text()?,
            b"writeErrors" => write = element.document()?.map(first_code).transpose()?.flatten(),
            b"writeConcernError" => replication = element.document()?.map(code_and_name).transpose()?,
            _ => {}
        }
        ends_in_results = element.is_document();
    }
    Ok(match (ok, write, replication) {
        (Some(false), ..) => codes::failure(code, name),
        (_, Some(code), _) => codes::failure(Some(code), None),
        // It was written, but not as often as was asked for.
        (_, _, Some((code, name))) => Outcome { fault: Some(Fault::Service), ..codes::failure(code, name) },
        (Some(true), ..) => Outcome::success("OK"),
        // Results that are longer than anybody looks: errors have none.
        (None, ..) if document.is_cut() && ends_in_results => Outcome::success("OK"),
        (None, ..) => Outcome::default(),
    })
}

/// The code of the first of several errors.
fn first_code(mut errors: Document<'_>) -> Result<Option<i32>, Short> {
    let Some(first) = errors.next()? else { return Ok(None) };
    let Some(error) = first.document()? else { return Ok(None) };
    Ok(code_and_name(error)?.0)
}

fn code_and_name<'a>(mut document: Document<'a>) -> Result<(Option<i32>, Option<&'a [u8]>), Short> {
    let (mut code, mut name) = (None, None);
    while let Some(element) = document.next()? {
        match element.name {
            b"code" => code = element.number()?,
            b"codeName" => name = element.text()?,
            _ => {}
        }
    }
    Ok((code, name))
}

/// How a query ended that is no command, by the document that answers it instead of results.
pub(super) fn query_failure(document: Document<'_>) -> Result<Outcome, Short> {
    let (code, name) = code_and_name(document)?;
    Ok(codes::failure(code, name))
}
