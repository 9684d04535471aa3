//! The service that hands out certificates.

use std::sync::Arc;

use control::wire::proto::enrolment_server::Enrolment;
use control::wire::{CertificateRequest, proto};
use net::WallTime;
use net::deadline::{Meter, Operation, within};
use tonic::{Request, Response, Status};

use super::access::Caller;
use super::calls::{late, malformed};
use super::certificates::{CertificateDesk, CertifyError};

/// What certifies workers, if anything does.
pub(super) struct EnrolmentService {
    pub(super) desk: Option<Arc<CertificateDesk>>,
    pub(super) meter: Arc<Meter>,
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn request_certificate(
        &self,
        request: Request<proto::CertificateRequest>,
    ) -> Result<Response<proto::CertificateGrant>, Status> {
        let caller = Caller::of(&request)?;
        let desk = self.desk.clone().ok_or_else(|| {
            Status::failed_precondition(
                "this controller signs no certificates: it runs with `--insecure` or with certificates of its operator's",
            )
        })?;
        let request = CertificateRequest::try_from(request.into_inner()).map_err(malformed)?;
        let (worker, address) = (request.worker.clone(), caller.address.clone());
        // It writes down that the token was used, and signs.
        let certifying = tokio::task::spawn_blocking(move || {
            desk.certify(&request, caller.proven.as_ref(), WallTime::now())
        });
        let certified =
            within(&self.meter, Operation::Certificate, &address, certifying).await.map_err(late)?;
        match certified.map_err(|_| Status::internal("the certificate could not be made"))? {
            Ok(grant) => {
                tracing::info!(%worker, from = address, "certificate handed out");
                Ok(Response::new((&grant).into()))
            }
            Err(error) => {
                tracing::warn!(%worker, from = address, %error, "no certificate handed out");
                Err(refused(&error))
            }
        }
    }
}

fn refused(error: &CertifyError) -> Status {
    let why = error.to_string();
    match error {
        CertifyError::Token(_) => Status::unauthenticated(why),
        CertifyError::Revoked(_) | CertifyError::Renewal { .. } => Status::permission_denied(why),
        CertifyError::Request(_) => Status::invalid_argument(why),
        CertifyError::Keep(_) => Status::unavailable(why),
    }
}
