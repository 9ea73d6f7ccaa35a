//! Fits rows into a width: drops the columns that matter least, cuts names visibly.
//!
//! Invariant: the heading and every line are at most as wide as asked for and aligned with each other; figures are never
//! cut, they are shown or their column is not. Memory: none but the widths.

use super::row::Row;
use tracer_core::escape::cut;
use unicode_width::UnicodeWidthStr;

/// Title and least width of the figures, PORT to OPEN. Fixed, so that a live table does not tremble.
const FIGURES: [(&str, usize); 10] = [
    ("PORT", 5),
    ("REQ/S", 5),
    ("MEAN", 7),
    ("P50", 7),
    ("P90", 7),
    ("P99", 7),
    ("ERR%", 4),
    ("SENT", 6),
    ("RECV", 6),
    ("OPEN", 5),
];
/// Positions in `FIGURES`, the first to give way first: P90, RECV, SENT, OPEN, P50, MEAN, ERR%, P99, REQ/S, PORT.
const GIVING_WAY: [usize; 10] = [4, 8, 7, 9, 3, 2, 6, 5, 1, 0];
/// Columns give way until the names have this much, or up to a third of the width if they want it, and the state its.
const LEAST_CALL: usize = 24;
/// `hanging 4.2 s` fits.
const LEAST_STATE: usize = 13;
const MOST_STATE: usize = 40;
const ARROW: &str = " → ";
const GAP: usize = 2;

/// How rows are laid out in a width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    call: usize,
    /// Width of each figure, `None` for one that is not shown.
    figures: [Option<usize>; 10],
    state: usize,
}

impl Fit {
    /// The layout for `rows`, which should be those that are shown together.
    pub(crate) fn new(width: usize, rows: &[Row]) -> Self {
        let widest = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
        let mut figures = [None; 10];
        for (at, (slot, (_, least))) in figures.iter_mut().zip(FIGURES).enumerate() {
            *slot = Some(widest(&|row| row.figures.get(at).map_or(0, |text| text.width())).max(least));
        }
        let wanted = widest(&|row| row.client.width() + ARROW.width() + row.server.width()).max(LEAST_CALL);
        let state = widest(&|row| row.state.width()).clamp(LEAST_STATE, MOST_STATE);
        let taken = |figures: &[Option<usize>; 10]| figures.iter().flatten().map(|width| width + GAP).sum::<usize>();
        let names = wanted.min((width / 3).max(LEAST_CALL));
        for at in GIVING_WAY {
            if taken(&figures) + names + GAP + LEAST_STATE <= width {
                break;
            }
            if let Some(slot) = figures.get_mut(at) {
                *slot = None;
            }
        }
        let room = width.saturating_sub(taken(&figures));
        // The state may take what the names leave, and its least even where names are cut.
        let state = state.min(room.saturating_sub(wanted + GAP).max(LEAST_STATE));
        let state = if LEAST_CALL / 2 + GAP + state <= room { state } else { 0 };
        let call = room.saturating_sub(if state > 0 { state + GAP } else { 0 }).min(wanted);
        Self { call, figures, state }
    }

    /// The titles.
    pub(crate) fn heading(&self) -> String {
        let titles = FIGURES.map(|(title, _)| title);
        self.join(cut("CALL", self.call), &titles, "STATE")
    }

    /// One call.
    pub(crate) fn line(&self, row: &Row) -> String {
        let figures = row.figures.each_ref().map(String::as_str);
        self.join(ends(&row.client, &row.server, self.call), &figures, &row.state)
    }

    fn join(&self, call: String, figures: &[&str; 10], state: &str) -> String {
        let mut line = call;
        pad(&mut line, self.call);
        for (text, width) in figures.iter().zip(self.figures) {
            let Some(width) = width else { continue };
            let end = line.width() + GAP + width;
            pad(&mut line, end.saturating_sub(text.width()));
            line.push_str(text);
        }
        if self.state > 0 {
            let end = line.width() + GAP;
            pad(&mut line, end);
            line.push_str(&cut(state, self.state));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Both names in `width` columns; the longer one is cut first.
fn ends(client: &str, server: &str, width: usize) -> String {
    let room = width.saturating_sub(ARROW.width());
    let half = room / 2;
    let for_client = client.width().min(room.saturating_sub(server.width()).max(half));
    let text = format!("{}{ARROW}{}", cut(client, for_client), cut(server, room.saturating_sub(for_client)));
    cut(&text, width)
}

fn pad(line: &mut String, width: usize) {
    let missing = width.saturating_sub(line.width());
    line.extend(std::iter::repeat_n(' ', missing));
}
