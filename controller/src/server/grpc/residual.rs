//! Facts that come after their session's authority ended.

use std::collections::BTreeMap;

use control::wire::proto;
use control::{Ack, Fact, RunId};
use net::deadline::{Meter, Operation, within};
use tonic::{Status, Streaming};

use super::access::Caller;
use super::calls::{gone, late, malformed};
use crate::server::handle::ClusterHandle;

/// Takes facts until the worker has said all of them; answers with how far each run was taken.
pub(super) async fn take(
    cluster: &ClusterHandle,
    meter: &Meter,
    caller: &Caller,
    mut facts: Streaming<proto::Fact>,
) -> Result<Vec<Ack>, Status> {
    let mut taken: BTreeMap<RunId, Ack> = BTreeMap::new();
    loop {
        let next = async {
            let Some(fact) = facts.message().await? else { return Ok(None) };
            let fact = Fact::try_from(fact).map_err(malformed)?;
            caller.may_be(&fact.worker)?;
            cluster.residual(fact).await.map_err(gone).map(Some)
        };
        match within(meter, Operation::Residual, &caller.address, next).await.map_err(late)?? {
            None => return Ok(taken.into_values().collect()),
            // Nobody knows the run: the worker learns it from what the answer does not name.
            Some(None) => {}
            Some(Some(ack)) => {
                if taken.len() == MAX_RUNS && !taken.contains_key(&ack.run_id) {
                    return Err(Status::resource_exhausted("facts of too many runs in one call"));
                }
                taken.insert(ack.run_id, ack);
            }
        }
    }
}

/// As many as the answer can name.
const MAX_RUNS: usize = 256;
