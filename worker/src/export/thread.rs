//! The export thread of a worker's part of a run.

use std::mem;

use control::{TracedRequest, WorkerHealth};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use metrics::{ErrorClass, ExecutionRecord, Outcome, Period, RequestRecord, Signal, Snapshot, TraceTally};
use telemetry::catalogue as names;
use telemetry::spans::{SpanData, WallAnchor};
use telemetry::{Outlet, RunBoard};
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use super::keeping::RECORDS;
use super::lines::Lines;
use super::presence::Presence;
use super::saturation::Saturation;
use super::{Flushed, Part, Told, Word};
use crate::outbox::keep_slowest;

/// How often the engine's queues are emptied.
const DRAIN: Nanos = Nanos::from_millis(100);

/// Spans that are handed over at once: what finds no room is lost there, and counted, and is not piled up here.
const MOST_SPANS: usize = 1_024;

/// Everything the thread has.
pub(super) struct Export<T> {
    part: Part,
    tell: T,
    clock: MonotonicClock,
    outlet: Option<Outlet>,
    board: RunBoard,
    presence: Presence,
    lines: Lines,
    wall: WallAnchor,
    saturation: Saturation,
    /// From when run time counts.
    start: Option<Timestamp>,
    slowest: Vec<TracedRequest>,
    /// What the engine's threads did not hand over, in all.
    tally: TraceTally,
    next_drain: Timestamp,
    next_second: Timestamp,
    next_points: Timestamp,
}

impl<T: Fn(Told)> Export<T> {
    pub(super) fn new(mut part: Part, presence: Presence, tell: T) -> Self {
        let clock = MonotonicClock;
        let now = clock.now();
        let outlet = part.pipeline.as_ref().map(telemetry::Pipeline::outlet);
        let (run_id, worker) = (part.run_id, part.worker.clone());
        let board = presence.board();
        board.measure(&part.layout);
        board.describe(mem::take(&mut part.targets));
        // A counter that is there from the beginning can be seen to rise.
        board.set(&names::EXECUTIONS_OVER_BUDGET, &[], 0.0);
        Self {
            tell,
            clock,
            outlet,
            board,
            presence,
            lines: Lines { run_id: run_id.to_string(), worker, tells_target: part.tells_target },
            wall: WallAnchor::read(&clock),
            saturation: Saturation::new(part.excluded_threads.clone()),
            start: None,
            slowest: Vec::new(),
            tally: TraceTally::default(),
            next_drain: now + DRAIN,
            next_second: now + Nanos::SECOND,
            next_points: now + part.telemetry.settings.metric_interval,
            part,
        }
    }

