//! Receivers that are away, slow, failing, elsewhere, lengthy or not to be trusted: what each message became is told at every
//! moment, by the metrics and by the list of what was dropped, and compared with what the receivers were sent.
//!
//! Invariant: every server started here is ended here. Memory: what the receivers kept.

use crate::accounting::{Account, account};
use crate::alerts::{ask, baseline, config, unexpected, wait_for};
use crate::host::{Folder, Peer, Tracer, port};
use crate::receiver::{Mood, Receiver};
use crate::sinks::tls_receiver;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Messages that the narrow sink holds on disk.
const NARROW: u64 = 2;
/// Requests of each client.
const REQUESTS: u64 = 100;

/// A sink, its receiver, and the file that says where that is.
struct End {
    name: &'static str,
    port: u16,
    receiver: Receiver,
    url: std::path::PathBuf,
}

impl End {
    fn new(folder: &Folder, name: &'static str) -> Self {
        let port = port();
        let receiver = Receiver::listen(port, Mood::Well);
        Self { name, port, receiver, url: folder.file(&format!("url-{name}")) }
    }

    /// Sends what is tried from now on elsewhere.
    fn lead_to(&self, url: &str) {
        // Replaced as a whole: it is read at any time.
        let beside = self.url.with_extension("new");
        std::fs::write(&beside, url).unwrap();
        std::fs::rename(beside, &self.url).unwrap();
    }

    fn lead_home(&self) {
        self.lead_to(&format!("http://127.0.0.1:{}/", self.port));
    }

    /// The keys of what it kept, each once, in order.
    fn keys(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        self.receiver.kept().into_iter().map(|(key, _)| key).filter(|key| seen.insert(key.clone())).collect()
    }

    /// The clients that it was told of, each once, in order.
    fn clients(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let kept = self.receiver.kept().into_iter().filter(|(key, _)| seen.insert(key.clone()));
        kept.map(|(_, body)| body["from"].as_str().unwrap().to_owned()).collect()
    }
}

fn settings(folder: &Folder, ends: &[End; 2], port: u16) -> String {
    let sink = |end: &End, more: &str| {
        format!(
            "[[sink]]\ntype = 'webhook'\nname = '{}'\nport = {port}\nkinds = ['unexpected-call']\nurl_file = '{}'\n\
             timeout = '300ms'\nbackoff = '50ms'\nbackoff_most = '100ms'\n{more}",
            end.name,
            end.url.display()
        )
    };
    let alerts = format!("[alerts]\ndirectory = '{}'\nrate_limit = 1000\n", folder.file("state").display());
    alerts + &sink(&ends[0], "") + &sink(&ends[1], &format!("spool_entries = {NARROW}\n"))
}

