//! The pages of docs/ that show what was measured, each beside its figures.
//!
//! Invariant: a page is made of the figures beside it and of nothing else. Memory: one page.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{pipeline, report};
use crate::host;

/// What makes a page of figures as JSON.
type Render = fn(&str) -> Result<String>;

const PAGES: [(&str, Render); 2] = [("performance", performance), ("pipeline", pipeline::page_of)];

fn performance(json: &str) -> Result<String> {
    Ok(report::page(&serde_json::from_str(json).context("reading the figures")?))
}

/// The figures that were kept.
pub(super) fn kept<T: DeserializeOwned>(name: &str) -> Result<T> {
    serde_json::from_str(&text(name)?).with_context(|| format!("reading docs/{name}.json"))
}

/// Keeps figures in docs/, and writes their page.
pub(super) fn keep(name: &str, figures: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(figures).context("writing JSON")? + "\n";
    put(&format!("{name}.json"), &json)?;
    let mut pages = PAGES.iter().filter(|(page, _)| *page == name);
    pages.try_for_each(|(_, render)| put(&format!("{name}.md"), &render(&json)?))
}

/// Writes every page again.
pub(super) fn write() -> Result<ExitCode> {
    for (name, render) in PAGES {
        put(&format!("{name}.md"), &render(&text(name)?)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The figures of a page, as they were kept.
fn text(name: &str) -> Result<String> {
    let path = host::workspace().join("docs").join(format!("{name}.json"));
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

fn put(name: &str, text: &str) -> Result<()> {
    fs::write(host::workspace().join("docs").join(name), text).with_context(|| format!("writing docs/{name}"))?;
    eprintln!("wrote docs/{name}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_what_its_figures_give() {
        for (name, render) in PAGES {
            let text = |end: &str| fs::read_to_string(host::workspace().join("docs").join(format!("{name}.{end}")));
            assert_eq!(render(&text("json").unwrap()).unwrap(), text("md").unwrap(), "cargo xtask bench pages");
        }
    }
}
