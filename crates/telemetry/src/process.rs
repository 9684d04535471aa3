//! What the kernel says of this process. Where it says nothing (it is Linux' `/proc` that is read), nothing is shown.

use net::probe::Page;
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};
use units::{Clock, MonotonicClock};

use crate::catalogue as table;

/// This process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    /// Seconds since the beginning of 1970 at which it began.
    started_at: Option<f64>,
}

impl Process {
    pub(crate) fn current() -> Self {
        let now = jiff::Timestamp::now().as_nanosecond() as f64 / 1e9;
        let uptime = MonotonicClock.now().as_nanos() as f64 / 1e9;
        let started_at = started_after_boot().map(|after_boot| now - uptime + after_boot);
        Self { started_at }
    }

    /// Adds its numbers to a page.
    pub(crate) fn show(&self, page: &mut Page) {
        if let Some(started_at) = self.started_at {
            page.family(&table::PROCESS_START).sample(&[], started_at);
        }
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        page.family(&table::PROCESS_CPU).sample(&[], cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(kibibytes) = field(&status, "VmRSS:") {
            page.family(&table::PROCESS_MEMORY).sample(&[], kibibytes * 1024.0);
        }
        if let Some(threads) = field(&status, "Threads:") {
            page.family(&table::PROCESS_THREADS).sample(&[], threads);
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // One of them is the folder that is being read.
            page.family(&table::PROCESS_FILES).sample(&[], files.count().saturating_sub(1) as f64);
        }
    }
}

/// Seconds from the machine's boot to the start of the process: field 22 of `/proc/self/stat`, in ticks.
fn started_after_boot() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, which may hold anything.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Some(ticks / clock_ticks_per_second() as f64)
}

/// The number in a line of `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use net::probe::Form;

    use super::*;

    #[test]
    fn a_process_knows_its_age_its_memory_and_its_threads() {
        let mut page = Page::default();
        Process::current().show(&mut page);
        let text = String::from_utf8(page.encode(Form::Text)).unwrap();
        let number = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} in\n{text}")).parse().unwrap()
        };
        let now = jiff::Timestamp::now().as_second() as f64;
        let age = now - number("process_start_time_seconds");
        assert!((-1.0..3600.0).contains(&age), "{age} s old");
        assert!(number("process_memory_usage_bytes") > 1e5);
        assert!(number("process_threads") >= 1.0);
        assert!(number("process_open_files") >= 3.0);
        assert!(number("process_cpu_time_seconds_total") >= 0.0);
    }
}
