//! The account of a sink balances whatever happens, and no message is told twice, lost without a line, or out of order.

use super::*;
use crate::sink::alerts::spool::Caps;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;
use tracer_core::alert::{Account, Reason, sample};
use tracer_core::sim::Dice;

/// What the mailbox, the memory and the spool of these tests hold.
const MAILBOX: usize = 4;
const MEMORY: usize = 3;
const SPOOL: usize = 3;
/// Files that a full disk cannot take.
const NUMBERS: u64 = 250;

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Taken,
    Late,
    Refused,
}

/// What is to become of the next attempts, then of all others; and what was delivered.
#[derive(Clone, Default)]
struct Receiver {
    outcomes: Arc<Mutex<VecDeque<Outcome>>>,
    delivered: Arc<Mutex<Vec<u64>>>,
}

impl Deliver for Receiver {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure> {
        match self.outcomes.lock().unwrap().pop_front().unwrap_or(Outcome::Late) {
            Outcome::Late => Err(Failure::later("it is down".to_owned())),
            Outcome::Refused => Err(Failure::Never { reason: "it is not wanted".to_owned() }),
            Outcome::Taken => {
                self.delivered.lock().unwrap().push(notice.id.parse().unwrap());
                Ok(())
            }
        }
    }
}

fn notice(number: u64) -> Notice {
    let notice = Notice::group("host", vec![sample::alert("2026-01-01T00:00:00.000Z")]).remove(0);
    Notice { id: number.to_string(), ..notice }
}

/// A sink whose threads take a step when they are told to.
struct Steps {
    folder: Option<PathBuf>,
    receiver: Receiver,
    losses: Losses,
    delivery: Delivery,
    posted: u64,
    /// Lines of what was dropped, and the ids in them.
    dropped: u64,
    dropped_ids: BTreeSet<u64>,
    reasons: BTreeSet<Reason>,
    /// Delivered by tracers that have ended.
    before: u64,
}

impl Steps {
    fn new(folder: Option<PathBuf>) -> Self {
        let (receiver, losses) = (Receiver::default(), Losses::unwritten());
        let delivery = delivery(folder.as_ref(), &receiver, &losses);
        let (dropped_ids, reasons) = (BTreeSet::new(), BTreeSet::new());
        Self { folder, receiver, losses, delivery, posted: 0, dropped: 0, dropped_ids, reasons, before: 0 }
    }

    fn account(&self) -> Account {
        self.delivery.desk.status.account()
    }

    fn post(&mut self) {
        self.delivery.desk.mailbox.post(notice(self.posted));
        self.posted += 1;
    }

    fn take_over(&self) {
        if self.delivery.desk.mailbox.left() > 0 {
            assert!(self.delivery.desk.take_once());
        }
    }

    fn deliver(&mut self, outcomes: &[Outcome]) {
        *self.receiver.outcomes.lock().unwrap() = outcomes.iter().copied().collect();
        self.delivery.not_before = None;
        self.delivery.deliver();
    }

    /// A tracer ends, and the next one starts.
    fn restart(&mut self) {
        self.take_over();
        self.deliver(&[]);
        self.delivery.desk.leave();
        self.check();
        self.before += self.account().delivered;
        self.delivery = delivery(self.folder.as_ref(), &self.receiver, &self.losses);
    }

    /// Files of the spool.
    fn files(&self) -> Vec<PathBuf> {
        let files = self.folder.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        files.map(|file| file.unwrap().path()).filter(|path| path.is_file()).collect()
    }

    /// A disk that is full, or no more: nothing can be made where a file is made before it is renamed.
    fn fill(&self, full: bool) {
        for number in 0..NUMBERS {
            let Some(folder) = &self.folder else { return };
            let path = folder.join(format!(".{number:020}.json.{}", std::process::id()));
            if full { std::fs::create_dir(path).unwrap() } else { std::fs::remove_dir(path).unwrap() }
        }
    }

    fn check(&mut self) {
        let account = self.account();
        assert!(account.is_balanced(), "{account:?}");
        assert_eq!(account.in_mailbox, self.delivery.desk.mailbox.left() as u64, "{account:?}");
        assert_eq!(account.on_disk, self.files().len() as u64, "{account:?}");
        assert!(account.in_mailbox <= MAILBOX as u64 && account.on_disk <= SPOOL as u64);
        assert!(account.in_memory <= (MEMORY + MAILBOX) as u64);
        for dropped in self.losses.drain() {
            self.dropped += 1;
            self.reasons.insert(dropped.reason);
            if let Some(id) = dropped.id {
                assert!(self.dropped_ids.insert(id.parse().unwrap()), "{id} is dropped twice");
            }
        }
        let delivered = self.receiver.delivered.lock().unwrap();
        assert!(delivered.is_sorted_by(|a, b| a < b), "once each, and in order: {delivered:?}");
        assert!(delivered.iter().all(|id| !self.dropped_ids.contains(id)), "nothing is both");
        assert_eq!(delivered.len() as u64, self.before + account.delivered);
        let waiting: u64 = account.waiting().iter().map(|(_, count)| count).sum();
        assert_eq!(self.posted, delivered.len() as u64 + self.dropped + waiting, "over all restarts: {account:?}");
    }
}

