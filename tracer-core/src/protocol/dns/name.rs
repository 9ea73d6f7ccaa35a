//! What a question is about: a name, with `{id}` in place of labels that differ from query to query.
//!
//! Invariant: a label that would be a value in a path is one here; the last labels, which say whose name it is, are kept
//! before the first ones. Memory: [`LABELS`] labels and [`TEXT_BYTES`].

use super::super::http::route;

/// Labels that are kept: a name of a cluster with the domain that was searched behind it.
const LABELS: usize = 8;
/// Bytes of a name, so that type and name fit into an operation.
const TEXT_BYTES: usize = 80;
/// In place of what lies deeper.
const MORE: &str = "…";

/// A name by its labels, the first one first.
pub(super) fn template(labels: &[&[u8]]) -> String {
    let is_reverse = labels.last().is_some_and(|last| last.eq_ignore_ascii_case(b"arpa"));
    let mut parts: Vec<String> = Vec::new();
    let mut length = 0;
    for (depth, label) in labels.iter().rev().enumerate() {
        // Below `in-addr.arpa` and `ip6.arpa` lie the digits of an address (RFC 1035 §3.5, RFC 3596 §2.5).
        let part = if is_reverse && depth >= 2 { route::VALUE.to_owned() } else { part(label) };
        if part == route::VALUE && parts.last().is_some_and(|last| *last == part) {
            continue;
        }
        length += part.len() + 1;
        if parts.len() == LABELS || length > TEXT_BYTES {
            parts.push(MORE.to_owned());
            break;
        }
        parts.push(part);
    }
    parts.reverse();
    if parts.is_empty() { ".".to_owned() } else { parts.join(".") }
}

fn part(label: &[u8]) -> String {
    // What is no host's name may hold anything, also what ends a segment of a path.
    if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*')) {
        return route::VALUE.to_owned();
    }
    let mut part = String::new();
    route::push_segment(&mut part, &label.to_ascii_lowercase());
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(name: &str) -> String {
        template(&name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_kept_and_values_are_not() {
        for (name, expected) in [
            ("", "."),
            ("DB.Example.com", "db.example.com"),
            ("_http._tcp.example.com", "_http._tcp.example.com"),
            ("orders.shop.svc.cluster.local", "orders.shop.svc.cluster.local"),
            ("s3.eu-west-1.amazonaws.com", "s3.eu-west-{id}.amazonaws.com"),
            ("4.3.2.1.in-addr.arpa", "{id}.in-addr.arpa"),
            ("b.a.9.8.7.6.5.0.4.0.ip6.arpa", "{id}.ip6.arpa"),
            ("ip-10-0-0-1.ec2.internal", "{id}.ec2.internal"),
            ("9f86d081884c7d65.session.example.com", "{id}.session.example.com"),
            ("1.2.3.zen.example.org", "{id}.zen.example.org"),
            ("anna@home.example", "{id}.example"),
            ("a;b.example", "{id}.example"),
            ("a.b.c.d.e.f.g.h.i", "….b.c.d.e.f.g.h.i"),
        ] {
            assert_eq!(named(name), expected, "{name}");
        }
        let long = format!("{}.example.com", ["telephone-exchange"; 7].join("."));
        let text = named(&long);
        assert!(
            text.starts_with("….") && text.ends_with(".example.com") && text.len() <= TEXT_BYTES + MORE.len(),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn no_labels_make_a_long_name_or_one_with_other_letters(
            labels in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..64), 0..128),
        ) {
            let text = template(&labels.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert!(text.len() <= TEXT_BYTES + MORE.len());
            prop_assert!(text.chars().all(|letter| letter.is_ascii_graphic() || letter == '…'), "{}", text);
        }
    }
}
