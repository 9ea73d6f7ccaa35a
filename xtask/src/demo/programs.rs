//! Where the programs of the demo are.
//!
//! Invariant: only the system's own folders are searched, so that a private installation (a virtual environment's
//! Python, say) is never taken for the one that has the needed modules. Memory: none that grows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// What a child gets as `PATH`, and where [`find`] looks. Debian keeps nginx in an `sbin`.
pub(super) const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Debian's folder of PostgreSQL versions: each has a `bin`.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// The full path of a program.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    match SEARCH_PATH.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("{name} is not in {SEARCH_PATH}: `cargo xtask setup` says which package has it"),
    }
}

/// The `bin` folder of the newest PostgreSQL server.
pub(super) fn postgres_bin() -> Result<PathBuf> {
    let found = fs::read_dir(POSTGRES_VERSIONS).into_iter().flatten().flatten().map(|entry| entry.path());
    match newest(found.filter(|folder| folder.join("bin/initdb").is_file())) {
        Some(folder) => Ok(folder.join("bin")),
        None => bail!("no PostgreSQL server below {POSTGRES_VERSIONS}: install the package postgresql"),
    }
}

/// The folder with the highest version number as its name; others are not considered.
fn newest(folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    folders.filter_map(|folder| Some((version(&folder)?, folder))).max().map(|(_, folder)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found_by_number_not_by_text() {
        let folders = ["/p/9", "/p/17", "/p/15", "/p/common"].map(PathBuf::from);
        assert_eq!(newest(folders.into_iter()), Some(PathBuf::from("/p/17")));
    }

    #[test]
    fn a_missing_program_is_named_in_the_error() {
        let error = find("no-such-program").unwrap_err().to_string();
        assert!(error.contains("no-such-program") && error.contains("cargo xtask setup"), "{error}");
    }
}
