//! The system of the demo, from its start to its end.
//!
//! Invariant: servers start in the order of their dependence and end in the opposite one; the private folder goes last.
//! Memory: one small record for each server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::load::LoadHandle;
use super::ports;
use super::postgres::Cluster;
use super::server::Server;
use super::workshop::Workshop;

/// In front of which server the delay proxy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// nginx → `delay_proxy.py` → `api.py`.
    BeforeApi,
    /// `api.py` → `delay_proxy.py` → redis-server.
    BeforeRedis,
}

/// A proxy that can hold back answers; it begins switched off.
#[derive(Clone, Copy, Debug)]
pub struct Proxy {
    pub place: Place,
    pub delay: Duration,
}

/// What kind of system to start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub proxy: Option<Proxy>,
    /// Leave the private folder, with all logs, where it is.
    pub keep_folder: bool,
}

/// The running system.
#[derive(Debug)]
pub struct Stack {
    // In this order they are dropped: clients before the servers that they call.
    nginx: Server,
    before_api: Option<Server>,
    api: Server,
    before_redis: Option<Server>,
    redis: Server,
    postgres: Option<Server>,
    cluster: Cluster,
    delayed: bool,
    loads: u32,
    workshop: Workshop,
}

impl Stack {
    /// Starts everything and returns when every server listens. The servers also end when the calling *thread* ends:
    /// keep it alive as long as the stack is wanted.
    ///
    /// # Errors
    /// A program is missing, or a server does not start: then the error shows the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        let workshop = Workshop::open(options.keep_folder)?;
        let proxy_at = |place| options.proxy.filter(|proxy| proxy.place == place);

        let cluster = Cluster::create(&workshop.account, workshop.path(), ports::free()?)?;
        let postgres = cluster.start()?;
        let redis = workshop.redis()?;
        let before_redis = proxy_at(Place::BeforeRedis).map(|proxy| workshop.proxy(redis.port(), proxy)).transpose()?;
        let redis_port = before_redis.as_ref().unwrap_or(&redis).port();
        let api = workshop.api(redis_port, postgres.port())?;
        let before_api = proxy_at(Place::BeforeApi).map(|proxy| workshop.proxy(api.port(), proxy)).transpose()?;
        let nginx = workshop.nginx(before_api.as_ref().unwrap_or(&api).port())?;

        let postgres = Some(postgres);
        Ok(Self { nginx, before_api, api, before_redis, redis, postgres, cluster, delayed: false, loads: 0, workshop })
    }

    /// Every server that runs now, in the order in which a request meets them.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        let all = [Some(&self.nginx), self.before_api.as_ref(), Some(&self.api), self.before_redis.as_ref()];
        all.into_iter().chain([Some(&self.redis), self.postgres.as_ref()]).flatten()
    }

    /// The private folder: data, configuration, logs and reports.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.workshop.path()
    }

    #[must_use]
    pub fn nginx(&self) -> &Server {
        &self.nginx
    }

    #[must_use]
    pub fn api(&self) -> &Server {
        &self.api
    }

    #[must_use]
    pub fn redis(&self) -> &Server {
        &self.redis
    }

    #[must_use]
    pub fn redis_pid(&self) -> u32 {
        self.redis.pid()
    }

    /// What nginx calls: the proxy before `api.py`, or `api.py` itself.
    pub(super) fn front_of_api(&self) -> &Server {
        self.before_api.as_ref().unwrap_or(&self.api)
    }

    /// What `api.py` calls: the proxy before redis-server, or redis-server itself.
    pub(super) fn front_of_redis(&self) -> &Server {
        self.before_redis.as_ref().unwrap_or(&self.redis)
    }

    /// The delay proxy, wherever it stands.
    #[must_use]
    pub fn proxy(&self) -> Option<&Server> {
        self.before_api.as_ref().or(self.before_redis.as_ref())
    }

    /// The port of PostgreSQL, whether it runs or not.
    #[must_use]
    pub fn postgres_port(&self) -> u16 {
        self.cluster.port()
    }

    /// Starts a load client: `requests` requests on each of `connections` keep-alive connections to nginx, one after
    /// the other, at `rate` requests per second over all connections together.
    ///
    /// # Errors
    /// The client cannot be started.
    pub fn load(&mut self, requests: u32, rate: f64, connections: u32) -> Result<LoadHandle> {
        self.loads += 1;
        let report = self.workshop.path().join(format!("load-{}.json", self.loads));
        let mut command = self.workshop.python("load.py")?;
        command.args(["--port", &self.nginx.port().to_string(), "--requests", &requests.to_string()]);
        command.args(["--rate", &rate.to_string(), "--connections", &connections.to_string()]);
        command.arg("--report").arg(&report);
        let log = self.workshop.path().join(format!("load-{}.log", self.loads));
        Ok(LoadHandle::new(Server::spawn("load.py", 0, command, log, Signal::SIGTERM)?, report))
    }

    /// Calls PostgreSQL as nobody does in this system: `psql` from a shell, under a machine account of its own.
    ///
    /// # Errors
    /// The query fails; the error has what psql said.
    pub fn unexpected_call(&self) -> Result<()> {
        self.cluster.query_from_a_shell()
    }

    /// Holds back the answers at the proxy, or lets them pass.
    ///
    /// # Errors
    /// There is no proxy in this stack, or it has ended.
    pub fn set_delayed(&mut self, on: bool) -> Result<()> {
        let proxy = self.proxy().context("this stack was started without a delay proxy")?;
        if self.delayed != on {
            proxy.signal(Signal::SIGUSR1)?;
            self.delayed = on;
        }
        Ok(())
    }

    /// Freezes redis-server: its connections stay, its answers do not come.
    ///
    /// # Errors
    /// It has ended.
    pub fn redis_freeze(&self) -> Result<()> {
        self.redis.signal(Signal::SIGSTOP)
    }

    /// Lets redis-server go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn redis_thaw(&self) -> Result<()> {
        self.redis.signal(Signal::SIGCONT)
    }

    /// Stops PostgreSQL at once, with its sessions (fast shutdown).
    ///
    /// # Errors
    /// It does not end.
    pub fn postgres_stop(&mut self) -> Result<()> {
        self.postgres.take().map_or(Ok(()), |mut server| server.stop())
    }

    /// Starts PostgreSQL again, on the same port with the same data.
    ///
    /// # Errors
    /// It does not start, or it runs already.
    pub fn postgres_start(&mut self) -> Result<()> {
        if self.postgres.is_some() {
            bail!("PostgreSQL runs already");
        }
        self.postgres = Some(self.cluster.start()?);
        Ok(())
    }

    /// Stops everything, clients before servers. Dropping does the same, without saying what went wrong.
    ///
    /// # Errors
    /// A process could not be ended; the others are ended all the same.
    pub fn stop(mut self) -> Result<()> {
        let servers =
            [Some(&mut self.nginx), self.before_api.as_mut(), Some(&mut self.api), self.before_redis.as_mut()];
        let servers = servers.into_iter().chain([Some(&mut self.redis), self.postgres.as_mut()]).flatten();
        // First all, then the first error.
        let outcomes: Vec<Result<()>> = servers.map(Server::stop).collect();
        outcomes.into_iter().collect()
    }
}
