//! The program that guests run in: the installed one, or else one that is unpacked beside the kernels.
//!
//! Invariant: nothing is installed. An emulator's packages may contradict what a machine has (other versions of its
//! tools), and a test must not remove those; unpacked, it comes with every library that it needs. Memory: none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use xtask::toolchain::program;

use super::apt::Apt;
use super::kernels::Machine;

/// Where the packages have firmware, in the order in which the emulator looks.
const FIRMWARE: &[&str] = &["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];

/// How an emulator is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Emulator {
    program: PathBuf,
    /// What goes before the arguments of the guest.
    arguments: Vec<String>,
    /// Where it finds the parts of itself that it loads when it starts; none for an installed one, which knows.
    modules: Option<PathBuf>,
}

impl Emulator {
    /// The one for guests of a machine; fetched, with all it needs, where it is not installed.
    pub(super) fn find(directory: &Path, machine: Machine) -> Result<Self> {
        let (name, package) = machine.emulator();
        if let Some(program) = program(name) {
            return Ok(Self { program, arguments: Vec::new(), modules: None });
        }
        let Some(here) = Machine::here() else {
            bail!("there is no {name}; install the package {package}");
        };
        let root = directory.join("emulator").join(machine.debian());
        // Written when everything else is there.
        let stamp = root.join("package");
        if !stamp.is_file() {
            eprintln!("fetching {package}; it is unpacked below {} and not installed", root.display());
            if root.exists() {
                fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
            }
            Apt::new(directory, here)?.unpack_with_dependencies(&[package], &root)?;
            fs::write(&stamp, package).with_context(|| format!("writing {}", stamp.display()))?;
        }
        Ok(Self::unpacked(&root, name, here))
    }

    /// An emulator below `root`, started by the loader and with the libraries it was built for.
    pub(super) fn unpacked(root: &Path, name: &str, here: Machine) -> Self {
        let triplet = format!("{}-linux-gnu", here.rust());
        let libraries =
            ["lib", "usr/lib"].map(|folder| root.join(folder).join(&triplet).display().to_string()).join(":");
        let mut arguments =
            vec!["--library-path".to_owned(), libraries, root.join("usr/bin").join(name).display().to_string()];
        for firmware in FIRMWARE {
            arguments.extend(["-L".to_owned(), root.join(firmware).display().to_string()]);
        }
        Self {
            program: root.join("lib").join(&triplet).join(here.loader()),
            arguments,
            modules: Some(root.join("usr/lib").join(&triplet).join("qemu")),
        }
    }

    /// The command, to which a guest's arguments are to be added.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        if let Some(modules) = &self.modules {
            command.env("QEMU_MODULE_DIR", modules);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpacked_emulator_is_started_by_its_own_loader_with_its_own_libraries_and_firmware() {
        let emulator = Emulator::unpacked(Path::new("/r"), "qemu-system-x86_64", Machine::X86);
        assert_eq!(emulator.program, Path::new("/r/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"));
        assert_eq!(emulator.arguments[1], "/r/lib/x86_64-linux-gnu:/r/usr/lib/x86_64-linux-gnu");
        assert_eq!(emulator.arguments[2], "/r/usr/bin/qemu-system-x86_64");
        assert!(emulator.arguments.iter().any(|word| word == "/r/usr/share/seabios"), "{emulator:?}");
        assert_eq!(emulator.modules.as_deref(), Some(Path::new("/r/usr/lib/x86_64-linux-gnu/qemu")));
    }
}
