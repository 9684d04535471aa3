//! Panics as log lines.
//!
//! A user's task may panic ten thousand times a second, is caught each time and counted in the result; only the first
//! few are worth a line.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU32, Ordering};

/// Logs panics from now on, the first [`TOLD`] of them.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let before = TOLD_SO_FAR.fetch_add(1, Ordering::Relaxed);
        if before < TOLD {
            tracing::error!("{}", describe(info));
        } else if before == TOLD {
            tracing::error!("further panics are not logged");
        }
    }));
}

/// What a panic said.
pub(crate) fn payload_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    format!("thread `{thread}` panicked{place}: {}", payload_text(info.payload()))
}

const TOLD: u32 = 5;
static TOLD_SO_FAR: AtomicU32 = AtomicU32::new(0);
