//! The gRPC services for workers.
//!
//! An adapter without state of its own: it checks who calls (`access.rs`), turns what comes into messages of `control`,
//! hands them to the cluster by its [`ClusterHandle`], and sends what the cluster says. What is not well-formed or not
//! the caller's own ends the call or the stream with a typed status and reaches nobody. A panic in a call is an INTERNAL
//! of that call. Every message has a limit in size, both ways, and every queue one in length.

mod access;
mod calls;
mod certificates;
mod enrolment;
mod fetch;
mod guard;
mod heartbeat;
mod link;
mod residual;
mod router;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use control::wire::MAX_MESSAGE_BYTES;
use control::wire::proto::control_server::ControlServer;
use control::wire::proto::enrolment_server::EnrolmentServer;
use net::deadline::Meter;
use net::identity::RevocationList;
use net::listen::{self, Accept, Server};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use units::Clock;

pub use certificates::{CertificateDesk, KeepLedger};

use super::handle::ClusterHandle;
use access::Access;
use calls::ControlService;
use enrolment::EnrolmentService;
use router::Router;

/// The services for workers of one controller.
pub struct WorkerApi {
    /// The way to the cluster.
    pub cluster: ClusterHandle,
    /// How callers prove who they are; `None` for `--insecure`, where they are who they say.
    pub certificates: Option<Certificates>,
    /// The controller's clock: that of the cluster.
    pub clock: Arc<dyn Clock + Send + Sync>,
    /// Limits and counts.
    pub meter: Arc<Meter>,
}

/// What there is to know of certificates.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Which count no more, also on connections that are open already.
    pub revocations: RevocationList,
    /// Who signs new ones; `None` where the operator brings certificates of another authority.
    pub desk: Option<Arc<CertificateDesk>>,
}

impl WorkerApi {
    /// Serves until `shutdown` is ready, and then until the streams have ended, as the cluster ends them, or were cut.
    /// Returns how many connections had to be cut.
    pub async fn serve(
        self,
        server: Server,
        source: impl Accept,
        shutdown: impl Future<Output = ()>,
    ) -> usize {
        let health = HealthReporter::new();
        health.set_service_status(CONTROL, ServingStatus::Serving).await;
        let router = self.router(&health);
        let ending = async {
            shutdown.await;
            leave(health).await;
        };
        listen::serve(server, source, router, ending).await
    }

    fn router(self, health: &HealthReporter) -> Router {
        let Self { cluster, certificates, clock, meter } = self;
        let access = Access::new(certificates.as_ref().map(|known| known.revocations.clone()));
        let desk = certificates.and_then(|known| known.desk);
        let control = ControlServer::new(ControlService { cluster, clock, meter: Arc::clone(&meter) });
        let enrolment = EnrolmentServer::new(EnrolmentService { desk, meter });
        let health = HealthServer::new(HealthService::from_health_reporter(health.clone()));
        Router {
            access,
            control: control
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            enrolment: enrolment
                .max_decoding_message_size(MAX_SMALL_MESSAGE)
                .max_encoding_message_size(MAX_SMALL_MESSAGE),
            health: health
                .max_decoding_message_size(MAX_SMALL_MESSAGE)
                .max_encoding_message_size(MAX_SMALL_MESSAGE),
        }
    }
}

impl fmt::Debug for WorkerApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerApi").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

/// Says that nothing is served any more, and ends the streams that would wait for other news.
async fn leave(mut health: HealthReporter) {
    for service in ["", CONTROL] {
        health.set_service_status(service, ServingStatus::NotServing).await;
        health.clear_service_status(service).await;
    }
}

/// The service's name on the wire.
const CONTROL: &str = control::wire::proto::control_server::SERVICE_NAME;
/// Bytes of a message to or from those that have proven nothing: more than a request with its token takes.
const MAX_SMALL_MESSAGE: usize = 64 << 10;
