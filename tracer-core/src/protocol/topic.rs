//! What a message is about, with names in place of values: topics (MQTT), subjects (NATS), queues (AMQP).
//!
//! Invariant: a level that looks made up by a machine becomes `{id}`, so that there are about as many texts as there are
//! kinds of messages. Memory: [`TEXT_BYTES`] for each text.

/// Bytes of a topic that are looked at.
const TEXT_BYTES: usize = 256;
/// Levels of it that are kept.
const LEVELS: usize = 8;
/// Bytes of a level that somebody may have given a name; longer ones are random.
const NAME_BYTES: usize = 32;

/// The levels of a topic, as they stand between `separators`, with values left out.
pub(super) fn template(topic: &[u8], separators: &[u8]) -> String {
    let topic = topic.get(..TEXT_BYTES).unwrap_or(topic);
    let mut text = String::new();
    for (place, level) in topic.split_inclusive(|byte| separators.contains(byte)).enumerate() {
        if place == LEVELS {
            text.push('…');
            break;
        }
        let (name, separator) = match level.split_last() {
            Some((last, name)) if separators.contains(last) => (name, Some(*last)),
            _ => (level, None),
        };
        // An inbox is made up whole, whatever it looks like.
        let is_inbox = text == "_INBOX.";
        text.push_str(&if is_inbox || is_value(name) { "{id}".into() } else { String::from_utf8_lossy(name) });
        text.extend(separator.map(char::from));
        if is_inbox {
            break;
        }
    }
    text.trim_end_matches(|last: char| text.starts_with("_INBOX.") && last == '.').to_owned()
}

/// Whether a level is a value: a number, something long, or letters and digits without order.
fn is_value(level: &[u8]) -> bool {
    let digits = level.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_hex = level.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let first = level.first().copied().unwrap_or_default();
    // A version such as `v1`, and a name with a short number such as `node2`, are names.
    (first.is_ascii_digit() && digits > 0)
        || level.len() > NAME_BYTES
        || digits >= 3
        || (is_hex && digits > 0 && level.len() >= 8)
        || !is_text(level)
        || level.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b'@')
        || changes(level) >= 5
}

fn is_text(level: &[u8]) -> bool {
    std::str::from_utf8(level).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// How often small letters, capitals and digits take turns; in a name they seldom do.
fn changes(level: &[u8]) -> usize {
    let kind = |byte: &u8| (byte.is_ascii_uppercase(), byte.is_ascii_digit());
    let pairs = level.iter().zip(level.iter().skip(1));
    let into_number =
        |(before, after): &(&u8, &u8)| kind(before) != kind(after) && level.iter().any(u8::is_ascii_digit);
    pairs.filter(into_number).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_a_topic_give_way_to_names_and_names_stay() {
        let mqtt = |text: &str| template(text.as_bytes(), b"/");
        assert_eq!(mqtt("sensors/4711/temp"), "sensors/{id}/temp");
        assert_eq!(mqtt("sensors/+/temp/#"), "sensors/+/temp/#");
        assert_eq!(mqtt("/v1/devices/3f2b8c1d-9a7e-4c55-8e1f-0123456789ab"), "/v1/devices/{id}");
        assert_eq!(mqtt("$SYS/broker/uptime"), "$SYS/broker/uptime");
        assert_eq!(mqtt("user/anna@example.com"), "user/{id}");
        assert_eq!(mqtt("a/b/c/d/e/f/g/h/i"), "a/b/c/d/e/f/g/h/…");
        let nats = |text: &str| template(text.as_bytes(), b".");
        assert_eq!(nats("_INBOX.abcdefghij.klmnop"), "_INBOX.{id}");
        assert_eq!(nats("_INBOX.abcdefghij"), "_INBOX.{id}");
        assert_eq!(nats("orders.>"), "orders.>");
        assert_eq!(nats("$JS.API.STREAM.INFO.OrderEvents"), "$JS.API.STREAM.INFO.OrderEvents");
        assert_eq!(template(b"amq.gen-Q4ty14gAOVWDyuzQg9iPM1", b".-"), "amq.gen-{id}");
    }

    #[test]
    fn a_topic_of_any_length_and_bytes_stays_short() {
        assert!(template(&[0xff; 5_000], b"/").len() <= TEXT_BYTES);
        assert!(template(&b"x/".repeat(5_000), b"/").len() <= TEXT_BYTES);
    }
}
