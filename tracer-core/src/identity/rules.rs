//! The user's own rules for naming services.
//!
//! Invariant: a rule that exists can be used: it has a name and a condition, and its patterns are compiled.
//! Memory: `limits::RULES` rules; a pattern of at most `limits::PATTERN_BYTES`, compiled within
//! `COMPILED_BYTES`.

use super::{Port, naming};
use crate::limits;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Bytes that one compiled pattern may take.
const COMPILED_BYTES: usize = 256 << 10;

/// Rules in order: the first that matches names the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Rule>", into = "Vec<Rule>")]
pub struct Rules(Vec<Rule>);

/// A rule: processes for which all conditions hold are the service `name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    /// The executed file. A pattern without `/` is compared with what follows the path's last `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
    /// The arguments, a blank between each two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Pattern>,
    /// The systemd unit that the process runs in, with or without `.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Pattern>,
    /// That the process listens on: a number, or the path of a Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}

impl Rule {
    /// Its conditions by name.
    pub const KEYS: [&'static str; 5] = ["name", "exe", "command", "unit", "port"];
}

/// A glob that matches the whole text (`*` any characters, `?` one, `[…]` and `{…,…}`), or a regular expression
/// between slashes that matches a part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits<'a> {
    pub exe: Option<&'a [u8]>,
    pub arguments: &'a [Vec<u8>],
    /// With its ending.
    pub unit: Option<&'a str>,
    pub ports: &'a [Port],
}

/// Why a rule cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    #[error("the pattern `{pattern}` cannot be used: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("the pattern that begins with `{start}` has {bytes} bytes, the most is {}", limits::PATTERN_BYTES)]
    LongPattern { start: String, bytes: usize },
    #[error("service {number} has a name of {bytes} bytes; give it one of 1 to {} bytes", limits::NAME_BYTES)]
    Name { number: usize, bytes: usize },
    #[error("the service `{name}` has no condition; give it at least one of exe, command, unit, port")]
    NoCondition { name: String },
    #[error("there are {count} rules, the most is {}", limits::RULES)]
    TooMany { count: usize },
}

impl Rules {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first rule that matches: its place among the rules, from 0, and its name.
    #[must_use]
    pub fn find(&self, process: &Traits<'_>) -> Option<(usize, &str)> {
        let found = self.0.iter().enumerate().find(|(_, rule)| rule.matches(process));
        found.map(|(place, rule)| (place, rule.name.as_str()))
    }
}

impl Rule {
    /// Whether every condition holds. What is not known of a process meets no condition.
    fn matches(&self, process: &Traits<'_>) -> bool {
        let exe = |pattern: &Pattern| process.exe.is_some_and(|exe| pattern.matches_path(exe));
        let command = |pattern: &Pattern| {
            let line = process.arguments.join(&b' ');
            !line.is_empty() && pattern.regex.is_match(&line)
        };
        let unit = |pattern: &Pattern| {
            let matches = |unit: &str| pattern.regex.is_match(unit.as_bytes());
            process.unit.is_some_and(|unit| matches(unit) || unit.strip_suffix(".service").is_some_and(matches))
        };
        self.exe.as_ref().is_none_or(exe)
            && self.command.as_ref().is_none_or(command)
            && self.unit.as_ref().is_none_or(unit)
            && self.port.as_ref().is_none_or(|port| process.ports.contains(port))
    }
}

impl Pattern {
    /// Whether a text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }

    fn matches_path(&self, path: &[u8]) -> bool {
        let path = path.strip_suffix(naming::DELETED).unwrap_or(path);
        let whole = self.text.contains('/');
        self.regex.is_match(if whole { path } else { naming::base_name(path) })
    }
}

impl TryFrom<String> for Pattern {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        if text.len() > limits::PATTERN_BYTES {
            return Err(RuleError::LongPattern {
                start: shown(&text.chars().take(40).collect::<String>()),
                bytes: text.len(),
            });
        }
        let unusable = |reason: String| RuleError::Pattern { pattern: shown(&text), reason: shown(&reason) };
        let between_slashes = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let glob = || globset::Glob::new(&text).map_err(|error| unusable(error.kind().to_string()));
        let expression =
            between_slashes.map_or_else(|| Ok(glob()?.regex().to_owned()), |given| Ok(given.to_owned()))?;
        let regex = RegexBuilder::new(&expression)
            // For a glob, a line feed is a character like any other.
            .dot_matches_new_line(between_slashes.is_none())
            .size_limit(COMPILED_BYTES)
            .build()
            .map_err(|error| unusable(error.to_string().lines().last().unwrap_or_default().trim().to_owned()))?;
        Ok(Self { text, regex })
    }
}

/// A text of the user without characters that a terminal would obey.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<Vec<Rule>> for Rules {
    type Error = RuleError;

    fn try_from(rules: Vec<Rule>) -> Result<Self, RuleError> {
        if rules.len() > limits::RULES {
            return Err(RuleError::TooMany { count: rules.len() });
        }
        for (place, rule) in rules.iter().enumerate() {
            if rule.name.trim().is_empty() || rule.name.len() > limits::NAME_BYTES {
                return Err(RuleError::Name { number: place + 1, bytes: rule.name.len() });
            }
            let conditions = [rule.exe.is_some(), rule.command.is_some(), rule.unit.is_some(), rule.port.is_some()];
            if !conditions.contains(&true) {
                return Err(RuleError::NoCondition { name: shown(&rule.name) });
            }
        }
        Ok(Self(rules))
    }
}

