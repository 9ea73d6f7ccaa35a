//! Tests of the configuration: what is taken, what is refused and how, and whose word counts.

use super::*;
use std::collections::BTreeMap;

fn parse(text: &str) -> Result<Configuration> {
    let places = Places::default();
    resolve(&places, Some(PathBuf::from("/etc/tracer/tracer.toml")), Document::parse(text.as_bytes())?)
}

fn error(text: &str) -> String {
    format!("{:#}", parse(text).unwrap_err())
}

#[test]
fn rules_are_read_in_their_order() {
    let text = "[[service]]\nname = 'a'\nexe = '/x\\d+/'\n\n[[service]]\nname = 'b'\nport = '/run/b.sock'\n";
    let json = r#"[{"name":"a","exe":"/x\\d+/"},{"name":"b","port":"/run/b.sock"}]"#;
    assert_eq!(serde_json::to_string(parse(text).unwrap().rules()).unwrap(), json);
    assert!(parse("").unwrap().rules().is_empty());
}

#[test]
fn the_example_of_this_module_is_a_configuration() {
    let source = include_str!("mod.rs");
    let example: Vec<&str> = source
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .collect();
    let example: String =
        example.iter().map(|line| format!("{}\n", line.trim_start_matches("//!").trim_start())).collect();
    let configuration = parse(&example).unwrap();
    assert_eq!((configuration.rules().len(), configuration.policy.calls().len()), (1, 1));
    assert_eq!(configuration.window().unwrap(), Span::from_seconds(5));
}

