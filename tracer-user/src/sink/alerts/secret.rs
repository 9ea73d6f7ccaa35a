//! Secrets: read where they are kept, when they are used, and shown nowhere.
//!
//! Invariant: no text that this type gives for showing holds the secret. A file is read anew each time, so a token that
//! is replaced needs no restart. Memory: one secret of at most 8 KiB, while it is used.

use crate::sink::alerts::settings::SinkSettings;
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

const MOST_BYTES: u64 = 8 << 10;

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// In the configuration itself: no secret to whoever may read that.
    Given(String),
    Variable(String),
    File(PathBuf),
}

impl Secret {
    /// That of the keys `NAME`, `NAME_env` and `NAME_file`, of which one may be there.
    pub(super) fn of(settings: &SinkSettings, name: &str) -> Result<Option<Self>> {
        let given = settings.text(name).map(|text| Self::Given(text.to_owned()));
        let variable = settings.text(&format!("{name}_env")).map(|text| Self::Variable(text.to_owned()));
        let file = settings.text(&format!("{name}_file")).map(|text| Self::File(PathBuf::from(text)));
        let mut found = [given, variable, file].into_iter().flatten();
        match (found.next(), found.next()) {
            (found, None) => Ok(found),
            _ => bail!("the sink `{}` has its {name} from two places: keep one of them", settings.name),
        }
    }

    /// The secret, without the newline at its end.
    pub(super) fn read(&self) -> Result<String> {
        let text = match self {
            Self::Given(text) => text.clone(),
            Self::Variable(name) => std::env::var(name)
                .ok()
                .with_context(|| format!("the variable {name}, which holds a secret of a sink, is not set"))?,
            Self::File(path) => {
                let mut text = String::new();
                let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
                read.with_context(|| format!("read the secret in {}", path.display()))?;
                text
            }
        };
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        if text.is_empty() || text.chars().any(char::is_control) {
            bail!("{} holds no secret: one line of text is expected", self.place());
        }
        Ok(text)
    }

    /// Where it is kept.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Given(_) => "the configuration".to_owned(),
            Self::Variable(name) => format!("the variable {name}"),
            Self::File(path) => path.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_line_of_its_file_and_what_is_no_line_is_refused_without_being_shown() {
        let path = std::env::temp_dir().join(format!("tracer-secret-{}", std::process::id()));
        let secret = Secret::File(path.clone());
        std::fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(secret.read().unwrap(), "s3cret");
        std::fs::write(&path, "s3cret\nX-Other: header").unwrap();
        let error = format!("{:#}", secret.read().unwrap_err());
        assert!(error.contains("one line") && !error.contains("s3cret"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(format!("{:#}", secret.read().unwrap_err()).contains("read the secret in"));
        assert!(format!("{:#}", Secret::Variable("TRACER_NOT_SET".into()).read().unwrap_err()).contains("is not set"));
    }
}
