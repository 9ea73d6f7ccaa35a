//! Waiting for a condition, with an end.
//!
//! Invariant: every wait has a deadline and an error that says what was waited for. Memory: none.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const STEP: Duration = Duration::from_millis(20);

/// Asks again and again until there is a value. `what` completes "waited … for".
pub(super) fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(value) = ask()? {
            return Ok(value);
        }
        if begin.elapsed() >= limit {
            bail!("waited {:.1} s for {what}, in vain", limit.as_secs_f64());
        }
        thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_never_holds_ends_in_an_error_that_names_it() {
        let error = until::<()>("the moon", Duration::ZERO, || Ok(None)).unwrap_err().to_string();
        assert!(error.contains("the moon"), "{error}");
    }

    #[test]
    fn the_condition_is_asked_until_it_holds() {
        let mut asked = 0;
        let value = until("the third time", Duration::from_secs(60), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(value.unwrap(), 3);
    }
}
