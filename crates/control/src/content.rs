//! Contents by their digest: documents, bodies and certificates, wherever they were read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ContentDigest;

/// The largest content, in bytes: a document or a file of a workload.
pub const MAX_CONTENT_BYTES: u64 = 64 << 20;

/// A content and its name. As long as somebody has its bytes, a store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Its SHA-256.
    pub digest: ContentDigest,
    /// What it is.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({}, {} bytes)", self.digest, self.bytes.len())
    }
}

/// Where contents are kept by their digest, on both sides.
pub trait ContentStore: Send + Sync {
    /// Keeps a content. The one given back shares its bytes with the store.
    ///
    /// # Errors
    /// When there is no room for it.
    fn put(&self, bytes: Arc<[u8]>) -> Result<Content, ContentError>;

    /// A content, when it is there.
    fn get(&self, digest: ContentDigest) -> Option<Arc<[u8]>>;
}

/// Why a content cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is larger than any may be.
    #[error("a content of {length} bytes is too large; it may have {MAX_CONTENT_BYTES}")]
    TooLarge {
        /// Its length.
        length: usize,
    },
    /// Contents in use leave too little room.
    #[error("no room for a content of {length} bytes: of {limit} bytes, {in_use} are in use by runs")]
    Full {
        /// Its length.
        length: usize,
        /// The most bytes that are kept.
        limit: usize,
        /// The bytes of contents that somebody uses.
        in_use: usize,
    },
}

/// Contents in memory, up to a number of bytes: what was not asked for the longest goes first, but nothing that
/// somebody else still has the bytes of.
pub struct MemoryContents {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: BTreeMap<ContentDigest, Entry>,
    bytes: usize,
    /// Rises with every use.
    uses: u64,
}

struct Entry {
    bytes: Arc<[u8]>,
    last_use: u64,
}

impl MemoryContents {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that can panic runs under it half way through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        write!(f, "MemoryContents({} contents, {} of {} bytes)", kept.entries.len(), kept.bytes, self.limit)
    }
}

impl ContentStore for MemoryContents {
    /// # Cost
    /// One SHA-256, unless it has these very bytes already, in the same memory.
    fn put(&self, bytes: Arc<[u8]>) -> Result<Content, ContentError> {
        let length = bytes.len();
        if length as u64 > MAX_CONTENT_BYTES {
            return Err(ContentError::TooLarge { length });
        }
        if let Some(content) = self.kept().same_memory(&bytes) {
            return Ok(content);
        }
        // Not under the lock: a large content takes a tenth of a second.
        let digest = ContentDigest::of(&bytes);
        let mut kept = self.kept();
        if let Some(bytes) = kept.used(digest) {
            return Ok(Content { digest, bytes });
        }
        kept.make_room(length, self.limit)?;
        kept.bytes += length;
        let last_use = kept.next_use();
        kept.entries.insert(digest, Entry { bytes: Arc::clone(&bytes), last_use });
        Ok(Content { digest, bytes })
    }

    fn get(&self, digest: ContentDigest) -> Option<Arc<[u8]>> {
        self.kept().used(digest)
    }
}

impl Kept {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn used(&mut self, digest: ContentDigest) -> Option<Arc<[u8]>> {
        let last_use = self.next_use();
        let entry = self.entries.get_mut(&digest)?;
        entry.last_use = last_use;
        Some(Arc::clone(&entry.bytes))
    }

    /// The content that is the very memory of `bytes`. Empty contents have none of their own.
    fn same_memory(&mut self, bytes: &Arc<[u8]>) -> Option<Content> {
        let is_same = |entry: &Entry| !bytes.is_empty() && Arc::ptr_eq(&entry.bytes, bytes);
        let digest = *self.entries.iter().find(|(_, entry)| is_same(entry))?.0;
        let bytes = self.used(digest)?;
        Some(Content { digest, bytes })
    }

    /// Removes what nobody uses until `length` more bytes are within `limit`.
    fn make_room(&mut self, length: usize, limit: usize) -> Result<(), ContentError> {
        // Whoever wants bytes of an entry that only the store has must ask the store, which is locked.
        let is_idle = |entry: &Entry| Arc::strong_count(&entry.bytes) == 1;
        let idle: usize =
            self.entries.values().filter(|entry| is_idle(entry)).map(|entry| entry.bytes.len()).sum();
        let in_use = self.bytes - idle;
        if in_use + length > limit {
            return Err(ContentError::Full { length, limit, in_use });
        }
        while self.bytes + length > limit {
            let idle = self.entries.iter().filter(|(_, entry)| is_idle(entry));
            let Some(oldest) = idle.min_by_key(|(_, entry)| entry.last_use).map(|(digest, _)| *digest) else {
                break;
            };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |entry| entry.bytes.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(fill: u8, length: usize) -> Arc<[u8]> {
        vec![fill; length].into()
    }

    #[test]
    fn a_content_is_found_by_what_it_is() {
        let store = MemoryContents::new(100);
        let kept = store.put(content(1, 10)).unwrap();
        assert_eq!(kept.digest, ContentDigest::of(&[1; 10]));
        assert_eq!(store.get(kept.digest).as_deref(), Some(&[1; 10][..]));
        assert_eq!(store.get(ContentDigest::of(b"another")), None);
        let again = store.put(content(1, 10)).unwrap();
        assert!(Arc::ptr_eq(&again.bytes, &kept.bytes), "one content takes memory once");
        assert_eq!(store.put(Arc::clone(&kept.bytes)).unwrap(), kept);
        assert_eq!(store.kept().bytes, 10);
        let nothing = store.put(content(0, 0)).unwrap();
        assert_eq!(store.get(nothing.digest).as_deref(), Some(&[][..]));
    }

    #[test]
    fn what_was_not_used_the_longest_goes_first() {
        let store = MemoryContents::new(30);
        let digests = [1, 2, 3].map(|fill| store.put(content(fill, 10)).unwrap().digest);
        store.get(digests[0]).unwrap();
        store.put(content(4, 15)).unwrap();
        let is_there = digests.map(|digest| store.get(digest).is_some());
        assert_eq!(is_there, [true, false, false]);
        assert_eq!(store.kept().bytes, 25);
    }

    #[test]
    fn what_is_in_use_stays_and_what_has_no_room_is_refused() {
        let store = MemoryContents::new(30);
        let used = store.put(content(1, 20)).unwrap();
        store.put(content(2, 10)).unwrap();
        let refused = store.put(content(3, 11)).unwrap_err();
        assert_eq!(refused, ContentError::Full { length: 11, limit: 30, in_use: 20 });
        assert_eq!(store.kept().bytes, 30, "nothing goes in vain");
        drop(used);
        assert!(store.put(content(3, 11)).is_ok());
        let large = content(0, MAX_CONTENT_BYTES as usize + 1);
        assert!(matches!(MemoryContents::new(usize::MAX).put(large), Err(ContentError::TooLarge { .. })));
    }
}
