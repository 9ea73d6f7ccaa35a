//! Names as a picture may show them: first made visible, then quoted for the format.
//!
//! Names come from processes, files and the network, so they may hold anything. Invariant: what [`visible`] returns has
//! no character that moves the cursor, hides, or turns the direction of its neighbours, is not empty and is at most
//! [`SHOWN_CHARS`] characters long; the `quote` functions return text that cannot end the place it is written to.
//! Memory: [`SHOWN_CHARS`] characters a name.

use std::fmt::Write as _;

/// The longest name that a picture shows, in characters, the `…` of a cut one included.
pub(super) const SHOWN_CHARS: usize = 64;

/// Letters and symbols by category that are drawn as nothing: Hangul fillers and the blank Braille pattern.
const BLANK: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];

/// `name` with every character that would not be seen as itself shown as its number, such as `\u{1b}`.
///
/// Those are controls, format characters (direction, zero width, tags), separators but the space, unassigned and
/// private ones, and marks that would sit on their neighbour.
pub(crate) fn visible(name: &str) -> String {
    if name.trim().is_empty() {
        return "(no name)".to_owned();
    }
    let (mut shown, mut count) = (String::new(), 0);
    // Where to go back to for a `…` in the last place: an escape is never cut in two.
    let mut before_last = 0;
    for c in name.chars() {
        let piece = if is_plain(c) { String::from(c) } else { c.escape_unicode().to_string() };
        count += piece.chars().count();
        if count > SHOWN_CHARS {
            shown.truncate(before_last);
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
        if count < SHOWN_CHARS {
            before_last = shown.len();
        }
    }
    shown
}

/// Whether `c` is seen as itself and changes nothing around it.
pub(super) fn is_plain(c: char) -> bool {
    // The standard library's table of what is printable: what is not, it escapes with its number, or as `\n`, `\r`, `\t`, `\0`.
    matches!(c, '\\' | '\'' | '"') || (c.escape_debug().len() == 1 && !BLANK.contains(&c))
}

/// For the text of a Graphviz HTML-like label: <https://graphviz.org/doc/info/shapes.html#html>.
///
/// A backslash is doubled, because Graphviz replaces `\N`, `\G` and others in such text, too.
pub(super) fn quote_dot(visible: &str) -> String {
    let mut quoted = String::with_capacity(visible.len());
    for c in visible.chars() {
        match c {
            '&' => quoted.push_str("&amp;"),
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '"' => quoted.push_str("&quot;"),
            '\\' => quoted.push_str(r"\\"),
            _ => quoted.push(c),
        }
    }
    quoted
}

/// For a Mermaid string in double quotes: <https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters>.
///
/// Mermaid reads its strings as Markdown and HTML, after several replacements over the whole file. So every character
/// that is not a letter or a digit becomes an entity code, but for the few that have no meaning inside a word.
pub(crate) fn quote_mermaid(visible: &str) -> String {
    let mut quoted = String::with_capacity(visible.len());
    let mut before = ' ';
    let mut rest = visible.chars();
    while let Some(c) = rest.next() {
        let after = rest.clone().next().unwrap_or(' ');
        let is_harmless = match c {
            // Two spaces would become one, and four a block of code.
            ' ' => before != ' ' && after != ' ',
            // The dot of `www.` would begin a link.
            '.' => before.is_alphanumeric() && !before.eq_ignore_ascii_case(&'w') && after.is_alphanumeric(),
            '-' | '_' | '/' => before.is_alphanumeric() && after.is_alphanumeric(),
            // The port of an edge: a colon at the beginning, which no rule of Mermaid knows.
            ':' => quoted.is_empty() && after.is_ascii_digit(),
            _ => c.is_alphanumeric(),
        };
        if is_harmless {
            quoted.push(c);
        } else {
            // A space where HTML would drop it becomes one that does not break. Writing to a `String` cannot fail.
            let _ = write!(quoted, "#{};", if c == ' ' { 0xa0 } else { u32::from(c) });
        }
        // `\n` would break the line, `$$` begin a formula and `:fa-` an icon, all after the codes were decoded. A word
        // joiner, which is not seen, parts them.
        if matches!((c, after), ('\\', 'n') | ('$', '$') | (':', 'f')) {
            quoted.push_str("#8288;");
        }
        before = c;
    }
    quoted
}

/// For a YAML string in double quotes (YAML 1.2, section 5.7), as a Mermaid file begins with.
///
/// Mermaid rewrites what looks like HTML before it reads the YAML, so ASCII punctuation is written by number.
pub(crate) fn quote_yaml(visible: &str) -> String {
    let mut quoted = String::with_capacity(visible.len());
    for c in visible.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '-' | '.' | ':' | ',' | '/' | '_' | '(' | ')') {
            // Writing to a `String` cannot fail.
            let _ = write!(quoted, "\\u{:04x}", u32::from(c));
        } else {
            quoted.push(c);
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_by_number() {
        assert_eq!(visible("a\u{1b}[2Jb"), r"a\u{1b}[2Jb");
        assert_eq!(visible("\r\n\u{7}\u{9b}"), r"\u{d}\u{a}\u{7}\u{9b}");
        let hidden =
            "\u{202a}\u{202e}\u{2066}\u{2069}\u{200b}\u{200d}\u{feff}\u{2028}\u{ad}\u{e0041}\u{3164}\u{ffff}\u{0}";
        for c in hidden.chars() {
            assert_eq!(visible(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
    }

    #[test]
    fn what_can_be_seen_stays_as_it_is() {
        for name in ["nginx: worker process", "größe", "データベース", "a'b\"c\\d", "🦀"] {
            assert_eq!(visible(name), name);
        }
    }

    #[test]
    fn a_name_of_nothing_is_said_to_be_none() {
        assert_eq!(visible(""), "(no name)");
        assert_eq!(visible(" \t"), "(no name)");
    }

    #[test]
    fn a_name_as_long_as_the_limit_is_whole_and_a_longer_one_is_cut() {
        let longest = "ä".repeat(SHOWN_CHARS);
        assert_eq!(visible(&longest), longest);
        assert_eq!(visible(&format!("{longest}b")), format!("{}…", "ä".repeat(SHOWN_CHARS - 1)));
    }

    #[test]
    fn an_escape_is_never_cut_in_two() {
        for before in 50..SHOWN_CHARS {
            let shown = visible(&format!("{}\u{1b}{}", "a".repeat(before), "b".repeat(4096)));
            assert!(shown.chars().count() <= SHOWN_CHARS);
            assert!(shown.contains(r"\u{1b}") != shown.ends_with("a…"), "{shown}");
        }
    }

    #[test]
    fn each_format_quotes_what_would_end_its_text() {
        assert_eq!(quote_dot(r#"<a & "\N">"#), r"&lt;a &amp; &quot;\\N&quot;&gt;");
        assert_eq!(quote_mermaid("api-2.py"), "api-2.py");
        assert_eq!(quote_mermaid(r"\n $$ fa:fa-x"), "#92;#8288;n #36;#8288;#36; fa#58;#8288;fa-x");
        assert_eq!(quote_mermaid(":5432"), ":5432");
        assert_eq!(quote_mermaid("  a: b "), "#160;#160;a#58; b#160;");
        assert_eq!(quote_mermaid("www.a.b"), "www#46;a.b");
        assert_eq!(quote_mermaid("\"] --> `#"), "#34;#93; #45;#45;#62; #96;#35;");
        assert_eq!(quote_yaml(r#"a"\<"#), r"a\u0022\u005c\u003c");
    }
}
