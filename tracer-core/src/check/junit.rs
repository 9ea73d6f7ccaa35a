//! The judgement as `JUnit` XML, as Jenkins, `GitLab` and the reporters of GitHub read it: a test case for each call.
//!
//! Invariant: an unexpected or missing call is a failure, doubt is an error of a case of its own, a call that was not
//! judged is skipped; names are escaped by the library, which leaves out what XML cannot hold. Memory: the text.

use super::{Judged, Judgement, Report, text};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

/// Why there is no XML.
#[derive(Debug, thiserror::Error)]
#[error("write JUnit XML")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The report.
///
/// # Errors
/// None that are known.
pub fn junit(report: &Report) -> Result<String, JunitError> {
    let mut suite = TestSuite::new("calls");
    suite.add_test_cases(report.calls.iter().map(case));
    let mut observed = TestCase::new("the observation is complete", TestCaseStatus::success());
    if !report.doubts.is_empty() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("doubt").set_message(report.doubts.join("; "));
        observed.status = status;
    }
    observed.set_classname("tracer");
    suite.add_test_case(observed);
    let mut whole = quick_junit::Report::new("tracer check");
    whole.add_test_suite(suite);
    // The two characters that the library lets pass and XML does not hold (XML 1.0 §2.2).
    Ok(whole.to_string()?.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"))
}

fn case(call: &Judged) -> TestCase {
    let status = match call.judgement {
        Judgement::Expected => TestCaseStatus::success(),
        Judgement::Unjudged => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("an end of it is not identified");
            status
        }
        Judgement::Unexpected | Judgement::Missing => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let (kind, message) = match call.judgement {
                Judgement::Missing => ("missing-call", "expected, and was not seen".to_owned()),
                _ => ("unexpected-call", message(call)),
            };
            status.set_type(kind).set_message(message);
            if let Some(allow) = &call.allow {
                status
                    .set_description(format!("if it is expected, add to the list \"allow\" of the baseline:\n{allow}"));
            }
            status
        }
    };
    let mut case = TestCase::new(text::named(call), status);
    case.set_classname(&call.from);
    case
}

fn message(call: &Judged) -> String {
    let client = call.evidence.as_ref().and_then(|evidence| evidence.client.as_ref());
    let by = client.map(|client| format!(" by pid {}: {}", client.pid, client.command_line)).unwrap_or_default();
    let word = call.denied.as_ref().map_or_else(|| "unexpected".to_owned(), |denied| format!("denied ({denied})"));
    format!("{word}: {} connections, {} requests{by}", call.connections, call.requests)
}
