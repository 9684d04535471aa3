//! Requests that can be found in traces, and what became of telemetry.

use metrics::{Delivery, ErrorClass, Outcome, Phases, Signal, SinkReport, SpanId, TraceContext, TraceId};
use units::Nanos;

use super::field::{Reader, cut};
use super::{WireError, proto};
use crate::TracedRequest;

/// The most sinks of one worker: more than there are signals, so that one more is understood.
const MAX_SINKS: usize = 8;
/// The most items of one signal: the parts of a ledger can be added up.
const MAX_ITEMS: u64 = 1 << 60;
/// The longest endpoint, in bytes.
const MAX_ENDPOINT: usize = 256;

impl TryFrom<proto::Traced> for Vec<TracedRequest> {
    type Error = WireError;

    fn try_from(traced: proto::Traced) -> Result<Self, WireError> {
        let requests = Reader("Traced").at_most("requests", traced.requests, TracedRequest::MOST)?;
        requests.into_iter().map(TracedRequest::try_from).collect()
    }
}

impl From<&[TracedRequest]> for proto::Traced {
    fn from(requests: &[TracedRequest]) -> Self {
        Self { requests: requests.iter().map(Into::into).collect() }
    }
}

impl TryFrom<proto::TracedRequest> for TracedRequest {
    type Error = WireError;

    fn try_from(request: proto::TracedRequest) -> Result<Self, WireError> {
        let of = Reader("TracedRequest");
        let phase = |field, nanos: Option<u64>| nanos.map(|nanos| of.span(field, nanos)).transpose();
        let at = of.span("at_nanos", request.at_nanos)?;
        let response_time = of.span("response_time_nanos", request.response_time_nanos)?;
        // Both are below 2^63.
        of.span("at_nanos", at.as_u64() + response_time.as_u64())?;
        Ok(Self {
            step: request.step,
            iteration: of.number("iteration", request.iteration)?,
            vu: request.vu,
            at,
            response_time,
            service_time: of.span("service_time_nanos", request.service_time_nanos)?,
            queue_wait: of.span("queue_wait_nanos", request.queue_wait_nanos)?,
            phases: Phases {
                dns: phase("dns_nanos", request.dns_nanos)?,
                connect: phase("connect_nanos", request.connect_nanos)?,
                tls: phase("tls_nanos", request.tls_nanos)?,
                first_byte: phase("first_byte_nanos", request.first_byte_nanos)?,
                receive: phase("receive_nanos", request.receive_nanos)?,
            },
            outcome: outcome(of, request.end, request.error_class)?,
            status: match request.status {
                // Within what 16 bits hold.
                Some(status) => of.within("status", status.into(), 100, 999, "")? as u16,
                None => 0,
            },
            context: context(of, &request.trace_id, &request.span_id)?,
        })
    }
}

impl From<&TracedRequest> for proto::TracedRequest {
    fn from(request: &TracedRequest) -> Self {
        let nanos = |phase: Option<Nanos>| phase.map(Nanos::as_u64);
        let (end, error_class) = match request.outcome {
            Outcome::Succeeded => (proto::RequestEnd::Succeeded, None),
            Outcome::Failed(class) => (proto::RequestEnd::Failed, Some(class.index() as u32)),
            Outcome::Cancelled => (proto::RequestEnd::Cancelled, None),
        };
        Self {
            step: request.step,
            iteration: request.iteration,
            vu: request.vu,
            at_nanos: request.at.as_u64(),
            response_time_nanos: request.response_time.as_u64(),
            service_time_nanos: request.service_time.as_u64(),
            queue_wait_nanos: request.queue_wait.as_u64(),
            dns_nanos: nanos(request.phases.dns),
            connect_nanos: nanos(request.phases.connect),
            tls_nanos: nanos(request.phases.tls),
            first_byte_nanos: nanos(request.phases.first_byte),
            receive_nanos: nanos(request.phases.receive),
            end: end.into(),
            error_class,
            status: (request.status != 0).then(|| request.status.into()),
            trace_id: request.context.trace.0.to_be_bytes().to_vec(),
            span_id: request.context.span.0.to_be_bytes().to_vec(),
        }
    }
}

