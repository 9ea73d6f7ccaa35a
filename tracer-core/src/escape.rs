//! Showing names that may hold anything.
//!
//! Invariant: what is shown has no control character, no bidirectional override and nothing of no width, and is as
//! narrow as asked for. Memory: one string.

use unicode_width::UnicodeWidthChar as _;

/// `text` with everything unprintable written as in `\u{1b}`, cut with `…` to at most `columns` columns.
#[must_use]
pub fn printable(text: &str, columns: usize) -> String {
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
    if is_unprintable(character) {
        out.extend(character.escape_unicode());
    } else {
        out.push(character);
    }
}

/// Control characters (C0, DEL, C1), what has no width of its own, and what changes the direction of text
/// (Unicode Standard Annex #9).
fn is_unprintable(character: char) -> bool {
    let bidirectional =
        matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let separator = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || bidirectional || separator || columns_of(character) == 0
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

    proptest! {
        #[test]
        fn any_text_becomes_printable_and_narrow_enough(text in any::<String>(), columns in 0_usize..60) {
            let shown = printable(&text, columns);
            prop_assert!(shown.width() <= columns);
            prop_assert!(!shown.chars().any(is_unprintable));
        }
    }
}
