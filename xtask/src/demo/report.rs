//! What the demo says: what it does, and the list of checks at the end.
//!
//! Invariant: a check is shown whether it holds or not. Memory: the checks.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::{Result, bail};

use super::checks::Check;
use super::stack::Stack;

/// One line for the reader.
pub(super) fn say(line: impl Display) -> Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

/// A line for each server.
pub(super) fn say_servers(stack: &Stack) -> Result<()> {
    stack.servers().try_for_each(|server| {
        say(format_args!("  {:<15} 127.0.0.1:{:<6} pid {}", server.name(), server.port(), server.pid()))
    })
}

/// The list of checks; an error if one does not hold.
pub(super) fn conclude(checks: &[Check]) -> Result<()> {
    say("\nChecks")?;
    for check in checks {
        match &check.outcome {
            Ok(found) => say(format_args!("  ok    {}: {found}", check.what))?,
            Err(wrong) => say(format_args!("  FAIL  {}: {wrong}", check.what))?,
        }
    }
    let failed = checks.iter().filter(|check| check.outcome.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} checks failed", checks.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_among_others_is_an_error() {
        let check = |outcome| Check::new("this", outcome);
        let good = || check(Ok("so it is".to_owned()));
        assert!(conclude(&[good(), good()]).is_ok());
        let error = conclude(&[good(), check(Err("not so".to_owned()))]).unwrap_err().to_string();
        assert_eq!(error, "1 of 2 checks failed");
    }
}
