//! The configuration: what the file, the environment and the command line say, and which of them counts.
//!
//! ```toml
//! [watch]
//! window = "5s"
//! baseline = "/etc/tracer/baseline.json"
//!
//! [detect]
//! stalled_after = "10s"
//!
//! [[call]]                 # other limits for some calls
//! to = "postgres*"
//! latency_p99 = "200ms"
//!
//! [[service]]              # the first that matches names a process
//! name = "shop"
//! exe = "python3*"         # a glob for the file's name, or with a slash for its path; /…/ is a regular expression
//! command = "/gunicorn .* shop/"
//! unit = "shop-*"
//! port = 8000              # that it listens on; or the path of a Unix socket
//! ```
//!
//! `keys` are all single values, `sections` all tables, `document` reads the file, `reload` reads it again.
//! Invariant: the command line wins over the environment, that over the file, that over the defaults; every value was
//! checked and knows its origin. Memory: the file.

mod document;
mod keys;
mod origin;
pub(crate) mod reference;
pub(crate) mod reload;
mod sections;
pub(crate) mod show;
mod sinks;
pub(crate) mod values;

pub(crate) use origin::Origin;

use crate::bpf::PlaneChoice;
use crate::files;
use crate::sink::alerts::settings::SinkSettings;
use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum;
use document::Document;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tracer_core::detect::{Limits, Policy};
use tracer_core::escape::printable;
use tracer_core::identity::Rules;
use tracer_core::input::Settings;
use tracer_core::time::Span;
use values::{DetailChoice, OutputKind};

/// The file that is read if none is named and it is there.
pub(crate) const DEFAULT_PATH: &str = "/etc/tracer/tracer.toml";
/// The variable that names the file.
const PATH_VARIABLE: &str = "TRACER_CONFIG";

/// What the command line says, by the path of the key.
pub(crate) type Given = BTreeMap<&'static str, String>;

/// Where to look for values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// The file that the command line names.
    pub(crate) file: Option<PathBuf>,
    pub(crate) given: Given,
    /// The environment by name; values that are not Unicode are not there.
    pub(crate) environment: BTreeMap<String, String>,
    /// Whether the default file counts.
    pub(crate) default_file: bool,
    /// Of a tape that is replayed: what held when it was recorded.
    pub(crate) recorded: Option<(Span, Settings)>,
}

/// The configuration that holds.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) path: Option<PathBuf>,
    values: BTreeMap<String, Setting>,
    rules: Rules,
    policy: Policy,
    service_lines: Vec<usize>,
    call_lines: Vec<usize>,
    sinks: Vec<SinkSettings>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

impl Places {
    /// Those of a command that watches this host.
    pub(crate) fn live(file: Option<PathBuf>, given: Given) -> Self {
        Self { file, given, environment: environment(), default_file: true, recorded: None }
    }

    /// Those of a command that replays a tape: the environment and the files of this host are none of its affair.
    pub(crate) fn replay(file: Option<PathBuf>, given: Given, window: Span, settings: Settings) -> Self {
        let recorded = Some((window, settings));
        Self { file, given, environment: BTreeMap::new(), default_file: false, recorded }
    }

    fn path(&self) -> Option<PathBuf> {
        let named = self.environment.get(PATH_VARIABLE).map(PathBuf::from);
        let default = || Some(PathBuf::from(DEFAULT_PATH)).filter(|path| self.default_file && path.exists());
        self.file.clone().or(named).or_else(default)
    }
}

/// The variables that are meant for the tracer.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("TRACER_"))
        .collect()
}

/// Reads the configuration.
pub(crate) fn load(places: &Places) -> Result<Configuration> {
    let path = places.path();
    let document = path.as_deref().map(read).transpose()?.unwrap_or_default();
    resolve(places, path, document)
}

fn read(path: &Path) -> Result<Document> {
    let contents = files::read_guarded(path)?;
    Document::parse(&contents).with_context(|| format!("the configuration {} cannot be used", path.display()))
}

/// Refuses a variable that begins as those of keys do and is none: it would be set in vain.
fn check_environment(environment: &BTreeMap<String, String>) -> Result<()> {
    let known: Vec<String> = keys::keys().iter().map(keys::Key::variable).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let sections: BTreeSet<String> =
        keys::keys().iter().map(|key| format!("TRACER_{}_", key.section).to_uppercase()).collect();
    let of_a_key = |name: &str| sections.iter().any(|section| name.starts_with(section.as_str()));
    match environment.keys().find(|name| of_a_key(name) && !known.contains(&name.as_str())) {
        Some(name) => {
            let hint = document::nearest(name, &known);
            bail!("the variable {} sets no key{hint}", printable(name, document::SHOWN_COLUMNS))
        }
        None => Ok(()),
    }
}

