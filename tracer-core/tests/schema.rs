//! The published schemas in docs/schema and what the tracer reads and writes are the same.
//!
//! What is written is valid, with every field described. What a baseline may not hold is refused by its schema and by the
//! parser alike: each key taken away, each value of another type, a field too many, anywhere in the file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod graphs;

use serde_json::{Value, json};
use std::path::Path;
use tracer_core::alert::{Dropped, Notice, Reason, sample};
use tracer_core::baseline::{Baseline, BaselineError, Difference, difference};
use tracer_core::export::Format;
use tracer_core::time::Wall;

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema").join(format!("{name}.schema.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A schema that knows of no field but those that it describes.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(_, value)| *value = closed(value.take()));
            // Not the conditions within `anyOf`, which are no whole objects.
            if fields.get("type") == Some(&json!("object")) && fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    schema
}

fn assert_valid(schema: &Value, what: &Value) {
    assert!(jsonschema::meta::is_valid(schema));
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(what).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// A baseline with every field that there can be.
fn baseline() -> Value {
    let spread = json!({"median": 1.0, "mad": 0.25, "samples": 6});
    let call = json!({
        "from": "program:nginx", "to": "program:php", "port": 9000, "transport": "tcp", "protocol": "http",
        "requests": 180, "requests_per_second": 3.0, "mean_ms": 12.5, "p99_ms": 40.5, "error_rate": 0.25, "samples": 170,
        "rate_spread": spread, "mean_spread": spread, "p99_spread": spread, "error_spread": spread,
        "rhythm": vec![1.0; 24], "operations": ["GET /users/{id}"],
    });
    let socket = json!({
        "from": "program:php", "to": "program:db", "port": "/run/db.sock", "transport": "unix", "protocol": null,
        "requests": 0, "requests_per_second": 0.0, "mean_ms": null, "p99_ms": null, "error_rate": null, "samples": 0,
    });
    json!({
        "schema": "tracer.baseline/1",
        "learned": {"host": "shop", "from": "2025-01-01T00:00:00.000Z", "until": "2025-01-01T00:01:00.000Z",
            "seconds": 60.0, "calls_left_out": 0},
        "allow": [{"from": "cron*", "to": "/^db/", "port": 5432, "transport": "tcp", "comment": "nightly"}],
        "deny": [{"port": 23}],
        "calls": [call, socket],
    })
}

/// Every value that differs in one place from `whole`, with where and how.
fn mutants(whole: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for pointer in pointers(whole, String::new()) {
        let mut change = |how: &str, change: &dyn Fn(&mut Value)| {
            let mut mutant = whole.clone();
            change(mutant.pointer_mut(&pointer).unwrap());
            if mutant != *whole {
                all.push((format!("{pointer}: {how}"), mutant));
            }
        };
        for other in [
            json!(null),
            json!(true),
            json!("text"),
            json!(-1),
            json!(1.5),
            json!(99_999),
            json!([]),
            json!({}),
            json!([1]),
        ] {
            change(&format!("becomes {other}"), &|value| *value = other.clone());
        }
        change("has a field too many", &|value| {
            if let Value::Object(fields) = value {
                fields.insert("more".to_owned(), json!(1));
            }
        });
        let keys: Vec<String> = whole
            .pointer(&pointer)
            .and_then(Value::as_object)
            .map(|it| it.keys().cloned().collect())
            .unwrap_or_default();
        for key in keys {
            change(&format!("has no {key}"), &|value| drop(value.as_object_mut().unwrap().remove(&key)));
        }
    }
    all
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let inner: Vec<String> = match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| pointers(value, format!("{at}/{key}"))).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .take(2)
            .flat_map(|(place, value)| pointers(value, format!("{at}/{place}")))
            .collect(),
        _ => Vec::new(),
    };
    std::iter::once(at).chain(inner).collect()
}

#[test]
fn the_schema_of_baselines_and_the_parser_take_and_refuse_the_same() {
    let schema = schema("baseline");
    assert_valid(&schema, &baseline());
    assert_eq!(closed(schema.clone()), schema, "a misspelt field is an error");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for (what, mutant) in mutants(&baseline()) {
        let by_parser = Baseline::parse(mutant.to_string().as_bytes());
        let by_schema = validator.is_valid(&mutant);
        assert_eq!(by_parser.is_ok(), by_schema, "{what}: {by_parser:?}");
        if by_schema { taken += 1 } else { refused += 1 }
    }
    assert!(taken > 50 && refused > 300, "{taken} taken, {refused} refused");
}

