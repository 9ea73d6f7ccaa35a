//! What the compiler does not check and this project asks of its sources.
//!
//! Invariant: every violation is named with its file, and all are found in one run. Memory: one source file at a time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::outcome::Counts;

const LONGEST_FILE: usize = 450;

/// For each package, the packages of this workspace it may depend on.
const DIRECTION: [(&str, &[&str]); 6] = [
    ("tracer-common", &[]),
    ("tracer-ebpf", &["tracer-common"]),
    ("tracer-core", &["tracer-common"]),
    ("tracer-user", &["tracer-common", "tracer-core", "xtask"]),
    ("xtask", &["tracer-common", "tracer-core"]),
    ("fuzz", &["tracer-common", "tracer-core"]),
];

pub(super) fn run(workspace: &Path) -> Result<Counts> {
    let mut complaints = Vec::new();
    for (package, allowed) in DIRECTION {
        let manifest = workspace.join(package).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
        complaints.extend(dependencies(&text, package, allowed));
        for file in sources(&workspace.join(package))? {
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let name = file.strip_prefix(workspace).unwrap_or(&file).display();
            complaints.extend(source(&text).into_iter().map(|complaint| format!("{name}: {complaint}")));
        }
    }
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let file = workspace.join(document);
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let missing = named_paths(&text).filter(|path| !workspace.join(path).exists());
        complaints.extend(missing.map(|path| format!("{document}: there is no {path}")));
    }
    for complaint in &complaints {
        eprintln!("tidy: {complaint}");
    }
    Ok(if complaints.is_empty() { Counts::PASSED } else { Counts::FAILED })
}

/// The paths of this workspace that a document names in backticks.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    let named = text.split('`').skip(1).step_by(2);
    named.filter(|name| DIRECTION.iter().any(|(package, _)| name.starts_with(&format!("{package}/"))))
}

/// Every Rust source under a package; build output is not source.
fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))? {
            let entry = entry.with_context(|| format!("reading {}", directory.display()))?;
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().with_context(|| format!("looking at {}", path.display()))?.is_dir() {
                if name != "target" && name != "node_modules" {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn source(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push("does not open with `//!`: what it is, its invariant, what bounds its memory".to_owned());
    }
    let length = text.lines().count();
    if length > LONGEST_FILE {
        complaints.push(format!("has {length} lines, more than {LONGEST_FILE}; does it hold two ideas?"));
    }
    // In halves, so that this file passes its own check.
    let unfinished = [concat!("todo", "!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    let places = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Use", "rs/")];
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(word) = unfinished.iter().find(|word| line.contains(**word)) {
            complaints.push(format!("line {number}: `{word}`: finish it or leave it out"));
        }
        if let Some(place) = places.iter().find(|place| begins_with(line, place)) {
            complaints.push(format!("line {number}: a path below {place} exists on one machine only"));
        }
    }
    complaints
}

/// Whether a path in this line begins with `place`; a place in the middle of a path is not one of this machine.
fn begins_with(line: &str, place: &str) -> bool {
    let before = |at: usize| line.get(..at).and_then(|before| before.chars().next_back());
    line.match_indices(place).any(|(at, _)| before(at).is_none_or(|it| it.is_whitespace() || "\"'`(=:".contains(it)))
}

/// Dependencies on packages of this workspace that are not allowed, in any section of a manifest.
fn dependencies(manifest: &str, package: &str, allowed: &[&str]) -> Vec<String> {
    let names = manifest.lines().filter_map(|line| line.split(['=', '.', ' ']).next());
    names
        .filter(|name| DIRECTION.iter().any(|(known, _)| known == name) && !allowed.contains(name))
        .map(|name| format!("{package}/Cargo.toml: may not depend on {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_source_passes_and_each_violation_is_named() {
        assert_eq!(source("//! A file.\nfn main() {}\n"), Vec::<String>::new());
        let long = format!("//! A file.\n{}", "\n".repeat(LONGEST_FILE));
        let unfinished = format!("//! A file.\n// {}: more\n", concat!("FIX", "ME"));
        let path = format!("//! A file.\nconst P: &str = \"{}me\";\n", concat!("/ho", "me/"));
        for (text, part) in
            [("fn main() {}\n", "open with"), (&long, "451 lines"), (&unfinished, "line 2"), (&path, "one machine")]
        {
            let complaints = source(text);
            assert!(matches!(&complaints[..], [one] if one.contains(part)), "{complaints:?}");
        }
    }

    #[test]
    fn a_path_is_judged_by_where_it_begins() {
        let place = concat!("/ro", "ot/");
        assert!(begins_with(&format!("let path = \"{place}x\";"), place));
        assert!(!begins_with(&format!("let path = \"/proc/1{place}x\";"), place));
        assert!(!begins_with(&format!("format!(\"/proc/{{pid}}{place}x\")"), place));
    }

    #[test]
    fn a_dependency_against_the_direction_is_found_in_every_spelling() {
        let allowed: &[&str] = &["tracer-common"];
        let manifest = "[dependencies]\ntracer-common = { path = \"../tracer-common\" }\naya = \"1\"\n";
        assert_eq!(dependencies(manifest, "tracer-core", allowed), Vec::<String>::new());
        for line in ["tracer-user = { path = \"../tracer-user\" }", "tracer-user.workspace = true", "tracer-user={}"] {
            assert_eq!(dependencies(&format!("{manifest}{line}\n"), "tracer-core", allowed).len(), 1, "{line}");
        }
    }

    #[test]
    fn the_paths_that_a_document_names_are_found_and_other_code_is_not() {
        let text = "See `tracer-core/src/lib.rs` and `xtask/src`, run `cargo xtask test`; `tracer-core` is a package.";
        assert_eq!(named_paths(text).collect::<Vec<_>>(), ["tracer-core/src/lib.rs", "xtask/src"]);
    }
}
