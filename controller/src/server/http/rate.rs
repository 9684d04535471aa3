//! How many requests each client may send.
//!
//! The generic cell rate algorithm (ITU-T I.371) keeps one instant for each client: when its bucket is full again. A
//! client whose instant has passed need not be kept at all, so memory is bounded by those who asked in the last moments.

use std::collections::HashMap;
use std::net::IpAddr;

use units::{Nanos, Timestamp};

/// How many requests each client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

impl Default for RateLimit {
    /// Far above what following a run takes, far below what would keep the controller from its workers.
    fn default() -> Self {
        Self { per_second: 100, burst: 200 }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// A network, whoever it is: of an IPv6 address its first 64 bits, since a host has all the others.
    Network(u128),
    /// A token.
    Token(String),
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Network(u128::from(address.to_bits())),
            // Not all zero in the upper half, so never one of the above; `::1` becomes a network of its own.
            IpAddr::V6(address) => Self::Network((address.to_bits() >> 64) << 64 | u128::from(u64::MAX)),
        }
    }
}

/// When each client's bucket is full again.
#[derive(Debug)]
pub(crate) struct Buckets {
    limit: RateLimit,
    full_at: HashMap<Client, Timestamp>,
}

impl Buckets {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, full_at: HashMap::new() }
    }

    /// Takes one request of `client` from its bucket, or says after which time there is one to take.
    pub(crate) fn take(&mut self, client: Client, now: Timestamp) -> Result<(), Nanos> {
        let each = Nanos::new(1_000_000_000 / u64::from(self.limit.per_second.max(1)));
        let depth = Nanos::new(each.as_u64().saturating_mul(u64::from(self.limit.burst.max(1))));
        if self.full_at.len() >= MAX_CLIENTS && !self.full_at.contains_key(&client) {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= MAX_CLIENTS {
                return Err(Nanos::SECOND);
            }
        }
        let full_at = self.full_at.entry(client).or_insert(now);
        let filled = (*full_at).max(now) + each;
        let limit = now + depth;
        if filled > limit {
            return Err(filled - limit);
        }
        *full_at = filled;
        Ok(())
    }
}

/// Clients at once; about 0.5 MB.
const MAX_CLIENTS: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(number: u32) -> Client {
        Client::from(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn after_its_burst_a_client_has_its_rate_and_others_are_none_the_worse() {
        let mut buckets = Buckets::new(RateLimit { per_second: 10, burst: 3 });
        let now = Timestamp::from_nanos(5_000_000_000);
        for _ in 0..3 {
            assert_eq!(buckets.take(client(1), now), Ok(()));
        }
        assert_eq!(buckets.take(client(1), now), Err(Nanos::from_millis(100)));
        assert_eq!(buckets.take(client(2), now), Ok(()));
        assert_eq!(buckets.take(client(1), now + Nanos::from_millis(99)), Err(Nanos::from_millis(1)));
        assert_eq!(buckets.take(client(1), now + Nanos::from_millis(100)), Ok(()));
    }

    #[test]
    fn as_many_clients_as_may_be_are_kept_and_those_that_rest_make_room() {
        let mut buckets = Buckets::new(RateLimit { per_second: 1, burst: 1 });
        let now = Timestamp::from_nanos(1);
        for number in 0..MAX_CLIENTS as u32 {
            assert_eq!(buckets.take(client(number), now), Ok(()));
        }
        assert!(buckets.take(client(u32::MAX), now).is_err());
        assert_eq!(buckets.full_at.len(), MAX_CLIENTS);
        assert_eq!(buckets.take(client(u32::MAX), now + Nanos::SECOND), Ok(()));
        assert_eq!(buckets.full_at.len(), 1);
    }

    #[test]
    fn the_addresses_of_one_network_are_one_client() {
        let of = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("::1"), of("0.0.0.1"));
    }

    proptest! {
        #[test]
        fn no_client_gets_more_than_its_burst_and_its_rate(
            per_second in 1u32..50, burst in 1u32..20, pauses in prop::collection::vec(0u64..300, 1..200),
        ) {
            let mut buckets = Buckets::new(RateLimit { per_second, burst });
            let began = Timestamp::from_nanos(7);
            let (mut now, mut taken) = (began, 0u64);
            for pause in pauses {
                now = now + Nanos::from_millis(pause);
                taken += u64::from(buckets.take(client(1), now).is_ok());
                let earned = (now - began).as_secs_f64() * f64::from(per_second);
                prop_assert!(taken as f64 <= f64::from(burst) + earned + 1e-3);
            }
        }
    }
}