/// The keys of what a sink has dropped, by the list in the folder.
fn listed(folder: &Folder, sink: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.file("state/dropped.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_sink = lines.filter(|line| line["sink"] == sink).inspect(|line| {
        assert_eq!((&line["schema"], &line["reason"]), (&"tracer.dropped/1".into(), &"backlog-full".into()), "{line}");
        assert_eq!(line["alerts"][0]["kind"], "unexpected-call", "{line}");
    });
    of_sink.map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn whatever_a_receiver_does_each_message_is_delivered_once_in_order_waits_or_is_dropped_and_listed() {
    let folder = Folder::new("delivery");
    let (port, listen, closed, secure) = (port(), port(), port(), port());
    let ends = ["wide", "narrow"].map(|name| End::new(&folder, name));
    let [wide, narrow] = &ends;
    ends.iter().for_each(End::lead_home);
    let config = config(&folder, &settings(&folder, &ends, port));
    let (_tls, received, _) = tls_receiver(&folder, secure);
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let listening = listen.to_string();
    let options = ["--window", "1s", "--baseline", &baseline(&folder), "--config", &config, "--listen", &listening];
    let mut tracer = Tracer::watch(&folder, &options);

    let feels = |mood| ends.iter().for_each(|end| end.receiver.feels(mood));
    let lead_to = |url: &str| ends.iter().for_each(|end| end.lead_to(url));
    let mut clients = Vec::new();
    let phases: [(&str, &dyn Fn()); 6] = [
        ("down", &|| lead_to(&format!("http://127.0.0.1:{closed}/"))),
        ("untrusted", &|| lead_to(&format!("https://localhost:{secure}/"))),
        ("failing", &|| {
            feels(Mood::Failing);
            ends.iter().for_each(End::lead_home);
        }),
        ("trickling", &|| feels(Mood::Trickling)),
        ("redirecting", &|| feels(Mood::Redirecting)),
        ("lengthy", &|| feels(Mood::Lengthy)),
    ];
    for (phase, begin) in phases {
        begin();
        let before = [wide, narrow].map(|end| account(listen, end.name).failed);
        for number in 0..2 {
            let name = format!("{phase}{number}.py");
            ask(&name, port, REQUESTS);
            assert!(tracer.told_within(Duration::from_secs(10), unexpected(&name, port)).is_some(), "{name}");
            clients.push(name);
        }
        let raised = u64::try_from(clients.len()).unwrap();
        let comes = |account: &Account, before: u64| {
            let delivers = phase == "lengthy";
            account.raised == raised && if delivers { account.waiting == 0 } else { account.failed >= before + 3 }
        };
        wait_for(phase, Duration::from_secs(20), || {
            let [of_wide, of_narrow] = [wide, narrow].map(|end| account(listen, end.name));
            assert!(of_narrow.waiting <= NARROW + 1, "{phase}: {of_narrow:?}");
            assert_eq!(of_wide.dropped, 0, "{phase}: {of_wide:?}");
            comes(&of_wide, before[0]) && comes(&of_narrow, before[1])
        });
    }
    assert_eq!(std::fs::read_to_string(received).unwrap(), "", "nobody who is not trusted is told anything");
    let taken = wide.receiver.lengths();
    assert!((1..200 << 20).contains(&taken), "nobody reads a gigabyte, not of twelve answers: {taken} bytes");

    let of_narrow = account(listen, narrow.name);
    let all_listed = || u64::try_from(listed(&folder, narrow.name).len()).unwrap() == of_narrow.dropped;
    wait_for("what was dropped is listed", Duration::from_secs(5), all_listed);
    let dropped = BTreeSet::from_iter(listed(&folder, narrow.name));
    assert_eq!(wide.clients(), clients.iter().map(|name| format!("program:{name}")).collect::<Vec<_>>(), "in order");
    assert_eq!((of_narrow.raised, of_narrow.waiting), (12, 0));
    assert!(of_narrow.dropped >= 4, "{of_narrow:?}");
    assert_eq!(u64::try_from(dropped.len()).unwrap(), of_narrow.dropped, "each is listed once");
    // A receiver that trickles keeps what is tried again, and dropped later perhaps.
    let told: BTreeSet<String> = narrow.keys().into_iter().collect();
    let all: BTreeSet<String> = wide.keys().into_iter().collect();
    assert_eq!(told.union(&dropped).cloned().collect::<BTreeSet<_>>(), all, "whom nobody told is listed");
    let order: Vec<String> = wide.keys().into_iter().filter(|key| told.contains(key)).collect();
    assert_eq!(narrow.keys(), order, "in order");

    feels(Mood::Failing);
    ask("last.py", port, REQUESTS);
    clients.push("last.py".to_owned());
    wait_for("it waits", Duration::from_secs(10), || account(listen, wide.name).waiting == 1);
    let graph = tracer.finish();
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
    for name in &clients {
        let calls = graph.calls(port);
        let call = calls.iter().find(|call| call["from"] == format!("program:{name}")).unwrap();
        assert_eq!((&call["connections"], &call["requests"]), (&REQUESTS.into(), &REQUESTS.into()), "{call:#}");
    }

    feels(Mood::Well);
    let tracer = Tracer::watch(&folder, &options);
    let is_there = |account: &Account| (account.raised, account.found, account.delivered) == (0, 1, 1);
    wait_for("what waited arrives", Duration::from_secs(10), || {
        [wide, narrow].iter().all(|end| is_there(&account(listen, end.name)))
    });
    assert_eq!(wide.clients().len(), clients.len());
    tracer.finish();
}
