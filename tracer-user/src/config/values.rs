//! What values of options and of the configuration may be.
//!
//! Invariant: a text that one of these functions takes means the same on the command line, in the environment and in the
//! file. Memory: none.

use clap::ValueEnum;
use tracer_core::input::Detail;
use tracer_core::time::Span;

/// The shortest window. Shorter ones hold too little to judge.
const SHORTEST_WINDOW: Span = Span::from_millis(100);

/// How to show what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputKind {
    /// The live table on a terminal, else text
    #[default]
    Auto,
    /// A live table that redraws
    Tui,
    /// A line for every new call and alert, and a table at the end
    Text,
    /// A JSON object a line for every new call and alert
    Json,
}

/// What to tell of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DetailChoice {
    /// No latencies: the cheapest
    Counts,
    /// Every latency; of busy connections (250 requests a second and more) by a histogram in the kernel, and one request
    /// of 64 by itself
    #[default]
    Latencies,
    /// Every request by itself, at any rate
    Exchanges,
}

impl DetailChoice {
    pub(crate) fn detail(self) -> Detail {
        match self {
            Self::Counts => Detail::Counts,
            Self::Latencies => Detail::Latencies,
            Self::Exchanges => Detail::Exchanges,
        }
    }
}

/// The length of a window.
pub(crate) fn window(text: &str) -> Result<Span, String> {
    let length = humantime::parse_duration(text).map_err(|error| format!("it must be a time such as 10s: {error}"))?;
    let length = u64::try_from(length.as_nanos()).map(Span).map_err(|_| "it is too long".to_owned())?;
    if length < SHORTEST_WINDOW { Err("it must be at least 100ms".to_owned()) } else { Ok(length) }
}

/// A number of things.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "it must be a whole number of 1 or more".to_owned())
}

/// A time above 0 and of at most a day.
pub(crate) fn time(text: &str) -> Option<std::time::Duration> {
    let day = std::time::Duration::from_secs(86_400);
    humantime::parse_duration(text).ok().filter(|time| !time.is_zero() && *time <= day)
}

/// A percentage, with or without its sign.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    let percent = percent.filter(|percent| (0.1..=100.0).contains(percent));
    percent.ok_or_else(|| "it must be a percentage from 0.1 to 100, such as 3%".to_owned())
}

/// The size of the ring.
pub(crate) fn ring_kib(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(|size: &u32| size.is_power_of_two() && (4..=1 << 20).contains(size));
    size.ok_or_else(|| "it must be a power of two from 4 to 1048576".to_owned())
}
