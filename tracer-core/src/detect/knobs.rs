//! The limits by name: what a configuration can change, one row for each.
//!
//! Invariant: every field of [`Limits`] has a row, and the text that a row gives for a value is read back as that value.
//! Memory: a static table.

use super::Limits;
use crate::escape::printable;
use crate::time::Span;
use std::collections::BTreeSet;
use std::time::Duration;
use thiserror::Error;

/// A limit that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// The key in a configuration.
    pub name: &'static str,
    /// One sentence for a person.
    pub about: &'static str,
    slot: for<'a> fn(&'a mut Limits) -> Slot<'a>,
}

/// Where a value is, by its kind.
#[derive(Debug)]
enum Slot<'a> {
    Time(&'a mut Span),
    Share(&'a mut f64),
    Factor(&'a mut f64),
    Count(&'a mut u64),
    Windows(&'a mut u32),
    Kinds(&'a mut BTreeSet<&'static str>),
}

/// Why a text is no value of a knob.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no value of `{name}`: it must be {expected}")]
pub struct KnobError {
    pub name: &'static str,
    pub text: String,
    pub expected: String,
}

/// All limits, in the order in which they are documented.
pub static KNOBS: [Knob; 23] = [
    Knob { name: "off", about: "Anomalies that are not looked for.", slot: |l| Slot::Kinds(&mut l.off) },
    Knob {
        name: "least_samples",
        about: "Attempts or exchanges that evidence must rest on before anything is said of it.",
        slot: |l| Slot::Count(&mut l.least_samples),
    },
    Knob {
        name: "evidence_time",
        about: "How far back evidence goes that is too little by itself.",
        slot: |l| Slot::Time(&mut l.evidence_time),
    },
    Knob {
        name: "missing_after",
        about: "missing-call: how long an expected call must be silent in any case.",
        slot: |l| Slot::Time(&mut l.missing_after),
    },
    Knob {
        name: "stalled_after",
        about: "stalled: how long a request may wait for its answer.",
        slot: |l| Slot::Time(&mut l.stalled_after),
    },
    Knob {
        name: "latency_p99",
        about: "latency-p99: what the 99th percentile of the latency may be.",
        slot: |l| Slot::Time(&mut l.latency_p99),
    },
    Knob {
        name: "latency_p99_exchanges",
        about: "latency-p99: exchanges over the limit that make a finding.",
        slot: |l| Slot::Count(&mut l.latency_p99_exchanges),
    },
    Knob {
        name: "latency_mean_mads",
        about: "latency-mean: median absolute deviations, as learned, by which the mean may rise.",
        slot: |l| Slot::Factor(&mut l.latency_mean_mads),
    },
    Knob {
        name: "latency_mean_share",
        about: "latency-mean: share of the expected mean by which it may rise.",
        slot: |l| Slot::Factor(&mut l.latency_mean_share),
    },
    Knob {
        name: "latency_mean_floor",
        about: "latency-mean: what the mean may rise in any case.",
        slot: |l| Slot::Time(&mut l.latency_mean_floor),
    },
    Knob {
        name: "latency_mean_errors",
        about: "latency-mean: standard errors by which the mean may rise.",
        slot: |l| Slot::Factor(&mut l.latency_mean_errors),
    },
    Knob {
        name: "latency_mean_absolute",
        about: "latency-mean: what the mean may be where no baseline tells what is normal.",
        slot: |l| Slot::Time(&mut l.latency_mean_absolute),
    },
    Knob {
        name: "latency_mean_windows",
        about: "latency-mean: windows in a row above the limit that make a finding.",
        slot: |l| Slot::Windows(&mut l.latency_mean_windows),
    },
    Knob {
        name: "error_rate",
        about: "error-rate: share of the attempts that may fail.",
        slot: |l| Slot::Share(&mut l.error_rate),
    },
    Knob {
        name: "error_rate_errors",
        about: "error-rate: failures that make a finding.",
        slot: |l| Slot::Count(&mut l.error_rate_errors),
    },
    Knob {
        name: "call_rate",
        about: "call-rate: share of the expected rate by which a call's rate may differ, either way.",
        slot: |l| Slot::Factor(&mut l.call_rate),
    },
    Knob {
        name: "call_rate_warning",
        about: "call-rate-drift: the same for a warning.",
        slot: |l| Slot::Factor(&mut l.call_rate_warning),
    },
    Knob {
        name: "call_rate_surprise",
        about: "call-rate, call-rate-drift, missing-call: minus the natural logarithm of the chance that is believed.",
        slot: |l| Slot::Factor(&mut l.call_rate_surprise),
    },
    Knob {
        name: "call_rate_windows",
        about: "call-rate, call-rate-drift: deviations in a row that make a finding.",
        slot: |l| Slot::Windows(&mut l.call_rate_windows),
    },
    Knob {
        name: "pool_wait",
        about: "pool-saturation: time that requests wait, as a share of the time that serving them takes.",
        slot: |l| Slot::Factor(&mut l.pool_wait),
    },
    Knob {
        name: "pool_windows",
        about: "pool-saturation: windows in a row that make a finding.",
        slot: |l| Slot::Windows(&mut l.pool_windows),
    },
    Knob {
        name: "listener_drops",
        about: "listener-overflow: connections dropped in a window that make a finding.",
        slot: |l| Slot::Count(&mut l.listener_drops),
    },
    Knob {
        name: "silent_windows",
        about: "silent-service: windows in a row without any answer that make a finding.",
        slot: |l| Slot::Windows(&mut l.silent_windows),
    },
];

impl Knob {
    /// The knob of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        KNOBS.iter().find(|knob| knob.name == name)
    }

    /// What a value must be, for a person.
    #[must_use]
    pub fn expected(&self) -> String {
        match (self.slot)(&mut Limits::default()) {
            Slot::Time(_) => "a time, such as \"500ms\" or \"1m 30s\"".to_owned(),
            Slot::Share(_) => "a share from 0 to 1, or percent such as \"5%\"".to_owned(),
            Slot::Factor(_) => "a number of 0 or more, or percent such as \"20%\"".to_owned(),
            Slot::Count(_) | Slot::Windows(_) => "a whole number of 1 or more".to_owned(),
            Slot::Kinds(_) => format!("a list of kinds of anomalies: {}", super::kinds().join(", ")),
        }
    }

    /// Whether its value is a list of words.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!((self.slot)(&mut Limits::default()), Slot::Kinds(_))
    }

    /// Whether its value is written as a number; others are texts, or lists of them.
    #[must_use]
    pub fn is_number(&self) -> bool {
        !self.is_list() && !matches!((self.slot)(&mut Limits::default()), Slot::Time(_))
    }

    /// The value as a text that [`Knob::set`] reads.
    #[must_use]
    pub fn get(&self, limits: &Limits) -> String {
        let mut limits = limits.clone();
        match (self.slot)(&mut limits) {
            Slot::Time(span) => humantime::format_duration(Duration::from_nanos(span.0)).to_string(),
            Slot::Share(number) | Slot::Factor(number) => number.to_string(),
            Slot::Count(count) => count.to_string(),
            Slot::Windows(count) => count.to_string(),
            Slot::Kinds(kinds) => kinds.iter().copied().collect::<Vec<_>>().join(","),
        }
    }

    /// Sets the value.
    ///
    /// # Errors
    /// When the text is no value; nothing is changed then.
    pub fn set(&self, limits: &mut Limits, text: &str) -> Result<(), KnobError> {
        let refused =
            || KnobError { name: self.name, text: printable(text, 60).to_string(), expected: self.expected() };
        match (self.slot)(limits) {
            Slot::Time(span) => *span = time(text).ok_or_else(refused)?,
            Slot::Share(share) => *share = number(text).filter(|share| *share <= 1.0).ok_or_else(refused)?,
            Slot::Factor(factor) => *factor = number(text).ok_or_else(refused)?,
            Slot::Count(count) => *count = text.parse().ok().filter(|count| *count > 0).ok_or_else(refused)?,
            Slot::Windows(count) => *count = text.parse().ok().filter(|count| *count > 0).ok_or_else(refused)?,
            Slot::Kinds(off) => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                let known = |word: &str| super::kinds().into_iter().find(|kind| *kind == word);
                *off = words.map(known).collect::<Option<_>>().ok_or_else(refused)?;
            }
        }
        Ok(())
    }
}

fn time(text: &str) -> Option<Span> {
    let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero())?;
    u64::try_from(time.as_nanos()).ok().map(Span)
}

