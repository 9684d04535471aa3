//! Files that runs name, by the SHA-256 of their bytes: only who submits a run opens paths.

use std::sync::Arc;

use control::{ContentDigest, ContentStore as _, MemoryContents};

/// Contents that were put, in memory. When there is no room, those that no run uses go, the longest unused first.
#[derive(Debug)]
pub struct Contents {
    store: Arc<MemoryContents>,
}

/// Why a content is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is another one.
    #[error("the content has the digest {found}, not {wanted}; it was not kept")]
    Digest {
        /// What it was said to have.
        wanted: ContentDigest,
        /// What it has.
        found: ContentDigest,
    },
    /// There is no room for it.
    #[error(transparent)]
    Full(#[from] control::ContentError),
}

impl Contents {
    /// A store for at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { store: Arc::new(MemoryContents::new(limit)) }
    }

    /// Keeps a content, if it is what `digest` says. Hashes it: a second for some hundred megabytes.
    ///
    /// # Errors
    /// When it is something else, or there is no room.
    pub fn put(&self, digest: ContentDigest, bytes: &[u8]) -> Result<(), ContentError> {
        let found = ContentDigest::of(bytes);
        if found != digest {
            return Err(ContentError::Digest { wanted: digest, found });
        }
        self.store.put(bytes.into())?;
        Ok(())
    }

    /// Whether a content is kept.
    pub fn has(&self, digest: &ContentDigest) -> bool {
        self.get(digest).is_some()
    }

    /// A content, if it is kept. It is kept on for as long as somebody holds it.
    pub fn get(&self, digest: &ContentDigest) -> Option<Arc<[u8]>> {
        self.store.get(*digest)
    }

    /// Where they are kept: commands to workers name contents in it.
    pub const fn store(&self) -> &Arc<MemoryContents> {
        &self.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_kept_under_its_own_digest_only() {
        let contents = Contents::new(100);
        let (digest, other) = (ContentDigest::of(b"abc"), ContentDigest::of(b"abd"));
        assert_eq!(contents.put(digest, b"abc"), Ok(()));
        assert_eq!(contents.get(&digest).as_deref(), Some(&b"abc"[..]));
        assert_eq!(contents.put(digest, b"abd"), Err(ContentError::Digest { wanted: digest, found: other }));
        assert!(!contents.has(&other));
    }

    #[test]
    fn a_content_for_which_there_is_no_room_is_refused() {
        let contents = Contents::new(3);
        assert!(matches!(contents.put(ContentDigest::of(b"abcd"), b"abcd"), Err(ContentError::Full(_))));
    }
}
