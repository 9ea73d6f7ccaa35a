//! Which compiler and linker for the BPF target this machine has.
//!
//! Two families are known. *Debian*: the distribution's compiler with its prebuilt `core` for BPF. *Rustup*: a nightly
//! toolchain with `rust-src`, which compiles `core` itself. Both need `bpf-linker`.
//! Invariant: looking changes nothing and never reaches for the network (`RUSTUP_AUTO_INSTALL=0`).
//! Memory: the output of one short command at a time.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target of the kernel programs: little-endian BPF.
pub const TARGET: &str = "bpfel-unknown-none";

/// The distribution's tools, at their fixed places: on `PATH` rustup's stand in front of them.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// See [`DEBIAN_RUSTC`].
pub const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// The oldest compiler that knows the edition of the kernel programs, as (major, minor).
pub const OLDEST_RUSTC: (u32, u32) = (1, 85);

/// Where a compiler for the BPF target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Debian's `rustc-web` or `rustc` with the matching `libstd-…-dev-bpf`.
    Debian,
    /// `rustup`'s nightly with the component `rust-src`.
    Rustup,
}

impl Family {
    /// As a person calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Rustup => "rustup nightly",
        }
    }
}

/// What `rustc -vV` says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// (major, minor) of the compiler.
    pub release: (u32, u32),
    /// Major version of the LLVM it emits code with; the linker's must not be older.
    pub llvm: u32,
}

impl Version {
    /// Reads the output of `rustc -vV`; `None` where a line is missing or malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let mut release = value("release")?.split('.').map_while(|part| part.parse().ok());
        let llvm = value("LLVM version")?.split('.').next()?.parse().ok()?;
        Some(Self { release: (release.next()?, release.next()?), llvm })
    }
}

/// One compiler, as far as it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiler {
    /// `None`: there is no such compiler, or it does not answer.
    pub version: Option<Version>,
    /// A `cargo` to go with it.
    pub cargo: bool,
    /// `core` for the BPF target: prebuilt, or as source.
    pub core: bool,
}

impl Compiler {
    /// Whether it can compile the kernel programs.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.cargo && self.core && self.recent_enough()
    }

    /// Whether the compiler itself, without its `core`, is there and not too old.
    #[must_use]
    pub fn recent_enough(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.release >= OLDEST_RUSTC)
    }
}

/// What was found on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The distribution's compiler.
    pub debian: Compiler,
    /// Rustup's nightly.
    pub rustup: Compiler,
    /// `bpf-linker`, on `PATH` or where `cargo install` puts it.
    pub linker: Option<PathBuf>,
}

/// A compiler and a linker that can build the kernel programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Decides how the compiler is called.
    pub family: Family,
    /// Absolute path of `bpf-linker`.
    pub linker: PathBuf,
}

impl Found {
    /// Looks around; takes well under a second.
    #[must_use]
    pub fn look() -> Self {
        Self { debian: debian(), rustup: rustup(), linker: linker() }
    }

    /// The family whose compiler is complete; Debian's first, because it need not compile `core`.
    #[must_use]
    pub fn compiler(&self) -> Option<Family> {
        if self.debian.complete() {
            Some(Family::Debian)
        } else if self.rustup.complete() {
            Some(Family::Rustup)
        } else {
            None
        }
    }

    /// What can build the kernel programs, where nothing is missing.
    #[must_use]
    pub fn toolchain(&self) -> Option<Toolchain> {
        Some(Toolchain { family: self.compiler()?, linker: self.linker.clone()? })
    }
}

/// The first file of this name on `PATH`, then in cargo's own `bin`, which `PATH` may lack.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(cargo_home.map(|home| home.join("bin")))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Runs a command for its output; `None` where it does not start or fails.
pub fn output_of(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .env_remove("RUSTUP_TOOLCHAIN")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn debian() -> Compiler {
    let Some(text) = output_of(DEBIAN_RUSTC, &["-vV"]) else {
        return Compiler { cargo: Path::new(DEBIAN_CARGO).is_file(), ..Compiler::default() };
    };
    let core = output_of(DEBIAN_RUSTC, &["--print", "target-libdir", "--target", TARGET])
        .and_then(|directory| Path::new(&directory).read_dir().ok())
        .is_some_and(|files| files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-")));
    Compiler { version: Version::parse(&text), cargo: Path::new(DEBIAN_CARGO).is_file(), core }
}

fn rustup() -> Compiler {
    let Some(rustup) = program("rustup") else { return Compiler::default() };
    let run = |arguments: &[&str]| output_of(&rustup, &[&["run", "nightly"], arguments].concat());
    let Some(text) = run(&["rustc", "-vV"]) else { return Compiler::default() };
    let core = run(&["rustc", "--print", "sysroot"])
        .is_some_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file());
    Compiler { version: Version::parse(&text), cargo: run(&["cargo", "--version"]).is_some(), core }
}

fn linker() -> Option<PathBuf> {
    let linker = program("bpf-linker")?;
    output_of(&linker, &["--version"]).map(|_| linker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiler(release: (u32, u32), cargo: bool, core: bool) -> Compiler {
        Compiler { version: Some(Version { release, llvm: 22 }), cargo, core }
    }

    #[test]
    fn the_version_is_read_from_what_rustc_says() {
        let text = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(Version::parse(text), Some(Version { release: (1, 96), llvm: 22 }));
        let nightly = "release: 1.97.0-nightly\nLLVM version: 21.0\n";
        assert_eq!(Version::parse(nightly), Some(Version { release: (1, 97), llvm: 21 }));
        for broken in ["", "release: 1.96.0\n", "LLVM version: 22.1.8\n", "release: x\nLLVM version: 22\n"] {
            assert_eq!(Version::parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn the_first_complete_family_is_taken_and_debian_stands_first() {
        let whole = compiler((1, 96), true, true);
        let without_core = compiler((1, 96), true, false);
        let without_cargo = compiler((1, 96), false, true);
        let old = compiler((1, 84), true, true);
        let none = Compiler::default();
        let cases = [
            (&whole, &whole, Some(Family::Debian)),
            (&whole, &none, Some(Family::Debian)),
            (&without_core, &whole, Some(Family::Rustup)),
            (&without_cargo, &whole, Some(Family::Rustup)),
            (&old, &whole, Some(Family::Rustup)),
            (&old, &without_core, None),
            (&none, &none, None),
        ];
        for (debian, rustup, expected) in cases {
            let mut found = Found { debian: debian.clone(), rustup: rustup.clone(), linker: None };
            assert_eq!(found.compiler(), expected, "{found:?}");
            assert_eq!(found.toolchain(), None, "no linker, no toolchain");
            found.linker = Some(PathBuf::from("/bin/bpf-linker"));
            assert_eq!(found.toolchain().map(|toolchain| toolchain.family), expected);
        }
    }
}
