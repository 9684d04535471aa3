//! The laws delays are drawn from.

use units::Nanos;

/// A distribution of delays.
///
/// The i-th delay of a sequence is a pure function of seed and i, so that a test knows not only the distribution
/// but the very delays a target has handed out; and n delays follow the law to about ln n / n.
///
/// ```
/// use loadgen_target::Law;
/// use units::Nanos;
///
/// let law = Law::Exponential { mean: Nanos::from_millis(10) };
/// assert_eq!(law.delay(7, 0), law.delay(7, 0));
/// assert_eq!(law.quantile(0.5).as_micros_f64().round(), 6931.0); // mean × ln 2
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Always the same delay.
    Fixed(Nanos),
    /// Exponential: F(t) = 1 − exp(−t / mean).
    Exponential {
        /// The mean delay.
        mean: Nanos,
    },
    /// Log-normal: ln t is normal with mean ln(median) and standard deviation sigma.
    LogNormal {
        /// The median delay.
        median: Nanos,
        /// Standard deviation of the logarithm; 0 or more.
        sigma: f64,
    },
}

impl Law {
    /// The longest delay any law gives; what would be longer is cut to it.
    pub const MAX_DELAY: Nanos = Nanos::from_secs(3600);

    /// The delay that a share `p` of all delays stays at or below, cut to [`Law::MAX_DELAY`].
    ///
    /// # Panics
    /// When `p` is not strictly between 0 and 1.
    pub fn quantile(self, p: f64) -> Nanos {
        assert!(p > 0.0 && p < 1.0, "a quantile lies between 0 and 1, found {p}");
        let nanos = match self {
            Self::Fixed(delay) => return delay.min(Self::MAX_DELAY),
            Self::Exponential { mean } => -(-p).ln_1p() * mean.as_u64() as f64,
            Self::LogNormal { median, sigma } => median.as_u64() as f64 * (sigma * normal_quantile(p)).exp(),
        };
        // The cast saturates: an infinite delay is cut as any other.
        Nanos::new(nanos.round() as u64).min(Self::MAX_DELAY)
    }

    /// The delay at `index` of the sequence that belongs to `seed`.
    pub fn delay(self, seed: u64, index: u64) -> Nanos {
        self.quantile(uniform(seed, index))
    }
}

