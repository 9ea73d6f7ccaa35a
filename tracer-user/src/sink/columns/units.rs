//! Figures for a table: two or three digits and a unit, so that a column keeps its width while the figures change.
//!
//! Invariant: no text is wider than eight columns, whatever the number (`~` of an estimate included), and something is
//! never shown as 0. Memory: one short string.

/// What stands for a figure that is not known.
pub(crate) const ABSENT: &str = "–";

const THOUSANDS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];

/// Such as `0.3`, `12`, `1.2k`, `340k`.
pub(crate) fn amount(amount: f64) -> String {
    match amount {
        amount if !amount.is_finite() || amount < 0.0 => ABSENT.to_owned(),
        0.0 => "0".to_owned(),
        amount if amount < 0.05 => "<0.1".to_owned(),
        amount if amount < 999.5 => digits(amount),
        amount => scaled(amount, &THOUSANDS),
    }
}

/// Such as `0`, `12`, `1.2k`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn count(count: u64) -> String {
    if count < 1_000 { count.to_string() } else { scaled(count as f64, &THOUSANDS) }
}

/// Such as `999 B`, `1.3 MB`; powers of 1000.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    scaled(bytes as f64, &[" kB", " MB", " GB", " TB", " PB", " EB"])
}

/// Such as `820 µs`, `3.4 ms`, `12 s`, `7.5 min`, `30 h`, `4 d`; an estimate as `~3.4 ms`.
pub(crate) fn millis(millis: f64, estimated: bool) -> String {
    let text = match millis {
        millis if !millis.is_finite() || millis < 0.0 => return ABSENT.to_owned(),
        millis if millis < 0.000_5 => "<1 µs".to_owned(),
        millis if millis < 0.999_5 => format!("{} µs", digits(millis * 1e3)),
        millis if millis < 999.5 => format!("{} ms", digits(millis)),
        millis if millis < 99_500.0 => format!("{} s", digits(millis / 1e3)),
        millis if millis < 3_570_000.0 => format!("{} min", digits(millis / 6e4)),
        millis if millis < 171_000_000.0 => format!("{} h", digits(millis / 3.6e6)),
        millis if millis < 8.64e10 => format!("{} d", digits(millis / 8.64e7)),
        _ => ">999 d".to_owned(),
    };
    if estimated { format!("~{text}") } else { text }
}

/// A share of one as a percentage without its sign, such as `0.5`, `100`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // 99.9 % is not 100 %.
    if percent > 99.5 && percent < 100.0 { "99".to_owned() } else { amount(percent) }
}

/// One decimal below ten, none from there on.
fn digits(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}").trim_end_matches(".0").to_owned() } else { format!("{number:.0}") }
}

/// A number of at least a thousand, with the unit that leaves one to three digits.
fn scaled(number: f64, units: &[&str]) -> String {
    let mut scaled = number;
    for unit in units {
        scaled /= 1e3;
        if scaled < 999.5 {
            return format!("{}{unit}", digits(scaled));
        }
    }
    format!(">999{}", units.last().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn figures_have_few_digits_and_the_unit_that_fits() {
        assert_eq!(amount(0.0), "0");
        assert_eq!(amount(0.004), "<0.1");
        assert_eq!(amount(0.3), "0.3");
        assert_eq!(amount(12.4), "12");
        assert_eq!(amount(1_240.0), "1.2k");
        assert_eq!(amount(999.7), "1k");
        assert_eq!(amount(999_600.0), "1M");
        assert_eq!(count(999), "999");
        assert_eq!(count(340_000), "340k");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_300_000), "1.3 MB");
        assert_eq!(bytes(u64::MAX), "18 EB");
        assert_eq!(millis(0.82, false), "820 µs");
        assert_eq!(millis(3.4, true), "~3.4 ms");
        assert_eq!(millis(999.7, false), "1 s");
        assert_eq!(millis(90_000.0, false), "90 s");
        assert_eq!(millis(450_000.0, false), "7.5 min");
        assert_eq!(percent(0.0), "0");
        assert_eq!(percent(0.005), "0.5");
        assert_eq!(percent(1.0), "100");
    }

    #[test]
    fn something_is_not_nothing_almost_all_is_not_all_and_nonsense_is_absent() {
        assert_eq!(percent(0.000_01), "<0.1");
        assert_eq!(percent(0.999_9), "99");
        assert_eq!(millis(0.000_1, false), "<1 µs");
        assert_eq!(amount(f64::NAN), ABSENT);
        assert_eq!(amount(-1.0), ABSENT);
        assert_eq!(millis(f64::INFINITY, true), ABSENT);
    }

    #[test]
    fn no_figure_is_wider_than_its_column() {
        for exponent in -90..300 {
            for factor in [1.0, 1.04, 2.5, 9.4, 9.6, 9.949, 9.96, 9.994, 9.999] {
                let number = factor * 10_f64.powf(f64::from(exponent) / 10.0);
                let widths = [amount(number), percent(number), millis(number, true)].map(|text| text.width());
                assert!(widths.into_iter().zip([5, 5, 8]).all(|(width, most)| width <= most), "{number}: {widths:?}");
            }
        }
        for shift in 0..64 {
            assert!(bytes(u64::MAX >> shift).width() <= 6 && count(u64::MAX >> shift).width() <= 5);
        }
    }
}
