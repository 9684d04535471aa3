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

/// The memory this process holds, in bytes.
pub(crate) fn rss_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kib_of(&status, "VmRSS").unwrap_or(0) * 1_024
}

/// What TCP has counted since the machine was started: of all processes in this one's network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpCounters {
    /// Segments that were sent again, those that open a connection included.
    pub(crate) retransmits: u64,
    /// Segments that ask for a connection and were sent again: a target whose listener is full does not answer them.
    pub(crate) syn_retransmits: u64,
    /// Connections that were not accepted, for the most part since a listener's queue was full.
    pub(crate) listen_drops: u64,
}

impl TcpCounters {
    /// What was counted since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            retransmits: self.retransmits.saturating_sub(before.retransmits),
            syn_retransmits: self.syn_retransmits.saturating_sub(before.syn_retransmits),
            listen_drops: self.listen_drops.saturating_sub(before.listen_drops),
        }
    }
}

/// What TCP has counted so far.
pub(crate) fn tcp_counters() -> TcpCounters {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (snmp, netstat) = (read("/proc/self/net/snmp"), read("/proc/self/net/netstat"));
    let of = |text: &str, group, name| counter_of(text, group, name).unwrap_or(0);
    TcpCounters {
        retransmits: of(&snmp, "Tcp:", "RetransSegs"),
        syn_retransmits: of(&netstat, "TcpExt:", "TCPSynRetrans"),
        listen_drops: of(&netstat, "TcpExt:", "ListenDrops"),
    }
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
    each_threads_cpu(prefix).fold(Nanos::ZERO, |sum, (_, cpu)| sum.saturating_add(cpu))
}

/// The same of each of them, with its name.
pub(crate) fn each_threads_cpu(prefix: &str) -> impl Iterator<Item = (String, Nanos)> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.filter_map(move |thread| {
        let folder = thread.path();
        let name = fs::read_to_string(folder.join("comm")).ok()?;
        if !name.starts_with(prefix) {
            return None;
        }
        let cpu = first_number(&fs::read_to_string(folder.join("schedstat")).ok()?)?;
        Some((name.trim_end().to_owned(), Nanos::new(cpu)))
    })
}

/// The value of `name` in a text of pairs of lines, `Tcp: RtoMin …` and `Tcp: 200 …`, see proc_net(5).
fn counter_of(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let place = lines.next()?.split_whitespace().position(|column| column == name)?;
    lines.next()?.split_whitespace().nth(place)?.parse().ok()
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
        let snmp = "Ip: Forwarding\nIp: 1\nTcp: RtoMin InSegs RetransSegs\nTcp: 200 17 4\nUdp: A\nUdp: 9\n";
        assert_eq!(counter_of(snmp, "Tcp:", "RetransSegs"), Some(4));
        assert_eq!(counter_of(snmp, "Tcp:", "Retrans"), None);
        assert_eq!(counter_of("Tcp: RetransSegs\n", "Tcp:", "RetransSegs"), None);
    }

    #[test]
    fn the_kernels_tcp_counters_rise_only() {
        let before = tcp_counters();
        assert_eq!(before.since(&before), TcpCounters::default());
        let read = |path| fs::read_to_string(path).unwrap();
        let (snmp, netstat) = (read("/proc/self/net/snmp"), read("/proc/self/net/netstat"));
        assert!(counter_of(&snmp, "Tcp:", "RetransSegs").is_some(), "{snmp}");
        for name in ["ListenDrops", "TCPSynRetrans"] {
            assert!(counter_of(&netstat, "TcpExt:", name).is_some(), "{name} in {netstat}");
        }
        let now = tcp_counters();
        assert!(now.retransmits >= before.retransmits && now.listen_drops >= before.listen_drops);
    }

    #[test]
    fn this_machine_says_who_it_is() {
        let facts = host_facts();
        assert!(facts.cpus_allowed >= 1 && facts.memory_bytes > 0, "{facts:?}");
        assert!(facts.kernel.starts_with("Linux "), "{facts:?}");
        assert!(peak_rss_bytes() >= rss_bytes() && rss_bytes() > 0);
        assert!(memory_available() > 0 && local_ports() > 0);
    }

    #[test]
    fn the_limit_on_handles_is_raised_once() {
        let raised = raise_handle_limit();
        assert!(raised.now >= raised.before);
        assert_eq!(raise_handle_limit(), HandleLimit { before: raised.now, now: raised.now });
    }
}
