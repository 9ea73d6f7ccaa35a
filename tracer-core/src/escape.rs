//! Showing names that may hold anything.
//!
//! Invariant: what is shown has no control character, no bidirectional override and nothing of no width, and is as
//! narrow as asked for; different names that fit are shown differently. Memory: one string of the width asked for,
//! however long the name is.

use unicode_width::UnicodeWidthChar as _;

/// `text` with everything unprintable written as in `\u{1b}` and the backslash as `\\`, cut with `…` to at most
/// `columns` columns.
#[must_use]
pub fn printable(text: &str, columns: usize) -> String {
    fit(text, columns, escape)
}

/// As [`printable`], for a text put together from printable parts: it is cut and not written out again.
#[must_use]
pub fn cut(printable: &str, columns: usize) -> String {
    fit(printable, columns, |character, out| out.push(character))
}

fn fit(text: &str, columns: usize, escape: fn(char, &mut String)) -> String {
    let mut shown = String::new();
    let mut width = 0_usize;
    // Where to cut, should the rest not fit.
    let mut cut = 0_usize;
    let mut buffer = String::new();
    for character in text.chars() {
        buffer.clear();
        escape(character, &mut buffer);
        width += buffer.chars().map(columns_of).sum::<usize>();
        if width > columns {
            shown.truncate(cut);
            if columns > 0 {
                shown.push('…');
            }
            return shown;
        }
        shown.push_str(&buffer);
        if width < columns {
            cut = shown.len();
        }
    }
    shown
}

/// Adds a character, written out if it cannot be shown.
pub fn escape(character: char, out: &mut String) {
    if character == '\\' {
        // Or a name could spell what another one holds.
        out.push_str("\\\\");
    } else if is_unprintable(character) {
        out.extend(character.escape_unicode());
    } else {
        out.push(character);
    }
}

/// JSON with everything unprintable in its strings written as in `\u001b` (RFC 8259 §7): the same to who reads it.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    let mut units = [0; 2];
    for character in json.chars() {
        if is_unprintable(character) {
            character.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters (C0, DEL, C1), what has no width of its own, and what changes the direction of text
/// (Unicode Standard Annex #9).
fn is_unprintable(character: char) -> bool {
    let bidirectional =
        matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Separators of lines and paragraphs; a filler of Hangul and marks of annotations, which are drawn as nothing.
    let invisible = matches!(character, '\u{2028}' | '\u{2029}' | '\u{115f}' | '\u{fff9}'..='\u{fffb}');
    character.is_control() || bidirectional || invisible || columns_of(character) == 0
}

fn columns_of(character: char) -> usize {
    character.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    #[test]
    fn what_cannot_be_shown_is_written_out_and_the_rest_is_left() {
        assert_eq!(printable("a\x1b[2J\r\n\u{202e}é日", 80), "a\\u{1b}[2J\\u{d}\\u{a}\\u{202e}é日");
        assert_eq!(printable("zero\u{200b}width", 80), "zero\\u{200b}width");
    }

    #[test]
    fn what_is_too_wide_is_cut_visibly() {
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdefg", 6), "abcde…");
        assert_eq!(printable("日本語", 5), "日本…");
        assert_eq!(printable("ab\x1bc", 5), "ab…");
        assert_eq!(printable("ab", 0), "");
    }

    #[test]
    fn a_line_of_printable_parts_is_cut_and_not_written_out_again() {
        assert_eq!(cut(&printable("a\\\x1b", 20), 20), "a\\\\\\u{1b}");
        assert_eq!(cut("abcdefg", 6), "abcde…");
    }

    #[test]
    fn what_is_drawn_as_nothing_is_written_out_whatever_its_width_is_said_to_be() {
        for nothing in ['\u{ad}', '\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}', '\u{fff9}', '\u{e0041}', '\u{feff}'] {
            assert!(printable(&nothing.to_string(), 20).starts_with("\\u{"), "{:x}", u32::from(nothing));
        }
    }

    /// Names that spell escapes, and names that hold what these stand for.
    fn hostile() -> impl Strategy<Value = String> {
        let character = prop::sample::select(vec!['\\', '\x1b', 'u', '{', '1', 'b', '}', '…', '\u{202e}', '\u{1f1e6}']);
        prop::collection::vec(character, 0..6).prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn different_names_that_fit_are_shown_differently(one in hostile(), other in hostile()) {
            prop_assert_eq!(one == other, printable(&one, 80) == printable(&other, 80));
        }

        #[test]
        fn any_hostile_name_is_narrow_enough_however_characters_combine(name in hostile(), columns in 0_usize..20) {
            prop_assert!(printable(&name, columns).width() <= columns);
        }

        #[test]
        fn any_text_becomes_printable_and_narrow_enough(text in any::<String>(), columns in 0_usize..60) {
            let shown = printable(&text, columns);
            prop_assert!(shown.width() <= columns);
            prop_assert!(!shown.chars().any(is_unprintable));
        }
    }
}
