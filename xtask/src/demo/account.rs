//! The unprivileged account that the demo's processes run under, and what every one of their commands has in common.
//!
//! Invariant: nothing of the demo runs as root (PostgreSQL refuses to), and every process gets a signal when the thread
//! that started it ends, however that happens. Both are set by `setpriv`, in this order, because a change of user
//! clears the signal. Memory: none that grows.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};

use super::programs;

/// Accounts that may be borrowed when the demo is started by root, best first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Who runs the servers.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// `None`: the caller is unprivileged, and stays who he is.
    user: Option<User>,
}

impl Account {
    /// The caller, or, for root, an existing unprivileged account.
    ///
    /// # Errors
    /// The caller is root and none of the known accounts exists.
    pub(super) fn choose() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self { user: None });
        }
        for name in CANDIDATES {
            if let Some(user) = User::from_name(name).with_context(|| format!("cannot look up the account {name}"))? {
                return Ok(Self { user: Some(user) });
            }
        }
        bail!("root may not run PostgreSQL, and none of the accounts {} exists", CANDIDATES.join(", "))
    }

    /// Hands a file or folder to this account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        let Some(user) = &self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .with_context(|| format!("cannot give {} to the account {}", path.display(), user.name))
    }

    /// A command under this account, in `folder`, with a clean environment and without input, that gets `at_end` when
    /// the calling thread ends. `setpriv` replaces itself by `program`: the child's pid is the program's pid.
    pub(super) fn command(&self, program: &Path, folder: &Path, at_end: Signal) -> Result<Command> {
        let mut command = Command::new(programs::find("setpriv")?);
        if let Some(user) = &self.user {
            command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid)).arg("--clear-groups");
        }
        let name = at_end.as_str().trim_start_matches("SIG");
        command.arg(format!("--pdeathsig={name}")).arg("--").arg(program);
        command.current_dir(folder).stdin(Stdio::null());
        command.env_clear().env("PATH", programs::SEARCH_PATH).env("HOME", folder).env("LC_ALL", "C");
        Ok(command)
    }
}
