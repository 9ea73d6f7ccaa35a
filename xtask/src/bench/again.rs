//! Some rows measured again, among those that were kept.
//!
//! Invariant: a row takes the place of the one of the same load, tool and placement, and the page says of what commit it
//! is. Memory: the rows.

use serde::{Deserialize, Serialize};

use super::Results;
use super::machine::Machine;

/// What was measured again, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Again {
    #[serde(flatten)]
    pub(super) machine: Machine,
    pub(super) what: String,
}

/// The kept results with the rows of `new` among them.
pub(super) fn into(mut kept: Results, new: Results) -> Results {
    let overhead = new.overhead.iter().map(|row| (row.title(), row.placement.title()));
    let fine = new.fine.iter().map(|row| (row.title(), "fine mode"));
    let mut what: Vec<String> = overhead.chain(fine).map(|(title, place)| format!("{title} ({place})")).collect();
    what.extend(new.start.map(|_| "the start".to_owned()));
    what.extend(new.idle.map(|_| "the idle host".to_owned()));
    what.extend((!new.programs.is_empty()).then(|| "the kernel programs".to_owned()));
    what.dedup();
    kept.again.push(Again { machine: new.machine, what: what.join("; ") });
    for row in new.overhead {
        let same = |old: &_| key(old) == key(&row);
        replace(&mut kept.overhead, same, &row);
    }
    for row in new.fine {
        replace(&mut kept.fine, |old| (&old.load, &old.tool) == (&row.load, &row.tool), &row);
    }
    kept.start = new.start.or(kept.start);
    kept.idle = new.idle.or(kept.idle);
    if !new.programs.is_empty() {
        kept.programs = new.programs;
    }
    kept.missing.extend(new.missing);
    kept
}

fn key(row: &super::overhead::Row) -> (&str, &str, super::Placement) {
    (&row.load, &row.tool, row.placement)
}

fn replace<T: Clone>(rows: &mut Vec<T>, same: impl Fn(&T) -> bool, new: &T) {
    match rows.iter_mut().find(|row| same(row)) {
        Some(row) => row.clone_from(new),
        None => rows.push(new.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_new_is_added_and_one_that_was_there_is_replaced() {
        let mut rows = vec![("a", 1), ("b", 2)];
        replace(&mut rows, |row| row.0 == "b", &("b", 3));
        replace(&mut rows, |row| row.0 == "c", &("c", 4));
        assert_eq!(rows, [("a", 1), ("b", 3), ("c", 4)]);
    }
}
