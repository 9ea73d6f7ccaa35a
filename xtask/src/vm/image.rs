//! A kernel on this machine: fetched, unpacked, and with the small first root that it boots into.
//!
//! Invariant: what is fetched is complete or is fetched again; of each kernel one release is kept. Memory: the first
//! root, a few megabytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::Apt;
use super::archive::Archive;
use super::kernels::{Kernel, Machine};
use super::modules;
use crate::host;

/// The program that is process 1 of every guest.
const INIT: &[u8] = include_bytes!("../../vm/init");

/// A kernel that can be booted.
pub(super) struct Image {
    pub(super) kernel: Kernel,
    /// As `uname -r` says it.
    pub(super) release: String,
    /// The version of the package.
    pub(super) version: String,
    pub(super) vmlinuz: PathBuf,
    /// The folder that guests see as `/lib/modules`.
    pub(super) modules: PathBuf,
    pub(super) first_root: PathBuf,
}

/// The statically linked busybox for a guest, and the one that runs here.
pub(super) struct Busybox {
    pub(super) guest: PathBuf,
    pub(super) here: PathBuf,
}

/// Fetches the busybox for a machine, once.
pub(super) fn busybox(directory: &Path, apt: &Apt, machine: Machine) -> Result<PathBuf> {
    let root = directory.join("busybox").join(machine.debian());
    let program = root.join("bin/busybox");
    if !program.is_file() {
        apt.unpack(&["busybox-static"], &root)?;
    }
    Ok(program)
}

/// Fetches the newest release of a kernel unless it is here already.
pub(super) fn image(directory: &Path, apt: &Apt, busybox: &Busybox, kernel: Kernel) -> Result<Image> {
    let package = kernel.newest(&apt.search(&kernel.pattern())?)?;
    let release = package.trim_start_matches("linux-image-").to_owned();
    let folder = directory.join("kernels").join(kernel.name);
    let root = folder.join(&release);
    // Written when everything else is there.
    let stamp = root.join("version");
    if !stamp.is_file() {
        eprintln!("fetching {package}");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;
        let version = apt.unpack(&[&package], &root)?;
        host::run(Command::new(&busybox.here).args(["depmod", "-b"]).arg(&root).arg(&release))?;
        fs::write(&stamp, &version).with_context(|| format!("writing {}", stamp.display()))?;
    }
    let version = fs::read_to_string(&stamp).with_context(|| format!("reading {}", stamp.display()))?;
    let first_root = root.join("first-root.cpio");
    let modules = root.join("lib/modules");
    let archive = archive(&modules.join(&release), &release, &busybox.guest)?;
    fs::write(&first_root, archive).with_context(|| format!("writing {}", first_root.display()))?;
    Ok(Image { kernel, vmlinuz: root.join(format!("boot/vmlinuz-{release}")), release, version, modules, first_root })
}

fn archive(modules: &Path, release: &str, busybox: &Path) -> Result<Vec<u8>> {
    let read = |file: &Path| fs::read(file).with_context(|| format!("reading {}", file.display()));
    let text = |name: &str| {
        let file = modules.join(name);
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    };
    let mut archive = Archive::default();
    archive.file("init", INIT)?;
    archive.file("bin/busybox", &read(busybox)?)?;
    let (dependencies, builtin) = (text("modules.dep")?, text("modules.builtin")?);
    for file in modules::needed(&dependencies, &builtin)?.into_iter().chain(["modules.dep", "modules.builtin"]) {
        archive.file(&format!("lib/modules/{release}/{file}"), &read(&modules.join(file))?)?;
    }
    archive.finish()
}
