//! A command under observation.
//!
//! Invariant: it has this process' terminal, environment and user, and gets the signals that this process gets; the
//! observation ends when it does, and not before. Memory: two threads.

use crate::stop::Ask;
use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, getpgrp, pidfd_open, pidfd_send_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// The number of the initial PID namespace (`include/uapi/linux/nsfs.h`, `PID_NS_INIT_INO`).
const HOST: &str = "pid:[4026531836]";

/// A command that was started.
pub(crate) struct Running(Receiver<std::io::Result<ExitStatus>>);

/// Says why the processes of a command could not be followed from here.
pub(crate) fn can_be_followed() -> Result<()> {
    let namespace = std::fs::read_link("/proc/self/ns/pid").context("find out which PID namespace this is")?;
    if namespace.as_os_str() != HOST {
        bail!(
            "a command cannot be followed from a PID namespace of its own ({}): run tracer in the host's, as `docker run \
             --pid=host` does",
            namespace.display()
        );
    }
    Ok(())
}

/// Starts a command; asks the observation to end when it has ended.
pub(crate) fn start(words: &[OsString], ask: Ask) -> Result<Running> {
    let Some((program, arguments)) = words.split_first() else { bail!("there is no command to start") };
    // First, so that no signal ends this process while the command goes on.
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]).context("take over signals")?;
    let started = Command::new(program).args(arguments).spawn();
    let mut child = started.with_context(|| format!("start the command {}", program.display()))?;
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).context("hold on to the command")?;
    thread::spawn(move || signals.forever().for_each(|signal| pass_on(signal, &process)));
    let (sender, ended) = channel();
    thread::spawn(move || {
        let _ = sender.send(child.wait());
        ask.ask();
    });
    Ok(Running(ended))
}

impl Running {
    /// How it ended; waits for that.
    pub(crate) fn status(self) -> Result<ExitStatus> {
        self.0.recv().context("wait for the command")?.context("wait for the command")
    }
}

/// Gives a signal to the command, unless the terminal has done that.
fn pass_on(signal: i32, process: &OwnedFd) {
    let is_of_terminal = signal != SIGTERM && is_in_foreground();
    if let Some(signal) = Signal::from_named_raw(signal).filter(|_| !is_of_terminal) {
        // It may have ended meanwhile.
        let _ = pidfd_send_signal(process, signal);
    }
}

/// Whether keys such as Ctrl-C signal this process and the command alike.
fn is_in_foreground() -> bool {
    let terminal = File::open("/dev/tty").ok();
    terminal.and_then(|terminal| rustix::termios::tcgetpgrp(&terminal).ok()) == Some(getpgrp())
}
