//! The PostgreSQL cluster of the demo: made, started and stopped without ever connecting to it.
//!
//! Invariant: it listens on one TCP port of 127.0.0.1 and on no Unix socket; its roles have no password and no right
//! beyond reading. Memory: paths.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::account::Account;
use super::programs;
use super::server::Server;

/// The role of `api.py`.
const API_ROLE: &str = "api";
/// The machine account of the call that nobody expects.
const MACHINE_ROLE: &str = "nightly_report";

/// A data folder and what is needed to serve it.
#[derive(Debug)]
pub(super) struct Cluster {
    account: Account,
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes the cluster in `folder` and its roles.
    pub(super) fn create(account: &Account, folder: &Path, port: u16) -> Result<Self> {
        let cluster =
            Self { account: account.clone(), bin: programs::postgres_bin()?, folder: folder.to_owned(), port };
        let mut initdb = cluster.command("initdb")?;
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        succeeded("initdb", &initdb.arg(cluster.data()).output().context("cannot start initdb")?)?;
        // The single-user mode takes one command a line and serves nobody else.
        cluster.single_user(&format!("CREATE ROLE {API_ROLE} LOGIN;\nCREATE ROLE {MACHINE_ROLE} LOGIN;\n"))?;
        Ok(cluster)
    }

    /// Starts the server and waits until it takes connections.
    pub(super) fn start(&self) -> Result<Server> {
        let mut command = self.command("postgres")?;
        command.arg("-D").arg(self.data());
        let port = format!("port={}", self.port);
        for setting in [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=20",
            "shared_buffers=16MB",
            "fsync=off",
            "logging_collector=off",
        ] {
            command.arg("-c").arg(setting);
        }
        // SIGINT is PostgreSQL's fast shutdown: it ends the sessions and then itself.
        let server = Server::spawn("postgres", self.port, command, self.folder.join("postgres.log"), Signal::SIGINT)?;
        server.ready("take connections", || Ok(says_ready(&self.data().join("postmaster.pid"), server.pid())))?;
        Ok(server)
    }

    /// A query by the machine account, sent by `psql` from a shell script.
    pub(super) fn query_from_a_shell(&self) -> Result<()> {
        let mut command =
            self.account.command(&programs::find("bash")?, &self.folder, Signal::SIGKILL).context("cannot run bash")?;
        // More than one command: so the shell stays, as the parent that it is in a real script.
        let script = format!(
            "psql --no-psqlrc -h 127.0.0.1 -p {} -U {MACHINE_ROLE} -d postgres -c 'select 1'; exit $?",
            self.port
        );
        command.arg("-c").arg(script);
        command.env("PATH", format!("{}:{}", self.bin.display(), programs::SEARCH_PATH));
        // Otherwise libpq first asks for encryption, twice, which the server refuses.
        command.env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
        succeeded("psql", &command.output().context("cannot start bash")?)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn single_user(&self, commands: &str) -> Result<()> {
        let mut command = self.command("postgres")?;
        command.args(["--single", "-D"]).arg(self.data()).arg("postgres");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start postgres --single")?;
        let written = child.stdin.take().context("no input to postgres --single")?.write_all(commands.as_bytes());
        let output = child.wait_with_output().context("cannot wait for postgres --single")?;
        succeeded("postgres --single", &output)?;
        written.context("cannot write to postgres --single")
    }

    fn command(&self, program: &str) -> Result<Command> {
        // SIGQUIT: an immediate shutdown, without waiting for sessions. The data is thrown away anyway.
        self.account.command(&self.bin.join(program), &self.folder, Signal::SIGQUIT)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// `postmaster.pid` as `pg_ctl` reads it: the pid in the first line, the state in the eighth.
fn says_ready(file: &Path, pid: u32) -> bool {
    // Missing or half written: not yet.
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next().and_then(|line| line.parse().ok()) == Some(pid) && lines.nth(6) == Some("ready")
}

fn succeeded(what: &str, output: &Output) -> Result<()> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{what} failed with {}; it said\n{}", output.status, said.trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_when_its_own_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postmaster.pid");
        assert!(!says_ready(&file, 7));
        fs::write(&file, "7\n/data\n1700000000\n5432\n\n127.0.0.1\n  1 2\nstarting\n").unwrap();
        assert!(!says_ready(&file, 7));
        fs::write(&file, "7\n/data\n1700000000\n5432\n\n127.0.0.1\n  1 2\nready   \n").unwrap();
        assert!(says_ready(&file, 7));
        assert!(!says_ready(&file, 8));
    }
}
