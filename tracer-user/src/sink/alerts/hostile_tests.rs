//! What others choose, names, command lines, paths, operations, as each sink writes it: no field, line, object or command of a
//! terminal comes of it, and nothing of it is lost where a machine reads.

use super::*;
use crate::sink::{json, text};
use std::collections::BTreeMap;
use tracer_core::alert::{NearestCall, ProcessEvidence, Reason};
use tracer_core::identity::Port;
use tracer_core::time::Wall;

/// As the kernel gives them: bytes.
const HOSTILE: [&[u8]; 18] = [
    b"\"quoted\" 'twice' `run` \\ back\\\\slashes",
    b"x\nPRIORITY=7\nTRACER_KIND=none\n",
    b"x\r\nX-Header: y\r\n\r\n",
    b"\x1b[2J\x1b[31m\x1b]0;title\x07",
    b"\x1b]52;c;aGk=\x07\x1b]8;;http://x\x1b\\",
    b"\xff\xfe not text \xc3\x28\xf0\x9f",
    b"\xc2\x9b31m the other way to begin a command",
    b"\xe2\x80\xaegnp.exe \xe2\x81\xa6\xe2\x80\xa8\xe2\x80\xa9",
    b"\0@abstract\0name\0",
    b"\"}],\"kind\":\"none\",\"alerts\":[{\"kind\":\"",
    b"}\n{\"schema\":\"tracer.alert/1\"}\n",
    b"</script><img src=x onerror=alert(1)><!-- -->",
    b"${jndi:ldap://x} $(id) `id` ; id | id && id",
    b"{{ template }} %s %n {0} {}",
    b"\x7f\x08\x08\x08del",
    b"=\x01\x05\0\0\0\0\0\0\0abcde\nMESSAGE=forged",
    &[b'y'; 4_096],
    b"",
];

fn alert(hostile: &[u8], kind: &str) -> Alert {
    let text = String::from_utf8_lossy(hostile).into_owned();
    let sample = sample::alert("2026-01-01T00:00:00.000Z");
    let process = || ProcessEvidence {
        pid: 7,
        name: text.clone(),
        exe: Some(text.clone()),
        uid: Some(0),
        user: Some(text.clone()),
        command_line: text.clone(),
    };
    let mut alert = Alert {
        kind: kind.to_owned(),
        from: format!("program:{text}"),
        to: format!("program:{text}"),
        port: Port::of_path(hostile),
        transport: "unix".to_owned(),
        protocol: Some(text.clone()),
        message: format!("the baseline does not list {text}"),
        ..sample
    };
    let evidence = &mut alert.evidence;
    (evidence.from_name, evidence.to_name, evidence.operation) = (text.clone(), text.clone(), Some(text.clone()));
    evidence.client = Some(process());
    evidence.client_parents = vec![process(), process()];
    evidence.server = Some(process());
    evidence.nearest =
        Some(NearestCall { from: text.clone(), to: text.clone(), port: alert.port.clone(), transport: text });
    alert
}

fn notice(hostile: &[u8]) -> Notice {
    let notices = Notice::group("host", vec![alert(hostile, "unexpected-call"), alert(hostile, "stalled")]);
    assert_eq!(notices.len(), 1);
    notices.into_iter().next().unwrap()
}

/// The texts with all that they are allowed to hold: whole lines of what is shown.
fn assert_shown(text: &str, what: &str) {
    let dangerous =
        |c: &char| c.is_control() && *c != '\n' || ('\u{2028}'..='\u{202e}').contains(c) || *c == '\u{2066}';
    assert_eq!(text.chars().find(dangerous), None, "{what}: {text:?}");
}

#[test]
fn what_machines_read_is_one_valid_object_for_each_alert_with_everything_as_it_was() {
    for hostile in HOSTILE {
        let notice = notice(hostile);
        let body = webhook::body(&notice).unwrap();
        assert_shown(&body, "webhook");
        assert!(!body.contains('\n'));
        assert_eq!(serde_json::from_str::<Notice>(&body).unwrap(), notice);

        let lines = file::json_lines(&notice).unwrap();
        assert_shown(&lines, "file and command");
        let read: Vec<Alert> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, notice.alerts);

        let output = Output::Alert(Box::new(notice.alerts[0].clone()));
        let line = json::line(&output).unwrap();
        assert_shown(&line, "standard output as JSON");
        assert!(!line.contains('\n') && serde_json::from_str::<Alert>(&line).unwrap() == notice.alerts[0]);

        let dropped = tracer_core::alert::Dropped::message("pager", Reason::Refused, None, Some(&notice), Wall(0));
        assert_shown(&dropped.line(), "what was dropped");
        assert!(!dropped.line().contains('\n'));
        assert_eq!(serde_json::from_str::<tracer_core::alert::Dropped>(&dropped.line()).unwrap(), dropped);
    }
}

