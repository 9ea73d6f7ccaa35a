//! The private folder of a stack, and how each server is started in it.
//!
//! Invariant: nothing is written outside the folder, and it is removed with the stack unless somebody wants to keep it.
//! Memory: paths.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::account::Account;
use super::ports;
use super::programs;
use super::server::Server;
use super::stack::Proxy;

/// The programs of ours, and the configuration; they travel inside this binary, so the account that runs them need not
/// be able to read the source tree.
const SCRIPTS: [(&str, &str); 3] = [
    ("api.py", include_str!("../../demo/api.py")),
    ("load.py", include_str!("../../demo/load.py")),
    ("delay_proxy.py", include_str!("../../demo/delay_proxy.py")),
];
const NGINX_CONFIGURATION: &str = include_str!("../../demo/nginx.conf");

/// Where servers are made.
#[derive(Debug)]
pub(super) struct Workshop {
    pub(super) account: Account,
    folder: TempDir,
}

impl Workshop {
    /// A new private folder that the servers' account owns, with the scripts in it.
    pub(super) fn open(keep_folder: bool) -> Result<Self> {
        let account = Account::choose()?;
        let folder = tempfile::Builder::new().prefix("tracer-demo-").disable_cleanup(keep_folder).tempdir();
        let folder = folder.context("cannot make a temporary folder")?;
        account.own(folder.path())?;
        for (name, text) in SCRIPTS {
            let path = folder.path().join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { account, folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn redis(&self) -> Result<Server> {
        let port = ports::free()?;
        let mut command = self.command("redis-server", Signal::SIGKILL)?;
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        self.serve("redis-server", port, command, Signal::SIGTERM)
    }

    pub(super) fn nginx(&self, upstream: u16) -> Result<Server> {
        let port = ports::free()?;
        let path = self.path().join("nginx.conf");
        let text = NGINX_CONFIGURATION
            .replace("@folder@", &self.path().to_string_lossy())
            .replace("@listen@", &port.to_string())
            .replace("@upstream@", &upstream.to_string());
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        // Not SIGKILL at the end of the thread: only the master gets it, and the worker would stay.
        let mut command = self.command("nginx", Signal::SIGTERM)?;
        command.arg("-c").arg(&path).arg("-p").arg(self.path());
        self.serve("nginx", port, command, Signal::SIGTERM)
    }

    pub(super) fn api(&self, redis: u16, postgres: u16) -> Result<Server> {
        let port = ports::free()?;
        let mut command = self.python("api.py")?;
        for (option, value) in [("--listen", port), ("--redis", redis), ("--postgres", postgres)] {
            command.arg(option).arg(value.to_string());
        }
        self.serve("api.py", port, command, Signal::SIGTERM)
    }

    pub(super) fn proxy(&self, to: u16, proxy: Proxy) -> Result<Server> {
        let port = ports::free()?;
        let mut command = self.python("delay_proxy.py")?;
        command.arg("--listen").arg(port.to_string()).arg("--to").arg(format!("127.0.0.1:{to}"));
        command.arg("--delay").arg(proxy.delay.as_secs_f64().to_string());
        self.serve("delay_proxy.py", port, command, Signal::SIGTERM)
    }

    /// A command that runs one of [`SCRIPTS`] with the system's Python.
    pub(super) fn python(&self, script: &str) -> Result<Command> {
        let mut command = self.command("python3", Signal::SIGKILL)?;
        command.arg(self.path().join(script));
        Ok(command)
    }

    fn command(&self, program: &str, at_end: Signal) -> Result<Command> {
        self.account.command(&programs::find(program)?, self.path(), at_end)
    }

    fn serve(&self, name: &'static str, port: u16, command: Command, stop_signal: Signal) -> Result<Server> {
        let log = self.path().join(format!("{name}.log"));
        let server = Server::spawn(name, port, command, log, stop_signal)?;
        server.ready("listen", || ports::is_listening(port))?;
        Ok(server)
    }
}
