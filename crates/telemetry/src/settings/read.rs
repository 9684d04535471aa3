//! Reading the variables.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use metrics::{Sampling, Signal};
use units::{Nanos, Ratio};

use super::endpoint::{Url, UrlError};
use super::headers::percent_decoded;
use super::trust::{FileError, NamedFile, TrustFiles};
use super::variables::IGNORED_VARIABLES;
use super::{Batches, Compression, Destination, Headers, HistogramForm, Protocol, Settings, Temporality};

/// Why a variable cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It has a few values, and this is none of them.
    #[error("`{variable}` is `{value}`; it can be {known}")]
    Choice {
        /// Which.
        variable: String,
        /// What it says.
        value: String,
        /// What it may say.
        known: &'static str,
    },
    /// It is no number in its range.
    #[error("`{variable}` is `{value}`; give {wanted}")]
    Number {
        /// Which.
        variable: String,
        /// What it says.
        value: String,
        /// What it may say.
        wanted: &'static str,
    },
    /// It is no list of keys and values.
    #[error(
        "`{variable}`: entry {entry} is no `key=value` with the value percent-encoded (values are not shown here); separate \
         entries by commas"
    )]
    Entries {
        /// Which.
        variable: String,
        /// The entry, counted from 1.
        entry: usize,
    },
    /// It is no URL of a receiver.
    #[error("cannot send to `{variable}`{}", shown(value.as_deref()))]
    Url {
        /// Which.
        variable: String,
        /// What it says, unless that may hold a password.
        value: Option<String>,
        /// What is wrong with it.
        source: UrlError,
    },
    /// A file that it names is of no use.
    #[error("cannot use the file that `{variable}` names, `{}`", path.display())]
    File {
        /// Which.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// A client's certificate without its key, or the reverse.
    #[error(
        "`{variable}` is set alone; a client shows a certificate with `…CLIENT_CERTIFICATE` and `…CLIENT_KEY` together"
    )]
    HalfPair {
        /// The one that is set.
        variable: String,
    },
}

fn shown(value: Option<&str>) -> String {
    value.map(|value| format!(" (`{value}`)")).unwrap_or_default()
}

