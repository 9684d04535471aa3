//! Who may call what.
//!
//! Every method stands in [`METHODS`] with what it needs. One that does not is refused, and a test holds the table
//! against the proto files, so that a new method has to be thought about.

use std::sync::Arc;

use control::WorkerId;
use http::Request;
use net::identity::{CertificateFacts, RevocationList};
use net::listen::Peer;
use tonic::Status;

/// What a caller has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: the method looks for itself, or tells what anybody may know.
    Nothing,
    /// A worker's certificate.
    WorkerCertificate,
}

/// A service of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Control,
    Enrolment,
    Health,
}

/// All methods: service, path, and what they need.
pub(super) const METHODS: &[(Service, &str, Needs)] = &[
    (Service::Control, "/loadgen.v1.Control/Enrol", Needs::WorkerCertificate),
    (Service::Control, "/loadgen.v1.Control/Session", Needs::WorkerCertificate),
    (Service::Control, "/loadgen.v1.Control/Heartbeat", Needs::WorkerCertificate),
    (Service::Control, "/loadgen.v1.Control/SubmitResidual", Needs::WorkerCertificate),
    (Service::Control, "/loadgen.v1.Control/Fetch", Needs::WorkerCertificate),
    // Looks at the join token, or at the certificate that is to be renewed.
    (Service::Enrolment, "/loadgen.v1.Enrolment/RequestCertificate", Needs::Nothing),
    (Service::Health, "/grpc.health.v1.Health/Check", Needs::Nothing),
    (Service::Health, "/grpc.health.v1.Health/Watch", Needs::Nothing),
];

/// Who calls, as far as it was proven: among the extensions of every request that was admitted.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The worker that the certificate names; `None` without one.
    pub(super) proven: Option<WorkerId>,
    /// From where, for people.
    pub(super) address: String,
    /// What it proved that by; `None` where nobody has certificates.
    certificate: Option<(Arc<CertificateFacts>, RevocationList)>,
}

impl Caller {
    /// Who sent a request that was admitted.
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        let caller = request.extensions().get::<Self>();
        caller.cloned().ok_or_else(|| Status::internal("the request was not admitted"))
    }

    /// Says whether the caller may speak for `worker`. Without certificates everybody may. Streams outlive revocations,
    /// so they ask this again for every message.
    pub(super) fn may_be(&self, worker: &WorkerId) -> Result<(), Status> {
        if let Some((certificate, revocations)) = &self.certificate {
            check_revocation(certificate, revocations)?;
        }
        match &self.proven {
            Some(proven) if proven != worker => {
                tracing::warn!(%proven, claimed = %worker, from = self.address, "a worker claims to be another");
                Err(Status::permission_denied(format!(
                    "the certificate is of worker {proven}, the message of {worker}; start the worker under its own name"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Decides who may call what.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// `None` where nobody has certificates.
    revocations: Option<RevocationList>,
}

impl Access {
    pub(super) fn new(revocations: Option<RevocationList>) -> Self {
        Self { revocations }
    }

    /// Lets a request in, with its [`Caller`] noted on it, and says where it goes.
    pub(super) fn admit<B>(&self, request: &mut Request<B>) -> Result<Service, Status> {
        let path = request.uri().path();
        let (service, _, needs) = *METHODS
            .iter()
            .find(|(_, known, _)| *known == path)
            .ok_or_else(|| Status::unimplemented("there is no such method; use programs of one release"))?;
        let peer = request
            .extensions()
            .get::<Peer>()
            .ok_or_else(|| Status::internal("the listener did not say who calls"))?;
        let proven = self.proven(peer)?;
        if needs == Needs::WorkerCertificate && self.revocations.is_some() && proven.is_none() {
            return Err(Status::unauthenticated("this needs a worker's certificate; join the cluster first"));
        }
        let certificate = peer.certificate.clone().zip(self.revocations.clone());
        let caller = Caller { proven, address: peer.address.to_string(), certificate };
        request.extensions_mut().insert(caller);
        Ok(service)
    }

    /// The worker that the peer proved to be. Its certificate may have been revoked since the connection was made.
    fn proven(&self, peer: &Peer) -> Result<Option<WorkerId>, Status> {
        let Some(certificate) = &peer.certificate else { return Ok(None) };
        if let Some(revocations) = &self.revocations {
            check_revocation(certificate, revocations)?;
        }
        let parsed = certificate.worker.as_deref().map(WorkerId::parse).transpose();
        parsed.map_err(|error| Status::unauthenticated(error.to_string()))
    }
}

fn check_revocation(certificate: &CertificateFacts, revocations: &RevocationList) -> Result<(), Status> {
    if revocations.covers(certificate) {
        return Err(Status::permission_denied("the certificate is revoked; ask the controller's operator"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The methods of all services in the proto files, as paths.
    fn published() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/proto/loadgen/v1");
        let mut paths = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let (mut package, mut service) = (String::new(), String::new());
            for line in text.lines() {
                let words: Vec<&str> =
                    line.split([' ', '(', ';', '{']).filter(|word| !word.is_empty()).collect();
                match words[..] {
                    ["package", name, ..] => package = name.to_owned(),
                    ["service", name, ..] => service = name.to_owned(),
                    ["rpc", name, ..] => {
                        paths.insert(format!("/{package}.{service}/{name}"));
                    }
                    _ => {}
                }
            }
        }
        paths
    }

    #[test]
    fn every_published_method_is_classified_and_every_classified_one_published() {
        let listed = METHODS.iter().filter(|(service, ..)| *service != Service::Health);
        let listed: BTreeSet<String> = listed.map(|(_, path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, published());
        assert!(listed.len() >= 6);
    }

    #[test]
    fn only_what_looks_for_itself_needs_nothing() {
        let open: Vec<&str> = METHODS
            .iter()
            .filter(|(service, _, needs)| *needs == Needs::Nothing && *service != Service::Health)
            .map(|(_, path, _)| *path)
            .collect();
        assert_eq!(open, ["/loadgen.v1.Enrolment/RequestCertificate"]);
    }
}
