//! What the kernel says of the machine and of this process.
//!
//! Every reader gives nothing, zero or an empty text where a kernel does not say: these are facts for a result, and no
//! run fails for the lack of one.

use std::fs;

use control::HostFacts;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use units::Nanos;

use crate::cgroup::Cgroup;
use crate::cpus::Cpus;

/// What is worth knowing of this machine.
pub(crate) fn host_facts() -> HostFacts {
    let uname = rustix::system::uname();
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    HostFacts {
        hostname: uname.nodename().to_string_lossy().into_owned(),
        kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        cpu: cpu_name(&read("/proc/cpuinfo")).to_owned(),
        cpus_allowed: Cpus::of_process().count(),
        memory_bytes: kib_of(&read("/proc/meminfo"), "MemTotal").unwrap_or(0) * 1_024,
        clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .trim()
            .to_owned(),
    }
}

/// Bytes of memory this process may still take, on the machine and in its control group.
pub(crate) fn memory_available() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib_of(&text, "MemAvailable"));
    let group = Cgroup::of_process("memory").and_then(|cgroup| cgroup.memory_left());
    machine.map_or(u64::MAX, |kib| kib * 1_024).min(group.unwrap_or(u64::MAX))
}

/// The most memory this process held at once, in bytes.
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kib_of(&status, "VmHWM").unwrap_or(0) * 1_024
}

/// How many local ports the kernel deals out for connections to one destination.
pub(crate) fn local_ports() -> u64 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    port_count(&range).unwrap_or(28_232)
}

/// How many file handles this process may have, and how many it had been allowed before this call: the soft limit is
/// raised to the hard one.
pub(crate) fn raise_handle_limit() -> HandleLimit {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let before = current.unwrap_or(u64::MAX);
    if current == maximum {
        return HandleLimit { before, now: before };
    }
    // Refused is no harm: the soft limit stays what it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    HandleLimit { before, now: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) }
}

/// A limit on file handles, before and after it was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandleLimit {
    pub(crate) before: u64,
    pub(crate) now: u64,
}

/// Time stolen from all CPUs since the machine was started.
pub(crate) fn stolen() -> Nanos {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let tick = Nanos::SECOND.as_u64() / rustix::param::clock_ticks_per_second().max(1);
    Nanos::new(stolen_ticks(&stat).unwrap_or(0) * tick)
}

/// CPU time of those threads of this process whose name begins with `prefix`.
pub(crate) fn threads_cpu(prefix: &str) -> Nanos {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Nanos::ZERO };
    let of_thread = |folder: std::path::PathBuf| {
        let name = fs::read_to_string(folder.join("comm")).ok()?;
        if !name.starts_with(prefix) {
            return None;
        }
        first_number(&fs::read_to_string(folder.join("schedstat")).ok()?)
    };
    Nanos::new(threads.flatten().filter_map(|thread| of_thread(thread.path())).sum())
}

/// The value of `name` in a text of lines like `MemTotal:  24684096 kB`.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| first_number(line.strip_prefix(name)?.strip_prefix(':')?))
}

fn cpu_name(cpuinfo: &str) -> &str {
    let is_name = |line: &&str| line.starts_with("model name");
    let line = cpuinfo.lines().find(is_name);
    line.and_then(|line| line.split_once(':')).map_or("", |(_, name)| name.trim())
}

/// First and last, for example `32768 60999`, both ends included.
fn port_count(range: &str) -> Option<u64> {
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some((last + 1).saturating_sub(first))
}

/// `cpu  user nice system idle iowait irq softirq steal …`, see proc_stat(5).
fn stolen_ticks(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("cpu "))?.split_whitespace().nth(7)?.parse().ok()
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_texts_of_the_kernel() {
        let meminfo = "MemTotal:       24684096 kB\nMemFree:  1 kB\nMemAvailable:   23827228 kB\n";
        assert_eq!(kib_of(meminfo, "MemAvailable"), Some(23_827_228));
        assert_eq!(kib_of(meminfo, "Mem"), None);
        assert_eq!(kib_of("Name:\tx\nVmHWM:\t    2188 kB\n", "VmHWM"), Some(2_188));
        assert_eq!(port_count("32768\t60999\n"), Some(28_232));
        assert_eq!(port_count("60999 32768"), Some(0));
        assert_eq!(port_count(""), None);
        let stat = "cpu  66287 50855 19892 303986 1065 0 177 23 0 0\ncpu0 1 1 1 1 1 1 1 9 0 0\n";
        assert_eq!(stolen_ticks(stat), Some(23));
        assert_eq!(stolen_ticks("cpu  1 2 3 4\n"), None);
        assert_eq!(cpu_name("processor\t: 0\nmodel name\t: AMD EPYC\n"), "AMD EPYC");
        assert_eq!(cpu_name("processor : 0\n"), "");
        assert_eq!(first_number("93104 7 1\n"), Some(93_104));
    }

    #[test]
    fn this_machine_says_who_it_is() {
        let facts = host_facts();
        assert!(facts.cpus_allowed >= 1 && facts.memory_bytes > 0, "{facts:?}");
        assert!(facts.kernel.starts_with("Linux "), "{facts:?}");
        assert!(peak_rss_bytes() > 0 && memory_available() > 0 && local_ports() > 0);
    }

    #[test]
    fn the_limit_on_handles_is_raised_once() {
        let raised = raise_handle_limit();
        assert!(raised.now >= raised.before);
        assert_eq!(raise_handle_limit(), HandleLimit { before: raised.now, now: raised.now });
    }
}
