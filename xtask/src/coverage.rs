//! docs/coverage.md: which case of capture was shown by a live test, on which kernel and plane.
//!
//! Invariant: a cell says what a test has told and nothing else; a case that no test told of is `not run`. The page is made
//! from the results alone, so equal results are equal pages. Memory: one text for each case and column.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::host;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write docs/coverage.md; without it, say whether the page agrees with the results
    #[arg(long)]
    pub(crate) write: bool,
}

const PAGE: &str = "docs/coverage.md";

/// A kernel series such as 6.18 with its flavour (`-rt` or nothing), an architecture, a plane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    series: (u32, u32, String),
    architecture: String,
    plane: String,
}

/// What was told, and of what could have been told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    /// Ids and titles, in order.
    cases: Vec<(String, String)>,
    /// By column and case: `pass`, or `limit: …`.
    outcomes: BTreeMap<Column, BTreeMap<String, String>>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let results = Results::read(&folder()?)?;
    let page = host::workspace().join(PAGE);
    let here = Column::both_of(&fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default());
    if options.write {
        let kept = fs::read_to_string(&page).map(|text| Results::of_page(&text)).unwrap_or_default();
        fs::write(&page, results.over(kept, &here).page()).with_context(|| format!("write {}", page.display()))?;
        eprintln!("written: {PAGE}");
        return Ok(());
    }
    let complaints = results.complaints(&fs::read_to_string(&page).unwrap_or_default(), &here);
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{}", complaints.join("\n"));
}

/// Where live tests leave what they have shown: those of this machine, and beside them those of guests.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = host::target_directory().join("live-results");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// Forgets what the live tests of this machine have shown.
pub(crate) fn clear() -> Result<()> {
    for name in ["results.jsonl", "cases.json"] {
        let file = folder()?.join(name);
        if file.exists() {
            fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))?;
        }
    }
    Ok(())
}

