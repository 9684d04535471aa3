//! A content in pieces.

use std::sync::Arc;

use bytes::Bytes;

use super::prepare::ContentRef;
use super::proto;
use crate::ContentDigest;
use crate::content::MAX_CONTENT_BYTES;

/// The largest piece of a content, in bytes.
pub const MAX_CHUNK_BYTES: usize = 256 << 10;

/// Cuts a content into pieces, without copying it; an empty one has none.
pub fn chunks(content: Arc<[u8]>) -> impl Iterator<Item = proto::Chunk> + Send {
    let mut rest = Bytes::from_owner(content);
    std::iter::from_fn(move || {
        let piece = rest.len().min(MAX_CHUNK_BYTES);
        (piece > 0).then(|| proto::Chunk { data: rest.split_to(piece) })
    })
}

/// Puts a content together from its pieces. Memory is taken for what came, not for what was promised.
#[derive(Debug)]
pub struct Assembly {
    wanted: ContentRef,
    bytes: Vec<u8>,
}

/// Why pieces are not the content that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// A content of this length is fetched from nobody.
    #[error("content {digest} would have {length} bytes; at most {MAX_CONTENT_BYTES} are fetched")]
    TooLarge {
        /// Its digest.
        digest: ContentDigest,
        /// The length that was promised.
        length: u64,
    },
    /// A piece is empty or too large.
    #[error("a piece of content {digest} has {length} bytes; it may have 1 to {MAX_CHUNK_BYTES}")]
    Piece {
        /// Of which content.
        digest: ContentDigest,
        /// How large it is.
        length: usize,
    },
    /// There is more of it than was promised.
    #[error("content {digest} has more than the {length} bytes that were promised")]
    TooMuch {
        /// Its digest.
        digest: ContentDigest,
        /// The length that was promised.
        length: u64,
    },
    /// It ended early.
    #[error("content {digest} ended after {found} of {length} bytes")]
    TooLittle {
        /// Its digest.
        digest: ContentDigest,
        /// The length that was promised.
        length: u64,
        /// What came.
        found: u64,
    },
    /// It is another content.
    #[error("what came as content {digest} is content {found}")]
    Another {
        /// What was wanted.
        digest: ContentDigest,
        /// What came.
        found: ContentDigest,
    },
}

impl Assembly {
    /// Waits for the pieces of `wanted`.
    ///
    /// # Errors
    /// When it is too large to be fetched at all.
    pub fn new(wanted: ContentRef) -> Result<Self, TransferError> {
        if wanted.length > MAX_CONTENT_BYTES {
            return Err(TransferError::TooLarge { digest: wanted.digest, length: wanted.length });
        }
        Ok(Self { wanted, bytes: Vec::new() })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When it is no piece, or more than is missing: the transfer cannot succeed any more.
    pub fn push(&mut self, chunk: &proto::Chunk) -> Result<(), TransferError> {
        let ContentRef { digest, length } = self.wanted;
        let piece = chunk.data.len();
        if piece == 0 || piece > MAX_CHUNK_BYTES {
            return Err(TransferError::Piece { digest, length: piece });
        }
        if (self.bytes.len() + piece) as u64 > length {
            return Err(TransferError::TooMuch { digest, length });
        }
        self.bytes.extend_from_slice(&chunk.data);
        Ok(())
    }

    /// The content, when all pieces came.
    ///
    /// # Errors
    /// When some of it is missing, or it is not what its digest says.
    pub fn finish(self) -> Result<Arc<[u8]>, TransferError> {
        let ContentRef { digest, length } = self.wanted;
        if self.bytes.len() as u64 != length {
            return Err(TransferError::TooLittle { digest, length, found: self.bytes.len() as u64 });
        }
        let found = ContentDigest::of(&self.bytes);
        if found != digest {
            return Err(TransferError::Another { digest, found });
        }
        Ok(self.bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(length: usize) -> (Arc<[u8]>, ContentRef) {
        let bytes: Arc<[u8]> = (0..length).map(|n| (n % 251) as u8).collect();
        let digest = ContentDigest::of(&bytes);
        (bytes, ContentRef { digest, length: length as u64 })
    }

    fn transferred(
        pieces: impl IntoIterator<Item = proto::Chunk>,
        wanted: ContentRef,
    ) -> Result<Arc<[u8]>, TransferError> {
        let mut assembly = Assembly::new(wanted)?;
        pieces.into_iter().try_for_each(|piece| assembly.push(&piece))?;
        assembly.finish()
    }

    #[test]
    fn a_content_comes_whole_in_pieces_of_at_most_the_limit() {
        for length in [0, 1, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 3 * MAX_CHUNK_BYTES] {
            let (bytes, wanted) = content(length);
            let pieces: Vec<_> = chunks(Arc::clone(&bytes)).collect();
            assert_eq!(pieces.len(), length.div_ceil(MAX_CHUNK_BYTES));
            assert!(pieces.iter().all(|piece| piece.data.len() <= MAX_CHUNK_BYTES));
            assert_eq!(transferred(pieces, wanted), Ok(bytes));
        }
    }

    #[test]
    fn what_is_not_the_content_is_refused() {
        let (bytes, wanted) = content(MAX_CHUNK_BYTES + 5);
        let digest = wanted.digest;
        let pieces: Vec<_> = chunks(bytes).collect();
        let length = wanted.length;
        assert_eq!(
            transferred(pieces[..1].to_vec(), wanted),
            Err(TransferError::TooLittle { digest, length, found: MAX_CHUNK_BYTES as u64 })
        );
        let again = [&pieces[..], &pieces[1..]].concat();
        assert_eq!(transferred(again, wanted), Err(TransferError::TooMuch { digest, length }));
        let (other, _) = content(5);
        let swapped = [pieces[1].clone(), pieces[0].clone()];
        assert!(matches!(transferred(swapped, wanted), Err(TransferError::Another { .. })));
        assert!(matches!(
            transferred([proto::Chunk { data: Bytes::new() }], wanted),
            Err(TransferError::Piece { length: 0, .. })
        ));
        let large = proto::Chunk { data: vec![0; MAX_CHUNK_BYTES + 1].into() };
        assert!(matches!(transferred([large], wanted), Err(TransferError::Piece { .. })));
        assert!(matches!(
            Assembly::new(ContentRef { digest: ContentDigest::of(&other), length: u64::MAX }),
            Err(TransferError::TooLarge { length: u64::MAX, .. })
        ));
    }

    #[test]
    fn no_memory_is_taken_for_a_promise() {
        let promise = ContentRef { digest: ContentDigest([0; 32]), length: MAX_CONTENT_BYTES };
        assert_eq!(Assembly::new(promise).unwrap().bytes.capacity(), 0);
    }
}
