//! Who carries which part of a run.

use plan::{Ownership, ScenarioId, Share, ShareError};

/// Deals a run to workers by their integer `weights`, one share for each, in their order. A worker of weight 0 gets a
/// share that owns nothing.
///
/// # Errors
/// When the weights do not add up to 1 to 4,096.
pub fn shares(weights: &[u32]) -> Result<Vec<Share>, ShareError> {
    // Every scenario's table is built from the same weights: if one can be dealt, all can.
    Ownership::new(weights, ScenarioId(0))?;
    let count = weights.len() as u32;
    Ok((0..count).map(|index| Share { revision: 0, weights: weights.to_vec(), index }).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_on_one_worker_is_dealt_whole() {
        assert_eq!(shares(&[1]), Ok(vec![Share::whole()]));
    }

    #[test]
    fn weights_that_cannot_be_dealt_are_refused() {
        assert_eq!(shares(&[]), Err(ShareError::NoWeight));
        assert_eq!(shares(&[0, 0]), Err(ShareError::NoWeight));
        assert_eq!(shares(&[4_096, 1]), Err(ShareError::TooManyWeights { sum: 4_097 }));
    }

    proptest! {
        #[test]
        fn every_slot_has_exactly_one_owner(weights in prop::collection::vec(0_u32..20, 1..64), n in any::<u64>()) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let dealt = shares(&weights).unwrap();
            let owners = dealt
                .iter()
                .filter(|share| Ownership::new(&share.weights, ScenarioId(3)).unwrap().owner(n) == share.index)
                .count();
            prop_assert_eq!(owners, 1);
        }
    }
}
