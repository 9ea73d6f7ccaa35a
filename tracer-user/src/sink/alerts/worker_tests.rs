//! A worker with a sink that does as it is told: fails, refuses, is slow.

use super::*;
use crate::sink::alerts::spool::Caps;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tracer_core::alert::sample;

/// What is to become of each attempt, then of all further ones; and what was delivered.
#[derive(Clone, Default)]
struct Script {
    outcomes: Arc<Mutex<VecDeque<Option<bool>>>>,
    delivered: Arc<Mutex<Vec<String>>>,
}

impl Deliver for Script {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure> {
        match self.outcomes.lock().unwrap().pop_front().flatten() {
            Some(true) => Err(Failure::later("it is down".to_owned())),
            Some(false) => Err(Failure::Never { reason: "it is not wanted".to_owned() }),
            None => {
                self.delivered.lock().unwrap().push(notice.id.clone());
                Ok(())
            }
        }
    }
}

impl Script {
    fn of(outcomes: &[Option<bool>]) -> Self {
        let script = Self::default();
        script.outcomes.lock().unwrap().extend(outcomes);
        script
    }

    fn delivered(&self) -> Vec<String> {
        self.delivered.lock().unwrap().clone()
    }
}

fn notice(id: &str) -> Notice {
    let alert = sample::alert("2026-01-01T00:00:00.000Z");
    Notice { id: id.to_owned(), ..Notice::group("host", vec![alert]).remove(0) }
}

fn spool(folder: &Path) -> Spool {
    Spool::open(folder, Caps { entries: 10, bytes: 1 << 20 }, "pager", Losses::default()).unwrap()
}

fn start(script: &Script, spool: Option<Spool>, wait: Duration) -> Worker {
    let sink = Box::new(script.clone());
    Worker::start("pager", sink, spool, Losses::default(), Backoff::new(wait, wait)).unwrap()
}

fn wait_for(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ended(worker: &Worker) {
    worker.close();
    assert!(worker.ends_by(Instant::now() + Duration::from_secs(30)));
}

#[test]
fn what_fails_is_tried_again_and_everything_arrives_once_and_in_order() {
    let script = Script::of(&[Some(true), Some(true), None, Some(true)]);
    let worker = start(&script, None, Duration::from_millis(1));
    ["a", "b", "c"].iter().for_each(|id| worker.post(notice(id)));
    wait_for(|| script.delivered().len() == 3);
    assert_eq!(script.delivered(), ["a", "b", "c"]);
    wait_for(|| worker.status.account().delivered == 3);
    assert_eq!((worker.status.account().failures, worker.status.summary()), (3, None));
    let (lines, degraded) = worker.status.take();
    assert!(lines[0].contains("are late") && lines[0].contains("it is down"), "{lines:?}");
    assert!(lines[1].contains("delivered again"), "an outage and its end are said once each: {lines:?}");
    assert!(degraded.is_empty(), "nothing is lost");
    ended(&worker);
}

#[test]
fn what_is_refused_is_given_up_counted_and_said_and_the_next_one_is_delivered() {
    let script = Script::of(&[Some(false)]);
    let worker = start(&script, None, Duration::from_secs(60));
    ["a", "b"].iter().for_each(|id| worker.post(notice(id)));
    wait_for(|| worker.status.account().delivered == 1);
    assert_eq!((script.delivered(), worker.status.account().refused), (vec!["b".to_owned()], 1));
    let (_, degraded) = worker.status.take();
    assert!(degraded[0].reason.contains("it is not wanted"), "{degraded:?}");
    assert!(worker.status.summary().unwrap().contains("1 given up"));
    ended(&worker);
}

#[test]
fn a_tracer_that_ends_while_its_receiver_is_down_delivers_from_disk_after_the_next_start() {
    let folder: PathBuf = std::env::temp_dir().join(format!("tracer-worker-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let open = || Some(spool(&folder));
    let down = Script::of(&[Some(true); 100]);
    let worker = start(&down, open(), Duration::from_secs(60));
    ["a", "b"].iter().for_each(|id| worker.post(notice(id)));
    ended(&worker);
    assert!(worker.status.summary().unwrap().contains("2 kept on disk"), "{:?}", worker.status.summary());

    let up = Script::default();
    let worker = start(&up, open(), Duration::from_secs(60));
    worker.post(notice("c"));
    wait_for(|| up.delivered().len() == 3);
    assert_eq!(up.delivered(), ["a", "b", "c"]);
    ended(&worker);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_a_spool_what_was_not_delivered_at_the_end_is_said() {
    let down = Script::of(&[Some(true); 100]);
    let worker = start(&down, None, Duration::from_secs(60));
    ["a", "b"].iter().for_each(|id| worker.post(notice(id)));
    ended(&worker);
    assert!(worker.status.summary().unwrap().contains("2 not delivered"));
}

/// A receiver that takes one notice in its own time.
struct Slow(std::sync::mpsc::Receiver<()>);

impl Deliver for Slow {
    fn deliver(&mut self, _: &Notice) -> Result<(), Failure> {
        self.0.recv().map_err(|_| Failure::later("nobody answers".to_owned()))
    }
}

#[test]
fn a_receiver_that_takes_its_time_keeps_nothing_from_being_put_on_disk() {
    let folder: PathBuf = std::env::temp_dir().join(format!("tracer-worker-slow-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let (answer, slow) = std::sync::mpsc::channel();
    let backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60));
    let sink = Box::new(Slow(slow));
    let worker = Worker::start("pager", sink, Some(spool(&folder)), Losses::default(), backoff).unwrap();
    ["a", "b", "c"].iter().for_each(|id| worker.post(notice(id)));
    wait_for(|| std::fs::read_dir(&folder).unwrap().count() == 3);
    wait_for(|| worker.status.account().on_disk == 3);
    worker.close();
    assert!(!worker.ends_by(Instant::now() + Duration::from_millis(20)), "it still waits for its receiver");
    assert!(worker.status.summary().unwrap().ends_with(": 3: 3 kept on disk for the next start"));
    answer.send(()).unwrap();
    drop(answer);
    assert!(worker.ends_by(Instant::now() + Duration::from_secs(30)));
    let account = worker.status.account();
    assert_eq!((account.delivered, account.on_disk, account.failures), (1, 2, 1));
    std::fs::remove_dir_all(folder).unwrap();
}
