//! A table whose places stay what they are while they are taken.

/// Boxed values by place. A value is taken out while it is worked on, so that the rest can be worked on too, and its
/// place is given to another only after it was freed.
///
/// # Cost
/// Moving a value in or out moves one pointer; growing the table moves only pointers.
#[derive(Debug)]
pub(super) struct Table<V> {
    places: Vec<Option<Box<V>>>,
    free: Vec<u32>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<V> Table<V> {
    /// A place for a value that is put there next.
    pub(super) fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            (self.places.len() - 1) as u32
        })
    }

    /// The value at `place`, unless it is taken out or gone.
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut V> {
        self.places.get_mut(place as usize)?.as_deref_mut()
    }

    /// Takes the value at `place` out; the place stays its own.
    pub(super) fn take(&mut self, place: u32) -> Option<Box<V>> {
        self.places.get_mut(place as usize)?.take()
    }

    /// Puts a value in its place.
    pub(super) fn put_back(&mut self, place: u32, value: Box<V>) {
        // Nothing is there, so that nothing is dropped either: an assignment would call for that.
        self.places[place as usize].get_or_insert(value);
    }

    /// Gives up the place of a value that was taken out.
    pub(super) fn free(&mut self, place: u32) {
        debug_assert!(self.places[place as usize].is_none(), "a place is freed by whoever took its value");
        self.free.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_away_only_after_it_was_freed() {
        let mut table = Table::default();
        let first = table.reserve();
        table.put_back(first, Box::new('a'));
        let taken = table.take(first);
        assert_eq!(table.get_mut(first), None);
        let second = table.reserve();
        assert_ne!(first, second);
        assert_eq!(taken.as_deref(), Some(&'a'));
        table.free(first);
        assert_eq!(table.reserve(), first);
    }

    #[test]
    fn places_that_never_were_hold_nothing() {
        let mut table = Table::<char>::default();
        assert_eq!(table.get_mut(u32::MAX), None);
        assert_eq!(table.take(7), None);
    }
}
