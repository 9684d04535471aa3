//! The last head that was read: one that is the same byte for byte means the same, and is not parsed again.
//!
//! A target answers the same request with the same head, but for its date once a second, so most heads are known.
//! Comparing one costs a few instructions, parsing it more than a thousand. Nothing is taken on trust: a head that
//! differs in one byte is parsed.

use super::State;

/// Larger heads are not kept: servers that send them mostly send new ones.
const MAX_KEPT_BYTES: usize = 1024;

/// The last head of the responses to one request, and what it meant.
#[derive(Debug, Default)]
pub struct HeadMemo {
    head: Vec<u8>,
    state: State,
    keep_alive: bool,
}

impl HeadMemo {
    /// If `bytes` begin with the known head: its length, what follows it, and whether the connection stays.
    pub(super) fn recall(&self, bytes: &[u8]) -> Option<(usize, State, bool)> {
        let is_known = !self.head.is_empty() && bytes.starts_with(&self.head);
        is_known.then_some((self.head.len(), self.state, self.keep_alive))
    }

    /// Keeps `head` in place of the one before.
    pub(super) fn keep(&mut self, head: &[u8], state: State, keep_alive: bool) {
        self.head.clear();
        if head.len() <= MAX_KEPT_BYTES {
            self.head.extend_from_slice(head);
            (self.state, self.keep_alive) = (state, keep_alive);
        }
    }
}