impl From<Rules> for Vec<Rule> {
    fn from(rules: Rules) -> Self {
        rules.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Rules {
        serde_json::from_str(json).unwrap()
    }

    fn error(json: &str) -> String {
        serde_json::from_str::<Rules>(json).unwrap_err().to_string()
    }

    struct Known {
        exe: &'static str,
        command: &'static str,
        unit: Option<&'static str>,
        port: u16,
    }

    const PHP: Known = Known {
        exe: "/usr/sbin/php-fpm8.2",
        command: "php-fpm: pool www",
        unit: Some("php8.2-fpm.service"),
        port: 9000,
    };

    fn holds(condition: &str, known: &Known) -> bool {
        let rules = rules(&format!(r#"[{{"name":"it",{condition}}}]"#));
        let arguments: Vec<Vec<u8>> = known.command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let ports = [Port::Number(known.port), Port::of_path(b"/run/php.sock")];
        let traits = Traits { exe: Some(known.exe.as_bytes()), arguments: &arguments, unit: known.unit, ports: &ports };
        rules.find(&traits).is_some()
    }

    #[test]
    fn each_condition_is_compared_with_its_own_part_of_the_process() {
        for (expected, condition) in [
            (true, r#""exe":"php-fpm*""#),
            (true, r#""exe":"php-fpm8.2""#),
            (false, r#""exe":"php""#),
            (true, r#""exe":"/usr/*/php-fpm?.?""#),
            (false, r#""exe":"sbin/php-fpm*""#),
            (true, r#""exe":"/sbin/php-fpm[0-9.]+$/""#),
            (true, r#""exe":"{nginx,php-fpm*}""#),
            (true, r#""command":"*pool www""#),
            (false, r#""command":"pool""#),
            (true, r#""command":"/pool/""#),
            (true, r#""command":"/^php-fpm: pool \\w+$/""#),
            (true, r#""unit":"php*-fpm""#),
            (true, r#""unit":"php8.2-fpm.service""#),
            (false, r#""unit":"php""#),
            (true, r#""port":9000"#),
            (false, r#""port":9001"#),
            (true, r#""port":"/run/php.sock""#),
        ] {
            assert_eq!(holds(condition, &PHP), expected, "{condition}");
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        assert!(holds(r#""exe":"php*","unit":"php*","command":"/www/","port":9000"#, &PHP));
        for wrong in [r#""exe":"x""#, r#""unit":"x""#, r#""command":"x""#, r#""port":1"#] {
            let others = [r#""exe":"php*""#, r#""unit":"php*""#, r#""command":"/www/""#, r#""port":9000"#];
            let key = |condition: &str| condition.split(':').next().unwrap().to_owned();
            let kept = others.into_iter().filter(|other| key(other) != key(wrong));
            let conditions: Vec<&str> = kept.chain([wrong]).collect();
            assert!(!holds(&conditions.join(","), &PHP), "{wrong}");
        }
    }

    #[test]
    fn errors_say_nothing_that_a_terminal_would_obey() {
        let error = Pattern::try_from("/(\u{1b}[2J\t/".to_owned()).unwrap_err().to_string();
        assert!(error.contains("\\u{1b}[2J\\t") && !error.contains('\u{1b}'), "{error}");
        let unnamed = Rule { name: "\u{1b}c".to_owned(), exe: None, command: None, unit: None, port: None };
        let error = Rules::try_from(vec![unnamed]).unwrap_err().to_string();
        assert!(error.contains("`\\u{1b}c`"), "{error}");
    }

    #[test]
    fn what_is_not_known_meets_no_condition_not_even_the_pattern_for_anything() {
        for condition in [r#""exe":"*""#, r#""command":"*""#, r#""unit":"*""#, r#""port":1"#] {
            let rules = rules(&format!(r#"[{{"name":"it",{condition}}}]"#));
            assert_eq!(rules.find(&Traits::default()), None, "{condition}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_names() {
        let rules = rules(r#"[{"name":"a","exe":"x"},{"name":"b","exe":"y*"},{"name":"c","exe":"*"}]"#);
        let find = |exe: &'static str| rules.find(&Traits { exe: Some(exe.as_bytes()), ..Traits::default() });
        assert_eq!(find("/bin/yes"), Some((1, "b")));
        assert_eq!(find("/bin/no (deleted)"), Some((2, "c")));
    }

    #[test]
    fn bytes_that_are_no_text_are_matched_as_bytes() {
        let rules = rules(r#"[{"name":"a","exe":"/srv/?x"}]"#);
        assert!(rules.find(&Traits { exe: Some(b"/srv/\xffx"), ..Traits::default() }).is_some());
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_an_error_that_says_why() {
        for (reason, json) in [
            ("no condition", r#"[{"name":"a"}]"#),
            ("name of 0 bytes", r#"[{"name":"","exe":"x"}]"#),
            ("unclosed character class", r#"[{"name":"a","exe":"[x"}]"#),
            ("unclosed group", r#"[{"name":"a","command":"/(x/"}]"#),
            ("size limit", r#"[{"name":"a","command":"/(\\w{100}){100}/"}]"#),
            ("expected a port number", r#"[{"name":"a","port":70000}]"#),
            ("unknown field `exee`", r#"[{"name":"a","exee":"x"}]"#),
        ] {
            assert!(error(json).contains(reason), "{}", error(json));
        }
        let long = "x".repeat(limits::PATTERN_BYTES + 1);
        assert!(error(&format!(r#"[{{"name":"a","exe":"{long}"}}]"#)).contains("the most is"));
        let many = vec![r#"{"name":"a","exe":"x"}"#; limits::RULES + 1].join(",");
        assert!(error(&format!("[{many}]")).contains("257 rules"));
    }

    #[test]
    fn rules_are_written_as_they_were_read() {
        let json = r#"[{"name":"a","exe":"/x+/","port":80},{"name":"b","unit":"c*","port":"/run/d"}]"#;
        assert_eq!(serde_json::to_string(&rules(json)).unwrap(), json);
    }
}
