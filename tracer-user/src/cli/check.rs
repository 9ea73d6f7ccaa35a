//! `tracer check`: are there calls that the baseline does not list? A gate for continuous integration.
//!
//! Invariant: the exit code is 0 only if everything was observed and nothing was unexpected. Memory: the engine's.

use super::options;
use super::watch::Capture;
use super::{COULD_NOT_RUN, DEVIATIONS};
use crate::config::{self, Configuration, Places};
use crate::console::{self, say};
use crate::run::Observation;
use crate::source::tape::Tape;
use crate::stop::Stop;
use crate::{command, files};
use anyhow::{Context as _, Result, bail};
use clap::{ArgGroup, Args};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;
use tracer_core::Engine;
use tracer_core::baseline::Baseline;
use tracer_core::check::{self, Demands, Outcome, Report, Scope, Verdict};
use tracer_core::engine::Config;
use tracer_core::input::Settings;

/// Fail if there are calls that a baseline does not list: of a command such as a test suite, or of this host
///
/// A command is observed with every process that it starts and, unless --only-command, with the services that they call:
/// what those call in turn counts too. Capture begins before the command does.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("what").required(true).args(["length", "tape", "command"])),
    after_help = "\
Exit codes:
  0   everything was observed, and no call was unexpected
  1   there are deviations: unexpected calls, or with --missing expected ones that were not seen
  2   nothing can be said: it could not run, the command failed, or records were lost
  64  wrong usage

Examples:
  sudo tracer check --baseline calls.json --learn -- pytest -q     the calls of the tests are expected from now on
  sudo tracer check --baseline calls.json -- pytest -q             fails if they make any other
  sudo tracer check --baseline calls.json -- runuser -u \"$USER\" -- pytest -q     the tests as yourself
  sudo tracer check --baseline calls.json --for 60s --report junit=calls.xml
  tracer check --baseline calls.json --tape day.tape               needs no root"
)]
pub(super) struct Check {
    /// The expected calls; see `tracer baseline`
    #[arg(long, value_name = "FILE")]
    baseline: PathBuf,

    /// Observe this host for a time
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    length: Option<Duration>,

    /// Judge a tape that `tracer watch --record` made (needs no root)
    #[arg(long, value_name = "TAPE")]
    tape: Option<PathBuf>,

    /// Run a command and observe what it does
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// Write the calls that are seen to the baseline as the expected ones, instead of judging them
    #[arg(long, conflicts_with_all = ["missing", "strict", "reports"])]
    learn: bool,

    /// Judge the calls of the command's own processes only, not those of the services that they call
    // Not `requires = "command"`: clap does not require what conflicts with something that is there.
    #[arg(long, conflicts_with_all = ["length", "tape"])]
    only_command: bool,

    /// Expected calls that are not seen are deviations, too
    #[arg(long)]
    missing: bool,

    /// Nothing can be said, either, where a call could not be judged or something could not be observed
    #[arg(long)]
    strict: bool,

    /// Judge what was seen although records were lost
    #[arg(long)]
    allow_loss: bool,

    /// Write a report besides the one that is printed: text=FILE, json=FILE (tracer.check/1) or junit=FILE (may be
    /// repeated)
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<ReportFile>,

    /// Length of a window [default: 10s, or the tape's]
    #[arg(long, value_name = "DURATION", value_parser = options::window)]
    window: Option<String>,

    /// The configuration, TOML, with your own names for services [default: /etc/tracer/tracer.toml if it is there; for a
    /// tape what the tape says]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    capture: Capture,
}

/// A report that was asked for.
#[derive(Clone, Debug)]
struct ReportFile {
    path: PathBuf,
    render: fn(&Report) -> Result<String>,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or("expected FORMAT=FILE")?;
        let render: fn(&Report) -> Result<String> = match format {
            "text" => |report| Ok(check::text(report)),
            "json" => |report| Ok(check::json(report)?),
            "junit" => |report| Ok(check::junit(report)?),
            _ => return Err("the format is text, json or junit".to_owned()),
        };
        Ok(Self { path: PathBuf::from(path), render })
    }
}