    /// Works until it is told to flush, or until nobody is left to tell it.
    pub(super) fn run(mut self, words: &Receiver<Word>) -> Flushed {
        loop {
            let next = self.next_drain.min(self.next_second).min(self.next_points);
            match words.recv_timeout(next.saturating_since(self.clock.now()).into()) {
                Ok(Word::Begin(start)) => {
                    self.start = Some(start);
                    self.saturation.begin();
                }
                Ok(Word::Observe(snapshot)) => self.observe(&snapshot),
                Ok(Word::Flush { rest, health, until }) => return self.flush(rest, &health, until),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let now = self.clock.now();
                    return self.flush(None, &WorkerHealth::default(), now);
                }
            }
            self.look_around();
        }
    }

    /// Does what is due.
    fn look_around(&mut self) {
        let now = self.clock.now();
        if now >= self.next_drain {
            self.next_drain = now + DRAIN;
            self.drain();
        }
        if now >= self.next_second {
            self.next_second = now + Nanos::SECOND;
            self.saturation.show(&self.board);
            self.tell_slowest();
            self.show_sinks();
        }
        if now >= self.next_points {
            self.next_points = now + self.part.telemetry.settings.metric_interval;
            self.send_points();
        }
    }

    fn observe(&mut self, snapshot: &Snapshot) {
        self.board.observe(snapshot);
    }

    /// Takes all kept executions from the engine's threads.
    fn drain(&mut self) {
        let mut spans = Vec::new();
        let mut drains = mem::take(&mut self.part.drains);
        let mut tally = TraceTally::default();
        for drain in &mut drains {
            // The tally first: what is told of a second comes after its records.
            tally.merge(&drain.take_tally());
            // As many as were there at most: an engine that is faster than this thread would keep it here for good.
            for _ in 0..RECORDS {
                let Some(record) = drain.next_record() else { break };
                self.take(&record, &mut spans);
                drain.give_back(record);
                if spans.len() >= MOST_SPANS {
                    self.send(mem::take(&mut spans));
                }
            }
        }
        self.part.drains = drains;
        self.send(spans);
        self.account(&tally);
    }

    fn send(&self, spans: Vec<SpanData>) {
        if let Some(outlet) = &self.outlet
            && !spans.is_empty()
        {
            outlet.spans(spans);
        }
    }

    fn take(&mut self, record: &ExecutionRecord, spans: &mut Vec<SpanData>) {
        if record.kept.traced {
            self.part.catalog.execution(record, &self.wall, spans);
            if record.period == Period::Measured {
                for request in &record.requests {
                    self.point_at(record, request);
                }
            }
        }
        if record.kept.logged {
            self.lines.execution(record, &self.part.catalog, &self.wall);
        }
    }

    /// Makes a measured request findable: on the histograms' buckets, and among the slowest.
    fn point_at(&mut self, record: &ExecutionRecord, request: &RequestRecord) {
        let RequestRecord { index, step, ref sample, .. } = *request;
        let context = record.context.request(index);
        let (response_time, service_time) = (sample.times.response_time(), sample.times.service_time());
        let at = self.wall.unix_nanos(sample.times.completed_at);
        let is_ok = sample.outcome == Outcome::Succeeded;
        self.board.exemplar(step as usize, is_ok, at, response_time, service_time, context);
        let Some(start) = self.start else { return };
        let traced = TracedRequest {
            step,
            iteration: record.iteration,
            vu: record.vu,
            at: sample.times.intended_start.saturating_since(start),
            response_time,
            service_time,
            queue_wait: sample.times.queue_wait(),
            phases: sample.phases,
            outcome: sample.outcome,
            status: sample.status,
            context,
        };
        let is_full = self.slowest.len() >= TracedRequest::MOST;
        if !is_full || self.slowest.last().is_some_and(|last| last.response_time < response_time) {
            keep_slowest(&mut self.slowest, vec![traced]);
        }
    }

    /// Books what the engine's threads did not hand over.
    fn account(&mut self, tally: &TraceTally) {
        if *tally == TraceTally::default() {
            return;
        }
        self.tally.merge(tally);
        if let Some(outlet) = &self.outlet {
            outlet.lost(Signal::Traces, tally.lost_spans);
            outlet.lost(Signal::Logs, tally.lost_lines);
        }
        if tally.lost_lines > 0 {
            self.lines.lost(tally.lost_lines);
        }
        for (class, count) in ErrorClass::ALL.iter().zip(tally.suppressed).filter(|(_, count)| *count > 0) {
            self.lines.suppressed(*class, count);
            let all = self.tally.suppressed[class.index()];
            self.board.set(&names::LINES_SUPPRESSED, &[("error.type", class.name())], all as f64);
        }
        self.board.set(&names::EXECUTIONS_OVER_BUDGET, &[], self.tally.over_budget as f64);
    }

    fn tell_slowest(&mut self) {
        if !self.slowest.is_empty() {
            (self.tell)(Told::Traced(mem::take(&mut self.slowest)));
        }
    }

    fn show_sinks(&self) {
        if let Some(outlet) = &self.outlet {
            self.board.sinks(&outlet.reports());
            self.board.set(&names::EXPORTER_FAILURES, &[], outlet.failures() as f64);
        }
    }

    fn send_points(&self) {
        if let Some(outlet) = self.outlet.as_ref().filter(|outlet| outlet.sends(Signal::Metrics)) {
            let now = self.wall.unix_nanos(self.clock.now());
            outlet.points(self.board.points(now, &self.part.telemetry.settings));
        }
    }

    /// Hands everything over that is left and waits for the receivers, until then at most.
    fn flush(mut self, rest: Option<Box<Snapshot>>, health: &WorkerHealth, until: Timestamp) -> Flushed {
        self.drain();
        self.tell_slowest();
        if let Some(rest) = rest {
            self.observe(&rest);
        }
        self.saturation.show_health(&self.board, health);
        self.show_sinks();
        self.send_points();
        self.presence.close_route();
        let telemetry = self.part.pipeline.take().map(|pipeline| pipeline.close(until)).unwrap_or_default();
        self.board.sinks(&telemetry);
        Flushed { telemetry, over_budget: self.tally.over_budget, fault: None }
    }
}
