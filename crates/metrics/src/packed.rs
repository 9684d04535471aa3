//! A histogram in as few bytes as it can be kept in for hours.

use crate::histogram::Moments;
use crate::sparse::SparseHistogram;

/// The used buckets as variable-length numbers (distance to the bucket before, count): about 3 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackedHistogram {
    moments: Moments,
    bytes: Box<[u8]>,
}

impl PackedHistogram {
    pub(crate) fn pack(histogram: &SparseHistogram) -> Self {
        let mut bytes = Vec::new();
        let mut before = 0;
        for (index, count) in histogram.counts() {
            push(&mut bytes, (index - before) as u64);
            push(&mut bytes, count);
            before = index;
        }
        Self { moments: *histogram.moments(), bytes: bytes.into_boxed_slice() }
    }

    pub(crate) fn unpack(&self) -> SparseHistogram {
        let mut counts = Vec::new();
        let mut rest = &self.bytes[..];
        let mut index = 0;
        while !rest.is_empty() {
            index += pull(&mut rest) as u32;
            counts.push((index, pull(&mut rest)));
        }
        SparseHistogram::new(self.moments, counts)
    }

    pub(crate) fn merge(&mut self, other: &SparseHistogram) {
        if other.moments().count > 0 {
            let mut merged = self.unpack();
            merged.merge(other);
            *self = Self::pack(&merged);
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// LEB128: seven bits a byte, lowest first.
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn pull(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    let mut shift = 0;
    while let [byte, rest @ ..] = *bytes {
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(counts in prop::collection::btree_map(0_u32..30_000, 1_u64.., 0..100)) {
            let moments = Moments { count: counts.len() as u64, ..Moments::default() };
            let sparse = SparseHistogram::new(moments, counts.into_iter().collect());
            prop_assert_eq!(PackedHistogram::pack(&sparse).unpack(), sparse);
        }
    }
}
