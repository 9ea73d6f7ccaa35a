//! What was observed before, in whichever form it is at hand: a graph, a tape, a tracer that listens, a baseline.
//!
//! Invariant: needs no privilege; what a file is its contents say, not its name. Memory: the engine's for a tape, else a
//! file or an answer of at most [`MOST_BYTES`].

use crate::files;
use crate::run::Observation;
use crate::source::tape::Tape;
use crate::stop::Stop;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use tracer_core::Engine;
use tracer_core::baseline::{Baseline, BaselineError};
use tracer_core::engine::Config;
use tracer_core::escape::printable;
use tracer_core::graph::snapshot::{GraphSnapshot, SCHEMA};
use tracer_core::tape::MAGIC;

/// How long a tracer that listens may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest graph that is taken from one.
const MOST_BYTES: u64 = 256 << 20;

/// A baseline, and whether it is one that somebody could write into.
pub(super) struct Expected {
    pub(super) baseline: Baseline,
    pub(super) is_reviewed: bool,
}

/// The graph of a tape, of a file, or of a tracer that listens.
pub(super) fn graph(from: &Path) -> Result<GraphSnapshot> {
    match from.to_str().filter(|from| from.starts_with("http://")) {
        Some(url) => of_listener(url),
        None if is_tape(from)? => Ok(replayed(from, false)?.snapshot()),
        None => parse(&files::read_whole(from)?, &from.display().to_string()),
    }
}

/// What a baseline expects, or what would be learned of a graph or a tape.
pub(super) fn expected(path: &Path) -> Result<Expected> {
    let shown = path.display();
    if is_tape(path)? {
        let learned = replayed(path, true)?.learned().with_context(|| format!("learn from {shown}"))?;
        return Ok(Expected { baseline: learned, is_reviewed: false });
    }
    let contents = files::read_guarded(path)?;
    match Baseline::parse(&contents) {
        Ok(baseline) => Ok(Expected { baseline, is_reviewed: true }),
        Err(BaselineError::Graph) => {
            let graph = parse(&contents, &shown.to_string())?;
            let baseline = Baseline::learn(&graph).with_context(|| format!("learn from the graph {shown}"))?;
            Ok(Expected { baseline, is_reviewed: false })
        }
        Err(error) => Err(error).with_context(|| format!("the baseline {shown} cannot be used")),
    }
}

/// Whether a file is a tape; one that can be read only once, such as a pipe, is none.
fn is_tape(path: &Path) -> Result<bool> {
    let opened = || format!("open {}", path.display());
    let mut file = File::open(path).with_context(opened)?;
    if !file.metadata().with_context(opened)?.is_file() {
        return Ok(false);
    }
    let mut first = [0; MAGIC.len()];
    Ok(file.read_exact(&mut first).is_ok() && first == MAGIC)
}

fn replayed(path: &Path, learn: bool) -> Result<Engine> {
    let (tape, header) = Tape::open(path)?;
    let stop = Stop::on_signals()?;
    let (window, rules, policy) = (header.window, header.rules, header.policy);
    let engine = Engine::new(Config { window, rules, policy, learn, ..Config::default() });
    Observation::quiet(Box::new(tape), engine, &stop).engine()
}

/// Asks a tracer that listens for its graph.
fn of_listener(url: &str) -> Result<GraphSnapshot> {
    let url = url.trim_end_matches('/');
    let url = if url.ends_with("/graph.json") { url.to_owned() } else { format!("{url}/graph.json") };
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let asked = || format!("ask {url} for the graph; does `tracer watch --listen` run there?");
    let mut response = agent.get(&url).call().with_context(asked)?;
    let text = response.body_mut().with_config().limit(MOST_BYTES).read_to_string().with_context(asked)?;
    parse(text.as_bytes(), &format!("what {url} answers"))
}

/// What every file of ours has.
#[derive(Deserialize)]
struct Header {
    schema: Option<String>,
}

fn parse(bytes: &[u8], what: &str) -> Result<GraphSnapshot> {
    // Another file of ours is called by its name before its fields are complained about.
    let header: Header = serde_json::from_slice(bytes).with_context(|| format!("{what} is no {SCHEMA}"))?;
    match header.schema {
        Some(schema) if schema == SCHEMA => {}
        Some(schema) => bail!("{what} is `{}`, not {SCHEMA}", printable(&schema, 40)),
        None => bail!("{what} is no {SCHEMA}: it has no `schema`"),
    }
    serde_json::from_slice(bytes).with_context(|| format!("{what} is no {SCHEMA}"))
}
