//! How many engine threads there are, and where they run.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::cgroup::Cgroup;

/// The CPUs this process may use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cpus {
    /// The affinity mask, ascending.
    allowed: Vec<usize>,
    /// The quota of its control group, in CPUs.
    quota: Option<f64>,
}

impl Cpus {
    /// What the kernel says of this process; `nproc` may say more.
    pub(crate) fn of_process() -> Self {
        let mask = sched_getaffinity(None).unwrap_or_default();
        let allowed = (0..CpuSet::MAX_CPU).filter(|cpu| mask.is_set(*cpu)).collect();
        Self { allowed, quota: Cgroup::of_process("cpu").and_then(|cgroup| cgroup.cpu_quota()) }
    }

    /// How many the process may run on.
    pub(crate) fn count(&self) -> u32 {
        self.allowed.len() as u32
    }

    /// One engine thread per CPU that mask and quota allow, less one for everything else; at least one.
    pub(crate) fn engine_threads(&self) -> u32 {
        // A started CPU of a quota is not a whole one: two threads on 1.5 CPUs would be throttled in turn.
        let quota = self.quota.map_or(u32::MAX, |cpus| cpus.floor() as u32);
        self.count().min(quota).saturating_sub(1).max(1)
    }

    /// The CPU of each of `threads` engine threads; `None` where pinning would do harm: no CPU would be left for the
    /// rest, or a quota says that others use these CPUs too.
    pub(crate) fn pins(&self, threads: u32) -> Option<&[usize]> {
        let spare = self.allowed.len().checked_sub(threads as usize)?;
        let is_shared = self.quota.is_some_and(|quota| quota < self.allowed.len() as f64);
        // The first CPU takes most interrupts, so it is the one left free.
        (spare > 0 && !is_shared).then(|| &self.allowed[spare..])
    }
}

/// Keeps the calling thread on `cpu`. Without effect when the kernel refuses: it is an aid, not a need.
pub(crate) fn pin(cpu: usize) {
    let mut mask = CpuSet::new();
    mask.set(cpu);
    if let Err(error) = sched_setaffinity(None, &mask) {
        tracing::warn!(cpu, %error, "an engine thread could not be pinned");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(allowed: &[usize], quota: Option<f64>) -> Cpus {
        Cpus { allowed: allowed.to_vec(), quota }
    }

    #[test]
    fn one_cpu_is_left_for_the_rest() {
        let check =
            |allowed: &[usize], quota, threads| assert_eq!(cpus(allowed, quota).engine_threads(), threads);
        check(&[], None, 1);
        check(&[5], None, 1);
        check(&[0, 1], None, 1);
        check(&[0, 1, 2, 3], None, 3);
        check(&[0, 1, 2, 3], Some(2.5), 1);
        check(&[0, 1, 2, 3], Some(0.5), 1);
        check(&[0, 1, 2, 3], Some(64.0), 3);
    }

    #[test]
    fn threads_are_pinned_only_where_a_cpu_is_to_spare() {
        assert_eq!(cpus(&[0, 1, 2, 3], None).pins(3), Some(&[1, 2, 3][..]));
        assert_eq!(cpus(&[4, 6], None).pins(1), Some(&[6][..]));
        assert_eq!(cpus(&[4, 6], None).pins(2), None);
        assert_eq!(cpus(&[4, 6], None).pins(9), None);
        assert_eq!(cpus(&[0], None).pins(1), None);
        assert_eq!(cpus(&[0, 1, 2, 3], Some(2.0)).pins(1), None, "others use these CPUs too");
    }

    #[test]
    fn the_kernel_allows_this_process_at_least_one() {
        assert!(Cpus::of_process().count() >= 1);
    }
}