fn outcome(of: Reader, end: i32, error_class: Option<u32>) -> Result<Outcome, WireError> {
    let end = match proto::RequestEnd::try_from(end) {
        Ok(proto::RequestEnd::Unspecified) | Err(_) => return Err(of.unknown("end", end)),
        Ok(end) => end,
    };
    match (end, error_class) {
        (proto::RequestEnd::Failed, class) => {
            let class = of.required("error_class", class)?;
            let index = of.within("error_class", class.into(), 0, ErrorClass::COUNT as u64 - 1, "")?;
            Ok(Outcome::Failed(ErrorClass::ALL[index as usize]))
        }
        (_, Some(_)) => Err(of.fault("error_class", "is there although the request did not fail")),
        (proto::RequestEnd::Succeeded, None) => Ok(Outcome::Succeeded),
        (_, None) => Ok(Outcome::Cancelled),
    }
}

fn context(of: Reader, trace: &[u8], span: &[u8]) -> Result<TraceContext, WireError> {
    let length = |field, found: &[u8], wanted: usize| {
        of.fault(field, format!("has {} bytes instead of {wanted}", found.len()))
    };
    let trace_id = trace.try_into().map(u128::from_be_bytes).map_err(|_| length("trace_id", trace, 16))?;
    let span_id = span.try_into().map(u64::from_be_bytes).map_err(|_| length("span_id", span, 8))?;
    for (field, is_zero) in [("trace_id", trace_id == 0), ("span_id", span_id == 0)] {
        if is_zero {
            return Err(of.fault(field, "is all zeroes, which names nothing"));
        }
    }
    Ok(TraceContext { trace: TraceId(trace_id), span: SpanId(span_id) })
}

/// What became of a worker's telemetry, of the message that `of` reads. A ledger that does not balance is taken: it is for
/// the result to say so.
pub(super) fn reports(of: Reader, sinks: Vec<proto::SinkReport>) -> Result<Vec<SinkReport>, WireError> {
    of.at_most("telemetry", sinks, MAX_SINKS)?.into_iter().map(report).collect()
}

/// The same as it is sent.
pub(super) fn sent(reports: &[SinkReport]) -> Vec<proto::SinkReport> {
    reports
        .iter()
        .take(MAX_SINKS)
        .map(|report| {
            let signal = match report.signal {
                Signal::Traces => proto::Signal::Traces,
                Signal::Metrics => proto::Signal::Metrics,
                Signal::Logs => proto::Signal::Logs,
            };
            let delivery = &report.delivery;
            proto::SinkReport {
                signal: signal.into(),
                endpoint: cut(&report.endpoint, MAX_ENDPOINT),
                produced: delivery.produced,
                acknowledged: delivery.acknowledged,
                rejected: delivery.rejected,
                lost: delivery.lost,
                unknown: delivery.unknown,
                retried: delivery.retried,
            }
        })
        .collect()
}

fn report(report: proto::SinkReport) -> Result<SinkReport, WireError> {
    let of = Reader("SinkReport");
    let signal = match proto::Signal::try_from(report.signal) {
        Ok(proto::Signal::Traces) => Signal::Traces,
        Ok(proto::Signal::Metrics) => Signal::Metrics,
        Ok(proto::Signal::Logs) => Signal::Logs,
        Ok(proto::Signal::Unspecified) | Err(_) => return Err(of.unknown("signal", report.signal)),
    };
    let items = |field, count| of.within(field, count, 0, MAX_ITEMS, "");
    let delivery = Delivery {
        produced: items("produced", report.produced)?,
        acknowledged: items("acknowledged", report.acknowledged)?,
        rejected: items("rejected", report.rejected)?,
        lost: items("lost", report.lost)?,
        unknown: items("unknown", report.unknown)?,
        retried: items("retried", report.retried)?,
    };
    Ok(SinkReport { signal, endpoint: of.text("endpoint", report.endpoint, MAX_ENDPOINT)?, delivery })
}