impl Results {
    /// Reads what live tests have left in a folder.
    fn read(folder: &Path) -> Result<Self> {
        let mut results = Self::default();
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
            files.push(entry?.path());
        }
        // The names say which kernel wrote them: the order is always the same.
        files.sort();
        let ending = |file: &&PathBuf, ending: &str| file.to_string_lossy().ends_with(ending);
        let table = files.iter().find(|file| ending(file, "cases.json"));
        let table = table.with_context(|| format!("{} is empty: run `cargo xtask test` first", folder.display()))?;
        let cases: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(table)?)?;
        let field = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        results.cases = cases.iter().map(|case| (field(case, "case"), field(case, "title"))).collect();
        for file in files.iter().filter(|file| ending(file, "results.jsonl")) {
            for line in fs::read_to_string(file)?.lines() {
                let told: serde_json::Value = serde_json::from_str(line)?;
                let series =
                    series(&field(&told, "kernel")).with_context(|| format!("a result of no kernel: {line}"))?;
                let column = Column { series, architecture: field(&told, "arch"), plane: field(&told, "plane") };
                let outcome = results.outcomes.entry(column).or_default().entry(field(&told, "case")).or_default();
                // Of several tests of one case, the one that tells a limit counts.
                if !outcome.starts_with("limit") {
                    *outcome = field(&told, "outcome");
                }
            }
        }
        Ok(results)
    }

    /// These results, and what a page says of the other kernels beyond them: those show what they are asked to, so what
    /// was not asked this time stays as it was.
    fn over(mut self, page: Self, here: &[Column]) -> Self {
        for (column, told) in page.outcomes {
            let fresh = here.contains(&column) && self.outcomes.contains_key(&column);
            let outcomes = self.outcomes.entry(column).or_default();
            for (case, outcome) in told {
                if !fresh && self.cases.iter().any(|(known, _)| *known == case) {
                    outcomes.entry(case).or_insert(outcome);
                }
            }
        }
        self
    }

    /// What is missing, and where the page says something else. Everything must have been shown on the columns `here`;
    /// other kernels show what they are asked to.
    fn complaints(&self, page: &str, here: &[Column]) -> Vec<String> {
        let told = Self::of_page(page);
        let mut complaints = Vec::new();
        let nothing = BTreeMap::new();
        let others = self.outcomes.keys().filter(|column| !here.contains(column));
        for column in here.iter().chain(others) {
            let outcomes = self.outcomes.get(column).unwrap_or(&nothing);
            for (case, _) in &self.cases {
                let on_page = told.outcomes.get(column).and_then(|outcomes| outcomes.get(case));
                match outcomes.get(case) {
                    None if !here.contains(column) => {}
                    None => complaints.push(format!("{case}: no test has shown it on {}", column.title())),
                    found if found != on_page && told.outcomes.contains_key(column) => complaints.push(format!(
                        "{case} on {}: {PAGE} says `{}`, the tests `{}`: cargo xtask coverage --write",
                        column.title(),
                        on_page.map_or("not run", String::as_str),
                        found.map_or("not run", String::as_str),
                    )),
                    Some(_) => {}
                }
            }
        }
        complaints
    }

    /// The page.
    fn page(&self) -> String {
        let mut limits: Vec<&str> = Vec::new();
        let mut rows = String::new();
        let mut chapter = "";
        for (case, title) in &self.cases {
            let begins = case.split('/').next().unwrap_or_default();
            let shown = if begins == chapter { "" } else { begins };
            chapter = begins;
            let _ = write!(rows, "| {shown} | `{case}` | {title} |");
            for outcomes in self.outcomes.values() {
                let cell = match outcomes.get(case).map(String::as_str) {
                    Some("pass") => "yes".to_owned(),
                    Some(limit) => {
                        let limit = limit.strip_prefix("limit: ").unwrap_or(limit);
                        let number = limits.iter().position(|known| *known == limit).unwrap_or_else(|| {
                            limits.push(limit);
                            limits.len() - 1
                        });
                        format!("limit {}", number + 1)
                    }
                    None => "not run".to_owned(),
                };
                let _ = write!(rows, " {cell} |");
            }
            rows.push('\n');
        }
        let mut page = HEAD.to_owned();
        let titles: Vec<String> = self.outcomes.keys().map(Column::title).collect();
        let _ = writeln!(page, "|   | case | what | {} |", titles.join(" | "));
        let _ = writeln!(page, "| --- | --- | --- |{}", " --- |".repeat(titles.len()));
        page.push_str(&rows);
        if !limits.is_empty() {
            page.push_str("\n## Limits\n\n");
            for (number, limit) in limits.iter().enumerate() {
                let _ = writeln!(page, "{}. {limit}", number + 1);
            }
        }
        page
    }

    /// What a page says.
    fn of_page(page: &str) -> Self {
        let limits: Vec<&str> = page
            .split("## Limits")
            .nth(1)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.split_once(". ").map(|(_, text)| text))
            .collect();
        let mut rows = page
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
        let columns: Vec<Option<Column>> =
            rows.next().unwrap_or_default().iter().skip(3).map(|title| Column::of_title(title)).collect();
        let mut results = Self::default();
        for row in rows.skip(1) {
            let [_, case, title, cells @ ..] = row.as_slice() else { continue };
            let case = case.trim_matches('`').to_owned();
            for (column, cell) in columns.iter().zip(cells) {
                let outcome = match cell.strip_prefix("limit ").and_then(|number| number.parse::<usize>().ok()) {
                    Some(number) => limits.get(number.wrapping_sub(1)).map(|limit| format!("limit: {limit}")),
                    None => (cell == "yes").then(|| "pass".to_owned()),
                };
                if let Some(column) = column {
                    let outcomes = results.outcomes.entry(column.clone()).or_default();
                    outcomes.extend(outcome.map(|outcome| (case.clone(), outcome)));
                }
            }
            results.cases.push((case, title.clone()));
        }
        results
    }
}

impl Column {
    /// Both planes of the kernel with this release, on this machine.
    fn both_of(release: &str) -> Vec<Self> {
        let flavour = if release.contains("-rt") { "-rt" } else { "" };
        let plain: String = release.split('.').take(2).collect::<Vec<_>>().join(".");
        let series = series(&(plain + flavour));
        let column = |plane: &&str| {
            Some(Self {
                series: series.clone()?,
                architecture: std::env::consts::ARCH.to_owned(),
                plane: (*plane).to_owned(),
            })
        };
        ["socket", "syscall"].iter().filter_map(column).collect()
    }

