//! How many connections there may be, and which goes when there are too many.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use super::ListenCounts;

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// In all; 1,024.
    pub connections: usize,
    /// From one address; 512, since all workers of one machine come from one.
    pub per_address: usize,
    /// Pending ones in all; 256.
    pub pending: usize,
    /// Pending ones from one address; 128.
    pub pending_per_address: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { connections: 1024, per_address: 512, pending: 256, pending_per_address: 128 }
    }
}

/// The connections there are.
#[derive(Clone, Debug)]
pub(super) struct Admissions {
    caps: Caps,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    address: IpAddr,
    pending: bool,
    task: Option<AbortHandle>,
}

/// The right to be open, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    number: u64,
    table: Arc<Mutex<Table>>,
}

impl Admissions {
    pub(super) fn new(caps: Caps) -> Self {
        Self { caps, table: Arc::default() }
    }

    /// Admits a connection from `address`, if need be in place of the oldest pending one; `None` when there is no room.
    pub(super) fn admit(&self, address: IpAddr, counts: &ListenCounts) -> Option<Admission> {
        let mut table = lock(&self.table);
        let pending_here = table.pending().filter(|(_, open)| open.address == address).count();
        let displaced = if pending_here >= self.caps.pending_per_address {
            table.pending().find(|(_, open)| open.address == address).map(|(number, _)| *number)
        } else if table.pending().count() >= self.caps.pending {
            table.pending().next().map(|(number, _)| *number)
        } else {
            None
        };
        if let Some(open) = displaced.and_then(|number| table.open.remove(&number)) {
            counts.displaced();
            if let Some(task) = open.task {
                task.abort();
            }
        }
        let here = table.open.values().filter(|open| open.address == address).count();
        if table.open.len() >= self.caps.connections || here >= self.caps.per_address {
            counts.over_cap();
            return None;
        }
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Open { address, pending: true, task: None });
        Some(Admission { number, table: Arc::clone(&self.table) })
    }

    /// Remembers by what to end a connection that is pending.
    pub(super) fn started(&self, number: u64, task: AbortHandle) {
        if let Some(open) = lock(&self.table).open.get_mut(&number) {
            open.task = Some(task);
        }
    }
}

impl Table {
    /// Pending connections, the oldest first.
    fn pending(&self) -> impl Iterator<Item = (&u64, &Open)> {
        self.open.iter().filter(|(_, open)| open.pending)
    }
}

impl Admission {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The connection is pending no more.
    pub(super) fn established(&self) {
        if let Some(open) = lock(&self.table).open.get_mut(&self.number) {
            open.pending = false;
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        lock(&self.table).open.remove(&self.number);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { connections: 6, per_address: 4, pending: 3, pending_per_address: 2 };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn the_oldest_pending_connection_makes_room_for_a_newer_one() {
        let (admissions, counts) = (Admissions::new(CAPS), ListenCounts::default());
        let numbers = || lock(&admissions.table).pending().map(|(number, _)| *number).collect::<Vec<_>>();
        let admit = |last| admissions.admit(address(last), &counts).unwrap();
        let mut admitted: Vec<_> = [2, 1, 1, 1].map(admit).into();
        assert_eq!(numbers(), [0, 2, 3], "the third from one address displaces the first from there");
        admitted.push(admit(3));
        assert_eq!(numbers(), [2, 3, 4], "the fourth in all displaces the first of all");
        assert_eq!(counts.snapshot().displaced, 2);
        drop(admitted);
        assert!(lock(&admissions.table).open.is_empty());
    }

    #[test]
    fn established_connections_are_never_displaced_and_full_is_full() {
        let (admissions, counts) = (Admissions::new(CAPS), ListenCounts::default());
        let mut open = Vec::new();
        for last in [1, 1, 1, 1] {
            let admission = admissions.admit(address(last), &counts).unwrap();
            admission.established();
            open.push(admission);
        }
        assert!(admissions.admit(address(1), &counts).is_none(), "four from one address are enough");
        for last in [2, 3] {
            open.push(admissions.admit(address(last), &counts).unwrap());
        }
        assert!(admissions.admit(address(4), &counts).is_none(), "six are enough");
        let stats = counts.snapshot();
        assert_eq!((stats.over_cap, stats.displaced), (2, 0));
        open.pop();
        assert!(admissions.admit(address(4), &counts).is_some());
    }
}
