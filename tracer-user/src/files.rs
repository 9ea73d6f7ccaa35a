//! Writing files that are whole or not there.
//!
//! Invariant: a file that exists is replaced only by a complete new one (written beside it, flushed to disk, renamed),
//! so a full disk or a kill never destroys what was good. Memory: the contents.

use anyhow::{Context as _, Result, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The largest file that is read whole.
const MOST_BYTES: u64 = 64 << 20;
/// Bits of a mode: others may write; nobody may remove what is another's.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Replaces the contents of `path`.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    if path.exists() && !path.is_file() {
        // A device or a pipe, such as /dev/stdout: nothing to replace.
        return fs::write(path, contents).with_context(|| format!("write {}", path.display()));
    }
    let beside = beside(path)?;
    // What replaces a file is for the same readers.
    let permissions = fs::metadata(path).ok().map(|metadata| metadata.permissions());
    let result = write_new(&beside, contents, permissions).and_then(|()| Ok(fs::rename(&beside, path)?));
    if result.is_ok() {
        // The name is on disk only when the folder is. Some file systems cannot do that; the contents are whole either way.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    if result.is_err() {
        // What could not be completed is not left behind; that it is there or not changes nothing.
        let _ = fs::remove_file(&beside);
    }
    result.with_context(|| format!("write {} (what was there before is unchanged)", path.display()))
}

/// Says early that a file cannot be written because its folder is not there.
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => bail!("{}: there is no folder {}", path.display(), folder.display()),
        _ => Ok(()),
    }
}

/// Reads a file whole, refusing what cannot be one of ours.
pub(crate) fn read_whole(path: &Path) -> Result<Vec<u8>> {
    read_from(File::open(path).with_context(|| format!("open {}", path.display()))?, path)
}

fn read_from(file: File, path: &Path) -> Result<Vec<u8>> {
    let mut contents = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut contents).with_context(|| format!("read {}", path.display()))?;
    if contents.len() as u64 > MOST_BYTES {
        bail!("{} is larger than {} MiB: it is none of the tracer's files", path.display(), MOST_BYTES >> 20);
    }
    Ok(contents)
}

/// Reads a file that decides what the tracer says or does: a configuration, a baseline. One that any user of this host
/// could have written is refused; a pipe, such as `/dev/stdin`, is whose it is.
pub(crate) fn read_guarded(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("look at {}", path.display()))?;
    if metadata.is_file() {
        check_writers(path, &metadata)?;
    }
    read_from(file, path)
}

/// Refuses a file that others can write, or replace: by its folder, or by that of the link which leads to it.
fn check_writers(path: &Path, file: &fs::Metadata) -> Result<()> {
    if file.mode() & OTHERS_WRITE != 0 {
        bail!("{0} can be written by every user: take that away with `chmod go-w {0}`", path.display());
    }
    let looked = || format!("look at {}", path.display());
    let link = fs::symlink_metadata(path).with_context(looked)?.is_symlink();
    let real = fs::canonicalize(path).with_context(looked)?;
    for (path, is_link) in [(path, link), (real.as_path(), false)] {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = fs::metadata(folder).with_context(looked)?.mode();
        // In a sticky folder, such as /tmp, nobody replaces what is not theirs; but a link there may be anybody's.
        if mode & OTHERS_WRITE != 0 && (is_link || mode & STICKY == 0) {
            bail!(
                "{}: every user can replace it, as its folder {} can be written by all: move it, or `chmod go-w` the folder",
                path.display(),
                folder.display()
            );
        }
    }
    Ok(())
}

fn write_new(path: &Path, contents: &[u8], permissions: Option<fs::Permissions>) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(contents)?;
    file.sync_all()?;
    Ok(())
}

/// A name in the same folder that no other process uses.
fn beside(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else { bail!("{} names no file", path.display()) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tracer-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = folder("replace");
        let path = folder.join("baseline.json");
        write_whole(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "for the same readers");
        assert_eq!(read_whole(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let folder = folder("fail");
        let path = folder.join("baseline.json");
        write_whole(&path, b"good").unwrap();
        // The file beside it cannot be made: something of that name is there already.
        fs::create_dir(beside(&path).unwrap()).unwrap();
        let error = write_whole(&path, b"new").unwrap_err();
        assert!(format!("{error:#}").contains("unchanged"));
        assert_eq!(read_whole(&path).unwrap(), b"good");
        fs::remove_dir_all(folder).unwrap();
    }
}
