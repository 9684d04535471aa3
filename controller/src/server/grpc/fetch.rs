//! Contents by their digest, for workers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use control::ContentDigest;
use control::wire::proto;
use tokio_stream::Stream;
use tonic::Status;

use crate::server::contents::Contents;

/// A content in pieces.
pub(super) struct Fetched {
    content: Arc<[u8]>,
    sent: usize,
}

/// The content that a worker asks for.
pub(super) fn fetched(contents: &Contents, request: &proto::FetchRequest) -> Result<Fetched, Status> {
    let digest = <[u8; 32]>::try_from(request.digest.as_ref())
        .map(ContentDigest)
        .map_err(|_| Status::invalid_argument("`digest` of `FetchRequest` has not 32 bytes"))?;
    let content = contents
        .get(&digest)
        .ok_or_else(|| Status::not_found(format!("there is no content {digest} (any more)")))?;
    Ok(Fetched { content, sent: 0 })
}

impl Stream for Fetched {
    type Item = Result<proto::Chunk, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let rest = &self.content[self.sent..];
        let piece = &rest[..rest.len().min(PIECE)];
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        let (data, len) = (Bytes::copy_from_slice(piece), piece.len());
        self.sent += len;
        Poll::Ready(Some(Ok(proto::Chunk { data })))
    }
}

/// The most bytes of a piece that the protocol allows.
const PIECE: usize = 256 << 10;
