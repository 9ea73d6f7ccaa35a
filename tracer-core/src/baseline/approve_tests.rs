//! Tests of approving: what is taken, what is refused, what stays.

use super::*;
use crate::baseline::tests::{call, graph, learned};

fn seen() -> GraphSnapshot {
    graph(vec![
        call("program:nginx", "program:php", 9000),
        call("program:php", "program:nginx", 1),
        call("program:nginx", "peer:10.0.0.1", 443),
        call("program:nginx", "unknown", 7),
    ])
}

fn of(descriptions: &[&str]) -> Choice {
    Choice::Of(descriptions.iter().map(|text| Described::parse(text).unwrap()).collect())
}

fn taken(approval: &Approval) -> Vec<String> {
    approval.taken.iter().map(|(call, _)| call.to_string()).collect()
}

#[test]
fn every_unexpected_call_is_allowed_and_nothing_that_is_expected_or_not_identified() {
    let mut baseline = learned();
    let approval = baseline.approve(&seen(), &Choice::All, None).unwrap();
    assert_eq!(
        taken(&approval),
        ["program:nginx -> peer:10.0.0.1 port 443/tcp", "program:php -> program:nginx port 1/tcp"]
    );
    assert_eq!(baseline.allow().len(), 2);
    assert_eq!(baseline.calls(), learned().calls(), "what was learned stays as it was");
    let comment = baseline.allow()[0].comment.clone().unwrap();
    assert_eq!(comment, "seen on shop, 2025-01-01T00:01:00.000Z; requests: 180");
    let again = Baseline::parse(baseline.render().as_bytes()).unwrap();
    assert_eq!(again, baseline);
    assert_eq!(baseline.approve(&seen(), &Choice::All, None), Err(ApproveError::NothingUnexpected), "twice is once");
}

#[test]
fn a_description_means_an_end_or_both_and_a_port_where_that_is_said() {
    for (description, means) in [
        ("php", 1),
        ("program:php", 1),
        ("nginx", 2),
        ("nginx -> *", 1),
        ("* -> nginx", 1),
        ("php -> nginx port 1", 1),
        ("php->nginx port 1/tcp", 1),
        ("n* port 443", 1),
        ("/^ng/ -> /10[.]0/", 1),
    ] {
        let mut baseline = learned();
        let approval = baseline.approve(&seen(), &of(&[description]), Some("why")).unwrap();
        assert_eq!((approval.taken.len(), approval.left.len()), (means, 2 - means), "{description}");
        assert!(baseline.allow().iter().all(|entry| entry.comment.as_deref() == Some("why")));
    }
}

#[test]
fn a_description_that_means_nothing_is_an_error_that_lists_what_could_be_meant() {
    for vain in ["mysql", "nginx -> php", "php port 2", "php port 1/udp", "unknown"] {
        let mut baseline = learned();
        let error = baseline.approve(&seen(), &of(&["php", vain]), None).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(vain) && text.contains("program:php -> program:nginx port 1/tcp"), "{text}");
        assert_eq!(baseline, learned(), "unchanged");
    }
}

#[test]
fn what_is_denied_stays_denied_and_is_said() {
    let deny: Vec<Entry> = serde_json::from_str(r#"[{"port": 1, "comment": "never"}]"#).unwrap();
    let mut baseline = Baseline { deny, ..learned() };
    let error = baseline.approve(&seen(), &of(&["php"]), None).unwrap_err();
    assert_eq!(error, ApproveError::Denied("program:php -> program:nginx port 1/tcp".into(), "never".into()));
    let approval = baseline.approve(&seen(), &Choice::All, None).unwrap();
    assert_eq!((approval.taken.len(), approval.denied.len()), (1, 1));
    assert_eq!(baseline.deny().len(), 1);
}

#[test]
fn there_is_a_limit_to_entries_and_to_a_comment() {
    let entry = Entry { port: Some(1_000.into()), ..Entry::default() };
    let mut baseline = Baseline { allow: vec![entry; limits::RULES - 1], ..learned() };
    let before = baseline.clone();
    let error = baseline.approve(&seen(), &Choice::All, None).unwrap_err();
    assert_eq!(error, ApproveError::TooMany(limits::RULES + 1));
    let long = "x".repeat(COMMENT_BYTES + 1);
    assert_eq!(baseline.approve(&seen(), &Choice::All, Some(&long)), Err(ApproveError::LongComment));
    assert_eq!(baseline, before);
}

#[test]
fn a_name_in_a_forged_graph_allows_no_other_call() {
    let mut forged = seen();
    for id in ["/.*/", "*", "program:*", "{a,b}"] {
        forged.services.push(crate::baseline::tests::service(id, ServiceKind::Program));
        forged.calls = vec![call(id, "program:php", 5)];
        let mut baseline = learned();
        match baseline.approve(&forged, &Choice::All, None) {
            Ok(approval) => {
                let (key, entry) = &approval.taken[0];
                let other = CallKey { from: "program:a".into(), ..key.clone() };
                assert!(entry.matches(key) && !entry.matches(&other), "{id}");
            }
            Err(error) => assert!(matches!(error, ApproveError::NoName(_)), "{id}: {error}"),
        }
    }
}
