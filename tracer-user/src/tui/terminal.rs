//! The terminal, borrowed: raw, and on its second screen, where the shell's output is not disturbed.
//!
//! Invariant: it is given back exactly once, by whatever comes first: the end, a panic, or a signal. The first SIGINT
//! or SIGTERM gives it back at once, so a second one, which ends the process on the spot, leaves a usable shell.
//! Memory: one thread that waits for signals.

use anyhow::{Context as _, Result};
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;
use std::io::{self, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The terminal while it is ours.
pub(super) struct Borrowed {
    loan: Arc<Loan>,
    signals: Handle,
    waiting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Loan {
    ours: AtomicBool,
    /// Held while a screen is drawn, so that a signal does not give the terminal back in the middle of one. A panic
    /// does not ask for it: it may be the one who draws.
    drawing: Mutex<()>,
}

impl Loan {
    fn give_back(&self) {
        if self.ours.swap(false, Ordering::SeqCst) {
            // Nothing can be done where the terminal is gone.
            let _ = execute!(stdout(), LeaveAlternateScreen, Show);
            let _ = disable_raw_mode();
        }
    }
}

impl Borrowed {
    /// Takes the terminal.
    pub(super) fn take() -> Result<Self> {
        let loan = Arc::new(Loan::default());
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]).context("take over the signals")?;
        let handle = signals.handle();
        let waiting = std::thread::Builder::new().name("signals".to_owned()).spawn({
            let loan = Arc::clone(&loan);
            move || signals.forever().for_each(|signal| on_signal(signal, &loan))
        });
        let waiting = Some(waiting.context("start the thread that waits for signals")?);
        // From here on, dropping it gives the terminal back.
        let borrowed = Self { loan, signals: handle, waiting };
        borrowed.give_back_on_panic();
        enable_raw_mode().context("cannot set up the terminal for the live table; try --output text")?;
        borrowed.loan.ours.store(true, Ordering::SeqCst);
        execute!(stdout(), EnterAlternateScreen).context("go to the second screen of the terminal")?;
        Ok(borrowed)
    }

    /// Draws, unless the terminal has been given back already.
    pub(super) fn while_ours(&self, draw: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let _drawing = self.loan.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.loan.ours.load(Ordering::SeqCst) { draw() } else { Ok(()) }
    }

    fn give_back_on_panic(&self) {
        let loan = Arc::clone(&self.loan);
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // First, or the message would vanish with the second screen.
            loan.give_back();
            tell(panic);
        }));
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.loan.give_back();
        self.signals.close();
        if let Some(Err(_)) = self.waiting.take().map(JoinHandle::join) {
            log::debug!("the thread that waited for signals had panicked");
        }
    }
}

fn on_signal(signal: i32, loan: &Loan) {
    {
        let _drawing = loan.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        loan.give_back();
    }
    // These two end the observation by the one who runs it; the others end the process, as they would without us.
    if signal != SIGINT && signal != SIGTERM {
        let _ = emulate_default_handler(signal);
    }
}
