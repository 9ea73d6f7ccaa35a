//! The kernels: a row each, and which of Debian's packages carries it.
//!
//! Invariant: a row names a series, never a point release: the archive drops old ones, so the newest is taken and its
//! version recorded. Memory: one static table.

use std::cmp::Reverse;

use anyhow::{Context, Result, bail};

use super::runs::Plane;

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Machine {
    X86,
    Arm,
}

impl Machine {
    /// The name of its architecture in Debian.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }

    /// The name of its architecture in the kernel (`uname -m`) and in Rust.
    pub(super) fn rust(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    /// The machine that this program runs on, where it is one of these.
    pub(super) fn here() -> Option<Self> {
        [Self::X86, Self::Arm].into_iter().find(|machine| machine.rust() == std::env::consts::ARCH)
    }

    /// The program that starts others by hand, in the library directory of its architecture.
    pub(super) fn loader(self) -> &'static str {
        match self {
            Self::X86 => "ld-linux-x86-64.so.2",
            Self::Arm => "ld-linux-aarch64.so.1",
        }
    }

    /// The emulator and the Debian package that brings it.
    pub(super) fn emulator(self) -> (&'static str, &'static str) {
        match self {
            Self::X86 => ("qemu-system-x86_64", "qemu-system-x86"),
            Self::Arm => ("qemu-system-aarch64", "qemu-system-arm"),
        }
    }
}

/// How the kernel is configured. Cloud kernels are not here: they have no 9p, through which a guest sees our files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flavour {
    Generic,
    /// `PREEMPT_RT`.
    Realtime,
}

/// One kernel that the tracer is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// What `--kernel` calls it.
    pub(super) name: &'static str,
    pub(super) series: &'static str,
    pub(super) flavour: Flavour,
    pub(super) machine: Machine,
    /// The plane that the tracer chooses here, and on which the live tests run unless every plane is asked for.
    pub(super) plane: Plane,
    /// Whether `cargo xtask test` runs it, and `--all` every live test on every plane and every fault. The others need
    /// `--all` or `--kernel`, and run what `cargo xtask test` runs.
    pub(super) thorough: bool,
}

pub(super) const KERNELS: &[Kernel] = &[
    Kernel {
        name: "6.1-generic",
        series: "6.1",
        plane: "syscall",
        flavour: Flavour::Generic,
        machine: Machine::X86,
        thorough: true,
    },
    Kernel {
        name: "6.1-rt",
        series: "6.1",
        plane: "syscall",
        flavour: Flavour::Realtime,
        machine: Machine::X86,
        thorough: false,
    },
    Kernel {
        name: "6.12-generic",
        series: "6.12",
        plane: "socket",
        flavour: Flavour::Generic,
        machine: Machine::X86,
        thorough: true,
    },
    Kernel {
        name: "6.12-rt",
        series: "6.12",
        plane: "socket",
        flavour: Flavour::Realtime,
        machine: Machine::X86,
        thorough: false,
    },
    Kernel {
        name: "6.1-arm64",
        series: "6.1",
        plane: "syscall",
        flavour: Flavour::Generic,
        machine: Machine::Arm,
        thorough: false,
    },
    Kernel {
        name: "6.12-arm64",
        series: "6.12",
        plane: "socket",
        flavour: Flavour::Generic,
        machine: Machine::Arm,
        thorough: false,
    },
];

/// The kernels of these names, in the order of the table; an unknown name is an error that lists the known ones.
pub(super) fn named(names: &[String]) -> Result<Vec<Kernel>> {
    if let Some(unknown) = names.iter().find(|name| KERNELS.iter().all(|kernel| kernel.name != **name)) {
        let known: Vec<_> = KERNELS.iter().map(|kernel| kernel.name).collect();
        bail!("there is no kernel {unknown}; there are {}", known.join(", "));
    }
    Ok(KERNELS.iter().filter(|kernel| names.iter().any(|name| name == kernel.name)).copied().collect())
}

