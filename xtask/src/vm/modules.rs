//! Which module files of a kernel a guest needs before it sees the rest of them.
//!
//! Invariant: a module comes with everything it depends on; one that is built into the kernel has no file.
//! Memory: the kernel's `modules.dep`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// What it takes to see the files of the machine outside: the bus, the transport, the file system, and the layer.
const NEEDED: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// The files, relative to the folder of `modules.dep`, from the texts of `modules.dep` and `modules.builtin`.
pub(super) fn needed<'a>(dependencies: &'a str, builtin: &str) -> Result<BTreeSet<&'a str>> {
    let mut files = BTreeSet::new();
    for module in NEEDED {
        let rows = dependencies.lines().filter_map(|line| line.split_once(':'));
        let found = rows.clone().find(|(file, _)| name(file) == module);
        match found {
            Some((file, needs)) => {
                files.insert(file);
                files.extend(needs.split_whitespace());
            }
            None if builtin.lines().any(|file| name(file) == module) => {}
            None => bail!("this kernel has no {module}, so a guest cannot see the files of this machine"),
        }
    }
    Ok(files)
}

/// The name of the module in a file such as `kernel/fs/9p/9p.ko.xz`.
fn name(file: &str) -> &str {
    let file = file.rsplit('/').next().unwrap_or(file);
    file.split(".ko").next().unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
        kernel/fs/overlayfs/overlay.ko.xz:\n\
        kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
        kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz\n\
        kernel/net/other.ko.xz: kernel/net/9p/9p_not.ko.xz\n";

    #[test]
    fn modules_come_with_what_they_depend_on_and_those_that_are_built_in_without_a_file() {
        let files = needed(DEPENDENCIES, "kernel/drivers/virtio/virtio_pci.ko\n").unwrap();
        let names: Vec<_> = files.into_iter().map(name).collect();
        assert_eq!(names, ["9p", "netfs", "overlay", "9pnet", "9pnet_virtio"]);
    }

    #[test]
    fn a_module_that_the_kernel_does_not_have_is_named() {
        let error = needed(DEPENDENCIES, "").unwrap_err().to_string();
        assert!(error.contains("virtio_pci"), "{error}");
    }
}
