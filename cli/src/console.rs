//! Standard error as one place that log lines, progress and messages share, and standard output for machines.
//!
//! The progress bar is the last line of the terminal; whatever else is printed takes its place and the bar is drawn
//! again below. A closed pipe is no reason to fail: nobody is left to read.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Standard error, shared by everything that prints there. Clones print to the same place.
#[derive(Clone)]
pub(crate) struct Console {
    inner: Arc<Mutex<Inner>>,
    look: Look,
}

/// What the terminal, if it is one, allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether stderr is a terminal, on which lines can be drawn again.
    pub(crate) terminal: bool,
    /// Whether colours are wanted.
    pub(crate) color: bool,
    /// Whether every line shall be a JSON object, as log lines are.
    pub(crate) json: bool,
}

struct Inner {
    out: Box<dyn Write + Send>,
    status: String,
}

impl Console {
    /// Standard error of this process; `no_color` is the flag, `json` whether log lines are JSON.
    pub(crate) fn stderr(no_color: bool, json: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let color = terminal && !no_color && !json && colors_allowed(|name| std::env::var(name).ok());
        Self::new(Box::new(io::stderr()), Look { terminal, color, json })
    }

    /// A console that prints to `out`.
    pub(crate) fn new(out: Box<dyn Write + Send>, look: Look) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { out, status: String::new() })), look }
    }

    /// What it allows.
    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// Columns of the terminal, or 100 where there is none.
    pub(crate) fn columns(&self) -> usize {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok().filter(|_| self.look.terminal);
        size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(100)
    }

    /// Tells the user something in a sentence: as a line, or as a log line where all are JSON.
    pub(crate) fn say(&self, sentence: &str) {
        if self.look.json {
            tracing::info!("{sentence}");
        } else {
            self.print(&format!("{sentence}\n"));
        }
    }

    /// Tells the user what went wrong, as [`say`](Self::say) does.
    pub(crate) fn complain(&self, sentence: &str) {
        if self.look.json {
            tracing::error!("{sentence}");
        } else {
            self.print(&format!("error: {sentence}\n"));
        }
    }

    /// Prints `text`, which ends with a line break.
    pub(crate) fn print(&self, text: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let status = std::mem::take(&mut inner.status);
        let erase = if status.is_empty() { "" } else { ERASE_LINE };
        let _ = inner.out.write_all(format!("{erase}{text}{status}").as_bytes());
        let _ = inner.out.flush();
        inner.status = status;
    }

    /// Shows `status` as the last line until the next one; an empty one takes it away. Only for terminals.
    pub(crate) fn status(&self, status: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.status.is_empty() && status.is_empty() {
            return;
        }
        let _ = inner.out.write_all(format!("{ERASE_LINE}{status}").as_bytes());
        let _ = inner.out.flush();
        status.clone_into(&mut inner.status);
    }
}

/// Lets log lines go through the console.
impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.print(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes `text` to standard output; a reader that has gone is not an error.
///
/// # Errors
/// When it cannot be written for another reason, for example a full disk behind a redirection.
pub(crate) fn print_to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// <https://no-color.org>: a `NO_COLOR` that is not empty switches colours off, whatever its value.
fn colors_allowed(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
        && variable("TERM").is_none_or(|term| term != "dumb")
}

const ERASE_LINE: &str = "\r\x1b[2K";

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what was written.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_take_the_place_of_the_status_which_is_drawn_again_below() {
        let paper = Paper::default();
        let console =
            Console::new(Box::new(paper.clone()), Look { terminal: true, color: false, json: false });
        console.status("50 %");
        console.print("a line\n");
        console.status("");
        console.print("the end\n");
        let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written, "\r\x1b[2K50 %\r\x1b[2Ka line\n50 %\r\x1b[2Kthe end\n");
    }

    #[test]
    fn no_color_counts_when_it_is_not_empty() {
        let check = |no_color: Option<&str>, term: Option<&str>, expected: bool| {
            let variable = |name: &str| if name == "TERM" { term } else { no_color }.map(str::to_owned);
            assert_eq!(colors_allowed(variable), expected);
        };
        check(None, Some("xterm"), true);
        check(Some(""), Some("xterm"), true);
        check(Some("0"), Some("xterm"), false);
        check(None, Some("dumb"), false);
    }
}