pub(super) fn settings(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
    let mut reader = Reader { lookup, warnings: Vec::new() };
    let mut settings = Settings::off();
    settings.propagates = reader.propagates();
    if !reader.flag("OTEL_SDK_DISABLED", false)? {
        settings.traces = reader.destination(Signal::Traces)?;
        settings.metrics = reader.destination(Signal::Metrics)?;
        settings.logs = reader.destination(Signal::Logs)?;
    }
    settings.sampler = reader.sampler()?;
    settings.temporality = reader.temporality()?;
    settings.histograms = reader.histograms()?;
    settings.metric_interval = reader.millis("OTEL_METRIC_EXPORT_INTERVAL", settings.metric_interval)?;
    settings.point_batches.timeout =
        reader.millis("OTEL_METRIC_EXPORT_TIMEOUT", settings.point_batches.timeout)?;
    settings.span_batches = reader.batches("BSP", settings.span_batches)?;
    settings.record_batches = reader.batches("BLRP", settings.record_batches)?;
    reader.resource(&mut settings)?;
    for variable in IGNORED_VARIABLES {
        if reader.get(variable).is_some() {
            reader.warn(format!("`{variable}` has no effect here"));
        }
    }
    settings.warnings = reader.warnings;
    Ok(settings)
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    /// The variable, unless it is empty.
    fn get(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The signal's own variable of a name, or the one for all signals; with its name.
    fn get_for(&self, signal: Signal, name: &str) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{name}", upper(signal));
        let for_all = format!("OTEL_EXPORTER_OTLP_{name}");
        [own, for_all].into_iter().find_map(|variable| self.get(&variable).map(|value| (variable, value)))
    }

    fn destination(&mut self, signal: Signal) -> Result<Option<Destination>, SettingsError> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", upper(signal));
        let is_own = self.get(&own).is_some();
        // An endpoint for all signals turns logs on only where they are asked for: they repeat what stderr says.
        let by_itself =
            is_own || (signal != Signal::Logs && self.get("OTEL_EXPORTER_OTLP_ENDPOINT").is_some());
        if !self.is_wanted(signal, by_itself) {
            return Ok(None);
        }
        let (protocol_variable, protocol) = match self.get_for(signal, "PROTOCOL") {
            None => (String::new(), None),
            Some((variable, value)) => match value.as_str() {
                "grpc" => (variable, Some(Protocol::Grpc)),
                "http/protobuf" => (variable, Some(Protocol::Http)),
                _ => return Err(choice(variable, value, "`grpc` or `http/protobuf`")),
            },
        };
        let insecure = match self.get_for(signal, "INSECURE") {
            None => None,
            Some((variable, _)) => Some(self.flag(&variable, true)?),
        };
        let (variable, text) = self.get_for(signal, "ENDPOINT").unwrap_or_else(|| {
            let default = if protocol == Some(Protocol::Grpc) { DEFAULT_GRPC } else { DEFAULT_HTTP };
            (own, default.to_owned())
        });
        let url = Url::parse(&text, insecure == Some(false)).map_err(|source| SettingsError::Url {
            variable: variable.clone(),
            // A query may hold a key.
            value: (source != UrlError::User)
                .then(|| text.split(['?', '#']).next().unwrap_or_default().to_owned()),
            source,
        })?;
        let is_grpc_port = url.endpoint.port() == GRPC_PORT;
        let protocol = protocol.unwrap_or(if is_grpc_port { Protocol::Grpc } else { Protocol::Http });
        if url.is_guessed && insecure.is_none() {
            self.warn(format!(
                "`{variable}` has no scheme: `http://` is taken; write `https://` for an encrypted connection"
            ));
        }
        if protocol == Protocol::Http && is_grpc_port {
            self.warn(format!(
                "`{protocol_variable}` asks for HTTP on port {GRPC_PORT}, where collectors expect gRPC"
            ));
        }
        if protocol == Protocol::Grpc && url.path != "/" {
            self.warn(format!("the path in `{variable}` has no effect with gRPC"));
        }
        let path = if is_own {
            url.path.clone()
        } else {
            format!("{}/v1/{}", url.path.trim_end_matches('/'), signal.name())
        };
        Ok(Some(Destination {
            path: url.target(path),
            protocol,
            headers: self.headers(signal)?,
            timeout: self.timeout(signal)?,
            compression: self.compression(signal)?,
            tls: match url.endpoint.scheme() {
                net::dial::Scheme::Http => None,
                net::dial::Scheme::Https => Some(self.trust(signal).client_config(protocol)?),
            },
            endpoint: url.endpoint,
        }))
    }

    /// Whether the signal is to be sent: what its exporters say, or `by_itself` when they say nothing.
    fn is_wanted(&mut self, signal: Signal, by_itself: bool) -> bool {
        let variable = format!("OTEL_{}_EXPORTER", upper(signal));
        let Some(value) = self.get(&variable) else { return by_itself };
        let mut is_wanted = false;
        for exporter in value.split(',').map(str::trim) {
            match exporter {
                "otlp" => is_wanted = true,
                "none" | "" => {}
                "prometheus" if signal == Signal::Metrics => {}
                _ => self.warn(format!(
                    "`{variable}` asks for `{exporter}`, which is not known here; there are `otlp` and `none`"
                )),
            }
        }
        is_wanted
    }

    fn headers(&self, signal: Signal) -> Result<Headers, SettingsError> {
        match self.get_for(signal, "HEADERS") {
            None => Ok(Headers::default()),
            Some((variable, value)) => {
                Headers::parse(&value).map_err(|entry| SettingsError::Entries { variable, entry })
            }
        }
    }

    fn timeout(&self, signal: Signal) -> Result<Nanos, SettingsError> {
        match self.get_for(signal, "TIMEOUT") {
            None => Ok(ATTEMPT),
            Some((variable, _)) => self.millis(&variable, ATTEMPT),
        }
    }

    fn compression(&self, signal: Signal) -> Result<Compression, SettingsError> {
        match self.get_for(signal, "COMPRESSION") {
            None => Ok(Compression::None),
            Some((variable, value)) => match value.as_str() {
                "none" => Ok(Compression::None),
                "gzip" => Ok(Compression::Gzip),
                _ => Err(choice(variable, value, "`none` or `gzip`")),
            },
        }
    }

    fn trust(&self, signal: Signal) -> TrustFiles {
        let file = |name| {
            self.get_for(signal, name).map(|(variable, path)| NamedFile { variable, path: path.into() })
        };
        TrustFiles {
            authorities: file("CERTIFICATE"),
            chain: file("CLIENT_CERTIFICATE"),
            key: file("CLIENT_KEY"),
        }
    }

    fn sampler(&mut self) -> Result<Option<Sampling>, SettingsError> {
        const VARIABLE: &str = "OTEL_TRACES_SAMPLER";
        let Some(value) = self.get(VARIABLE) else { return Ok(None) };
        // A load test's executions have no parent that could have decided.
        Ok(match value.strip_prefix("parentbased_").unwrap_or(&value) {
            "always_on" => Some(Sampling::Ratio(Ratio::new(1.0))),
            "always_off" => Some(Sampling::Off),
            "traceidratio" => {
                let kept: f64 =
                    self.number("OTEL_TRACES_SAMPLER_ARG", 1.0, "a number from 0 to 1", |kept| {
                        (0.0..=1.0).contains(kept)
                    })?;
                Some(Sampling::Ratio(Ratio::new(kept)))
            }
            _ => {
                self.warn(format!(
                    "`{VARIABLE}` asks for `{value}`, which is not known here; the file's sampling holds"
                ));
                None
            }
        })
    }

    fn propagates(&mut self) -> bool {
        const VARIABLE: &str = "OTEL_PROPAGATORS";
        let Some(value) = self.get(VARIABLE) else { return true };
        let mut propagates = false;
        for propagator in value.split(',').map(str::trim) {
            match propagator {
                "tracecontext" => propagates = true,
                "baggage" | "none" | "" => {}
                _ => self.warn(format!(
                    "`{VARIABLE}` asks for `{propagator}`, which is not known here; there are `tracecontext` and `baggage`"
                )),
            }
        }
        propagates
    }

    fn temporality(&self) -> Result<Temporality, SettingsError> {
        const VARIABLE: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        let Some(value) = self.get(VARIABLE) else { return Ok(Temporality::default()) };
        match value.to_ascii_lowercase().as_str() {
            "cumulative" => Ok(Temporality::Cumulative),
            "delta" => Ok(Temporality::Delta),
            "lowmemory" => Ok(Temporality::LowMemory),
            _ => Err(choice(VARIABLE.to_owned(), value, "`cumulative`, `delta` or `lowmemory`")),
        }
    }

    fn histograms(&self) -> Result<HistogramForm, SettingsError> {
        const VARIABLE: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        let Some(value) = self.get(VARIABLE) else { return Ok(HistogramForm::default()) };
        match value.to_ascii_lowercase().as_str() {
            "base2_exponential_bucket_histogram" => Ok(HistogramForm::Exponential),
            "explicit_bucket_histogram" => Ok(HistogramForm::Explicit),
            _ => Err(choice(
                VARIABLE.to_owned(),
                value,
                "`base2_exponential_bucket_histogram` or `explicit_bucket_histogram`",
            )),
        }
    }

    fn batches(&mut self, prefix: &str, default: Batches) -> Result<Batches, SettingsError> {
        let name = |rest| format!("OTEL_{prefix}_{rest}");
        let count = |variable: String, default| {
            self.number(&variable, default, "a whole number from 1 to 10000000", |count: &usize| {
                (1..=10_000_000).contains(count)
            })
        };
        let delay = name("SCHEDULE_DELAY");
        let delay =
            self.number(&delay, millis_of(default.delay), "milliseconds from 0 to 86400000", |millis| {
                *millis <= LONGEST
            })?;
        let queue = count(name("MAX_QUEUE_SIZE"), default.queue)?;
        let most = count(name("MAX_EXPORT_BATCH_SIZE"), default.most.min(queue))?;
        let timeout = self.millis(&name("EXPORT_TIMEOUT"), default.timeout)?;
        if most > queue {
            self.warn(format!(
                "`{}` is more than `{}`: batches of {queue} are sent",
                name("MAX_EXPORT_BATCH_SIZE"),
                name("MAX_QUEUE_SIZE")
            ));
        }
        Ok(Batches { queue, most: most.min(queue), delay: Nanos::from_millis(delay), timeout })
    }

    fn resource(&self, settings: &mut Settings) -> Result<(), SettingsError> {
        const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
        for (number, entry) in self.get(VARIABLE).unwrap_or_default().split(',').enumerate() {
            if entry.trim().is_empty() {
                continue;
            }
            let decoded =
                |text: &str| percent_decoded(text.trim()).and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = entry.split_once('=').and_then(|(key, value)| Some((decoded(key)?, decoded(value)?)));
            match pair {
                Some((key, value)) if !key.is_empty() => settings.resource.insert(key, value),
                _ => {
                    return Err(SettingsError::Entries { variable: VARIABLE.to_owned(), entry: number + 1 });
                }
            };
        }
        if let Some(name) = self.get("OTEL_SERVICE_NAME") {
            settings.resource.insert("service.name".to_owned(), name);
        }
        Ok(())
    }

    fn flag(&self, variable: &str, default: bool) -> Result<bool, SettingsError> {
        match self.get(variable) {
            None => Ok(default),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(choice(variable.to_owned(), value, "`true` or `false`")),
        }
    }

    /// A span of time of at least a millisecond.
    fn millis(&self, variable: &str, default: Nanos) -> Result<Nanos, SettingsError> {
        let wanted = "milliseconds from 1 to 86400000";
        self.number(variable, millis_of(default), wanted, |millis| (1..=LONGEST).contains(millis))
            .map(Nanos::from_millis)
    }

    fn number<N: FromStr + Display>(
        &self,
        variable: &str,
        default: N,
        wanted: &'static str,
        is_good: impl Fn(&N) -> bool,
    ) -> Result<N, SettingsError> {
        let Some(value) = self.get(variable) else { return Ok(default) };
        value.parse().ok().filter(is_good).ok_or_else(|| SettingsError::Number {
            variable: variable.to_owned(),
            value,
            wanted,
        })
    }

    /// Says something once, however many signals it holds for.
    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn choice(variable: String, value: String, known: &'static str) -> SettingsError {
    SettingsError::Choice { variable, value, known }
}

fn upper(signal: Signal) -> String {
    signal.name().to_ascii_uppercase()
}

fn millis_of(span: Nanos) -> u64 {
    span.as_u64() / 1_000_000
}

/// One attempt, unless told otherwise.
const ATTEMPT: Nanos = Nanos::from_secs(10);
/// A day, in milliseconds: what is meant to be longer is not meant.
const LONGEST: u64 = 86_400_000;
/// The port of OTLP over gRPC (IANA).
const GRPC_PORT: u16 = 4317;
const DEFAULT_GRPC: &str = "http://localhost:4317";
const DEFAULT_HTTP: &str = "http://localhost:4318";
