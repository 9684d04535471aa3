//! What happens to a run whose workers do not all stay.

use units::Ratio;

/// What happens to a run whose workers do not all stay: the keys of the file's `options`. It changes nothing of the
/// test, so it is in no scenario digest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossPolicy {
    /// What becomes of a lost worker's share.
    pub on_worker_loss: OnWorkerLoss,
    /// The part of the workers the run was made of, by weight, that may be lost at once; more end it. The whole by
    /// default: the run goes on as long as one is left.
    pub max_lost: Ratio,
    /// Whether a worker may come to a run under way, for the first time or again.
    pub rejoin: Rejoin,
    /// Whether a run that lost a worker may pass. Not by default: the ruler changed its length.
    pub allow_degraded: bool,
}

impl Default for LossPolicy {
    fn default() -> Self {
        Self {
            on_worker_loss: OnWorkerLoss::default(),
            max_lost: Ratio::new(1.0),
            rejoin: Rejoin::default(),
            allow_degraded: false,
        }
    }
}

/// What becomes of a lost worker's share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWorkerLoss {
    /// The others carry it from the next revision on.
    #[default]
    Redistribute,
    /// Nobody carries it; the load is that much less.
    Continue,
    /// The run ends.
    Fail,
}

impl OnWorkerLoss {
    /// All of them by their words in a file.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("redistribute", Self::Redistribute), ("continue", Self::Continue), ("fail", Self::Fail)];
}

/// Whether a worker may come to a run under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rejoin {
    /// It gets its share by a revision of its own.
    #[default]
    NextRevision,
    /// It is not used.
    Never,
}

impl Rejoin {
    /// Both by their words in a file.
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("next_revision", Self::NextRevision), ("never", Self::Never)];
}

/// The word that stands for `value`.
pub(crate) fn word<T: PartialEq, const N: usize>(words: &[(&'static str, T); N], value: &T) -> &'static str {
    words.iter().find(|(_, of)| of == value).map_or("", |(word, _)| word)
}
