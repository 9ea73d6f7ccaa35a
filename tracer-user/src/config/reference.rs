//! The reference of the configuration, docs/config.md, made of the tables that the file is checked by.
//!
//! Invariant: every key and every table is in it. Memory: one text.

use super::sections::SECTIONS;
use super::{DEFAULT_PATH, PATH_VARIABLE, keys};
use crate::sink::alerts::table::{COMMON, SINKS};
use std::fmt::Write as _;
use tracer_core::detect;

/// The page.
pub(crate) fn page() -> String {
    let mut page = format!(
        "# Configuration\n\n\
         <!-- Made by `tracer config reference`; a test compares. -->\n\n\
         One TOML file: that of `--config FILE`, else of the variable `{PATH_VARIABLE}`, else `{DEFAULT_PATH}` if it is \
         there. `tracer config show` prints every key, its value, and where that comes from.\n\n\
         Of one key, the command line counts before the environment, that before the file, that before the default. The \
         variable of `[detect] stalled_after` is `TRACER_DETECT_STALLED_AFTER`, and so on. A key that means nothing is an \
         error that names its line and the nearest key that does.\n\n\
         `SIGHUP` makes a running `tracer watch` read the file again. A file that cannot be used is refused, the old \
         configuration stays in force, and both are said on standard error and in `completeness`. A tape holds what was in \
         force, changes included: a replay without `--config` judges and names alike, and looks at no file and no variable \
         of the host it runs on.\n"
    );
    for section in &SECTIONS {
        let heading = if section.repeats { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## `{heading}`\n\n{}\n\n", section.about);
        page.push_str(&rows(section.name));
    }
    page.push_str("\n## Kinds of anomalies\n\nFor `off`, and in alerts as `kind`:\n\n");
    for kind in detect::kinds() {
        let severity = match detect::severity(kind) {
            detect::Severity::Warning => " (a warning)",
            detect::Severity::Critical => "",
        };
        let _ = writeln!(page, "- `{kind}`{severity}");
    }
    page
}

fn rows(section: &str) -> String {
    let mut rows = String::new();
    match section {
        "call" => rows.push_str(
            "| key | what it is |\n| --- | --- |\n\
             | `from` | The client's service: a glob for its id, such as `program:nginx`, or for its name, such as `nginx`; \
             between slashes a regular expression. |\n\
             | `to` | The same of the server. |\n\
             | `port` | The server's port, or the path of a Unix socket. |\n\
             | `transport` | `tcp`, `udp` or `unix`. |\n\
             | every key of `[detect]` | The limit for these calls. |\n",
        ),
        "sink" => {
            rows.push_str("| key | what it is |\n| --- | --- |\n");
            for (name, about) in &COMMON {
                let _ = writeln!(rows, "| `{name}` | {about} |");
            }
            for kind in &SINKS {
                let _ = writeln!(rows, "\n### `type = \"{}\"`\n\n{}", kind.name, kind.about);
                if kind.keys().next().is_some() {
                    rows.push_str("\n| key | what it is | value | default |\n| --- | --- | --- | --- |\n");
                }
                for key in kind.keys() {
                    let default = key.default.map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
                    let _ = writeln!(rows, "| `{}` | {} | {} | {default} |", key.name, key.about, key.form.expected());
                }
            }
        }
        "service" => rows.push_str(
            "| key | what it is |\n| --- | --- |\n\
             | `name` | What to call it. |\n\
             | `exe` | The executed file: a glob for the file's name, or with a slash for its path; between slashes a \
             regular expression. |\n\
             | `command` | The arguments, a blank between each two: the same kinds of pattern. |\n\
             | `unit` | The systemd unit, with or without `.service`: the same kinds of pattern. |\n\
             | `port` | A port that it listens on, or the path of a Unix socket. |\n",
        ),
        _ => {
            rows.push_str("| key | what it is | value | default | option |\n| --- | --- | --- | --- | --- |\n");
            for key in keys::keys().iter().filter(|key| key.section == section) {
                let code = |text: Option<&str>| text.map_or_else(|| "–".to_owned(), |text| format!("`{text}`"));
                let (default, option) = (code(key.default.as_deref()), code(key.option));
                let _ = writeln!(rows, "| `{}` | {} | {} | {default} | {option} |", key.name, key.about, key.expected);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_docs_is_the_one_that_is_made() {
        let written = include_str!("../../../docs/config.md");
        assert!(page() == written, "docs/config.md is out of date: `tracer config reference > docs/config.md`");
    }

    #[test]
    fn every_key_of_every_table_is_in_the_reference() {
        let page = page();
        for section in &SECTIONS {
            for key in (section.keys)() {
                assert!(page.contains(&format!("| `{key}` |")), "{} {key}", section.name);
            }
        }
    }
}
