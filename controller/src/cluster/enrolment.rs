//! How workers come.

use control::{Enrol, EnrolRefusal, Enrolled, LeaseToken, ProtocolVersions, WorkerId};
use units::{Nanos, Timestamp};

use super::authority::CHECK;
use super::member::{Inheritance, Member, Standing};
use super::{Cluster, ClusterOutput};
use crate::run::Peer;

impl Cluster {
    /// Takes a worker in. `proven` is the name in its certificate, where certificates are used. A session that enrols again
    /// before its first beat, because the answer was lost, gets the same answer; another life of the worker takes over.
    ///
    /// # Errors
    /// When it cannot take part.
    pub fn enrol(
        &mut self,
        now: Timestamp,
        proven: Option<&WorkerId>,
        mut enrol: Enrol,
        out: &mut Vec<ClusterOutput>,
    ) -> Result<Enrolled, EnrolRefusal> {
        self.advance(now);
        if self.is_shutting_down {
            return Err(EnrolRefusal::ShuttingDown);
        }
        check_name(&enrol.worker, proven)?;
        let spoken = ProtocolVersions::SPOKEN;
        let refusal = EnrolRefusal::Version { worker: enrol.versions, controller: spoken };
        let version = spoken.in_common(enrol.versions).ok_or(refusal)?;
        enrol.weight = enrol.weight.clamp(1, MOST_WEIGHT);

        let known = self.members.get(&enrol.worker);
        let is_repetition = known.is_some_and(|known| {
            known.is_live() && known.enrol.session == enrol.session && known.beat.is_none()
        });
        let token = match known {
            Some(known) if is_repetition => known.token,
            _ => {
                let is_live = known.is_some_and(Member::is_live);
                let live = self.members.values().filter(|member| member.is_live()).count();
                if !is_live && live >= self.options.max_workers as usize {
                    return Err(EnrolRefusal::Full { limit: self.options.max_workers });
                }
                self.take_in(enrol, out)
            }
        };
        self.settle(out);
        let Self { options, .. } = self;
        Ok(Enrolled { cluster: options.cluster, epoch: options.epoch, token, version, lease: options.lease })
    }

    /// Grants a worker a new token, after taking away the one it has.
    fn take_in(&mut self, enrol: Enrol, out: &mut Vec<ClusterOutput>) -> LeaseToken {
        let worker = enrol.worker.clone();
        let before = self.members.get(&worker).filter(|known| known.is_live()).map(Member::peer);
        let mut heir_to = None;
        if let Some(from) = before {
            let is_same_life = from.session == enrol.session;
            let why = if is_same_life {
                "its lease had ended: it enrolled again".to_owned()
            } else {
                format!("another life of it ({}) took over", enrol.session)
            };
            let run = self.disarm(&worker, Standing::Lost { since: self.now }, out);
            let until = self.now + INHERITANCE;
            let inheritance = run.map(|run| Inheritance { run, from, why, until });
            // One life takes part in a run once: only another one can go on.
            if is_same_life {
                self.give_up(inheritance, out);
            } else {
                heir_to = inheritance;
            }
        }
        // With a new grant comes a new stream: what was said on the old one shall not come after it.
        let peer = Peer::new(worker.clone(), enrol.session);
        if let Some(link) = self.streams.get(&peer).copied() {
            self.close(link, out);
        }
        let token = self.next_token();
        self.members.insert(worker, Member { heir_to, ..Member::new(self.now, enrol, token) });
        self.make_room();
        self.next_check = self.next_check.min(self.now + CHECK);
        token
    }

    /// Forgets those that are away for longest when there are too many of them.
    fn make_room(&mut self) {
        while self.members.len() > 2 * self.options.max_workers as usize {
            let away = self.members.iter().filter_map(|(name, member)| Some((member.away_since()?, name)));
            let Some(longest) = away.min().map(|(_, name)| name.clone()) else { return };
            self.members.remove(&longest);
        }
    }
}

/// A worker is called by a plain name, and where certificates are used by the one in its own.
fn check_name(worker: &WorkerId, proven: Option<&WorkerId>) -> Result<(), EnrolRefusal> {
    // What it is called by is whatever it liked to send.
    let refuse = |why: String| {
        Err(EnrolRefusal::Name { name: worker.as_str().escape_debug().take(LONGEST_NAME).collect(), why })
    };
    match (WorkerId::parse(worker.as_str()), proven.filter(|proven| *proven != worker)) {
        (Err(error), _) => refuse(error.to_string()),
        (Ok(_), Some(proven)) => refuse(format!("its certificate is that of `{proven}`")),
        (Ok(_), None) => Ok(()),
    }
}

/// As long as a label of a host name.
const LONGEST_NAME: usize = 63;
/// Of one worker against the others; any number of threads is less.
const MOST_WEIGHT: u32 = 1_024;
/// How long a new life of a worker may take from its enrolment to its stream before its share is given away.
const INHERITANCE: Nanos = Nanos::from_secs(2);
