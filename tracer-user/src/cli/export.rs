//! `tracer export`: the graph of a tape, or of a tracer that listens, in other formats.
//!
//! Invariant: needs no privilege. Memory: the engine's, or a graph of at most [`MOST_BYTES`].

use super::options::ExportFile;
use crate::run::Observation;
use crate::source::tape::Tape;
use crate::stop::Stop;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracer_core::Engine;
use tracer_core::engine::Config;
use tracer_core::escape::printable;
use tracer_core::graph::snapshot::{GraphSnapshot, SCHEMA};

/// How long a tracer that listens may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest graph that is taken from one.
const MOST_BYTES: u64 = 256 << 20;

/// Write the graph of a tape, or of a running tracer, to files (needs no root)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tracer export --from day.tape calls.dot
  tracer export --from http://127.0.0.1:9464 calls.mmd        of `tracer watch --listen 9464`")]
pub(super) struct Export {
    /// The tape, or where a tracer listens: http://ADDRESS:PORT
    #[arg(long, value_name = "TAPE|URL")]
    from: PathBuf,

    /// The files to write; the ending picks the format: .dot .mmd .json
    #[arg(required = true, value_parser = ExportFile::parse)]
    files: Vec<ExportFile>,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        self.files.iter().try_for_each(ExportFile::check)?;
        let graph = match self.from.to_str().filter(|from| from.starts_with("http://")) {
            Some(url) => of_listener(url)?,
            None => self.of_tape()?,
        };
        self.files.iter().try_for_each(|file| file.write(&graph))?;
        Ok(ExitCode::SUCCESS)
    }

    fn of_tape(&self) -> Result<GraphSnapshot> {
        let (tape, header) = Tape::open(&self.from)?;
        let stop = Stop::on_signals()?;
        let engine = Engine::new(Config {
            window: header.window,
            rules: header.rules,
            policy: header.policy,
            ..Config::default()
        });
        Observation::quiet(Box::new(tape), engine, &stop).run()
    }
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
    let graph: GraphSnapshot =
        serde_json::from_str(&text).with_context(|| format!("what {url} answers is no {SCHEMA}"))?;
    if graph.schema != SCHEMA {
        bail!("what {url} answers is `{}`, not {SCHEMA}", printable(&graph.schema, 40));
    }
    Ok(graph)
}
