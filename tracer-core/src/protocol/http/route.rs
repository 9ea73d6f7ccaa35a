//! What a request is about: the path of its target, with `{id}` in place of what differs from request to request.
//!
//! Invariant: nothing of a query, of credentials, of a path's parameters, and no word that looks like a number, a hash, an
//! address or a secret is kept; what is left may still be a name that a user chose. Memory: [`SEGMENTS`] segments of
//! [`SEGMENT_BYTES`].

/// Segments of a path; what lies deeper is left out.
const SEGMENTS: usize = 8;
/// Bytes of a segment that is a name.
const SEGMENT_BYTES: usize = 48;
/// Bytes of a word of a name.
const WORD_BYTES: usize = 24;
/// Between the words of a segment. Any other byte that is no letter or digit makes the segment a value.
const SEPARATORS: &[u8] = b"-_.:()~$*!";
/// In place of a value.
pub(in super::super) const VALUE: &str = "{id}";
/// From so many bytes on, letters without digits may be a number in hexadecimal, or a secret.
const LONG_BYTES: usize = 16;

/// The route of a request.
pub(in super::super) fn route(method: &[u8], target: &[u8]) -> String {
    if method == b"CONNECT" {
        return authority(target);
    }
    let end = target.iter().position(|byte| b"?#".contains(byte)).unwrap_or(target.len());
    let path = path(target.get(..end).unwrap_or_default());
    let Some((b'/', path)) = path.split_first() else { return String::from_utf8_lossy(path).into_owned() };
    let mut route = String::new();
    for (place, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if place == SEGMENTS {
            route.push_str("/…");
            break;
        }
        route.push('/');
        push_segment(&mut route, segment);
    }
    route
}

/// Whom a tunnel leads to, without credentials.
fn authority(target: &[u8]) -> String {
    let host = target.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(byte);
    if host.iter().all(is_name) { String::from_utf8_lossy(host).to_ascii_lowercase() } else { VALUE.into() }
}

/// The path of a target that may have a scheme and an authority, as proxies are asked.
fn path(target: &[u8]) -> &[u8] {
    if matches!(target, [b'/', ..] | b"*") {
        return target;
    }
    let authority = target.windows(3).position(|window| window == b"://").and_then(|at| target.get(at + 3..));
    let authority = authority.unwrap_or_default();
    let slash = authority.iter().position(|byte| *byte == b'/');
    slash.and_then(|slash| authority.get(slash..)).unwrap_or(b"/")
}

/// A segment of a path, or what is made of words as one is.
pub(in super::super) fn push_segment(route: &mut String, segment: &[u8]) {
    // What follows a semicolon are parameters, such as the id of a session.
    let segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    // Nearly all of them: one short word without digits, which nothing below takes for a value.
    if segment.len() < LONG_BYTES && segment.iter().all(u8::is_ascii_alphabetic) {
        return push_word(route, segment);
    }
    let is_name = segment.len() <= SEGMENT_BYTES
        && segment.iter().all(|byte| byte.is_ascii_alphanumeric() || SEPARATORS.contains(byte))
        && !is_dashed_hex(segment)
        && !is_random(segment);
    let values = segment.split(|byte| SEPARATORS.contains(byte)).filter(|word| is_value(word)).count();
    if !is_name || values > 1 {
        route.push_str(VALUE);
        return;
    }
    let mut rest = segment;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| SEPARATORS.contains(byte)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if is_value(word) {
            route.push_str(VALUE);
        } else {
            push_word(route, word);
        }
        let Some((separator, after)) = after.split_first() else { break };
        route.push(char::from(*separator));
        rest = after;
    }
}

/// Letters and digits of ASCII.
fn push_word(route: &mut String, word: &[u8]) {
    route.push_str(std::str::from_utf8(word).unwrap_or(VALUE));
}

/// Whether letters and digits are no word of a language.
fn is_value(word: &[u8]) -> bool {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_hex = word.iter().all(u8::is_ascii_hexdigit);
    if word.is_empty() || is_version(word) {
        return false;
    }
    let changes = changes(word, |before, after| before.is_ascii_digit() != after.is_ascii_digit());
    digits == word.len()
        || word.len() > WORD_BYTES
        || digits >= 4
        || (is_hex && digits > 0 && word.len() >= 8)
        || (changes >= 3 && word.len() >= 5)
        || is_random(word)
}

/// Such as `v2` or `v1beta1`.
fn is_version(word: &[u8]) -> bool {
    let Some((b'v', rest)) = word.split_first() else { return false };
    let mut parts = rest.chunk_by(|before, after| before.is_ascii_digit() == after.is_ascii_digit());
    let is_number =
        |part: Option<&[u8]>| part.is_some_and(|part| part.len() <= 3 && part.iter().all(u8::is_ascii_digit));
    is_number(parts.next())
        && parts.next().is_none_or(|stage| matches!(stage, b"alpha" | b"beta" | b"rc"))
        && parts.next().is_none_or(|part| is_number(Some(part)))
        && parts.next().is_none()
}

