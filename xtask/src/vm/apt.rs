//! Debian packages, fetched and unpacked without installing anything.
//!
//! Invariant: apt works on lists and a cache of our own (the machine's are neither read nor changed), with the
//! machine's choice of archives; no package script runs. Memory: the names that one search finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::kernels::Machine;
use crate::host;

/// Package lists older than this are refreshed: the archive drops superseded kernels.
const LISTS_ARE_RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// apt for one architecture.
pub(super) struct Apt {
    machine: Machine,
    directory: PathBuf,
}

impl Apt {
    /// Prepares apt below `directory`, and refreshes its lists where they are old. A refresh that fails is told, and
    /// lists from before are used.
    pub(super) fn new(directory: &Path, machine: Machine) -> Result<Self> {
        let directory = directory.join("apt").join(machine.debian());
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = directory.join(part);
            fs::create_dir_all(&part).with_context(|| format!("creating {}", part.display()))?;
        }
        let apt = Self { machine, directory };
        let empty = |name: &str| {
            let file = apt.directory.join(name);
            fs::write(&file, "").with_context(|| format!("writing {}", file.display()))
        };
        empty("status")?;
        let stamp = apt.directory.join("refreshed");
        let age = fs::metadata(&stamp).and_then(|stamp| stamp.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_none_or(|age| age > LISTS_ARE_RECENT) {
            let refreshed = host::status(apt.command("apt-get").args(["--quiet", "update"]).stdout(Stdio::null()))?;
            if refreshed.success() {
                empty("refreshed")?;
            } else if age.is_some() {
                eprintln!("the package lists could not be refreshed; those from before are used");
            } else {
                bail!("apt-get update for {} failed ({refreshed})", machine.debian());
            }
        }
        Ok(apt)
    }

    /// The packages whose names match a regular expression, as `name - description` lines.
    pub(super) fn search(&self, pattern: &str) -> Result<String> {
        let mut command = self.command("apt-cache");
        let output = command.args(["search", "--names-only", pattern]).output().context("starting apt-cache")?;
        if !output.status.success() {
            bail!("`{}` failed ({})", host::shown(&command), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Fetches packages, without those they depend on, and unpacks them below `root`. Returns the first one's version.
    pub(super) fn unpack(&self, packages: &[&str], root: &Path) -> Result<String> {
        let folder = self.empty_folder("download")?;
        host::run(
            self.command("apt-get")
                .args(["--quiet", "download"])
                .args(packages)
                .current_dir(&folder)
                .stdout(Stdio::null()),
        )?;
        extract(&folder, root)?
            .into_iter()
            .find_map(|(name, version)| (Some(name.as_str()) == packages.first().copied()).then_some(version))
            .context("apt-get downloaded something else")
    }

    /// Fetches packages with everything they depend on, and unpacks them below `root`.
    pub(super) fn unpack_with_dependencies(&self, packages: &[&str], root: &Path) -> Result<()> {
        let folder = self.empty_folder("cache/archives")?;
        fs::create_dir(folder.join("partial")).with_context(|| format!("creating {}", folder.display()))?;
        host::run(
            self.command("apt-get")
                .args(["--quiet", "--yes", "--no-install-recommends", "--download-only", "install"])
                .args(packages)
                .stdout(Stdio::null()),
        )?;
        extract(&folder, root).map(drop)
    }

    fn empty_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.directory.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    }

    fn command(&self, program: &str) -> Command {
        let (directory, architecture) = (self.directory.display(), self.machine.debian());
        let mut command = Command::new(program);
        for option in [
            format!("Dir::State={directory}"),
            format!("Dir::State::lists={directory}/lists"),
            format!("Dir::State::status={directory}/status"),
            format!("Dir::Cache={directory}/cache"),
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures={architecture}"),
            // The user that apt fetches as may not write below a folder of ours.
            "APT::Sandbox::User=root".to_owned(),
            "Debug::NoLocking=true".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command.stdin(Stdio::null());
        command
    }
}

/// Unpacks every package in a folder, and removes it; gives names and versions.
fn extract(folder: &Path, root: &Path) -> Result<Vec<(String, String)>> {
    fs::create_dir_all(root).with_context(|| format!("creating {}", root.display()))?;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let file = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        if file.extension().is_none_or(|extension| extension != "deb") {
            continue;
        }
        host::run(Command::new("dpkg").arg("-x").args([&file, root]))?;
        let mut field = Command::new("dpkg-deb");
        field.args(["--show", "--showformat", "${Package} ${Version}"]).arg(&file);
        let output = field.output().context("starting dpkg-deb")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (name, version) =
            text.split_once(' ').with_context(|| format!("`{}` said: {text}", host::shown(&field)))?;
        found.push((name.to_owned(), version.to_owned()));
        fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
    }
    Ok(found)
}