fn number(text: &str) -> Option<f64> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_one_knob_whose_text_is_read_back() {
        let mut limits = Limits::default();
        let mut slots = BTreeSet::new();
        for knob in &KNOBS {
            let text = knob.get(&limits);
            assert_eq!(knob.set(&mut limits, &text), Ok(()), "{}", knob.name);
            assert_eq!(limits, Limits::default(), "{}", knob.name);
            assert!(knob.about.ends_with('.'), "{}", knob.name);
            // The debug output names the fields in their order: each knob must move another one.
            let other = if knob.is_list() {
                "stalled"
            } else if knob.is_number() {
                "1"
            } else {
                "7h"
            };
            let other = if text == other { "2" } else { other };
            let other = if knob.name == "pool_wait" || text == "1" && knob.is_number() { "0.5" } else { other };
            let other = if knob.name == "listener_drops" { "9" } else { other };
            let mut changed = Limits::default();
            knob.set(&mut changed, other).unwrap();
            slots.insert(format!("{changed:?}"));
        }
        assert_eq!(slots.len(), KNOBS.len());
        assert!(!slots.contains(&format!("{:?}", Limits::default())));
        let fields = format!("{:#?}", Limits::default())
            .lines()
            .filter(|line| line.strip_prefix("    ").is_some_and(|line| line.starts_with(char::is_alphabetic)))
            .count();
        assert_eq!(fields, KNOBS.len());
    }

    #[test]
    fn what_is_no_value_changes_nothing_and_says_what_is_one() {
        let mut limits = Limits::default();
        let mut refused = |name, text| {
            let error = Knob::find(name).unwrap().set(&mut limits, text).unwrap_err().to_string();
            assert_eq!(limits, Limits::default());
            error
        };
        assert!(refused("stalled_after", "0s").contains("such as \"500ms\""));
        assert!(refused("stalled_after", "soon").contains("`soon` is no value of `stalled_after`"));
        assert!(refused("error_rate", "1.1").contains("from 0 to 1"));
        assert!(refused("error_rate", "NaN").contains("from 0 to 1"));
        assert!(refused("call_rate", "-1").contains("0 or more"));
        assert!(refused("least_samples", "0").contains("1 or more"));
        assert!(refused("off", "stalled,slow").contains("latency-p99"));
        assert!(!refused("stalled_after", "\x1b[2J").contains('\x1b'));
    }

    #[test]
    fn percent_and_numbers_are_the_same_shares() {
        let mut limits = Limits::default();
        Knob::find("error_rate").unwrap().set(&mut limits, "12.5 %").unwrap();
        Knob::find("call_rate").unwrap().set(&mut limits, "3").unwrap();
        Knob::find("off").unwrap().set(&mut limits, "stalled, latency-p99").unwrap();
        assert_eq!((limits.error_rate, limits.call_rate), (0.125, 3.0));
        assert_eq!(limits.off, BTreeSet::from(["latency-p99", "stalled"]));
    }
}
