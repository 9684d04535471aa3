//! What a run tells about itself, in the words of the file.

use metrics::{ExecutionLog, Sampling, SlowBound, TraceOptions};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::document::{hundredths, percent};
use crate::Telemetry;
use crate::loss::word;
use crate::telemetry::{PROPAGATIONS, SHAPES};

pub(super) struct TelemetryDocument<'a>(pub(super) &'a Telemetry);

impl Serialize for TelemetryDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Telemetry { traces, log, max_loss } = self.0;
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("traces", &TracesDocument(traces))?;
        map.serialize_entry("log_executions", log_words(*log))?;
        map.serialize_entry("max_lines_per_error", &log.lines_per_error)?;
        map.serialize_entry("max_loss", &percent(*max_loss))?;
        map.end()
    }
}

struct TracesDocument<'a>(&'a TraceOptions);

impl Serialize for TracesDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TraceOptions { sampling, shape, spans_per_second, propagation } = self.0;
        let mut map = serializer.serialize_map(None)?;
        match sampling {
            Sampling::Off => map.serialize_entry("sampling", "off")?,
            Sampling::Ratio(part) => map.serialize_entry("sampling", &percent(*part))?,
            Sampling::Tail(slow) => {
                map.serialize_entry("sampling", "tail")?;
                let slow = match slow {
                    SlowBound::Quantile(quantile) => format!("p{}", hundredths(*quantile)),
                    SlowBound::Time(bound) => bound.to_string(),
                };
                map.serialize_entry("slow", &slow)?;
            }
        }
        map.serialize_entry("shape", word(&SHAPES, shape))?;
        map.serialize_entry("max_spans_per_second", spans_per_second)?;
        map.serialize_entry("propagate", word(&PROPAGATIONS, propagation))?;
        map.end()
    }
}

fn log_words(log: ExecutionLog) -> &'static str {
    match log {
        ExecutionLog { all: true, .. } => "all",
        ExecutionLog { sampled: true, failed: true, .. } => "sampled,failed",
        ExecutionLog { sampled: true, .. } => "sampled",
        ExecutionLog { failed: true, .. } => "failed",
        _ => "off",
    }
}