/// A UUID, a hash, or a part of one.
fn is_dashed_hex(segment: &[u8]) -> bool {
    segment.len() >= LONG_BYTES && segment.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

/// Whether long text of base64 changes between small letters, capitals and digits more often than words that are joined do.
fn is_random(text: &[u8]) -> bool {
    if text.len() < LONG_BYTES || !text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) {
        return false;
    }
    let class = |byte: u8| (byte.is_ascii_lowercase(), byte.is_ascii_uppercase(), byte.is_ascii_digit());
    // A capital before a small letter begins a word.
    let changes = changes(text, |before, after| {
        class(before) != class(after) && !(before.is_ascii_uppercase() && after.is_ascii_lowercase())
    });
    let has = |is: fn(&u8) -> bool| text.iter().filter(|byte| is(byte)).count();
    let is_mixed = has(u8::is_ascii_lowercase) > 0 && has(u8::is_ascii_uppercase) > 0;
    is_mixed && (has(u8::is_ascii_digit) >= 2 || changes * 3 >= text.len())
}

fn changes(text: &[u8], is_change: impl Fn(u8, u8) -> bool) -> usize {
    text.iter().zip(text.iter().skip(1)).filter(|(before, after)| is_change(**before, **after)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn get(target: &str) -> String {
        route(b"GET", target.as_bytes())
    }

    #[test]
    fn names_in_a_path_are_kept() {
        for path in [
            "/",
            "/index.html",
            "/api/v1/users",
            "/apis/apps/v1beta1/deployments/",
            "/api/v10/getUserByName",
            "/oauth2/token",
            "/.well-known/openid-configuration",
            "/internationalization/base64/sha256",
            "/google.pubsub.v1.Publisher/Publish",
            "/documents:commit",
            "/odata/$metadata",
            "/a//b",
            "*",
        ] {
            assert_eq!(get(path), path);
        }
    }

    #[test]
    fn values_in_a_path_are_not() {
        for (path, expected) in [
            ("/users/42", "/users/{id}"),
            ("/users/42/orders/7", "/users/{id}/orders/{id}"),
            ("/users/550e8400-e29b-41d4-a716-446655440000", "/users/{id}"),
            ("/users/abcdefab-cdef-abcd-efab-cdefabcdefab/x", "/users/{id}/x"),
            ("/objects/507f1f77bcf86cd799439011", "/objects/{id}"),
            ("/blobs/sha256:9f86d081884c7d659a2feaa0c55ad015", "/blobs/sha256:{id}"),
            ("/ulid/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/ulid/{id}"),
            ("/users/alice@example.com", "/users/{id}"),
            ("/users/alice%40example.com", "/users/{id}"),
            ("/@alice", "/{id}"),
            ("/t/dGhpcyBpcyBh-_c2VjcmV0", "/t/{id}"),
            ("/t/c2VjcmV0cw==", "/t/{id}"),
            ("/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "/t/{id}"),
            ("/watch/dQw4w9WgXcQ", "/watch/{id}"),
            ("/orders/ord-1042", "/orders/ord-{id}"),
            ("/orders/INV-2023-0001", "/orders/{id}"),
            ("/days/2024-01-31", "/days/{id}"),
            ("/hosts/10.0.0.1", "/hosts/{id}"),
            ("/assets/app.3f2a9c1b.js", "/assets/app.{id}.js"),
            ("/assets/main-B3xK9aQz.js", "/assets/main-{id}.js"),
            ("/odata/Orders(10248)/Items", "/odata/Orders({id})/Items"),
            ("/jobs/17:cancel", "/jobs/{id}:cancel"),
            ("/caf\u{e9}", "/{id}"),
            ("/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/getMe", "/{id}/getMe"),
            ("/x;jsessionid=1A530637289A03B07199A44E8D531427/y", "/x/y"),
            ("/login?user=a&password=b", "/login"),
            ("/a#b", "/a"),
            ("http://user:secret@a.example/b/7?c", "/b/{id}"),
            ("http://a.example", "/"),
            ("http://a.example?q", "/"),
            ("/1/2/3/4/5/6/7/8/9/10", "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/…"),
        ] {
            assert_eq!(get(path), expected, "{path}");
        }
        assert_eq!(get(&format!("/{}", "abc-".repeat(20))), "/{id}");
    }

    #[test]
    fn a_tunnel_is_about_whom_it_leads_to() {
        assert_eq!(route(b"CONNECT", b"DB.example.com:443"), "db.example.com:443");
        assert_eq!(route(b"CONNECT", b"user:secret@[::1]:443"), "[::1]:443");
        assert_eq!(route(b"CONNECT", b"a%20b"), "{id}");
    }

    proptest! {
        #[test]
        fn no_target_panics_or_makes_a_long_route(target in proptest::collection::vec(any::<u8>(), 0..3_000)) {
            let target = [b"/".as_slice(), &target].concat();
            prop_assert!(route(b"GET", &target).len() <= SEGMENTS * (SEGMENT_BYTES + VALUE.len()) + "/…".len());
        }

        #[test]
        fn numbers_in_hexadecimal_are_values(number: u64) {
            prop_assert_eq!(get(&format!("/a/{number:016x}/b")), "/a/{id}/b");
        }
    }
}