#[test]
fn what_is_learned_of_the_sample_is_a_valid_baseline() {
    let learned = Baseline::learn(&graphs::sample()).unwrap();
    assert_valid(&schema("baseline"), &serde_json::from_str(&learned.render()).unwrap());
    let read = Baseline::parse(baseline().to_string().as_bytes()).unwrap();
    assert_valid(&schema("baseline"), &serde_json::from_str(&read.render()).unwrap());
}

#[test]
fn what_a_difference_writes_is_described() {
    let older = Baseline::parse(baseline().to_string().as_bytes()).unwrap();
    let mut changed = baseline();
    changed["calls"][0]["protocol"] = json!("h2");
    changed["calls"][0]["operations"] = json!(["POST /users"]);
    changed["calls"][0]["requests"] = json!(9_000);
    changed["calls"][0]["requests_per_second"] = json!(150.0);
    changed["calls"][1]["to"] = json!("program:cache");
    changed["allow"] = json!([]);
    let newer = Baseline::parse(changed.to_string().as_bytes()).unwrap();
    let difference = Difference::of(("a", &older), ("b", &newer), true);
    let written: Value = serde_json::from_str(&difference::json(&difference)).unwrap();
    for list in ["new", "gone", "changed"] {
        assert_eq!(written[list].as_array().unwrap().len(), 1, "{list}");
    }
    assert_eq!(written["changed"][0]["changes"].as_array().unwrap().len(), 3);
    assert_valid(&closed(schema("baseline-diff")), &written);
}

#[test]
fn what_a_graph_an_alert_and_a_check_hold_is_described() {
    let of = |graph| serde_json::from_str(&Format::Json.render(&graph)).unwrap();
    for graph in [
        graphs::sample(),
        tracer_core::graph::snapshot::GraphSnapshot { services: graphs::hostile().services, ..graphs::sample() },
    ] {
        assert_valid(&closed(schema("graph")), &of(graph));
    }
    let alert = serde_json::to_value(sample::alert("2026-01-01T00:00:00.000Z")).unwrap();
    assert_valid(&closed(schema("alert")), &alert);
    let notice = Notice::group("host", vec![sample::alert("2026-01-01T00:00:00.000Z")]).remove(0);
    for (detail, notice) in [(Some("it answers 400"), Some(&notice)), (None, None)] {
        let dropped = Dropped::message("pager", Reason::Refused, detail, notice, Wall(0));
        assert_valid(&closed(schema("dropped")), &serde_json::from_str(&dropped.line()).unwrap());
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check.json");
    let check: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    assert_valid(&closed(schema("check")), &check);
}

#[test]
fn a_graph_an_alert_and_a_check_of_another_shape_are_refused() {
    let graph: Value = serde_json::from_str(&Format::Json.render(&graphs::sample())).unwrap();
    let alert = serde_json::to_value(sample::alert("2026-01-01T00:00:00.000Z")).unwrap();
    for (name, whole) in [("graph", graph), ("alert", alert)] {
        let validator = jsonschema::validator_for(&schema(name)).unwrap();
        let Some(fields) = whole.as_object() else { panic!("an object") };
        for key in fields.keys() {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&without), "{name} without {key}");
            let mut other = whole.clone();
            other[key] = json!([[true]]);
            assert!(!validator.is_valid(&other), "{name} with another {key}");
        }
    }
}

#[test]
fn a_baseline_with_every_field_that_is_cut_off_at_any_byte_is_said_to_be_and_no_flipped_bit_makes_reading_panic() {
    let whole = Baseline::parse(baseline().to_string().as_bytes()).unwrap().render();
    let whole = whole.trim_end().as_bytes();
    for cut in 0..whole.len() {
        let read = Baseline::parse(&whole[..cut]);
        assert!(matches!(read, Err(BaselineError::Truncated { .. })), "at {cut}: {read:?}");
    }
    let mut refused = 0;
    for at in 0..whole.len() * 8 {
        let mut flipped = whole.to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        match Baseline::parse(&flipped) {
            Ok(read) => assert_eq!(Baseline::parse(read.render().as_bytes()), Ok(read)),
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains(char::is_control), "{error}");
            }
        }
    }
    assert!(refused > whole.len() * 4, "{refused}");
}
