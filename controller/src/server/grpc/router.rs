//! From a path to the service behind it.

use std::convert::Infallible;
use std::future::ready;
use std::task::{Context, Poll};

use control::wire::proto::control_server::ControlServer;
use control::wire::proto::enrolment_server::EnrolmentServer;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use super::access::{Access, Service};
use super::calls::ControlService;
use super::enrolment::EnrolmentService;
use super::guard::{Answer, Guarded};

/// Admits requests and leads them to their service.
#[derive(Clone)]
pub(super) struct Router {
    pub(super) access: Access,
    pub(super) control: ControlServer<ControlService>,
    pub(super) enrolment: EnrolmentServer<EnrolmentService>,
    pub(super) health: HealthServer<HealthService>,
}

impl tower::Service<Request<Incoming>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Guarded;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // None of the services ever is not: what they allow at once is the listener's to bound.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Guarded {
        let answer: Answer = match self.access.admit(&mut request) {
            Ok(Service::Control) => self.control.call(request),
            Ok(Service::Enrolment) => self.enrolment.call(request),
            Ok(Service::Health) => self.health.call(request),
            Err(status) => Box::pin(ready(Ok(status.into_http()))),
        };
        Guarded(answer)
    }
}
