//! Reading the configuration again, on `SIGHUP`.
//!
//! Invariant: a file that cannot be used changes nothing, and that is said; what takes effect only at the next start is
//! said too. A terminal that is gone sends the same signal: then the tracer is to end. Memory: two configurations.

use super::{Configuration, Places, keys, load};
use anyhow::{Context as _, Result};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracer_core::input::Settings;

/// Waits for the signal.
#[derive(Debug)]
pub(crate) struct Reload {
    asked: Arc<AtomicBool>,
    on_terminal: bool,
    places: Places,
    /// What holds.
    current: Configuration,
}

/// What follows from a signal.
#[derive(Debug)]
pub(crate) enum Reloaded {
    /// The settings that hold from now on, and what is to be said.
    Changed(Box<Settings>, Vec<String>),
    /// Nothing changes; why.
    Refused(String),
    /// There is nobody left to watch.
    HungUp,
}

impl Reload {
    /// Takes over the signal.
    pub(crate) fn on_signal(places: Places, current: Configuration) -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&asked)).context("take over SIGHUP")?;
        Ok(Self { asked, on_terminal: std::io::stdout().is_terminal(), places, current })
    }

    /// Reads the configuration again if that was asked for.
    pub(crate) fn take(&mut self) -> Option<Reloaded> {
        if !self.asked.swap(false, Ordering::Relaxed) {
            return None;
        }
        if self.on_terminal && rustix::termios::tcgetwinsize(std::io::stdout()).is_err() {
            return Some(Reloaded::HungUp);
        }
        Some(self.again())
    }

    fn again(&mut self) -> Reloaded {
        match load(&self.places) {
            Ok(new) => {
                let notes = notes(&self.current, &new);
                let settings = Box::new(new.settings());
                self.current = new;
                Reloaded::Changed(settings, notes)
            }
            Err(error) => Reloaded::Refused(format!("{error:#}")),
        }
    }
}

fn notes(old: &Configuration, new: &Configuration) -> Vec<String> {
    let from = new.path.as_ref().map_or_else(|| "without a file".to_owned(), |path| format!("from {}", path.display()));
    let mut notes = vec![format!("the configuration was read again, {from}")];
    for key in keys::keys().iter().filter(|key| !key.reloads) {
        let text = |from: &Configuration| from.values.get(&key.path()).map(|setting| setting.text.clone());
        if text(old) != text(new) {
            let now = text(new).unwrap_or_else(|| "unset".to_owned());
            notes.push(format!("{} is {now} from the next start on; what held at this start still holds", key.path()));
        }
    }
    if old.sinks != new.sinks {
        notes.push("the [[sink]] entries changed: they count from the next start on".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::detect::Knob;

    fn stalled(settings: &Settings) -> String {
        Knob::find("stalled_after").unwrap().get(settings.policy.all())
    }

    #[test]
    fn a_good_file_takes_effect_a_bad_one_changes_nothing_and_says_so_and_a_start_is_needed_for_the_rest() {
        let path = std::env::temp_dir().join(format!("tracer-reload-{}", std::process::id()));
        std::fs::write(&path, "[detect]\nstalled_after = '5s'\n").unwrap();
        let places = Places { file: Some(path.clone()), ..Places::default() };
        let current = load(&places).unwrap();
        let mut reload = Reload { asked: Arc::default(), on_terminal: false, places, current };
        assert!(reload.take().is_none());

        std::fs::write(&path, "[detect]\nstalled_after = '7s'\n[watch]\nwindow = '3s'\n").unwrap();
        reload.asked.store(true, Ordering::Relaxed);
        let Some(Reloaded::Changed(settings, notes)) = reload.take() else { panic!("not taken") };
        assert_eq!((stalled(&settings), notes.len()), ("7s".to_owned(), 2));
        assert!(notes[1].starts_with("watch.window is 3s from the next start on"), "{notes:?}");

        std::fs::write(&path, "[detect]\nstaled_after = '1s'\n").unwrap();
        let Reloaded::Refused(reason) = reload.again() else { panic!("taken") };
        assert!(reason.contains("line 2: `staled_after` is no key of [detect]; did you mean `stalled_after`?"));
        assert_eq!(stalled(&reload.current.settings()), "7s");

        std::fs::remove_file(&path).unwrap();
        assert!(matches!(reload.again(), Reloaded::Refused(_)), "a file that is gone is no empty file");
    }
}
