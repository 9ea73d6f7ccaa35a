//! Compiling the kernel programs to one object file.
//!
//! Invariant: the outcome depends on the sources, the lock file and the toolchain, not on who calls: variables that
//! steer the calling cargo's compiler do not reach this one. Nothing is written outside the given directory.
//! Memory: none to speak of; the compiler's own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::toolchain::{DEBIAN_CARGO, DEBIAN_RUSTC, Family, Found, TARGET, Toolchain, program};

/// What to do where no toolchain was found: the whole message of a failed build.
pub const NO_TOOLCHAIN: &str = "no compiler and linker for the kernel programs on this machine; run: cargo xtask setup";

/// Files and directories, relative to the workspace, that the object is made from.
pub const SOURCES: [&str; 6] = [
    "Cargo.toml",
    "tracer-common/Cargo.toml",
    "tracer-common/src",
    "tracer-ebpf/Cargo.toml",
    "tracer-ebpf/Cargo.lock",
    "tracer-ebpf/src",
];

/// Compiles the kernel programs of `workspace` and returns the object's path.
///
/// `features` are those of the package `tracer-ebpf`: none for the socket plane, `system-calls` for the other. An object of
/// other features in the same directory is replaced.
/// `directory` receives everything that is written (it is cargo's target directory); `architecture` is that of the
/// machine which will load the object, in rustc's spelling (`x86_64`, `aarch64`, …).
///
/// # Errors
/// [`NO_TOOLCHAIN`] where there is none; otherwise the compiler's failure, whose messages went to stderr.
pub fn build(workspace: &Path, directory: &Path, architecture: &str, features: &[&str]) -> Result<PathBuf> {
    let toolchain = Found::look().toolchain().context(NO_TOOLCHAIN)?;
    let status = command(&toolchain, workspace, directory, architecture)
        .args(["--features", &features.join(",")])
        .status()
        .with_context(|| format!("starting the compiler of the {} toolchain", toolchain.family.name()))?;
    if !status.success() {
        bail!("compiling the kernel programs failed ({status}); the compiler's messages are above");
    }
    let object = directory.join(TARGET).join("release").join("tracer-ebpf");
    if !object.is_file() {
        bail!("the compiler left no object at {}", object.display());
    }
    Ok(object)
}

fn command(toolchain: &Toolchain, workspace: &Path, directory: &Path, architecture: &str) -> Command {
    let mut command = match toolchain.family {
        Family::Debian => Command::new(DEBIAN_CARGO),
        Family::Rustup => {
            let mut command = Command::new(program("rustup").unwrap_or_else(|| "rustup".into()));
            command.args(["run", "nightly", "cargo"]);
            command
        }
    };
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(steers_the_compiler) {
            command.env_remove(name);
        }
    }
    command.args(["build", "--release", "--locked", "--target", TARGET]);
    match toolchain.family {
        // The prebuilt `core` is there; only `feature(…)` needs the permission that nightly has.
        Family::Debian => command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC),
        Family::Rustup => command.args(["-Z", "build-std=core"]),
    };
    command
        .current_dir(workspace.join("tracer-ebpf"))
        .env("CARGO_TARGET_DIR", directory)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            [
                "-Cdebuginfo=2",
                "-Clink-arg=--btf",
                "-Clink-arg=--disable-expand-memcpy-in-order",
                &format!("--cfg=bpf_target_arch=\"{architecture}\""),
            ]
            .join("\u{1f}"),
        )
        // A wrapper from the user's own configuration would otherwise still apply.
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        // Standard output belongs to build scripts' instructions.
        .stdout(Stdio::null())
        .stdin(Stdio::null());
    command
}

/// Whether a variable would change what the compiler is, does or writes; where crates come from and how cargo talks
/// to the terminal stays the caller's choice.
fn steers_the_compiler(name: &str) -> bool {
    let ours = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CLIPPY", "__CARGO"];
    let kept = ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_TERM_"];
    ours.iter().any(|prefix| name.starts_with(prefix)) && !kept.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn toolchain(family: Family) -> Toolchain {
        Toolchain { family, linker: PathBuf::from("/opt/bpf-linker") }
    }

    fn variable(command: &Command, name: &str) -> Option<String> {
        let value = command.get_envs().find(|(key, _)| *key == OsStr::new(name))?.1?;
        Some(value.to_string_lossy().into_owned())
    }

    #[test]
    fn a_variable_of_the_calling_cargo_does_not_reach_the_compiler() {
        for name in [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_PROFILE_RELEASE_DEBUG",
            "RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTUP_TOOLCHAIN",
            "CLIPPY_ARGS",
        ] {
            assert!(steers_the_compiler(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR", "PATH", "HOME"] {
            assert!(!steers_the_compiler(name), "{name}");
        }
    }

    #[test]
    fn each_family_is_called_in_its_own_way() {
        let debian = command(&toolchain(Family::Debian), Path::new("/w"), Path::new("/t"), "x86_64");
        assert_eq!(debian.get_program(), DEBIAN_CARGO);
        assert_eq!(variable(&debian, "RUSTC").as_deref(), Some(DEBIAN_RUSTC));
        assert!(!debian.get_args().any(|argument| argument == "build-std=core"));

        let rustup = command(&toolchain(Family::Rustup), Path::new("/w"), Path::new("/t"), "aarch64");
        assert!(Path::new(rustup.get_program()).ends_with("rustup"));
        assert_eq!(variable(&rustup, "RUSTC_BOOTSTRAP"), None);
        assert!(rustup.get_args().any(|argument| argument == "build-std=core"));
        assert_eq!(variable(&rustup, "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER").as_deref(), Some("/opt/bpf-linker"));
        assert!(variable(&rustup, "CARGO_ENCODED_RUSTFLAGS").is_some_and(|flags| flags.contains("\"aarch64\"")));
    }

    #[test]
    fn every_source_that_is_watched_exists() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for source in SOURCES {
            assert!(workspace.join(source).exists(), "{source}");
        }
    }
}