#[test]
fn a_key_that_means_nothing_is_refused_with_its_line_and_the_nearest_that_does() {
    for (text, expected) in [
        (
            "[[service]]\nname = 'a'\ncomand = 'x'\n",
            "line 3: `comand` is no key of a [[service]]; did you mean `command`?",
        ),
        ("[[services]]\nname = 'a'\n", "line 1: `services` is no key of the configuration; did you mean `service`?"),
        ("[watch]\n\nwindwo = '1s'\n", "line 3: `windwo` is no key of [watch]; did you mean `window`?"),
        ("[detect]\nlatency_p9 = '1s'\n", "line 2: `latency_p9` is no key of [detect]; did you mean `latency_p99`?"),
        (
            "[[call]]\nto = 'a'\n\n[[call]]\nform = 'a'\n",
            "line 5: `form` is no key of a [[call]]; did you mean `from`?",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
    assert!(error("service = [{ name = 'a', exe = 'b', prot = 1 }]").contains("did you mean `port`?"));
    assert!(error("'\\x1b' = 1\n").starts_with("line 1: "));
}

#[test]
fn what_cannot_be_used_is_refused_with_its_line() {
    for (expected, text) in [
        ("line 3: the pattern `[x` cannot be used", "[[service]]\nname = 'a'\nexe = '[x'\n"),
        ("line 2: ", "[[service]]\nname = \n"),
        ("line 3: invalid value: integer `70000`", "[[service]]\nname = 'a'\nport = 70000\n"),
        ("line 1: the service `a` has no condition", "[[service]]\nname = 'a'\n"),
        ("missing field `name`", "[[service]]\nexe = 'a'\n"),
        ("line 1: invalid type", "service = 1\n"),
        ("line 1: invalid type", "watch = 1\n"),
        ("line 1: invalid type", "call = [1]\n"),
        ("line 2: invalid type: `window` must be a time", "[watch]\nwindow = true\n"),
        ("line 2: `1ms` is no value of `window`: it must be at least 100ms", "[watch]\nwindow = '1ms'\n"),
        ("line 3: `soon` is no value of `stalled_after`", "[detect]\n\nstalled_after = 'soon'\n"),
        ("line 2: the pattern `[x` cannot be used", "[[call]]\nto = '[x'\n"),
        ("line 2: `sctp` is no transport", "[[call]]\ntransport = 'sctp'\n"),
        ("line 3: `-1` is no value of `call_rate`", "[[call]]\nto = 'a'\ncall_rate = -1\n"),
        ("line 2: ", "[[call]]\nport = 70000\n"),
    ] {
        assert!(error(text).contains(expected), "{}", error(text));
    }
    let refused = |bytes: &[u8]| format!("{:#}", Document::parse(bytes).unwrap_err());
    assert!(refused(&vec![b'#'; document::MOST_BYTES + 1]).contains("the most is"));
    assert!(refused(b"\xff").contains("not UTF-8"));
}

#[test]
fn limits_are_numbers_texts_or_lists_and_rules_for_calls_come_before_those_for_all() {
    let text = "[detect]\nerror_rate = 0.1\noff = ['stalled', 'call-rate']\nleast_samples = 9\n\
                [[call]]\nto = 'db'\nport = 5432\nerror_rate = '50%'\noff = []\n";
    let policy = parse(text).unwrap().settings().policy;
    let key = |to: &str| tracer_core::baseline::CallKey {
        from: "program:web".into(),
        to: to.into(),
        port: 5432.into(),
        transport: "tcp".into(),
    };
    let of = |to: &str| {
        let limits = policy.of(&key(to));
        (limits.error_rate, limits.least_samples, limits.off.len())
    };
    assert_eq!((of("program:web"), of("program:db")), ((0.1, 9, 2), (0.5, 9, 0)));
}

#[test]
fn the_command_line_counts_before_the_environment_that_before_the_file_and_that_before_the_default() {
    let text = "[watch]\nwindow = '2s'\nplane = 'socket'\ndetail = 'counts'\n";
    let environment =
        [("TRACER_WATCH_WINDOW", "3s"), ("TRACER_WATCH_PLANE", "syscall"), ("TRACER_DETECT_ERROR_RATE", "0.2")];
    let places = Places {
        given: BTreeMap::from([("watch.window", "4s".to_owned())]),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Places::default()
    };
    let path = PathBuf::from("/etc/x.toml");
    let resolved = resolve(&places, Some(path), Document::parse(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(resolved.window().unwrap(), Span::from_seconds(4));
    assert_eq!(resolved.plane().unwrap(), PlaneChoice::Syscall);
    assert_eq!(resolved.detail().unwrap(), DetailChoice::Counts);
    assert_eq!(resolved.settings().policy.all().error_rate, 0.2);
    let shown = show::table(&resolved);
    for (key, value, origin) in [
        ("watch.window", "4s", "command line --window"),
        ("watch.plane", "syscall", "environment TRACER_WATCH_PLANE"),
        ("watch.detail", "counts", "/etc/x.toml:4"),
        ("watch.baseline", "–", "default"),
        ("detect.error_rate", "0.2", "environment TRACER_DETECT_ERROR_RATE"),
        ("detect.stalled_after", "30s", "default"),
    ] {
        let (section, name) = key.split_once('.').unwrap();
        let meaning = keys::find(section, name).unwrap().about;
        let row: Vec<String> = [key, value, origin, meaning].map(str::to_owned).into();
        let cells =
            |line: &str| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
        assert!(
            shown.lines().any(|line| {
                let found: Vec<String> = cells(line);
                found == row
            }),
            "{key}:\n{shown}"
        );
    }
    assert_eq!(shown.lines().count(), keys::keys().len() + 1);
}

#[test]
fn what_the_environment_says_wrongly_is_refused_by_the_name_of_the_variable() {
    let environment = BTreeMap::from([("TRACER_DETECT_ERROR_RATE".to_owned(), "2".to_owned())]);
    let refused = load(&Places { environment, ..Places::default() }).unwrap_err();
    assert!(
        format!("{refused:#}").starts_with("the variable TRACER_DETECT_ERROR_RATE cannot be used: `2`"),
        "{refused:#}"
    );
}

#[test]
fn a_variable_that_looks_like_a_key_and_is_none_is_refused_with_the_nearest_and_others_are_none_of_ours() {
    let with = |name: &str| {
        let environment = BTreeMap::from([(name.to_owned(), "1s".to_owned())]);
        load(&Places { environment, ..Places::default() }).map(drop).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(
        with("TRACER_DETECT_STALED_AFTER").unwrap_err(),
        "the variable TRACER_DETECT_STALED_AFTER sets no key; did you mean `TRACER_DETECT_STALLED_AFTER`?"
    );
    assert_eq!(with("TRACER_OF_ANOTHER_PROGRAM"), Ok(()));
}

#[test]
fn a_replay_takes_what_the_tape_says_unless_a_file_is_named() {
    let recorded =
        parse("[detect]\nstalled_after = '3s'\n[[call]]\nto = 'db'\nlatency_p99 = '1ms'\n").unwrap().settings();
    let places = Places::replay(None, Given::new(), Span::from_seconds(7), recorded.clone());
    let replayed = load(&places).unwrap();
    assert_eq!((replayed.settings(), replayed.window().unwrap()), (recorded.clone(), Span::from_seconds(7)));
    let shown = show::table(&replayed);
    assert!(
        shown.lines().any(|line| line.starts_with("detect.stalled_after") && line.contains("  the tape  ")),
        "{shown}"
    );
    assert!(shown.contains("to db: latency_p99 1ms"), "{shown}");

    let named = resolve(&places, Some("x.toml".into()), Document::parse(b"").unwrap()).unwrap();
    assert_eq!(named.settings(), Settings::default());
}

#[test]
fn every_limit_can_be_set_for_the_calls_that_patterns_match_and_stays_as_it_is_for_others() {
    use tracer_core::detect::{KNOBS, Limits};
    let key = |from: &str, to: &str| tracer_core::baseline::CallKey {
        from: from.into(),
        to: to.into(),
        port: 5432.into(),
        transport: "tcp".into(),
    };
    for knob in &KNOBS {
        let (value, text) = match (knob.is_list(), knob.is_number()) {
            (true, _) => ("['stalled']", "stalled"),
            (_, true) => ("1", "1"),
            _ => ("'7m'", "7m"),
        };
        // What is 1 already becomes another number.
        let (value, text) = if knob.get(&Limits::default()) == text { ("3", "3") } else { (value, text) };
        let file = format!("[[call]]\nfrom = 'web-*'\nto = 'db*'\n{} = {value}\n", knob.name);
        let policy = parse(&file).unwrap().settings().policy;
        let of = |from, to| knob.get(&policy.of(&key(from, to)));
        assert_eq!(of("program:web-2", "program:db-1"), text, "{}", knob.name);
        for (from, to) in [("program:web", "program:db-1"), ("program:web-2", "program:cache")] {
            assert_eq!(of(from, to), knob.get(&Limits::default()), "{}", knob.name);
        }
    }
}

#[test]
fn what_the_largest_file_says_fits_the_header_of_a_tape() {
    for entry in [
        format!("[[service]]\nname='a'\nexe='{}'\n", "\\\\".repeat(400)),
        format!("[[call]]\nto='{}'\noff=['stalled']\n", "\\\\".repeat(400)),
    ] {
        let mut text = String::new();
        while text.len() + entry.len() <= document::MOST_BYTES {
            text.push_str(&entry);
        }
        let Settings { rules, policy } = parse(&text).unwrap().settings();
        let header =
            tracer_core::tape::TapeHeader::new("0.1.0", "host", "6.18", Span::ZERO, tracer_core::time::Wall(0));
        assert!(tracer_core::tape::Writer::header(&header.with_rules(rules).with_policy(policy)).is_ok());
    }
}
