//! What a run tells about itself.

use metrics::{ExecutionLog, Sampling, SlowBound, TraceOptions};
use units::Ratio;

use super::value::parts_per_million;
use super::{Fields, Reader};
use crate::document::Node;
use crate::limits;
use crate::shape::{TelemetryShape, TracesShape};
use crate::suggest::suggestion;
use crate::telemetry::{PROPAGATIONS, SHAPES, Telemetry};

/// The word of `sampling`, before it is known what is slow.
#[derive(Clone, Copy)]
enum Sampled {
    Off,
    Part(Ratio),
    Tail,
}

impl Reader<'_> {
    /// All of it; what is not set keeps its default.
    pub(super) fn telemetry(&mut self, label: &str, node: &Node) -> Option<Telemetry> {
        let fields = self.fields::<TelemetryShape>(label, node, node.span)?;
        let default = Telemetry::default();
        let traces = self.optional_or(&fields, "traces", default.traces, Self::traces);
        let log = self.optional_or(&fields, "log_executions", default.log, Self::execution_log);
        let lines = self.optional_or(
            &fields,
            "max_lines_per_error",
            default.log.lines_per_error,
            |reader, label, node| reader.positive(label, node, limits::MAX_LINES_PER_ERROR),
        );
        let max_loss = self.optional_or(&fields, "max_loss", default.max_loss, Self::percent);
        Some(Telemetry {
            traces: traces?,
            log: ExecutionLog { lines_per_error: lines?, ..log? },
            max_loss: max_loss?,
        })
    }

    fn traces(&mut self, label: &str, node: &Node) -> Option<TraceOptions> {
        let fields = self.fields::<TracesShape>(label, node, node.span)?;
        let default = TraceOptions::default();
        let sampling = self.sampling(&fields, default.sampling);
        let shape = self.optional_or(&fields, "shape", default.shape, |reader, label, node| {
            reader.word(label, node, &SHAPES)
        });
        let budget = self.optional_or(
            &fields,
            "max_spans_per_second",
            default.spans_per_second,
            |reader, label, node| reader.positive(label, node, limits::MAX_SPANS_PER_SECOND),
        );
        let propagation =
            self.optional_or(&fields, "propagate", default.propagation, |reader, label, node| {
                reader.word(label, node, &PROPAGATIONS)
            });
        Some(TraceOptions {
            sampling: sampling?,
            shape: shape?,
            spans_per_second: budget?,
            propagation: propagation?,
        })
    }

    /// `sampling` with `slow`. A `slow` beside `off` is no mistake: one flag shall switch tracing off, whatever the file says.
    fn sampling(&mut self, fields: &Fields<'_>, default: Sampling) -> Option<Sampling> {
        let sampled = self.optional(fields, "sampling", Self::sampled);
        let slow = self.optional(fields, "slow", Self::slow);
        let sampling = match sampled? {
            None => default,
            Some(Sampled::Off) => Sampling::Off,
            Some(Sampled::Part(part)) => Sampling::Ratio(part),
            Some(Sampled::Tail) => Sampling::Tail(slow?.unwrap_or(USUALLY_SLOW)),
        };
        if let (Sampling::Ratio(_), Some(entry)) = (sampling, fields.get("slow")) {
            let message = "`slow` means something with `sampling: tail` only".to_owned();
            let help = "write `sampling: tail` beside it, or leave `slow` out".to_owned();
            self.error("key-not-allowed", entry.key_span, message, help);
            return None;
        }
        slow.map(|_| sampling)
    }

    /// `off`, `tail`, or a share.
    fn sampled(&mut self, label: &str, node: &Node) -> Option<Sampled> {
        let text = self.unit_text(label, node, "a share such as `5%`, `tail` or `off`")?;
        match text.trim() {
            "off" => Some(Sampled::Off),
            "tail" => Some(Sampled::Tail),
            word if word.starts_with(char::is_alphabetic) => {
                let message = format!("`{text}` is no `{label}`");
                let help = "write a share such as `5%`, `tail`, or `off`".to_owned();
                self.error("unknown-value", node.span, message, help);
                None
            }
            _ => self.percent(label, node).map(Sampled::Part),
        }
    }

    /// A quantile or a time.
    fn slow(&mut self, label: &str, node: &Node) -> Option<SlowBound> {
        let text = self.unit_text(label, node, "a quantile such as `p99.9` or a time such as `500ms`")?;
        let Some(percent) = text.trim().strip_prefix('p') else {
            return self.duration(label, node).map(SlowBound::Time);
        };
        match parts_per_million(percent) {
            Some(parts @ 1..1_000_000) => Some(SlowBound::Quantile(Ratio::new(parts as f64 / 1e6))),
            _ => {
                let message = format!("`{label}`: `{}` is no quantile", text.trim());
                let help = "write for example `p99.9`, above `p0` and below `p100`, with at most 4 decimals"
                    .to_owned();
                self.error("bad-quantile", node.span, message, help);
                None
            }
        }
    }

    /// `off`, `all`, or one or both of `sampled` and `failed`.
    fn execution_log(&mut self, label: &str, node: &Node) -> Option<ExecutionLog> {
        let text = self.plain(label, node)?;
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        if let Some(unknown) = words.iter().find(|word| !LOG_WORDS.contains(word)) {
            let message = format!("`{unknown}` is no `{label}`");
            self.error("unknown-value", node.span, message, suggestion(unknown, &LOG_WORDS));
            return None;
        }
        let has = |wanted: &str| words.contains(&wanted);
        if words.len() > 1 && (has("off") || has("all")) {
            let message = format!("`{label}`: `off` and `all` stand alone, found `{text}`");
            let help = "write `off`, `sampled`, `failed`, `sampled,failed` or `all`".to_owned();
            self.error("bad-combination", node.span, message, help);
            return None;
        }
        let all = has("all");
        let lines_per_error = ExecutionLog::default().lines_per_error;
        Some(ExecutionLog {
            sampled: all || has("sampled"),
            failed: all || has("failed"),
            all,
            lines_per_error,
        })
    }

    fn positive(&mut self, label: &str, node: &Node, max: u32) -> Option<u32> {
        self.count(label, node, 1, max.into()).map(|count| count as u32)
    }
}

const LOG_WORDS: [&str; 4] = ["off", "sampled", "failed", "all"];

/// What tail sampling keeps unless told otherwise.
const USUALLY_SLOW: SlowBound = SlowBound::Quantile(Ratio::new(0.999));