fn delivery(folder: Option<&PathBuf>, receiver: &Receiver, losses: &Losses) -> Delivery {
    let caps = Caps { entries: SPOOL, bytes: 1 << 20 };
    let spool = folder.map(|folder| Spool::open(folder, caps, "pager", losses.clone()).unwrap());
    let desk = Desk::new("pager", spool, losses.clone(), (MAILBOX, MEMORY));
    let backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60));
    Delivery { desk, sink: Box::new(receiver.clone()), backoff, not_before: None }
}

/// Why messages were dropped in a run.
fn run(seed: u64, folder: Option<PathBuf>) -> BTreeSet<Reason> {
    use Outcome::{Late, Refused, Taken};
    let mut dice = Dice::new(seed);
    let mut steps = Steps::new(folder);
    let mut full = false;
    for _ in 0..160 {
        match dice.below(12) {
            0..=3 => (0..=dice.below(3)).for_each(|_| steps.post()),
            4 | 5 => steps.take_over(),
            6 => steps.deliver(&[Taken]),
            7 => steps.deliver(&[Taken, Taken, Taken, Late]),
            8 => steps.deliver(&[Refused, Taken]),
            9 => {
                full = !full;
                steps.fill(full);
            }
            10 => {
                if let Some(file) = steps.files().first() {
                    std::fs::write(file, "{").unwrap();
                }
            }
            _ => steps.restart(),
        }
        steps.check();
    }
    steps.reasons
}

#[test]
fn the_account_balances_after_every_step_of_any_sequence_and_nothing_is_told_twice_or_lost_without_a_line() {
    // In memory, where there is such a folder: thousands of files are flushed.
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let place = folder.join(format!("tracer-account-{}", std::process::id()));
    let mut reasons = BTreeSet::new();
    for seed in 0..24 {
        let _ = std::fs::remove_dir_all(&place);
        reasons.extend(run(seed, (seed % 2 == 0).then(|| place.clone())));
    }
    let _ = std::fs::remove_dir_all(&place);
    let all = Account::default().dropped().map(|(reason, _)| reason);
    assert_eq!(reasons, BTreeSet::from(all), "every way of losing one was taken");
}

#[test]
fn the_account_balances_at_every_moment_while_threads_work() {
    let place = std::env::temp_dir().join(format!("tracer-account-threads-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&place);
    let spool = Spool::open(&place, Caps { entries: 8, bytes: 1 << 20 }, "pager", Losses::default()).unwrap();
    let receiver = Receiver::default();
    let flaky = [Outcome::Taken, Outcome::Late, Outcome::Taken, Outcome::Refused];
    receiver.outcomes.lock().unwrap().extend(flaky.iter().cycle().take(400));
    let wait = Duration::from_micros(200);
    let backoff = Backoff::new(wait, wait);
    let worker = Worker::start("pager", Box::new(receiver), Some(spool), Losses::default(), backoff).unwrap();
    let status = Arc::clone(&worker.status);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut places = BTreeSet::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let account = status.account();
                assert!(account.is_balanced(), "{account:?}");
                places.extend(account.waiting().into_iter().filter(|(_, count)| *count > 0).map(|(place, _)| place));
            }
            places
        });
        for number in 0..600 {
            worker.post(notice(number));
            if number % 50 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        worker.close();
        let ended = worker.ends_by(Instant::now() + Duration::from_secs(60));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ended);
        assert!(looks.join().unwrap().contains("disk"), "it was looked at while messages waited");
    });
    let account = worker.status.account();
    assert!(account.is_balanced() && account.raised == 600 && account.delivered > 0, "{account:?}");
    assert_eq!((account.in_mailbox, account.in_memory), (0, 0), "{account:?}");
    let (_, degraded) = worker.status.take();
    assert!(degraded.iter().all(|degraded| !degraded.reason.contains("balance")), "{degraded:?}");
    let _ = std::fs::remove_dir_all(&place);
}
