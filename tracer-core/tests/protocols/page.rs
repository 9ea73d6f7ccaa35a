//! docs/protocols.md: what each parser does, and which tests show it.
//!
//! Made of the table of parsers, of the conversations in `tests/wire` and of the live tests, and of nothing else.
//! `TRACER_BLESS=1` (`cargo xtask protocols --write`) writes it. Invariant: equal sources are equal pages. Memory: a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tracer_common::record::{HEAD_BYTES, STREAM_BYTES};
use tracer_core::input::Capture;
use tracer_core::protocol::{About, PARSERS, Row};

use crate::wire::files;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocols.md");
const LIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tracer-user/tests/live/coverage.rs");

#[test]
fn the_page_of_protocols_says_what_the_parsers_and_their_tests_say() {
    let page = page();
    if std::env::var_os("TRACER_BLESS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let mut lines = written.lines().zip(page.lines()).zip(1..);
    let other = lines.find(|((written, made), _)| written != made);
    assert!(
        written == page,
        "docs/protocols.md is not what the parsers and their tests say; run: cargo xtask protocols --write\n{other:#?}"
    );
}

#[test]
fn every_parser_says_what_it_does() {
    for row in PARSERS {
        for (what, text) in facts(&row.about) {
            let is_said = !text.is_empty() && !text.contains("  ") && !text.contains(['\n', '|']);
            assert!(is_said && !text.ends_with('.'), "{}: its `About` says of `{what}`: {text:?}", row.name);
        }
    }
}

fn facts(about: &About) -> [(&'static str, &'static str); 8] {
    let About { specification, recognised, operation, status, errors, matching, older, limits } = about;
    [
        ("specification", specification),
        ("recognised", recognised),
        ("operation", operation),
        ("status", status),
        ("errors", errors),
        ("matching", matching),
        ("older", older),
        ("limits", limits),
    ]
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    table(&mut page, &["protocol", "specification", "recognised by", "ports that break a tie"], |row| {
        let ports = row.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        vec![row.about.specification.to_owned(), row.about.recognised.to_owned(), ports]
    });
    page.push_str("\n## What is told\n\n");
    table(&mut page, &["protocol", "operation", "status", "what counts as an error"], |row| {
        [row.about.operation, row.about.status, row.about.errors].map(str::to_owned).to_vec()
    });
    page.push_str("\n## How it is found\n\n");
    let most =
        FOUND.replace("HEAD", &format!("{HEAD_BYTES} bytes")).replace("STREAM", &format!("{STREAM_BYTES} bytes"));
    page.push_str(&most);
    table(&mut page, &["protocol", "a response finds its request by", "a start in the middle", "bytes"], |row| {
        vec![row.about.matching.to_owned(), row.about.older.to_owned(), bytes(row)]
    });
    page.push_str("\n## Limits\n\n");
    table(&mut page, &["protocol", "limits"], |row| vec![row.about.limits.to_owned()]);
    tests(&mut page);
    page
}

fn table(page: &mut String, titles: &[&str], cells: impl Fn(&Row) -> Vec<String>) {
    let _ = writeln!(page, "| {} |\n|{}", titles.join(" | "), " --- |".repeat(titles.len()));
    for row in PARSERS {
        let _ = writeln!(page, "| `{}` | {} |", row.name, cells(row).join(" | "));
    }
}

/// What the kernel is asked to tell.
fn bytes(row: &Row) -> String {
    match row.capture {
        Capture::None => "none".to_owned(),
        Capture::Opening => "the opening".to_owned(),
        Capture::Heads { error: None } => "heads".to_owned(),
        Capture::Heads { error: Some(error) } => {
            format!("heads, and each response with `{}` at byte {} (from 0)", char::from(error.byte), error.at)
        }
        Capture::Stream | Capture::Streams => "stream".to_owned(),
    }
}

fn tests(page: &mut String) {
    page.push_str("\n## What shows it\n\n");
    page.push_str(SHOWN);
    let live = live();
    let wires = files();
    let of = |row: &Row| wires.iter().filter(|wire| wire.protocol == row.name).collect::<Vec<_>>();
    table(page, &["protocol", "live", "recorded conversations", "written by the specification"], |row| {
        let live = live.get(row.name).map_or("none".to_owned(), |titles| titles.join("; "));
        let (written, recorded): (Vec<_>, Vec<_>) = of(row).into_iter().partition(|wire| is_written(&wire.about));
        vec![live, recorded.len().to_string(), written.len().to_string()]
    });
    for row in PARSERS {
        let _ = writeln!(page, "\n### `{}`\n", row.name);
        for wire in of(row) {
            assert!(!wire.about.is_empty(), "{} does not say where its bytes come from", wire.name);
            let _ = writeln!(page, "- `{}`: {}", wire.name, wire.about);
        }
    }
}

/// Whether a conversation was written by hand, by what its comment begins with; all others are of real programs.
fn is_written(about: &str) -> bool {
    about.starts_with("By ")
}

/// What the live tests show, by protocol: their cases, as docs/coverage.md lists them.
fn live() -> BTreeMap<&'static str, Vec<String>> {
    let text = std::fs::read_to_string(LIVE).unwrap();
    let mut live: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let [case, title] = quoted[..] else { continue };
        let Some(name) = case.strip_prefix("protocol/") else { continue };
        let name = match name {
            "grpc" => "http2",
            "fastcgi-unix" => "fastcgi",
            name => name,
        };
        let row = PARSERS.iter().find(|row| row.name == name);
        let row = row.unwrap_or_else(|| panic!("the live tests have a case `{case}`, and no parser has this name"));
        live.entry(row.name).or_default().push(title.to_owned());
    }
    live
}

const HEAD: &str = "\
# Protocols

Written by `cargo xtask protocols --write` from the table of parsers (`tracer-core/src/protocol/mod.rs`) and from their tests;
a test compares it with both. What a parser does not understand is not told, and counted by turns of the connection.

A protocol is recognised by the first bytes of both sides: bytes that nothing else begins with, or bytes of both sides that
fit. A port chooses among protocols that fit equally, and does nothing else.

";

const FOUND: &str = "\
`order`: responses come in the order of requests; after lost bytes they are joined again from a turn on before which nothing
can be open. Bytes: `the opening` of a connection; `heads`, the first HEAD of each request and response, on busy connections
of a share of them; `stream`, the first STREAM of each input and output, of one end, or of both where requests overlap. The
rest is a hole of known length.

";

const SHOWN: &str = "\
Live: real servers, or scripts where a row says so, and clients that count by themselves what they asked and were answered,
under `tracer watch` (`tracer-user/tests/live/protocols`); [coverage.md](coverage.md) says on which kernels. Conversations are in
`tracer-core/tests/wire`: recorded between the programs that their line names, or written by hand by the specification that it
names. Each of them is also cut into single bytes and at random, has a hole in random places, and is changed at random
(`tracer-core/tests/protocols`); coverage-guided fuzzing begins with them (`cargo xtask fuzz`).

";