#[test]
fn what_the_alertmanager_is_sent_has_the_labels_of_any_alert() {
    let names = |alert: &serde_json::Value, of: &str| -> Vec<String> {
        alert[of].as_object().unwrap().keys().cloned().collect()
    };
    let sent = |alerts: &[&Alert]| {
        let text = alertmanager::body(alerts, "host", Wall(0), Duration::from_secs(60));
        assert_shown(&text, "alertmanager");
        serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap()
    };
    let plain = sent(&[&alert(b"plain", "stalled")]).remove(0);
    for hostile in HOSTILE {
        let alert = alert(hostile, "stalled");
        let [posted] = sent(&[&alert]).try_into().unwrap();
        for of in ["labels", "annotations"] {
            assert_eq!(names(&posted, of), names(&plain, of));
            let is_name = |name: &String| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(names(&posted, of).iter().all(is_name));
        }
        assert_eq!(posted["labels"]["from"], *alert.from);
        assert_eq!((&posted["labels"]["alertname"], &posted["labels"]["job"]), (&"stalled".into(), &"tracer".into()));
        assert!(!posted["annotations"]["summary"].as_str().unwrap().contains(char::is_control));
    }
}

#[test]
fn the_journal_has_the_fields_of_any_alert_each_once_and_with_its_own_value() {
    let fields_of = |alert: &Alert| journald::tests::fields(&journald::entry(alert));
    let plain = fields_of(&alert(b"plain", "stalled"));
    for hostile in HOSTILE {
        let alert = alert(hostile, "stalled");
        let fields: BTreeMap<String, String> = fields_of(&alert);
        assert!(fields.keys().eq(plain.keys()), "{fields:#?}");
        for name in ["PRIORITY", "MESSAGE_ID", "SYSLOG_IDENTIFIER", "TRACER_KIND", "TRACER_STATE", "TRACER_ID"] {
            assert_eq!(fields[name], plain[name], "{name}");
        }
        let command_line = &alert.evidence.client.as_ref().unwrap().command_line;
        assert_eq!((&fields["TRACER_FROM"], &fields["TRACER_CLIENT_COMMAND_LINE"]), (&alert.from, command_line));
        assert_shown(&fields["MESSAGE"], "message");
        assert!(!fields["MESSAGE"].contains('\n'));
        assert_shown(&fields["TRACER_EVIDENCE"], "evidence");
    }
}

#[test]
fn what_people_read_has_as_many_lines_as_any_alert_and_nothing_that_a_terminal_obeys() {
    let line = |alert: &Alert| text::line(&Output::Alert(Box::new(alert.clone()))).unwrap();
    let plain = alert(b"plain", "stalled");
    for hostile in HOSTILE {
        let alert = alert(hostile, "stalled");
        let (screen, told) = (terminal::screen(&alert), line(&alert));
        assert_shown(&screen, "evidence");
        assert_shown(&told, "line");
        assert_eq!(screen.lines().count(), terminal::screen(&plain).lines().count(), "{screen}");
        assert_eq!(told.lines().count(), line(&plain).lines().count(), "{told}");
        assert!(screen.lines().all(|line| line.chars().count() < 300), "{screen}");
    }
}

#[test]
fn a_command_reads_every_alert_as_it_was_on_its_standard_input() {
    let path = std::env::temp_dir().join(format!("tracer-hostile-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let script = format!("cat >> {}", path.display());
    let words = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    let values = BTreeMap::from([("command", settings::Value::Words(words))]);
    let (kind, filter) = (table::SinkKind::find("command").unwrap(), Filter::default());
    let settings = SinkSettings { kind, name: "command".to_owned(), filter, values, line: 1 };
    let mut sink = command::make(&settings).unwrap();
    for hostile in HOSTILE {
        sink.deliver(&notice(hostile)).unwrap();
    }
    let read = std::fs::read_to_string(&path).unwrap();
    let read: Vec<Alert> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<Alert> = HOSTILE.into_iter().flat_map(|hostile| notice(hostile).alerts).collect();
    assert_eq!(read, expected);
    std::fs::remove_file(path).unwrap();
}
