//! Worker processes on this machine, for one run: started, told apart, and ended by whoever started them.
//!
//! Each is in a process group of its own, so that a signal at the terminal reaches only the one that conducts the run.
//! Its token comes through its stdin, which also holds it: when that ends, because this process ended in whatever way,
//! the worker leaves. What it prints comes out on this console under its name.

mod process;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use net::identity::{Fingerprint, Secret};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use self::process::WorkerProcess;
use crate::args::LogFormat;
use crate::console::Console;

/// What every worker of a crew is told.
#[derive(Clone, Debug)]
pub(crate) struct CrewOptions {
    /// The controller's address for workers.
    pub(crate) join: String,
    /// With what they join.
    pub(crate) token: Secret,
    /// What they know the controller by.
    pub(crate) authority: Fingerprint,
    /// The names of the secrets that their run uses.
    pub(crate) secrets: BTreeSet<String>,
    /// A folder for what they keep.
    pub(crate) state: PathBuf,
    /// How their log lines look.
    pub(crate) log_format: LogFormat,
    /// Whether they show their numbers, each at a port of its own.
    pub(crate) is_shown: bool,
}

/// The workers; ended when dropped.
#[derive(Debug)]
pub(crate) struct Crew {
    workers: Vec<WorkerProcess>,
}

impl Crew {
    /// Starts `count` workers of the program that this process runs.
    ///
    /// # Errors
    /// When a process cannot be started; those that were are ended.
    pub(crate) fn start(count: u32, options: &CrewOptions, console: &Console) -> io::Result<Self> {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        let places = places(&cpus, count);
        let mut crew = Self { workers: Vec::new() };
        for (number, place) in (1..).zip(&places) {
            let name = format!("worker-{number}");
            // A process has the mask of the thread that starts it, from its first instruction on.
            let worker = with_mask(place, &allowed, || WorkerProcess::start(&name, place, options, console))?;
            crew.workers.push(worker);
        }
        Ok(crew)
    }

    /// Lets all go and waits for them; those that do not go in time are killed.
    pub(crate) fn end(mut self) {
        self.let_go();
    }

    fn let_go(&mut self) {
        for worker in &mut self.workers {
            worker.release();
        }
        for worker in &mut self.workers {
            worker.await_end(LEAVING);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Where one worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Its own CPUs; `None` when it shares all of them with the others.
    cpus: Option<Vec<usize>>,
    /// Its engine threads.
    threads: usize,
}

/// Deals `cpus` to `count` workers: CPUs of their own where every worker gets two or more, one for its engine and one for
/// the rest; otherwise all share all, and none is bound to any.
fn places(cpus: &[usize], count: u32) -> Vec<Place> {
    let count = count as usize;
    if cpus.len() < 2 * count {
        let threads = (cpus.len().saturating_sub(1) / count).max(1);
        return vec![Place { cpus: None, threads }; count];
    }
    let each = cpus.len() / count;
    cpus.chunks(each).take(count).map(|cpus| Place { cpus: Some(cpus.to_vec()), threads: each - 1 }).collect()
}

/// Does `work` with the mask of `place`, and takes the `usual` one again.
fn with_mask<T>(place: &Place, usual: &CpuSet, work: impl FnOnce() -> T) -> T {
    let Some(cpus) = &place.cpus else { return work() };
    let mut mask = CpuSet::new();
    cpus.iter().for_each(|cpu| mask.set(*cpu));
    // It is an aid, not a need: without it workers share CPUs.
    let is_set = sched_setaffinity(None, &mask);
    let done = work();
    if is_set.and_then(|()| sched_setaffinity(None, usual)).is_err() {
        tracing::warn!("the workers could not be kept on CPUs of their own");
    }
    done
}

/// The program that this process runs.
fn program() -> io::Result<PathBuf> {
    // Still the right one when the file was replaced meanwhile.
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// More than a worker without a run takes to go.
const LEAVING: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_have_cpus_of_their_own_only_where_each_gets_two() {
        let cpus: Vec<usize> = (4..11).collect();
        let own = places(&cpus, 3);
        assert_eq!(
            own.iter().map(|place| place.cpus.clone().unwrap()).collect::<Vec<_>>(),
            [vec![4, 5], vec![6, 7], vec![8, 9]]
        );
        assert!(own.iter().all(|place| place.threads == 1));
        assert_eq!(places(&cpus, 4), vec![Place { cpus: None, threads: 1 }; 4]);
        assert_eq!(places(&[0, 1], 3), vec![Place { cpus: None, threads: 1 }; 3]);
        assert_eq!(places(&(0..12).collect::<Vec<_>>(), 2)[1].threads, 5);
        assert_eq!(places(&(0..15).collect::<Vec<_>>(), 8)[0], Place { cpus: None, threads: 1 });
    }

    #[test]
    fn the_mask_is_back_after_a_start() {
        let usual = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|cpu| usual.is_set(*cpu)).unwrap();
        let place = Place { cpus: Some(vec![first]), threads: 1 };
        let inside = with_mask(&place, &usual, || sched_getaffinity(None).unwrap());
        assert_eq!((inside.count(), sched_getaffinity(None).unwrap()), (1, usual));
    }
}
