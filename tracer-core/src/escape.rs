//! Names as they may be shown: a process, a host or a path may call itself anything, also `\x1b[2J`.
//!
//! Invariant: what comes out is one line that moves no cursor, changes no direction of writing, hides no character, and
//! is no wider than asked for. It is for the eye: a name that itself contains `\u{1b}` as text looks the same as one that
//! was escaped. Memory: one string, bounded by the width (and by the input).

use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// What stands for everything that was cut off; one column wide.
const CUT: char = '…';

/// `text` in at most `max_width` columns of a terminal.
///
/// Characters that control a terminal, turn the direction of writing, or take no column of their own are written as
/// `\u{1b}`; what does not fit is replaced by `…`, and no escape is cut in its middle. Use `usize::MAX` not to cut.
#[must_use]
pub fn printable(text: &str, max_width: usize) -> String {
    let mut shown = String::new();
    let mut width = 0_usize;
    // Where to cut, should the rest not fit: the longest beginning that leaves a column for `…`.
    let mut cut_at = 0;
    for character in text.chars() {
        let wide = push(&mut shown, character);
        if width.saturating_add(wide) > max_width {
            shown.truncate(cut_at);
            if max_width > 0 {
                shown.push(CUT);
            }
            return shown;
        }
        width = width.saturating_add(wide);
        if width < max_width {
            cut_at = shown.len();
        }
    }
    shown
}

/// Adds one character, escaped if need be; returns its columns.
fn push(shown: &mut String, character: char) -> usize {
    match character.width() {
        Some(width) if width > 0 && !is_deceptive(character) => {
            shown.push(character);
            width
        }
        _ => {
            let before = shown.len();
            // Writing to a `String` cannot fail.
            let _ = write!(shown, "{}", character.escape_unicode());
            shown.len().saturating_sub(before)
        }
    }
}

/// Characters to which a width is given though they show nothing, break the line, or turn what follows.
fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{ad}' // soft hyphen
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' // zero width
        | '\u{2028}' | '\u{2029}' // line and paragraph separator
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{fff9}'..='\u{fffb}' // interlinear annotation
        | '\u{e0000}'..='\u{e007f}') // tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn an_ordinary_name_is_left_as_it_is() {
        for name in ["", "nginx", "/usr/bin/postgres: writer", "größe", "日本", "C:\\x"] {
            assert_eq!(printable(name, usize::MAX), name);
            assert_eq!(printable(name, name.width()), name);
        }
    }

    #[test]
    fn what_commands_a_terminal_or_deceives_the_eye_is_escaped() {
        assert_eq!(printable("a\x1b[2Jb", usize::MAX), "a\\u{1b}[2Jb");
        assert_eq!(printable("\u{9b}31m\x7f\0\n", usize::MAX), "\\u{9b}31m\\u{7f}\\u{0}\\u{a}");
        assert_eq!(printable("\u{202e}gnp", usize::MAX), "\\u{202e}gnp");
        assert_eq!(printable("ro\u{200b}ot\u{feff}", usize::MAX), "ro\\u{200b}ot\\u{feff}");
        assert_eq!(printable("e\u{301}\u{2028}\u{ad}", usize::MAX), "e\\u{301}\\u{2028}\\u{ad}");
    }

    #[test]
    fn a_name_that_is_too_wide_is_cut_visibly_and_never_inside_an_escape_or_a_wide_character() {
        assert_eq!(printable("postgres", 5), "post…");
        assert_eq!(printable("postgres", 1), "…");
        assert_eq!(printable("postgres", 0), "");
        assert_eq!(printable("日本語", 5), "日本…");
        assert_eq!(printable("日本語", 4), "日…");
        assert_eq!(printable("ab\x1bcd", 7), "ab…");
        assert_eq!(printable("ab\x1b", 8), "ab\\u{1b}");
    }

    proptest! {
        #[test]
        fn nothing_that_comes_out_is_a_command_or_wider_than_asked_for(text in any::<String>(), width in 0_usize..40) {
            let shown = printable(&text, width);
            prop_assert!(shown.width() <= width, "{shown:?}");
            for character in shown.chars() {
                prop_assert!(!character.is_control() && character.width() > Some(0) && !is_deceptive(character));
            }
            prop_assert_eq!(printable(&shown, width), shown.clone(), "showing it again changes nothing");
        }

        #[test]
        fn what_fits_is_never_cut_and_what_is_cut_says_so(text in any::<String>(), width in 1_usize..40) {
            let whole = printable(&text, usize::MAX);
            let columns: usize = whole.chars().filter_map(UnicodeWidthChar::width).sum();
            let shown = printable(&text, width);
            if columns <= width {
                prop_assert_eq!(shown, whole);
            } else {
                let kept = shown.strip_suffix(CUT);
                prop_assert!(kept.is_some_and(|kept| whole.starts_with(kept)), "{:?}", shown);
            }
        }
    }
}
