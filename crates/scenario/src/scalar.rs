//! What the values of a scenario file may be: their JSON Schema.
//!
//! Every one may also be a text with a `${env.…}` in it, which becomes a value when it is expanded.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::telemetry;

/// What a text that holds a reference matches: it becomes a value when it is expanded.
const REFERENCE: &str = r"\$\{";

/// A duration with its units.
const DURATION: &str = r"(0|([0-9]+(\.[0-9]+)?(d|h|m|s|ms|us|µs|ns))+)";

macro_rules! scalars {
    ($($(#[doc = $doc:literal])* $name:ident => $schema:expr;)*) => {$(
        $(#[doc = $doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema: Schema = $schema;
                let description = concat!($($doc),*).trim();
                schema.insert("description".to_owned(), description.into());
                schema
            }
        }
    )*};
}

scalars! {
    /// A duration with its unit: `30s`, `250ms`, `1m30s`.
    DurationText => text(&format!("^{DURATION}$"));
    /// A rate with its unit: `200/s`, `90/m`, `10k/s`.
    RateText => text(r"^[0-9]+(\.[0-9]+)?[kM]? ?/ ?[0-9a-zµ.]+$");
    /// A share with its sign: `0.5%`.
    PercentText => text(r"^[0-9]+(\.[0-9]+)? ?%$");
    /// A duration, or two for a random one between them: `250ms`, `250ms..1s`.
    ThinkText => text(&format!(r"^{DURATION}( ?\.\. ?{DURATION})?$"));
    /// A limit: `< 200ms`, or the duration alone.
    TimeLimitText => text(&format!("^<? ?{DURATION}$"));
    /// A whole number.
    Integer => number_or(0, u64::MAX, &[]);
    /// A whole number, 0 or more.
    Count => number_or(0, u64::MAX, &[]);
    /// A whole number from 1, or `auto`.
    MaxVus => number_or(1, u64::from(crate::limits::MAX_VUS), &["auto"]);
    /// A whole number from 1, or `auto`.
    Threads => number_or(1, u64::from(crate::limits::MAX_THREADS), &["auto"]);
    /// `true` or `false`.
    Flag => any_of(&[json_schema!({ "type": "boolean" }), text("^(true|false)$")]);
    /// A text; a number or a truth value stands for how it is written.
    ScalarText => json_schema!({ "type": ["string", "number", "boolean"] });
    /// A text.
    BytesText => json_schema!({ "type": "string" });
    /// Any value.
    AnyJson => json_schema!({});
    /// A text or a list of texts.
    Strings => any_of(&[
        json_schema!({ "type": "string" }),
        json_schema!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
    ]);
    /// A status (`200`), a class (`2xx`), a range (`200-299`), or a list of these.
    StatusText => {
        let one = json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 999 },
            { "type": "string", "pattern": format!(r"^[1-9]([0-9]{{2}}|xx)$|^[1-9][0-9]{{2}}-[1-9][0-9]{{2}}$|{REFERENCE}") },
        ] });
        let list = json_schema!({ "type": "array", "minItems": 1, "items": one.clone() });
        any_of(&[one, list])
    };
    /// How iterations start.
    ExecutorWord => words(&crate::executor::EXECUTORS.iter().map(|executor| executor.name).collect::<Vec<_>>());
    /// Whether starts are evenly spaced or random.
    ArrivalsWord => words(&["uniform", "poisson"]);
    /// What happens to an iteration that finds no free user.
    OverloadWord => words(&["queue", "drop"]);
    /// How precisely slots are released.
    PacingWord => words(&["balanced", "precise"]);
    /// What becomes of a lost worker's share.
    OnWorkerLossWord => words(&crate::loss::OnWorkerLoss::WORDS.map(|(word, _)| word));
    /// Whether a worker may come to a run under way.
    RejoinWord => words(&crate::loss::Rejoin::WORDS.map(|(word, _)| word));
    /// A share, or a word.
    SamplingText => text(r"^(off|tail|[0-9]+(\.[0-9]+)? ?%)$");
    /// A quantile (`p99.9`) or a duration (`500ms`).
    SlowText => text(&format!(r"^p[0-9]+(\.[0-9]+)?$|^{DURATION}$"));
    /// How executions hang together.
    TraceShapeWord => words(&telemetry::SHAPES.map(|(word, _)| word));
    /// Which requests carry trace headers.
    PropagateWord => words(&telemetry::PROPAGATIONS.map(|(word, _)| word));
    /// A whole number from 1.
    SpansPerSecond => number_or(1, u64::from(crate::limits::MAX_SPANS_PER_SECOND), &[]);
    /// A whole number from 1.
    LinesPerError => number_or(1, u64::from(crate::limits::MAX_LINES_PER_ERROR), &[]);
    /// One or two words with a comma between them.
    LogExecutionsText => text("^(off|all|(sampled|failed)( ?, ?(sampled|failed))*)$");
}

/// A text of this form, or with a reference.
fn text(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": format!("{pattern}|{REFERENCE}") })
}

/// One of these words, or a text with a reference.
fn words(words: &[&str]) -> Schema {
    any_of(&[json_schema!({ "enum": words }), json_schema!({ "type": "string", "pattern": REFERENCE })])
}

/// A whole number in these bounds or one of these words, or a text that becomes one.
fn number_or(minimum: u64, maximum: u64, words: &[&str]) -> Schema {
    let mut bounds = json_schema!({ "type": "integer", "minimum": minimum });
    // Editors read numbers as doubles; the largest of our integers would only be printed wrong.
    if maximum < 1 << 53 {
        bounds.insert("maximum".to_owned(), maximum.into());
    }
    let pattern: String = words.iter().map(|word| format!("^{word}$|")).collect();
    any_of(&[bounds, text(&format!("{pattern}^[0-9]+$"))])
}

fn any_of(schemas: &[Schema]) -> Schema {
    json_schema!({ "anyOf": schemas })
}
