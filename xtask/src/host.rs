//! The machine and the terminal a task runs on, and how it starts other programs there.
//!
//! Invariant: a program is started by its arguments, never through a line a shell takes apart. Memory: none.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};
use xtask::toolchain::program;

/// The directory of the workspace: where cargo says this package is, one up.
pub(crate) fn workspace() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where cargo leaves what it builds.
pub(crate) fn target_directory() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |path| workspace().join(path))
}

/// The cargo that runs this task, to be started in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Whether this process is root: `/proc/self` belongs to the effective user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whether a continuous-integration system runs this: nobody answers, and nothing may be left out.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Whether a person can read a question and answer it.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The command that runs `program_and_arguments` as root: itself where we are root, else through `sudo`.
pub(crate) fn as_root(program_and_arguments: &[&str]) -> Result<Command> {
    let [first, rest @ ..] = program_and_arguments else { bail!("no program given") };
    if is_root() {
        let mut command = Command::new(first);
        command.args(rest);
        return Ok(command);
    }
    let sudo = program("sudo").with_context(|| {
        format!("this needs root and there is no sudo; run as root: {}", program_and_arguments.join(" "))
    })?;
    let mut command = Command::new(sudo);
    command.arg("--").args(program_and_arguments);
    Ok(command)
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a command with our terminal; its failure is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command with our terminal.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("starting `{}`", shown(command)))
}