impl ReportFile {
    fn write(&self, report: &Report) -> Result<()> {
        files::write_whole(&self.path, (self.render)(report)?.as_bytes())
    }
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        self.reports.iter().try_for_each(|report| files::check_folder(&report.path))?;
        if self.learn {
            return self.write_baseline();
        }
        // Before anything runs: a baseline that cannot be used judges nothing.
        let baseline = options::read_baseline(&self.baseline).with_context(|| {
            format!("there is nothing to compare with (`{}` makes a baseline)", self.how_to_learn())
        })?;
        let (engine, outcome) = self.observe(Some(baseline.clone()))?;
        let demands = Demands { missing: self.missing, strict: self.strict, allow_loss: self.allow_loss };
        let name = self.baseline.to_string_lossy();
        let report = Report::new(&engine.snapshot(), engine.seen(self.scope()), (&name, &baseline), demands, outcome);
        let results: Vec<Result<()>> = self.reports.iter().map(|file| file.write(&report)).collect();
        let text = check::text(&report);
        if self.command.is_empty() {
            console::print(&text)?;
        } else {
            // Standard output is the command's.
            say(text.trim_end());
        }
        results.into_iter().collect::<Result<()>>()?;
        Ok(match report.verdict {
            Verdict::Clean => ExitCode::SUCCESS,
            Verdict::Deviations => ExitCode::from(DEVIATIONS),
            Verdict::Doubtful => ExitCode::from(COULD_NOT_RUN),
        })
    }

    fn write_baseline(&self) -> Result<ExitCode> {
        files::check_folder(&self.baseline)?;
        let (engine, outcome) = self.observe(None)?;
        if let Some(outcome) = outcome.filter(|outcome| !outcome.succeeded) {
            bail!("the command failed ({}), so {} is unchanged", outcome.status, self.baseline.display());
        }
        let lost = engine.snapshot().completeness.records_lost;
        if lost > 0 && !self.allow_loss {
            bail!("{lost} records were lost, so {} is unchanged (see --ring-kib)", self.baseline.display());
        }
        let learned = engine.learned_in(self.scope())?;
        if learned.calls().is_empty() {
            bail!("no call was seen, so nothing was learned and {} is unchanged", self.baseline.display());
        }
        let learned = options::keep_entries(learned, &self.baseline)?;
        files::write_whole(&self.baseline, learned.render().as_bytes())?;
        say(&format!("{}: {} calls are expected from now on", self.baseline.display(), learned.calls().len()));
        Ok(ExitCode::SUCCESS)
    }

    /// Observes what was asked for.
    fn observe(&self, baseline: Option<Baseline>) -> Result<(Engine, Option<Outcome>)> {
        if let Some(tape) = &self.tape {
            let (tape, header) = Tape::open(tape)?;
            let recorded = Settings { rules: header.rules.clone(), policy: header.policy.clone() };
            let places = Places::replay(self.config.clone(), self.given(), header.window, recorded);
            let engine = self.engine(&config::load(&places)?, baseline, None)?;
            let stop = Stop::on_signals()?;
            let engine = Observation::quiet(Box::new(tape), engine, &stop).engine()?;
            return Ok((engine, None));
        }
        let configuration = config::load(&Places::live(self.config.clone(), self.given()))?;
        if self.command.is_empty() {
            let stop = Stop::on_signals()?;
            let engine = self.engine(&configuration, baseline, None)?;
            let source = Box::new(self.capture.start(&configuration, &stop, false)?);
            let observation = Observation { length: self.length, ..Observation::quiet(source, engine, &stop) };
            return Ok((observation.engine()?, None));
        }
        command::can_be_followed()?;
        let (stop, ask) = Stop::on_request()?;
        let engine = self.engine(&configuration, baseline, Some(std::process::id()))?;
        let source = Box::new(self.capture.start_following(&configuration, &stop)?);
        // Every hook is attached, so nothing that it does is missed.
        let running = command::start(&self.command, ask)?;
        let silent = console::silent();
        let engine = Observation { console: silent, ..Observation::quiet(source, engine, &stop) }.engine()?;
        let status = running.status()?;
        let line = self.command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let processes = engine.descent().map_or(0, tracer_core::identity::Descent::len);
        let outcome = Outcome { line, status: status.to_string(), succeeded: status.success(), processes };
        Ok((engine, Some(outcome)))
    }

    fn engine(&self, configuration: &Configuration, baseline: Option<Baseline>, follow: Option<u32>) -> Result<Engine> {
        let Settings { rules, policy } = configuration.settings();
        let learn = self.learn;
        Ok(Engine::new(Config { window: configuration.window()?, baseline, rules, policy, learn, follow }))
    }

    fn given(&self) -> config::Given {
        let mut given = self.capture.given();
        given.extend(self.window.clone().map(|window| ("watch.window", window)));
        given
    }

    fn scope(&self) -> Scope {
        match (self.command.is_empty(), self.only_command) {
            (true, _) => Scope::Host,
            (false, true) => Scope::Command,
            (false, false) => Scope::Reached,
        }
    }

    /// The command that makes a baseline of the same scope.
    fn how_to_learn(&self) -> String {
        let of = match (&self.tape, self.command.is_empty()) {
            (Some(_), _) => "--tape TAPE",
            (None, true) => "--for 60s",
            (None, false) => "-- COMMAND",
        };
        format!("tracer check --baseline {} --learn {of}", self.baseline.display())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use clap::Parser as _;

    /// The commands of a page: what begins with `tracer check`, whatever is before it on its line.
    fn commands(page: &str) -> Vec<Vec<String>> {
        let commands = page.lines().filter_map(|line| line.find("tracer check --").and_then(|at| line.get(at..)));
        commands
            .map(|command| command.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect())
            .collect()
    }

    #[test]
    fn every_command_of_the_page_about_ci_can_be_given() {
        let page = include_str!("../../../docs/ci.md");
        let commands = commands(page);
        assert!(commands.len() >= 5, "{commands:?}");
        for command in commands {
            let parsed = Arguments::try_parse_from(&command).map(|arguments| arguments.command);
            assert!(matches!(parsed, Ok(Command::Check(_))), "{command:?}: {parsed:?}");
        }
    }

    #[test]
    fn what_is_observed_is_one_of_three_and_a_report_has_a_format_and_a_file() {
        let parse = |words: &str| Arguments::try_parse_from(words.split(' ')).map(|_| ());
        assert!(parse("tracer check --baseline b --report junit=x.xml --for 1s").is_ok());
        for wrong in [
            "tracer check --baseline b",
            "tracer check --for 1s",
            "tracer check --baseline b --for 1s --tape t",
            "tracer check --baseline b --for 1s -- true",
            "tracer check --baseline b --for 1s --report x.xml",
            "tracer check --baseline b --for 1s --report yaml=x",
            "tracer check --baseline b --for 1s --only-command",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
