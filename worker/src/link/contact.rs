//! The way to the controller: connections, enrolment, certificates, contents.
//!
//! Every call dials anew, so that a changed address or certificate counts from the next attempt on, and every wait has its
//! limit ([`net::deadline`]). Which attempt is made when is decided elsewhere.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use control::wire::proto::control_client::ControlClient;
use control::wire::proto::enrolment_client::EnrolmentClient;
use control::wire::{
    Assembly, AwaitingContents, CertificateGrant, CertificateRequest, ContentRef, MAX_MESSAGE_BYTES,
    TransferError, WireError, proto,
};
use control::{ContentError, ContentStore, Enrol, EnrolRefusal, Enrolled, FromController, WorkerId};
use net::WallTime;
use net::deadline::{Meter, Operation, TimeoutError, within};
use net::dial::{DialError, Dialer, Endpoint, Http2};
use net::identity::{self, Identity, RequestError};
use net::tls::{Alpn, HandshakeError, TlsError, Trust, client_config};
use tonic::{Code, Status};

use super::credentials::{Credentials, CredentialsError, Issued, Keep};

/// A connection for gRPC.
type Channel = Http2<tonic::body::Body>;

/// The way to one controller.
pub(crate) struct Contact {
    endpoint: Endpoint,
    worker: WorkerId,
    meter: Arc<Meter>,
    credentials: Mutex<Credentials>,
    keep: Mutex<Keep>,
    /// The request for a certificate that was not answered yet. It is asked again as it is: a join token pays for a
    /// request once, however often it is asked.
    asked: Mutex<Option<Arc<identity::CertificateRequest>>>,
}