/// A number strictly between 0 and 1, uniform over the index.
///
/// The additive recurrence with the golden ratio (Weyl), in 64-bit fixed point, from a start mixed from the seed.
/// Rather than random numbers, because of how evenly it fills the interval: the first n numbers differ from the
/// uniform distribution by about ln n / n instead of 1 / √n, so the quantiles of a few thousand delays are those of
/// the law.
fn uniform(seed: u64, index: u64) -> f64 {
    let fraction = mix(seed).wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // 52 bits and a half, so that neither 0 nor 1 comes out after rounding.
    ((fraction >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): neighbouring seeds start far from each other.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The quantile of the standard normal distribution.
///
/// Algorithm AS 241 (PPND16) by Wichura, Applied Statistics 37 (1988): relative error about 1e-16.
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * horner(&CENTRE_NUMERATOR, r) / horner(&CENTRE_DENOMINATOR, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-tail.ln()).sqrt();
    let magnitude = if r <= 5.0 {
        horner(&MIDDLE_NUMERATOR, r - 1.6) / horner(&MIDDLE_DENOMINATOR, r - 1.6)
    } else {
        horner(&FAR_NUMERATOR, r - 5.0) / horner(&FAR_DENOMINATOR, r - 5.0)
    };
    magnitude.copysign(q)
}

/// The polynomial with these coefficients, the highest power first, at `x`.
fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

const CENTRE_NUMERATOR: [f64; 8] = [
    2.509_080_928_730_122_7e3,
    3.343_057_558_358_813e4,
    6.726_577_092_700_87e4,
    4.592_195_393_154_987e4,
    1.373_169_376_550_946e4,
    1.971_590_950_306_551_4e3,
    1.331_416_678_917_843_8e2,
    3.387_132_872_796_366_5,
];
const CENTRE_DENOMINATOR: [f64; 8] = [
    5.226_495_278_852_854e3,
    2.872_908_573_572_194_3e4,
    3.930_789_580_009_271e4,
    2.121_379_430_158_659_7e4,
    5.394_196_021_424_751e3,
    6.871_870_074_920_579e2,
    4.231_333_070_160_091e1,
    1.0,
];
const MIDDLE_NUMERATOR: [f64; 8] = [
    7.745_450_142_783_414e-4,
    2.272_384_498_926_918_4e-2,
    2.417_807_251_774_506e-1,
    1.270_458_252_452_368_4,
    3.647_848_324_763_204_5,
    5.769_497_221_460_691,
    4.630_337_846_156_546,
    1.423_437_110_749_683_5,
];
const MIDDLE_DENOMINATOR: [f64; 8] = [
    1.050_750_071_644_416_9e-9,
    5.475_938_084_995_345e-4,
    1.519_866_656_361_645_7e-2,
    1.481_039_764_274_800_8e-1,
    6.897_673_349_851e-1,
    1.676_384_830_183_803_8,
    2.053_191_626_637_759,
    1.0,
];
const FAR_NUMERATOR: [f64; 8] = [
    2.010_334_399_292_288_1e-7,
    2.711_555_568_743_487_6e-5,
    1.242_660_947_388_078_4e-3,
    2.653_218_952_657_612_4e-2,
    2.965_605_718_285_048_7e-1,
    1.784_826_539_917_291_3,
    5.463_784_911_164_114,
    6.657_904_643_501_103,
];
const FAR_DENOMINATOR: [f64; 8] = [
    2.044_263_103_389_939_8e-15,
    1.421_511_758_316_446e-7,
    1.846_318_317_510_054_7e-5,
    7.868_691_311_456_133e-4,
    1.487_536_129_085_061_5e-2,
    1.369_298_809_227_358e-1,
    5.998_322_065_558_88e-1,
    1.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_agree_with_published_values() {
        for (p, z) in [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.975, 1.959_963_984_540_054),
            (0.999, 3.090_232_306_167_813_5),
            (1e-3, -3.090_232_306_167_813_5),
            (1e-9, -5.997_807_015_007_687),
            (1e-15, -7.941_345_326_170_998),
        ] {
            assert!(
                (normal_quantile(p) - z).abs() <= 1e-13 * (1.0 + f64::abs(z)),
                "{p}: {}",
                normal_quantile(p)
            );
        }
    }

    #[test]
    fn quantiles_follow_the_closed_forms() {
        let mean = Nanos::from_millis(10);
        assert_eq!(Law::Fixed(mean).quantile(0.99), mean);
        assert_eq!(Law::Exponential { mean }.quantile(0.99).as_u64(), 46_051_702);
        let law = Law::LogNormal { median: mean, sigma: 0.5 };
        assert_eq!(law.quantile(0.5), mean);
        // 10 ms × exp(0.5 × 2.3263478740408408)
        assert_eq!(law.quantile(0.99).as_u64(), 32_000_740);
    }

    /// The share of n delays at or below any quantile differs from the declared one by no more than 10 / n.
    #[test]
    fn delays_are_distributed_by_their_law() {
        let n = 2_000u64;
        for law in [
            Law::Exponential { mean: Nanos::from_millis(5) },
            Law::LogNormal { median: Nanos::from_millis(5), sigma: 1.0 },
        ] {
            for seed in 0..20 {
                let mut delays: Vec<_> = (0..n).map(|i| law.delay(seed, i)).collect();
                delays.sort_unstable();
                for permille in 1..1_000u64 {
                    let p = permille as f64 / 1e3;
                    let below = delays.partition_point(|d| *d <= law.quantile(p)) as f64;
                    let distance = (below - p * n as f64).abs();
                    assert!(distance <= 10.0, "{law:?} seed {seed} p{p}: {distance} of {n}");
                }
            }
        }
    }

    #[test]
    fn sequences_differ_by_seed_and_index() {
        let law = Law::Exponential { mean: Nanos::SECOND };
        assert_ne!(law.delay(1, 0), law.delay(2, 0));
        assert_ne!(law.delay(1, 0), law.delay(1, 1));
        assert_eq!(law.delay(1, 1), law.delay(1, 1));
    }

    #[test]
    fn endless_delays_are_cut() {
        let law = Law::LogNormal { median: Nanos::from_secs(3000), sigma: 100.0 };
        assert_eq!(law.quantile(0.999), Law::MAX_DELAY);
    }
}
