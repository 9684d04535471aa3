//! Histograms: the distance from used bucket to used bucket, and the count in each.

use metrics::{Moments, SparseHistogram};

use super::field::{Reader, halves, whole};
use super::{WireError, proto};

/// The most used buckets: no shape has more.
const MAX_BUCKETS: usize = metrics::Shape::FINE.buckets();

pub(super) fn histogram_from_wire(histogram: proto::Histogram) -> Result<(u32, SparseHistogram), WireError> {
    let of = Reader("Histogram");
    let gaps = of.at_most("gaps", histogram.gaps, MAX_BUCKETS)?;
    if gaps.len() != histogram.counts.len() {
        return Err(of.fault("counts", "is not as long as the list of gaps"));
    }
    let moments = Moments {
        count: histogram.count,
        sum: whole(histogram.sum_high, histogram.sum_low),
        min: histogram.min,
        max: histogram.max,
        overflow: histogram.overflow,
    };
    let mut bucket = 0_u32;
    let counts = gaps.into_iter().zip(histogram.counts).map(|(gap, count)| {
        bucket = bucket.checked_add(gap).ok_or_else(|| of.fault("gaps", "lead beyond all buckets"))?;
        Ok((bucket, count))
    });
    let counts = counts.collect::<Result<_, WireError>>()?;
    let sparse = SparseHistogram::from_parts(moments, counts);
    Ok((histogram.series, sparse.map_err(|fault| of.fault("counts", format!("are none: {fault}")))?))
}

pub(super) fn histogram_to_wire(series: u32, histogram: &SparseHistogram) -> proto::Histogram {
    let moments = histogram.moments();
    let (sum_high, sum_low) = halves(moments.sum);
    let mut before = 0;
    let gaps = histogram.counts().map(|(index, _)| {
        let gap = (index - before) as u32;
        before = index;
        gap
    });
    proto::Histogram {
        series,
        count: moments.count,
        sum_high,
        sum_low,
        min: moments.min,
        max: moments.max,
        overflow: moments.overflow,
        gaps: gaps.collect(),
        counts: histogram.counts().map(|(_, count)| count).collect(),
    }
}
