//! What a control group allows this process: CPU quota, memory, and how often it was throttled.
//!
//! Both versions are read. A limit may stand in any group from our own up to the root of the mount, and the tightest
//! one holds; in a container our own path is often not visible, and the mount's root is our group.

use std::fs;
use std::path::PathBuf;

use units::Nanos;

/// The group of this process in the hierarchy of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cgroup {
    version: Version,
    /// Our own group first, then those above it.
    folders: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Cgroup {
    /// The group that `controller` (`cpu`, `memory`) has put this process into; `None` where there is none.
    pub(crate) fn of_process(controller: &str) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::locate(&groups, &mounts, controller)
    }

    /// As [`Cgroup::of_process`], from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
    fn locate(groups: &str, mounts: &str, controller: &str) -> Option<Self> {
        let has = |list: &str| list.split(',').any(|name| name == controller);
        // Each line is `hierarchy:controllers:path`; that of version 2 names no controller.
        let path_where = |wanted: &dyn Fn(&str) -> bool| {
            groups.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                wanted(controllers).then(|| path.to_owned())
            })
        };
        let mounts = || mounts.lines().filter_map(Mount::parse);
        let first = mounts().find(|mount| mount.kind == "cgroup" && has(mount.options));
        let (version, mount, path) = match (first, path_where(&has)) {
            (Some(mount), Some(path)) => (Version::V1, mount, path),
            _ => {
                let second = mounts().find(|mount| mount.kind == "cgroup2")?;
                (Version::V2, second, path_where(&str::is_empty)?)
            }
        };
        let below = path.strip_prefix(mount.root).unwrap_or(&path).trim_start_matches('/');
        let mut folder = PathBuf::from(mount.point);
        let mut folders = vec![folder.clone()];
        for part in below.split('/').filter(|part| !part.is_empty()) {
            folder.push(part);
            folders.push(folder.clone());
        }
        folders.reverse();
        Some(Self { version, folders })
    }

    /// The CPUs' worth of time that the tightest quota allows; `None` without one.
    pub(crate) fn cpu_quota(&self) -> Option<f64> {
        let quotas = self.folders.iter().filter_map(|folder| match self.version {
            Version::V1 => {
                let read = |name| fs::read_to_string(folder.join(name)).ok();
                quota_v1(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?)
            }
            Version::V2 => quota_v2(&fs::read_to_string(folder.join("cpu.max")).ok()?),
        });
        quotas.min_by(f64::total_cmp)
    }

    /// How long the group, or one above it, has been throttled since it was made.
    pub(crate) fn throttled(&self) -> Nanos {
        let texts = self.folders.iter().filter_map(|folder| fs::read_to_string(folder.join("cpu.stat")).ok());
        texts.map(|text| throttled(&text)).max().unwrap_or(Nanos::ZERO)
    }

    /// The bytes of memory that are left below the tightest limit; `None` without one.
    pub(crate) fn memory_left(&self) -> Option<u64> {
        let (limit, used) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            Version::V2 => ("memory.max", "memory.current"),
        };
        let left = self.folders.iter().filter_map(|folder| {
            let number = |name| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
            Some(number(limit)?.saturating_sub(number(used)?))
        });
        left.min()
    }
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 98:0 /root /point rw,noatime optional… - type source options`, see proc_pid_mountinfo(5).
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        let (root, point) = (before.next()?, before.next()?);
        let (kind, options) = (after.next()?, after.nth(1)?);
        Some(Self { root: if root == "/" { "" } else { root }, point, kind, options })
    }
}

/// `200000 100000`, or `max 100000`.
fn quota_v2(max: &str) -> Option<f64> {
    let (quota, period) = max.trim().split_once(' ')?;
    quota_v1(quota, period)
}

/// Microseconds in each period; below zero, or `max`, for none.
fn quota_v1(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

/// The throttled time in a `cpu.stat` of either version.
fn throttled(stat: &str) -> Nanos {
    let line = stat.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        let value = value.trim().parse().ok()?;
        match name {
            "throttled_time" => Some(Nanos::new(value)),
            "throttled_usec" => Some(Nanos::from_micros(value)),
            _ => None,
        }
    });
    line.unwrap_or(Nanos::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(cgroup: &Cgroup) -> Vec<&str> {
        cgroup.folders.iter().map(|folder| folder.to_str().unwrap()).collect()
    }

    #[test]
    fn the_first_version_is_found_by_its_controller() {
        let groups = "4:memory:/a/b\n1:cpu,cpuacct:/x\n0::/\n";
        let mounts = "\
            31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
        let memory = Cgroup::locate(groups, mounts, "memory").unwrap();
        assert_eq!(memory.version, Version::V1);
        let expected = ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"];
        assert_eq!(paths(&memory), expected);
        let cpu = Cgroup::locate(groups, mounts, "cpu").unwrap();
        assert_eq!(paths(&cpu), ["/sys/fs/cgroup/cpu/x", "/sys/fs/cgroup/cpu"]);
        assert_eq!(Cgroup::locate(groups, mounts, "io"), None);
    }

    #[test]
    fn the_second_version_serves_every_controller() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let cgroup = Cgroup::locate("0::/user.slice/app.scope\n", mounts, "cpu").unwrap();
        assert_eq!(cgroup.version, Version::V2);
        let expected = ["/sys/fs/cgroup/user.slice/app.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"];
        assert_eq!(paths(&cgroup), expected);
    }

    #[test]
    fn in_a_container_the_mount_is_our_own_group() {
        let mounts = "32 31 0:29 /docker/17 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
        let cgroup = Cgroup::locate("1:cpu:/docker/17\n", mounts, "cpu").unwrap();
        assert_eq!(paths(&cgroup), ["/sys/fs/cgroup/cpu"]);
    }

    #[test]
    fn quotas_of_both_versions_are_parts_of_a_cpu() {
        assert_eq!(quota_v2("150000 100000\n"), Some(1.5));
        assert_eq!(quota_v2("max 100000\n"), None);
        assert_eq!(quota_v1("50000\n", "100000\n"), Some(0.5));
        assert_eq!(quota_v1("-1\n", "100000\n"), None);
        assert_eq!(quota_v1("0", "0"), None);
    }

    #[test]
    fn throttling_is_read_in_the_unit_of_its_version() {
        assert_eq!(throttled("nr_periods 9\nnr_throttled 2\nthrottled_time 1500\n"), Nanos::new(1_500));
        assert_eq!(
            throttled("usage_usec 7\nnr_throttled 2\nthrottled_usec 1500\n"),
            Nanos::from_micros(1_500)
        );
        assert_eq!(throttled("usage_usec 7\n"), Nanos::ZERO);
    }
}