impl Kernel {
    /// The regular expression for `apt-cache search --names-only`.
    pub(super) fn pattern(&self) -> String {
        format!("^linux-image-{}\\..*-{}$", self.series.replace('.', "\\."), self.suffix())
    }

    /// The newest package of this kernel among those that apt names, as `package - description` lines.
    pub(super) fn newest(&self, names: &str) -> Result<String> {
        let packages = names.lines().filter_map(|line| line.split_whitespace().next());
        let releases = packages.filter_map(|package| Some((self.release(package)?, package)));
        let (_, package) = releases.min_by_key(|(release, _)| Reverse(release.clone())).with_context(|| {
            format!(
                "apt knows no package of the kernel {} (looked for {}); run: apt-get update",
                self.name,
                self.pattern()
            )
        })?;
        Ok(package.to_owned())
    }

    /// The numbers of a package's release, where the package is of this kernel.
    fn release(&self, package: &str) -> Option<Vec<u64>> {
        let release = package.strip_prefix("linux-image-")?.strip_suffix(self.suffix())?.strip_suffix('-')?;
        let rest = release.strip_prefix(self.series)?.strip_prefix('.')?;
        // What is between series and architecture are numbers and a mark of the distribution: `0-56`, `117+deb12`.
        let numbers = rest.split(['-', '+', '.']).map(|part| part.trim_start_matches("deb").parse().ok());
        numbers.collect()
    }

    fn suffix(&self) -> &'static str {
        match (self.machine, self.flavour) {
            (Machine::X86, Flavour::Generic) => "amd64",
            (Machine::X86, Flavour::Realtime) => "rt-amd64",
            (Machine::Arm, Flavour::Generic) => "arm64",
            (Machine::Arm, Flavour::Realtime) => "rt-arm64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(name: &str) -> Kernel {
        named(&[name.to_owned()]).unwrap()[0]
    }

    const NAMES: &str = "\
        linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)\n\
        linux-image-6.1.0-56-amd64 - Linux 6.1 for 64-bit PCs (signed)\n\
        linux-image-6.1.0-57-amd64-dbg - Debug symbols\n\
        linux-image-6.1.0-57-amd64-unsigned - Linux 6.1 for 64-bit PCs\n\
        linux-image-6.1.0-58-rt-amd64 - Linux 6.1, PREEMPT_RT\n\
        linux-image-6.1.0-59-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)\n\
        linux-image-6.12.99+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)\n\
        linux-image-6.12.117+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)\n\
        linux-image-6.12.117+deb12-arm64 - Linux 6.12 for 64-bit ARMv8 machines\n\
        linux-image-6.12.118+deb12-arm64-16k - Linux 6.12 for 64-bit ARMv8 machines\n";

    #[test]
    fn the_newest_release_is_by_number_and_of_the_flavour_asked_for() {
        for (name, package) in [
            ("6.1-generic", "linux-image-6.1.0-56-amd64"),
            ("6.1-rt", "linux-image-6.1.0-58-rt-amd64"),
            ("6.12-generic", "linux-image-6.12.117+deb12-amd64"),
            ("6.12-arm64", "linux-image-6.12.117+deb12-arm64"),
        ] {
            assert_eq!(kernel(name).newest(NAMES).unwrap(), package);
        }
    }

    #[test]
    fn a_kernel_that_apt_does_not_know_is_an_error_that_says_what_to_do() {
        let error = kernel("6.12-rt").newest(NAMES).unwrap_err().to_string();
        assert!(error.contains("6.12-rt") && error.contains("apt-get update"), "{error}");
    }

    #[test]
    fn kernels_are_given_in_the_order_of_the_table_and_an_unknown_one_is_refused_with_the_known_ones() {
        let names = |kernels: &[Kernel]| kernels.iter().map(|kernel| kernel.name).collect::<Vec<_>>();
        let two = named(&["6.12-generic".to_owned(), "6.1-generic".to_owned()]).unwrap();
        assert_eq!(names(&two), ["6.1-generic", "6.12-generic"]);
        let error = named(&["5.4".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("5.4") && error.contains("6.12-rt"), "{error}");
    }
}
