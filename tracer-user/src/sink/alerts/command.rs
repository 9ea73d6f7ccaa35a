//! A command of the user, run for each notice with its alerts on standard input: `tracer.alert/1`, one a line.
//!
//! Invariant: no shell; of the environment only `PATH`, so no secret of another sink; it and what it started are ended when
//! it takes too long. A status other than 0 is a failure and tried again. Memory: one notice, and of what it says on
//! standard error the first [`SAID_BYTES`]; the rest is read and thrown away.

use super::settings::{Form, SinkKey, SinkSettings};
use super::{Deliver, Failure, file};
use anyhow::{Context as _, Result};
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tracer_core::alert::Notice;
use tracer_core::escape::printable;

pub(super) const ABOUT: &str = "A program, run for each call's alerts that begin or end together, with `tracer.alert/1` as JSON lines on standard \
     input. No shell; of the environment only `PATH`.";

pub(super) static KEYS: [SinkKey; 2] = [
    SinkKey {
        name: "command",
        about: "The program and its arguments. Must be given.",
        form: Form::Words,
        default: None,
    },
    SinkKey {
        name: "time_limit",
        about: "How long it may take; then it is ended, and what it started too.",
        form: Form::Time,
        default: Some("10s"),
    },
];

/// Bytes of what it says on standard error that are kept.
const SAID_BYTES: usize = 2_048;
/// Between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Attempts for one notice: what fails each time would hold up all that follow.
const ATTEMPTS: u32 = 5;

#[derive(Debug)]
struct Runs {
    words: Vec<String>,
    time_limit: Duration,
    /// The notice that failed last, and how often.
    failed: (String, u32),
}

pub(super) fn make(settings: &SinkSettings) -> Result<Box<dyn Deliver>> {
    let words = settings.words("command").to_vec();
    words.first().with_context(|| format!("the sink `{}` has no `command`", settings.name))?;
    Ok(Box::new(Runs { words, time_limit: settings.time("time_limit"), failed: (String::new(), 0) }))
}

impl Deliver for Runs {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure> {
        let input = file::json_lines(notice).map_err(|error| Failure::Never { reason: error.to_string() })?;
        let Err(reason) = self.run(input.into_bytes()) else { return Ok(()) };
        let (id, times) = &mut self.failed;
        if *id != notice.id {
            (*id, *times) = (notice.id.clone(), 0);
        }
        *times += 1;
        if *times < ATTEMPTS {
            return Err(Failure::later(reason));
        }
        Err(Failure::Never { reason: format!("{reason}, {ATTEMPTS} times") })
    }
}

impl Runs {
    fn run(&self, input: Vec<u8>) -> Result<(), String> {
        let (program, arguments) = self.words.split_first().ok_or("no program")?;
        let shown = printable(program, 100);
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let mut child = command.process_group(0).spawn().map_err(|error| format!("run {shown}: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read its input must not hold up the watch over it. That it is gone is its own affair.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let said = child.stderr.take().map(listen);
        let ended = wait(&mut child, self.time_limit);
        let said = said.and_then(|said| said.recv_timeout(LOOK_EVERY * 10).ok()).unwrap_or_default();
        let said = if said.is_empty() { String::new() } else { format!(": {}", printable(&said, 200)) };
        match ended {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(format!("{shown} ended with {status}{said}")),
            Ok(None) => Err(format!("{shown} took longer than {:?} and was ended{said}", self.time_limit)),
            Err(error) => Err(format!("wait for {shown}: {error}")),
        }
    }
}

/// Waits until it ends; ends it when it takes too long (`None`).
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() >= limit {
            // It leads a group of its own, in which what it started is too.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY.min(limit));
    }
}

/// The beginning of what is said, once all of it is.
fn listen(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let room = SAID_BYTES.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
        }
        let _ = sender.send(String::from_utf8_lossy(&kept).trim().to_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::sample;

    fn runs(words: &[&str]) -> Runs {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Runs { words, time_limit: Duration::from_millis(500), failed: (String::new(), 0) }
    }

    fn notice() -> Notice {
        Notice::group("host", vec![sample::alert("2026-01-01T00:00:00.000Z")]).remove(0)
    }

    #[test]
    fn the_alert_is_on_standard_input_and_nothing_of_the_environment_but_the_path() {
        let path = std::env::temp_dir().join(format!("tracer-command-{}", std::process::id()));
        let script = format!("cat > {0}; env >> {0}", path.display());
        runs(&["/bin/sh", "-c", &script]).deliver(&notice()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let alert: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&alert["schema"], &alert["kind"]), (&"tracer.alert/1".into(), &"test".into()));
        // The shell adds its own.
        let own = ["PATH=", "PWD=", "SHLVL=", "_=", "OLDPWD="];
        assert!(text.lines().skip(1).all(|line| own.iter().any(|own| line.starts_with(own))), "{text}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn arguments_are_words_and_no_shell_reads_them() {
        let Err(Failure::Later { reason, .. }) = runs(&["/bin/ls", "$(true); true"]).deliver(&notice()) else {
            panic!("a shell has read it");
        };
        assert!(reason.contains("$(true); true"), "{reason}");
    }

    #[test]
    fn one_that_takes_too_long_is_ended_with_what_it_started() {
        let path = std::env::temp_dir().join(format!("tracer-command-child-{}", std::process::id()));
        let script = format!("sleep 60 & echo $! > {}; wait", path.display());
        let failure = runs(&["/bin/sh", "-c", &script]).deliver(&notice());
        let Err(Failure::Later { reason, .. }) = failure else { panic!("{failure:?}") };
        assert!(reason.contains("took longer than 500ms"), "{reason}");
        let child = std::fs::read_to_string(&path).unwrap();
        // Gone, or dead and waiting for somebody to notice.
        let lives = || {
            let status = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
            status.contains("(sleep)") && !status.contains("(sleep) Z")
        };
        let end = Instant::now() + Duration::from_secs(10);
        while lives() {
            assert!(Instant::now() < end, "what it started still runs");
            std::thread::sleep(LOOK_EVERY);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn one_that_says_much_is_read_and_little_of_it_is_kept() {
        let failure = runs(&["/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3"]).deliver(&notice());
        let Err(Failure::Later { reason, .. }) = failure else { panic!("{failure:?}") };
        assert!(reason.contains("exit status: 3") && reason.len() < 400, "{reason}");
    }

    #[test]
    fn what_fails_each_time_is_given_up_so_that_the_next_one_is_tried() {
        let mut runs = runs(&["/bin/false"]);
        for _ in 1..ATTEMPTS {
            assert!(matches!(runs.deliver(&notice()), Err(Failure::Later { .. })));
        }
        assert!(matches!(runs.deliver(&notice()), Err(Failure::Never { .. })));
        assert!(matches!(runs.deliver(&Notice { id: "other".into(), ..notice() }), Err(Failure::Later { .. })));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = runs(&["/nonexistent/x"]).deliver(&notice());
        assert!(
            matches!(&failure, Err(Failure::Later { reason, .. }) if reason.contains("/nonexistent/x")),
            "{failure:?}"
        );
    }
}
