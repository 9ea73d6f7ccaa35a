//! From what the engine tells to what arrives: filters, limits, what is kept over a restart.

use super::*;
use crate::config::{self, Places};
use std::path::PathBuf;
use tracer_core::Input;
use tracer_core::alert::{Dropped, Reason};
use tracer_core::input::Fired;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tracer-alerts-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// What a configuration says in which `@` stands for this folder.
    fn configuration(&self, text: &str) -> Configuration {
        let file = self.0.join("tracer.toml");
        std::fs::write(&file, text.replace('@', self.0.to_str().unwrap())).unwrap();
        config::load(&Places { file: Some(file), ..Places::default() }).unwrap()
    }

    /// As [`Self::told`], once there are so many.
    fn told_all(&self, file: &str, count: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(30);
        while self.told(file).len() < count && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.told(file)
    }

    /// Ports and states of the alerts in a file of JSON lines.
    fn told(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join(file)).unwrap_or_default();
        let alert = |line: &str| -> Alert { serde_json::from_str(line).unwrap() };
        text.lines().map(alert).map(|alert| format!("{} {:?}", alert.port, alert.state)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn alert(port: u16, state: AlertState) -> Alert {
    let sample = sample::alert("2026-01-01T00:00:00.000Z");
    Alert { id: format!("{port:016x}"), port: port.into(), state, ..sample }
}

fn outputs(alerts: &[Alert]) -> Vec<Output> {
    alerts.iter().map(|alert| Output::Alert(Box::new(alert.clone()))).collect()
}

/// An engine in which these alerts fire.
fn engine(alerts: &[Alert]) -> Engine {
    let mut engine = Engine::new(tracer_core::engine::Config::default());
    for alert in alerts {
        engine.handle(&Input::Fired(Box::new(Fired(alert.clone()))), &mut Vec::new());
    }
    engine
}

#[test]
fn each_sink_is_told_what_its_own_filter_takes_and_so_is_the_terminal() {
    let folder = Folder::new("filters");
    let configuration = folder.configuration(
        "[[sink]]\ntype = 'terminal'\nport = 1\n[[sink]]\ntype = 'file'\nname = 'all'\npath = '@/all'\n\
         [[sink]]\ntype = 'file'\nname = 'two'\npath = '@/two'\nport = 2\n",
    );
    let mut alerts = Alerts::start(&configuration).unwrap();
    let told = [alert(1, AlertState::Firing), alert(2, AlertState::Firing), alert(2, AlertState::Resolved)];
    let shown = alerts.pass(&mut outputs(&told), &engine(&[]));
    assert_eq!(shown, outputs(&told[..1]));
    assert_eq!(folder.told_all("all", 3), ["1 Firing", "2 Firing", "2 Resolved"]);
    assert_eq!(folder.told_all("two", 2), ["2 Firing", "2 Resolved"]);
    assert_eq!(alerts.finish(&engine(&[])), Vec::<String>::new(), "nothing to say");
}

#[test]
fn what_the_limits_hold_back_reaches_nobody_is_said_and_is_not_kept_as_told() {
    let folder = Folder::new("limits");
    let configuration = folder
        .configuration("[alerts]\ndirectory = '@/state'\nrate_limit = 1\n[[sink]]\ntype = 'file'\npath = '@/all'\n");
    let fires = [alert(1, AlertState::Firing), alert(2, AlertState::Firing)];
    let engine = engine(&fires);
    let mut alerts = Alerts::start(&configuration).unwrap();
    let shown = alerts.pass(&mut outputs(&fires), &engine);
    assert_eq!(shown, outputs(&fires[..1]), "the limits are those of everybody");
    assert!(alerts.news().0.iter().any(|line| line.contains("held back")));
    assert_eq!(folder.told_all("all", 1), ["1 Firing"]);
    let said = alerts.finish(&engine).join("\n");
    assert!(said.contains("held back by `rate_limit`: 1,") && said.contains("still waiting: 1"), "{said}");
    assert_eq!(folder.told("all"), ["1 Firing"]);

    let mut again = Alerts::start(&configuration).unwrap();
    let kept: Vec<String> = again.fired().iter().map(|alert| alert.port.to_string()).collect();
    assert_eq!(kept, ["1"], "the other one will be told");
    again.finish(&engine);
}

#[test]
fn nobody_is_told_of_calls_that_the_tracer_itself_makes_and_they_are_not_kept() {
    let folder = Folder::new("own");
    let configuration =
        folder.configuration("[alerts]\ndirectory = '@/state'\n[[sink]]\ntype = 'file'\npath = '@/all'\n");
    let mut own = alert(1, AlertState::Firing);
    own.evidence.client.as_mut().unwrap().pid = std::process::id();
    let fires = [own, alert(2, AlertState::Firing)];
    let engine = engine(&fires);
    let mut alerts = Alerts::start(&configuration).unwrap();
    assert_eq!(alerts.pass(&mut outputs(&fires), &engine), outputs(&fires[1..]));
    assert_eq!(folder.told_all("all", 1), ["2 Firing"]);
    alerts.finish(&engine);
    assert_eq!(Alerts::start(&configuration).unwrap().fired().len(), 1);
}

#[test]
fn what_a_sink_gives_up_is_in_its_account_and_in_the_list_and_the_end_says_so() {
    let folder = Folder::new("given-up");
    let configuration = folder.configuration(
        "[alerts]\ndirectory = '@/state'\n[[sink]]\ntype = 'command'\ncommand = ['/bin/false']\nbackoff = '1ms'\n\
         backoff_most = '1ms'\n",
    );
    let fires = [alert(1, AlertState::Firing), alert(2, AlertState::Firing)];
    let engine = engine(&fires);
    let mut alerts = Alerts::start(&configuration).unwrap();
    alerts.pass(&mut outputs(&fires), &engine);
    let account = |alerts: &Alerts| alerts.accounts().remove(0);
    let end = Instant::now() + Duration::from_secs(30);
    while account(&alerts).1.refused < 2 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    let (name, account) = account(&alerts);
    assert_eq!((name.as_str(), account.raised, account.refused, account.failures), ("command", 2, 2, 8));
    let said = alerts.finish(&engine).join("\n");
    assert!(said.contains("messages of alerts to command: 2: 2 given up because the receiver refused them"), "{said}");
    assert!(said.contains("what was dropped is listed in ") && said.ends_with("/state/dropped.jsonl"), "{said}");
    let listed = std::fs::read_to_string(folder.0.join("state/dropped.jsonl")).unwrap();
    let listed: Vec<Dropped> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (dropped, alert) in listed.iter().zip(&fires) {
        assert_eq!((dropped.reason, dropped.sink.as_deref()), (Reason::Refused, Some("command")));
        assert_eq!((&dropped.port, &dropped.alerts[0].id), (&Some(alert.port.clone()), &alert.id));
    }
    assert_eq!(listed.len(), 2);
}

#[test]
fn what_is_held_back_and_then_dropped_is_listed_without_a_sink() {
    let folder = Folder::new("held-back");
    let configuration = folder.configuration("[alerts]\ndirectory = '@/state'\nrate_limit = 1\n");
    let mut alerts = Alerts::start(&configuration).unwrap();
    // One is told, 4096 are held back, and the oldest of those make room for the others.
    let fires: Vec<Alert> = (0..4_100).map(|port| alert(port, AlertState::Firing)).collect();
    alerts.pass(&mut outputs(&fires), &engine(&[]));
    alerts.finish(&engine(&[]));
    let listed = std::fs::read_to_string(folder.0.join("state/dropped.jsonl")).unwrap();
    let listed: Vec<Dropped> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<_> = fires[1..4].iter().map(|alert| (None, Reason::HeldBack, Some(alert.port.clone()))).collect();
    let told: Vec<_> = listed.into_iter().map(|dropped| (dropped.sink, dropped.reason, dropped.port)).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_sink_that_spools_without_a_directory_says_that_it_keeps_nothing() {
    let folder = Folder::new("nowhere");
    let text = "[[sink]]\ntype = 'command'\ncommand = ['/bin/true']\n";
    let mut alerts = Alerts::start(&folder.configuration(text)).unwrap();
    let (lines, _) = alerts.news();
    assert!(lines[0].contains("`command`") && lines[0].contains("set `directory`"), "{lines:?}");
}

#[test]
fn a_sink_that_cannot_be_used_is_named_before_anything_is_observed() {
    let folder = Folder::new("unusable");
    for (expected, text) in [
        ("the sink `file` cannot be used: the sink `file` has no `path`", "type = 'file'"),
        ("the sink `hook` cannot be used: ", "type = 'webhook'\nname = 'hook'\nurl = 'x'"),
        ("the sink `command` has no `command`", "type = 'command'"),
        ("there is no folder", "type = 'file'\npath = '@/none/file'"),
    ] {
        let error = Alerts::start(&folder.configuration(&format!("[[sink]]\n{text}\n"))).unwrap_err();
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
}
