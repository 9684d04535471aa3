//! The built-in target inside this process, for scenarios that say `demo://`.

use std::io;

use scenario::BaseUrl;
use target::{Config, Target};

/// How the names of its threads begin.
pub(crate) const THREAD_NAMES: &str = "target-";

/// Starts it on a thread of its own, away from `engine_threads` (`None` for the engine's own choice) where CPUs allow.
///
/// # Errors
/// When no socket or thread can be had.
pub(crate) fn start(config: Config, engine_threads: Option<u32>) -> io::Result<Target> {
    let cpus = cpus_beside(&allowed_cpus(), engine_threads);
    Target::bind(Config { cpus, ..config })
}

/// The CPU for the target: the first, which the engine leaves free when there are more CPUs than engine threads. None
/// where it does not: the kernel then knows better.
fn cpus_beside(allowed: &[usize], engine_threads: Option<u32>) -> Vec<usize> {
    let engine = engine_threads.map_or(1, |threads| threads as usize);
    if allowed.len() > engine { allowed[..1].to_vec() } else { Vec::new() }
}

/// The URL of `target` in the form scenarios have.
pub(crate) fn url(target: &Target) -> BaseUrl {
    target.url().parse().expect("a target's URL is one that requests can go to")
}

/// A URL that stands for the built-in target where nothing is sent.
pub(crate) fn placeholder() -> BaseUrl {
    "http://127.0.0.1:80".parse().expect("this is a URL")
}

/// The CPUs this process may run on.
fn allowed_cpus() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_stays_off_the_engines_cpus_where_it_can() {
        assert_eq!(cpus_beside(&[2, 3], None), [2]);
        assert_eq!(cpus_beside(&[2, 3], Some(1)), [2]);
        assert!(cpus_beside(&[2, 3], Some(2)).is_empty());
        assert!(cpus_beside(&[2], None).is_empty());
    }
}
