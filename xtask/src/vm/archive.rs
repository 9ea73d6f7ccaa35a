//! An archive of files in the format that the kernel unpacks at boot: cpio, "newc"
//! (Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's source).
//!
//! Invariant: a directory stands before what lies in it; names and data are padded to four bytes.
//! Memory: the archive, a few megabytes.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

/// An archive that is being written.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<String>,
}

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

impl Archive {
    /// Adds an executable file, and the directories above it that are not there yet.
    pub(super) fn file(&mut self, name: &str, data: &[u8]) -> Result<()> {
        let above: Vec<_> = Path::new(name).ancestors().skip(1).filter_map(Path::to_str).collect();
        for directory in above.into_iter().rev().filter(|directory| !directory.is_empty()) {
            if self.directories.insert(directory.to_owned()) {
                self.entry(directory, DIRECTORY, &[])?;
            }
        }
        self.entry(name, PROGRAM, data)
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) -> Result<()> {
        let size = u32::try_from(data.len()).with_context(|| format!("{name} is too large for the archive"))?;
        let name_size = u32::try_from(name.len() + 1).context("a name is too long for the archive")?;
        self.entries += 1;
        // inode, mode, owner, group, links, time, size, two device numbers twice, length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and data, read back as the kernel does.
    fn read(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut entries = Vec::new();
        let mut at = 0;
        while at < archive.len() {
            assert_eq!(&archive[at..at + 6], b"070701");
            let field = |number: usize| {
                let from = at + 6 + 8 * number;
                usize::from_str_radix(std::str::from_utf8(&archive[from..from + 8]).unwrap(), 16).unwrap()
            };
            let (size, name_size) = (field(6), field(11));
            let name = at + 110;
            let data = (name + name_size).next_multiple_of(4);
            let text = String::from_utf8(archive[name..name + name_size - 1].to_vec()).unwrap();
            entries.push((text, archive[data..data + size].to_vec()));
            at = (data + size).next_multiple_of(4);
        }
        entries
    }

    #[test]
    fn files_are_read_back_behind_their_directories_each_of_which_is_there_once() {
        let mut archive = Archive::default();
        archive.file("init", b"#!").unwrap();
        archive.file("lib/modules/a.ko", b"12345").unwrap();
        archive.file("lib/modules/b.ko", b"").unwrap();
        let entries = read(&archive.finish().unwrap());
        let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["init", "lib", "lib/modules", "lib/modules/a.ko", "lib/modules/b.ko", "TRAILER!!!"]);
        assert_eq!((entries[0].1.as_slice(), entries[3].1.as_slice()), (&b"#!"[..], &b"12345"[..]));
    }
}