/// Why a call to the controller came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContactError {
    /// There is no connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The call took too long.
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    /// The controller refused the call, or the connection broke.
    #[error("the controller at {peer} answered {}: {}", .status.code(), .status.message())]
    Status { peer: String, status: Box<Status> },
    /// The controller's answer is none.
    #[error("the controller's answer cannot be read")]
    Malformed(#[from] WireError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What the worker has to show cannot be used.
    #[error("the worker's certificate cannot be used")]
    Credentials(#[from] CredentialsError),
    /// A request for a certificate cannot be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The issued certificate cannot be kept.
    #[error("the worker's new certificate cannot be kept")]
    Keep(#[source] std::io::Error),
    /// A content did not come as it was promised.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// There is no room for a content.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Contents do not make a workload.
    #[error(transparent)]
    Assemble(#[from] control::wire::AssembleError),
    /// The controller does not take the worker.
    #[error(transparent)]
    Refused(#[from] EnrolRefusal),
}

impl ContactError {
    /// Whether trying again cannot help: one side does not believe the other.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(
                status.code(),
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::InvalidArgument
                    | Code::FailedPrecondition
            ),
            Self::Dial(DialError::Handshake { source, .. }) => !matches!(
                source,
                // Clocks, crowds and broken connections mend themselves.
                HandshakeError::Expired { .. }
                    | HandshakeError::NotYetValid { .. }
                    | HandshakeError::Closed
                    | HandshakeError::Tls(_)
                    | HandshakeError::Broken(_)
            ),
            Self::Dial(DialError::Scheme { .. }) | Self::Tls(_) | Self::Credentials(_) | Self::Keep(_) => {
                true
            }
            _ => false,
        }
    }
}

impl Contact {
    /// Leads to `endpoint`.
    pub(crate) fn new(
        endpoint: Endpoint,
        worker: WorkerId,
        meter: Arc<Meter>,
        credentials: Credentials,
        keep: Keep,
    ) -> Self {
        let (credentials, keep) = (Mutex::new(credentials), Mutex::new(keep));
        Self { endpoint, worker, meter, credentials, keep, asked: Mutex::default() }
    }

    /// Whom calls go to, for messages.
    pub(crate) fn peer(&self) -> String {
        self.endpoint.authority()
    }

    /// Limits and counts of all waits.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Opens a connection with what the worker has to show.
    ///
    /// # Errors
    /// When there is none in time, or the peers do not get along.
    pub(crate) async fn control(&self) -> Result<ControlClient<Channel>, ContactError> {
        let (trust, identity) = self.lock().to_show()?;
        let channel = self.channel(trust, identity.as_ref()).await?;
        Ok(ControlClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    async fn channel(
        &self,
        trust: Option<Trust>,
        identity: Option<&Identity>,
    ) -> Result<Channel, ContactError> {
        let tls = trust.map(|trust| client_config(&trust, identity, Alpn::Http2)).transpose()?;
        Ok(Dialer { tls, meter: Arc::clone(&self.meter) }.http2(&self.endpoint).await?)
    }

    /// Enrols, with a certificate that is asked for first where there is none.
    ///
    /// # Errors
    /// When the controller cannot be reached or does not want the worker.
    pub(crate) async fn enrol(&self, enrol: &Enrol) -> Result<Enrolled, ContactError> {
        let join = self.lock().to_join();
        if let Some((token, trust)) = join {
            self.certify(token.expose(), trust, None).await?;
        }
        let mut client = self.control().await?;
        let call = client.enrol(proto::EnrolRequest::from(enrol));
        let reply = within(&self.meter, Operation::Enrol, &self.peer(), call).await?;
        let reply = reply.map_err(|status| self.status(status))?.into_inner();
        Ok(Result::<Enrolled, EnrolRefusal>::try_from(reply)??)
    }

    /// When the certificate is to be renewed: half of its life; `None` for one that is not this worker's to renew.
    pub(crate) fn renew_at(&self) -> Option<WallTime> {
        self.lock().renew_at()
    }

    /// Renews the certificate by the present one.
    ///
    /// # Errors
    /// When the controller cannot be reached or does not renew it; the present one goes on to count.
    pub(crate) async fn renew(&self) -> Result<(), ContactError> {
        let (Some(trust), identity) = self.lock().to_show()? else { return Ok(()) };
        self.certify("", trust, identity.as_ref()).await
    }

    async fn certify(
        &self,
        token: &str,
        trust: Trust,
        identity: Option<&Identity>,
    ) -> Result<(), ContactError> {
        let request = self.request()?;
        let mut client = EnrolmentClient::new(self.channel(Some(trust.clone()), identity).await?);
        let message = CertificateRequest {
            worker: self.worker.clone(),
            join_token: token.to_owned(),
            csr_pem: request.pem().to_owned(),
        };
        let call = client.request_certificate(proto::CertificateRequest::from(&message));
        let reply = within(&self.meter, Operation::Certificate, &self.peer(), call).await?;
        let reply = reply.map_err(|status| self.status(status))?.into_inner();
        let grant = CertificateGrant::try_from(reply)?;
        let issued = Issued {
            certificate_pem: grant.certificate_pem,
            key_pem: request.key_pem(),
            authority_pem: grant.authority_pem,
        };
        let identity = issued.identity().map_err(CredentialsError::from)?;
        tracing::info!(until = %identity.facts().not_after, "certificate issued");
        // Before it counts: a token may be good for one use only.
        self.keep.lock().unwrap_or_else(PoisonError::into_inner).keep(&issued).map_err(ContactError::Keep)?;
        // What was believed so far was the controller that issued it.
        *self.lock() = Credentials::Issued { issued, trust: Some(trust) };
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// The request that is open, or a new one.
    fn request(&self) -> Result<Arc<identity::CertificateRequest>, RequestError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = &*asked {
            return Ok(Arc::clone(request));
        }
        let request = Arc::new(identity::CertificateRequest::create()?);
        *asked = Some(Arc::clone(&request));
        Ok(request)
    }

    /// Fetches what `awaiting` needs and `contents` does not have, and puts the message together.
    ///
    /// # Errors
    /// When a content cannot be fetched or is not what its digest says.
    pub(crate) async fn complete(
        &self,
        awaiting: &AwaitingContents,
        contents: &Arc<dyn ContentStore>,
    ) -> Result<FromController, ContactError> {
        let wanted = awaiting.refs.contents();
        let missing: Vec<ContentRef> =
            wanted.into_iter().filter(|content| contents.get(content.digest).is_none()).collect();
        // Held, so that the store keeps them until the message is whole.
        let mut held = Vec::new();
        if !missing.is_empty() {
            let mut client = self.control().await?;
            for content in missing {
                let fetching = self.fetch(&mut client, content);
                let bytes = within(&self.meter, Operation::Content, &self.peer(), fetching).await??;
                held.push(contents.put(bytes)?);
            }
        }
        let message = awaiting.complete(&**contents)?;
        drop(held);
        Ok(message)
    }

    async fn fetch(
        &self,
        client: &mut ControlClient<Channel>,
        content: ContentRef,
    ) -> Result<Arc<[u8]>, ContactError> {
        let mut assembly = Assembly::new(content)?;
        let reply = client.fetch(proto::FetchRequest::from(content.digest)).await;
        let mut chunks = reply.map_err(|status| self.status(status))?.into_inner();
        while let Some(chunk) = chunks.message().await.map_err(|status| self.status(status))? {
            assembly.push(&chunk)?;
        }
        Ok(assembly.finish()?)
    }

    /// What a status says, as an error.
    pub(crate) fn status(&self, status: Status) -> ContactError {
        ContactError::Status { peer: self.peer(), status: Box::new(status) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Credentials> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({})", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use net::deadline::Limits;

    use super::*;

    #[test]
    fn a_request_for_a_certificate_stays_the_same_until_it_is_answered() {
        let endpoint = "https://127.0.0.1:1".parse().unwrap();
        let (meter, keep) = (Arc::new(Meter::new(Limits::default())), Keep::nothing());
        let contact = Contact::new(endpoint, WorkerId::new("w"), meter, Credentials::Insecure, keep);
        let first = contact.request().unwrap();
        assert_eq!(contact.request().unwrap().pem(), first.pem());
    }
}