    fn title(&self) -> String {
        format!("{}.{}{} {} {}", self.series.0, self.series.1, self.series.2, self.architecture, self.plane)
    }

    fn of_title(title: &str) -> Option<Self> {
        let mut words = title.split(' ');
        let series = series(words.next()?)?;
        Some(Self { series, architecture: words.next()?.to_owned(), plane: words.next()?.to_owned() })
    }
}

/// `6.18` as two numbers, so that it comes after `6.2`, and what follows them.
fn series(text: &str) -> Option<(u32, u32, String)> {
    let (major, rest) = text.split_once('.')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (minor, flavour) = rest.split_at(digits);
    Some((major.parse().ok()?, minor.parse().ok()?, flavour.to_owned()))
}

const HEAD: &str = "\
# What is captured, and what shows it

Written by `cargo xtask coverage --write` from what the live tests told; `cargo xtask test` compares it with every run. Each
row is a case with a test of its own in `tracer-user/tests/live`, where every count is compared with what the peers did. A
column is a series of kernels, an architecture and a plane (`tracer watch --plane`). `yes`: shown by the test. `limit`: shown
to be as the limit below the table says. `not run`: no test told of it there.

";

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let column = |kernel, plane: &str| Column {
            series: series(kernel).unwrap(),
            architecture: "x86_64".into(),
            plane: plane.into(),
        };
        let told = |outcome: &str| BTreeMap::from([("io/a".to_owned(), outcome.to_owned())]);
        Results {
            cases: vec![("io/a".into(), "one".into()), ("io/b".into(), "two".into())],
            outcomes: BTreeMap::from([
                (column("6.2-rt", "syscall"), told("limit: bytes only")),
                (column("6.18", "socket"), told("pass")),
            ]),
        }
    }

    #[test]
    fn a_page_says_what_was_told_and_is_read_back() {
        let page = results().page();
        assert!(page.contains("| io | `io/a` | one | limit 1 | yes |"), "{page}");
        assert!(page.contains("|  | `io/b` | two | not run | not run |"), "{page}");
        assert!(page.ends_with("1. bytes only\n"), "{page}");
        assert_eq!(Results::of_page(&page), results());
    }

    #[test]
    fn what_no_test_told_and_what_the_page_tells_otherwise_are_complaints() {
        let page = results().page();
        let mut now = results();
        let here: Vec<Column> = now.outcomes.keys().cloned().collect();
        assert_eq!(now.complaints(&page, &here).len(), 2, "io/b is told nowhere");
        assert!(now.complaints(&page, &[]).is_empty(), "other kernels show what they are asked to");
        for outcomes in now.outcomes.values_mut() {
            outcomes.insert("io/b".to_owned(), "pass".to_owned());
        }
        assert!(now.complaints(&now.page(), &here).is_empty());
        assert_eq!(now.complaints(&page, &here).len(), 2);
        let silent = Results { outcomes: BTreeMap::new(), ..results() };
        assert_eq!(silent.complaints(&page, &here).len(), 4);
    }

    #[test]
    fn the_columns_of_this_machine_are_both_planes_of_its_kernel() {
        let titles: Vec<String> = Column::both_of("6.12.117+deb12-rt-amd64").iter().map(Column::title).collect();
        let machine = std::env::consts::ARCH;
        assert_eq!(titles, [format!("6.12-rt {machine} socket"), format!("6.12-rt {machine} syscall")]);
    }

    #[test]
    fn results_of_one_kernel_leave_the_columns_of_others_on_the_page() {
        let mut newer = results();
        newer.outcomes.pop_first();
        assert_eq!(newer.over(results(), &[]), results());
    }

    #[test]
    fn a_case_that_was_not_asked_again_stays_on_other_kernels_and_goes_on_this_one() {
        let here: Vec<Column> = results().outcomes.keys().take(1).cloned().collect();
        let mut page = results();
        for outcomes in page.outcomes.values_mut() {
            outcomes.insert("io/b".to_owned(), "pass".to_owned());
            outcomes.insert("io/gone".to_owned(), "pass".to_owned());
        }
        let told = |of: &Results| of.outcomes.values().map(BTreeMap::len).collect::<Vec<_>>();
        assert_eq!(told(&results().over(page, &here)), [1, 2]);
    }
}