fn resolve(places: &Places, path: Option<PathBuf>, document: Document) -> Result<Configuration> {
    check_environment(&places.environment)?;
    let mut values = BTreeMap::new();
    let recorded = places.recorded.as_ref().filter(|_| path.is_none());
    for key in keys::keys() {
        let name = key.path();
        let mut found = key.default.clone().map(|text| (text, Origin::Default));
        if let Some((window, _)) = places.recorded.as_ref().filter(|_| name == "watch.window") {
            let text = humantime::format_duration(std::time::Duration::from_nanos(window.0)).to_string();
            found = Some((text, Origin::Tape));
        }
        if let (Some((text, line)), Some(path)) = (document.values.get(&name), &path) {
            found = Some((text.clone(), Origin::File { path: path.clone(), line: *line }));
        }
        if let Some(text) = places.environment.get(&key.variable()) {
            let refused = |reason| anyhow!("the variable {} cannot be used: {reason}", key.variable());
            key.check(text).map_err(refused)?;
            found = Some((text.clone(), Origin::Environment(key.variable())));
        }
        if let (Some(text), Some(option)) = (places.given.get(name.as_str()), key.option) {
            key.check(text).map_err(|reason| anyhow!("{option} cannot be used: {reason}"))?;
            found = Some((text.clone(), Origin::CommandLine(option)));
        }
        if let Some((text, origin)) = found {
            values.insert(name, Setting { text, origin });
        }
    }
    let (rules, policy) = match recorded {
        Some((_, settings)) => {
            for knob in &tracer_core::detect::KNOBS {
                let text = knob.get(settings.policy.all());
                let changed = knob.get(&Limits::default()) != text;
                if changed {
                    values.insert(format!("detect.{}", knob.name), Setting { text, origin: Origin::Tape });
                }
            }
            (settings.rules.clone(), settings.policy.clone())
        }
        None => (document.services, policy(&values, document.calls)?),
    };
    let (service_lines, call_lines, sinks) = (document.service_lines, document.call_lines, document.sinks);
    Ok(Configuration { path, values, rules, policy, service_lines, call_lines, sinks })
}

fn policy(values: &BTreeMap<String, Setting>, calls: Vec<tracer_core::detect::CallRule>) -> Result<Policy> {
    let mut limits = Limits::default();
    for knob in &tracer_core::detect::KNOBS {
        if let Some(setting) = values.get(&format!("detect.{}", knob.name)) {
            knob.set(&mut limits, &setting.text)?;
        }
    }
    Ok(Policy::new(limits, calls)?)
}

impl Configuration {
    /// What can change while the tracer runs.
    pub(crate) fn settings(&self) -> Settings {
        Settings { rules: self.rules.clone(), policy: self.policy.clone() }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn window(&self) -> Result<Span> {
        self.value("watch.window", values::window)?.context("watch.window has no value")
    }

    pub(crate) fn baseline(&self) -> Option<PathBuf> {
        self.values.get("watch.baseline").map(|setting| PathBuf::from(&setting.text))
    }

    pub(crate) fn output(&self) -> Result<OutputKind> {
        Ok(self.value("watch.output", |text| OutputKind::from_str(text, false))?.unwrap_or_default())
    }

    pub(crate) fn plane(&self) -> Result<PlaneChoice> {
        Ok(self.value("watch.plane", |text| PlaneChoice::from_str(text, false))?.unwrap_or_default())
    }

    pub(crate) fn detail(&self) -> Result<DetailChoice> {
        Ok(self.value("watch.detail", |text| DetailChoice::from_str(text, false))?.unwrap_or_default())
    }

    /// Percent of one CPU.
    pub(crate) fn budget(&self) -> Result<Option<f64>> {
        self.value("watch.budget", values::percent)
    }

    pub(crate) fn ring_kib(&self) -> Result<u32> {
        self.value("watch.ring_kib", values::ring_kib)?.context("watch.ring_kib has no value")
    }

    /// Where to answer over HTTP.
    pub(crate) fn listen(&self) -> Result<Option<std::net::SocketAddr>> {
        self.value("watch.listen", crate::listen::address::parse)
    }

    /// Where alerts go.
    pub(crate) fn sinks(&self) -> &[SinkSettings] {
        &self.sinks
    }

    /// Where what fires is kept.
    pub(crate) fn alert_directory(&self) -> Option<PathBuf> {
        self.values.get("alerts.directory").map(|setting| PathBuf::from(&setting.text))
    }

    pub(crate) fn alert_rates(&self) -> Result<tracer_core::alert::Rates> {
        let rate = |key| self.value(key, values::count)?.with_context(|| format!("{key} has no value"));
        Ok(tracer_core::alert::Rates {
            all: rate("alerts.rate_limit")?,
            of_one_call: rate("alerts.rate_limit_per_call")?,
        })
    }

    fn value<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>> {
        let setting = self.values.get(key);
        setting.map(|setting| parse(&setting.text).map_err(|reason| anyhow!("{key}: {reason}"))).transpose()
    }
}

#[cfg(test)]
mod tests;
