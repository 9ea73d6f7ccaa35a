//! What keys do.
//!
//! Invariant: whatever is pressed, the first row shown stays within the table. Memory: none.

use super::Action;
use crate::sink::columns::{Period, Sort};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What the person watching has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) sort: Sort,
    pub(super) period: Period,
    pub(super) paused: bool,
    /// The first row shown.
    pub(super) first: usize,
    /// Rows that the last drawing had room for.
    pub(super) page: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sort: Sort::Rate, period: Period::Recent, paused: false, first: 0, page: 1 }
    }
}

impl Settings {
    /// Takes one event of the terminal.
    pub(super) fn take(&mut self, event: &Event) -> Action {
        let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return Action::Nothing };
        if *kind == KeyEventKind::Release {
            return Action::Nothing;
        }
        let control = modifiers.contains(KeyModifiers::CONTROL);
        match code {
            KeyCode::Char('c') if control => return Action::Quit,
            KeyCode::Char(_) if control => {}
            KeyCode::Char('q') | KeyCode::Esc => return Action::Quit,
            KeyCode::Up => self.first = self.first.saturating_sub(1),
            KeyCode::Down => self.first = self.first.saturating_add(1),
            KeyCode::PageUp => self.first = self.first.saturating_sub(self.page),
            KeyCode::PageDown => self.first = self.first.saturating_add(self.page),
            KeyCode::Home => self.first = 0,
            KeyCode::End => self.first = usize::MAX,
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Rate => Sort::P99,
                    Sort::P99 => Sort::Errors,
                    Sort::Errors => Sort::Name,
                    Sort::Name => Sort::Rate,
                }
            }
            KeyCode::Char('t') => {
                self.period = match self.period {
                    Period::Recent => Period::SinceStart,
                    Period::SinceStart => Period::Recent,
                }
            }
            KeyCode::Char('p') => self.paused = !self.paused,
            _ => {}
        }
        Action::Nothing
    }

    /// The first row to show of `rows` where there is room for `room`.
    pub(super) fn scroll(&mut self, rows: usize, room: usize) -> usize {
        self.page = room.max(1);
        self.first = self.first.min(rows.saturating_sub(room));
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(settings: &mut Settings, code: KeyCode) -> Action {
        settings.take(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    #[test]
    fn q_escape_and_control_c_quit_and_nothing_else_does() {
        let mut settings = Settings::default();
        assert_eq!(press(&mut settings, KeyCode::Char('q')), Action::Quit);
        assert_eq!(press(&mut settings, KeyCode::Esc), Action::Quit);
        let key = |code, modifiers| Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers));
        assert_eq!(settings.take(&key('c', KeyModifiers::CONTROL)), Action::Quit);
        assert_eq!(settings.take(&key('c', KeyModifiers::NONE)), Action::Nothing);
        assert_eq!(settings.take(&key('q', KeyModifiers::CONTROL)), Action::Nothing);
        assert_eq!(settings.take(&Event::Resize(3, 3)), Action::Nothing);
        let release = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(settings.take(&Event::Key(release)), Action::Nothing);
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn scrolling_stays_within_the_table_and_a_table_that_shrinks_pulls_it_back() {
        let mut settings = Settings::default();
        assert_eq!(press(&mut settings, KeyCode::Up), Action::Nothing);
        assert_eq!(settings.scroll(100, 10), 0);
        press(&mut settings, KeyCode::PageDown);
        press(&mut settings, KeyCode::Down);
        assert_eq!(settings.scroll(100, 10), 11);
        press(&mut settings, KeyCode::End);
        press(&mut settings, KeyCode::Down);
        assert_eq!(settings.scroll(100, 10), 90);
        press(&mut settings, KeyCode::PageUp);
        assert_eq!(settings.scroll(100, 10), 80);
        assert_eq!(settings.scroll(12, 10), 2);
        assert_eq!(settings.scroll(0, 0), 0);
        press(&mut settings, KeyCode::Home);
        assert_eq!(settings.scroll(100, 10), 0);
    }

    #[test]
    fn s_goes_round_all_orders_t_changes_the_period_and_p_pauses_and_goes_on() {
        let mut settings = Settings::default();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(settings.sort);
            press(&mut settings, KeyCode::Char('s'));
        }
        assert_eq!(seen, [Sort::Rate, Sort::P99, Sort::Errors, Sort::Name]);
        assert_eq!(settings, Settings::default());
        press(&mut settings, KeyCode::Char('t'));
        press(&mut settings, KeyCode::Char('p'));
        assert_eq!(settings, Settings { period: Period::SinceStart, paused: true, ..Settings::default() });
        press(&mut settings, KeyCode::Char('t'));
        press(&mut settings, KeyCode::Char('p'));
        assert_eq!(settings, Settings::default());
    }
}
