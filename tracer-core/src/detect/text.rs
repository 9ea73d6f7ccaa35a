//! Figures as a person on call reads them: three significant digits, with a unit.
//!
//! Invariant: no number is so small or so large that it has no text; zeros at the end are left out. Memory: none.

use crate::time::Span;

/// Such as `35.2 ms`, `2.03 s`, `12 min`.
pub(super) fn span(span: Span) -> String {
    let seconds = span.as_seconds();
    if seconds < 1.0 {
        format!("{} ms", number(span.as_millis()))
    } else if seconds < 600.0 {
        format!("{} s", number(seconds))
    } else if seconds < 36_000.0 {
        format!("{} min", number(seconds / 60.0))
    } else {
        format!("{} h", number(seconds / 3_600.0))
    }
}

/// Such as `5.2 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// Such as `0.0125`, `9.5`, `120`, `12345`.
pub(super) fn number(number: f64) -> String {
    let decimals: usize = match number.abs() {
        0.0..0.01 => 6,
        0.01..0.1 => 4,
        0.1..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{number:.decimals$}");
    if decimals == 0 {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Such as `1 request`, `12 requests`.
pub(super) fn count(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_the_unit_that_fits() {
        assert_eq!(span(Span(35_249_000)), "35.2 ms");
        assert_eq!(span(Span(850_000)), "0.85 ms");
        assert_eq!(span(Span::from_millis(2_034)), "2.03 s");
        assert_eq!(span(Span::from_seconds(10)), "10 s");
        assert_eq!(span(Span::from_seconds(100)), "100 s");
        assert_eq!(span(Span::from_seconds(750)), "12.5 min");
        assert_eq!(span(Span::from_seconds(36_000)), "10 h");
        assert_eq!(percent(0.0525), "5.25 %");
        assert_eq!(number(0.0), "0");
        assert_eq!(number(0.012_5), "0.0125");
        assert_eq!(number(12_345.0), "12345");
        assert_eq!(count(1, "request"), "1 request");
        assert_eq!(count(0, "request"), "0 requests");
    }
}
