//! What goes wrong, and how it is made good.

use control::{
    Ack, BeatAck, Command, CommandBody, CommandId, ControllerMessage, Epoch, FromController, LeaseToken,
    Standing, StopMode,
};
use controller::Actor;
use units::{Nanos, Timestamp};

use super::{Event, Simulation};
use crate::life::{Down, Up};
use crate::weather::{Cut, Fault, Path};

impl Simulation {
    pub(super) fn go_wrong(&mut self, fault: Fault) {
        if self.is_calm {
            return;
        }
        match fault {
            Fault::Crash { worker, back } => {
                for life in self.lives_of(worker) {
                    self.kill(life);
                }
                if let Some(back) = back {
                    self.plan(self.now + back, Event::Back { worker });
                }
            }
            Fault::Freeze { worker, span } => {
                for life in self.lives_of(worker) {
                    let until = self.now + span;
                    let process = &mut self.processes[life];
                    if process.asleep_until > self.now {
                        continue;
                    }
                    let clock = process.life.clock;
                    process.life.sleep(clock.shows(self.now), clock.shows(until));
                    process.asleep_until = until;
                    self.note_sent(life);
                }
            }
            Fault::FreezeController { span } => {
                self.hub.asleep_until = self.hub.asleep_until.max(self.now + span)
            }
            Fault::Join => {
                let worker =
                    self.processes.iter().map(|process| process.worker).max().map_or(0, |last| last + 1);
                self.give_birth(worker, false);
            }
            Fault::Twin { worker } => self.give_birth(worker, true),
            Fault::Signal { worker, mode } => {
                for life in self.lives_of(worker) {
                    let down = if self.dice.one_in(5) { Down::Cancel } else { Down::Signal(mode) };
                    self.plan(self.now, Event::ToWorker { life, down });
                }
            }
            Fault::Drain { worker, mode } => {
                let Some(life) = self.lives_of(worker).first().copied() else { return };
                let name = self.processes[life].life.name.clone();
                if self.hub.asleep_until <= self.now {
                    // Refused where there is no such worker any more.
                    let by = Actor::new("simulation");
                    let _ = self.call(|hub, now, out| hub.cluster.drain(now, &name, mode, by, out));
                }
            }
            Fault::Control(control) => {
                if self.hub.asleep_until > self.now {
                    return;
                }
                let runs: Vec<_> = self.submissions.keys().copied().collect();
                let run = self.dice.pick(&runs);
                // Refused where the run is not in a state for it.
                let by = Actor::new("simulation");
                let _ = self.call(|hub, now, out| hub.cluster.control(now, run, &control, by, out));
            }
            Fault::Past => self.repeat_the_past(),
            Fault::Break { cut } => self.break_streams(cut),
        }
    }

    /// A worker that died or left comes back, if it did not already.
    pub(super) fn come_back(&mut self, worker: usize) {
        if self.lives_of(worker).is_empty() {
            self.give_birth(worker, false);
        }
    }

    /// From now on nothing goes wrong, so everything has to come to its end.
    pub(super) fn calm_down(&mut self) {
        self.is_calm = true;
        self.weather.cuts.clear();
        self.weather.jitter = self.weather.jitter.min(Nanos::from_millis(30));
        for life in 0..self.processes.len() {
            if self.processes[life].is_twin && !self.processes[life].is_dead {
                self.kill(life);
            }
        }
        let runs: Vec<_> = self.submissions.keys().copied().collect();
        for run in runs {
            let by = Actor::new("simulation");
            let resume = controller::cluster::RunControl::Resume;
            let _ = self.call(|hub, now, out| hub.cluster.control(now, run, &resume, by, out));
        }
    }

    fn lives_of(&self, worker: usize) -> Vec<usize> {
        let is_there = |life: &usize| {
            let process = &self.processes[*life];
            process.worker == worker && !process.is_dead && process.life.exit.is_none()
        };
        (0..self.processes.len()).filter(is_there).collect()
    }

    /// A process is gone with everything it knew.
    fn kill(&mut self, life: usize) {
        let process = &mut self.processes[life];
        if process.asleep_until <= self.now {
            let shown = process.life.clock.shows(self.now);
            process.life.advance(shown);
            self.note_sent(life);
        }
        self.processes[life].is_dead = true;
        self.has_gone(life);
    }

    /// The controller notices sooner or later that the streams of a process are gone.
    pub(super) fn has_gone(&mut self, life: usize) {
        for stream in self.hub.streams_of(life) {
            let at = self.now + self.weather.latency + self.dice.millis(0, 2_000);
            self.plan(at, Event::ToController { life, up: Up::Close { stream } });
        }
    }

    /// Both ends of the streams that go through a cut notice, each in its own time.
    fn break_streams(&mut self, cut: usize) {
        let Some(Cut { worker, .. }) = self.weather.cuts.get(cut).copied() else { return };
        for life in 0..self.processes.len() {
            if worker.is_some_and(|of| of != self.processes[life].worker) {
                continue;
            }
            for stream in self.hub.streams_of(life) {
                let (there, here) = (self.dice.millis(0, 2_000), self.dice.millis(0, 2_000));
                self.plan(self.now + there, Event::ToController { life, up: Up::Close { stream } });
                self.plan(self.now + here, Event::ToWorker { life, down: Down::Closed { stream } });
            }
        }
    }

    /// What was said long ago comes again, and words of a controller that was there before.
    fn repeat_the_past(&mut self) {
        let at = self.now + self.dice.millis(0, 50);
        for (_, event) in std::mem::take(&mut self.past) {
            match event {
                // On its own path an old word is harmless; on another it would never arrive.
                Event::ToController { life, up } => self.plan(at, Event::ToController { life, up }),
                Event::ToWorker { life, down } => self.plan(at, Event::ToWorker { life, down }),
                _ => {}
            }
        }
        let runs: Vec<_> = self.submissions.keys().copied().collect();
        for life in 0..self.processes.len() {
            let Some(stream) = self.hub.streams_of(life).last().copied() else { continue };
            let run_id = self.dice.pick(&runs);
            let epoch = Epoch(self.dice.below(7));
            let body = match self.dice.below(4) {
                0 => ControllerMessage::Ack(Ack { run_id, epoch, through: self.dice.below(40) }),
                1 => ControllerMessage::Fenced { current: LeaseToken { epoch: Epoch(99), counter: 1 } },
                2 => ControllerMessage::Farewell,
                _ => {
                    let (id, body) =
                        (CommandId(self.dice.between(1, 6)), CommandBody::Stop(StopMode::Cancel));
                    ControllerMessage::Command(Box::new(Command { run_id, epoch, id, body }))
                }
            };
            let cluster = control::ClusterId(uuid::Uuid::from_u128(9));
            let is_inner = matches!(body, ControllerMessage::Ack(_) | ControllerMessage::Command(_));
            let said_by = if is_inner && self.dice.one_in(2) { Epoch(7) } else { epoch };
            let message = Box::new(FromController { cluster, epoch: said_by, body });
            self.plan(at, Event::ToWorker { life, down: Down::Received { stream, message } });
            let current = LeaseToken { epoch: Epoch(99), counter: 1 };
            let ack = BeatAck {
                epoch,
                number: self.dice.between(1, 30),
                standing: Standing::Fenced { current },
                received_at: Timestamp::ORIGIN,
                sent_at: Timestamp::ORIGIN,
                stop: Some((run_id, StopMode::Cancel)),
            };
            for grant in 1..4 {
                self.send_down(life, Path::Beats, Down::Acked { grant, ack });
            }
        }
    }
}
