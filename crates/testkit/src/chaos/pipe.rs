//! One direction of a connection: a thread that reads, bytes that are under way, a thread that writes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use units::{Clock, MonotonicClock, Nanos, Timestamp};

use super::weather::{LOOK, Weather};
use super::{Cut, Way};

/// Bytes that are under way.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// With the instant at which they arrive.
    under_way: VecDeque<(Timestamp, Vec<u8>)>,
    len: usize,
    /// Whether nothing more comes.
    is_finished: bool,
    /// Whether nobody takes anything any more.
    is_broken: bool,
}

/// Bytes that fit on the way: with more, who sends them has to wait.
const CAPACITY: usize = 64 << 10;
/// Bytes that are passed on at once unless told otherwise.
const PIECE: usize = 16 << 10;

/// Makes a connection look at the weather now and then, and pass on every piece by itself.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))
}

/// Sends what `from` says on its way, to its end.
pub(super) fn read(mut from: &TcpStream, pipe: &Pipe, weather: &Weather, number: u64, way: Way) {
    let mut draw = weather.seed ^ (number << 1 | way.index() as u64);
    let mut last_arrival = Timestamp::ORIGIN;
    let mut piece = vec![0; PIECE];
    while weather.goes_on(number) && !pipe.lock().is_broken && weather.cut(number) != Some(Cut::Half(way)) {
        if pipe.lock().len >= CAPACITY {
            weather.pause(LOOK);
            continue;
        }
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => {
                let flow = weather.flow(number, way);
                let jitter = Nanos::new(next(&mut draw) % (Nanos::from(flow.jitter).as_u64() + 1));
                let arrival = MonotonicClock.now() + Nanos::from(flow.delay) + jitter;
                last_arrival = last_arrival.max(arrival);
                let mut state = pipe.lock();
                state.under_way.push_back((last_arrival, piece[..len].to_vec()));
                state.len += len;
            }
            Err(error) if is_pause(&error) => {}
            Err(_) => break,
        }
    }
    pipe.lock().is_finished = true;
}

/// Gives `to` what has arrived, to its end.
pub(super) fn write(to: &TcpStream, pipe: &Pipe, weather: &Weather, number: u64, way: Way) {
    while weather.goes_on(number) {
        let flow = weather.flow(number, way);
        let now = MonotonicClock.now();
        let arrives_at = pipe.lock().under_way.front().map(|(at, _)| *at);
        match arrives_at {
            None if pipe.lock().is_finished && !flow.is_held => {
                // The peer has gone, if it fails.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Some(at) if at <= now && !flow.is_held => {}
            Some(at) if !flow.is_held => {
                weather.pause((at - now).min(Nanos::from(LOOK)).into());
                continue;
            }
            _ => {
                weather.pause(LOOK);
                continue;
            }
        }
        // A hundredth of a second's bytes at a time keep a bandwidth in all but the shortest of spans.
        let paced = flow.bytes_per_s.map(|rate| (rate / 100).max(1) as usize);
        let most = paced.unwrap_or(PIECE).min(flow.slice.unwrap_or(PIECE)).max(1);
        let piece = pipe.lock().take(most);
        // Before the peer has them: whoever counts after an answer counts all that led to it.
        weather.passed(number, way, piece.len() as u64);
        if !pass_on(to, &piece, weather, number) {
            pipe.lock().is_broken = true;
            return;
        }
        if let Some(rate) = flow.bytes_per_s {
            let until = now + Nanos::new(piece.len() as u64 * Nanos::SECOND.as_u64() / rate.max(1));
            while MonotonicClock.now() < until && weather.goes_on(number) {
                weather.pause(until.saturating_since(MonotonicClock.now()).into());
            }
        }
    }
}

/// Writes all of `piece`; whether the peer took it.
fn pass_on(mut to: &TcpStream, mut piece: &[u8], weather: &Weather, number: u64) -> bool {
    while !piece.is_empty() {
        match to.write(piece) {
            Ok(0) => return false,
            Ok(len) => piece = &piece[len..],
            Err(error) if is_pause(&error) && weather.goes_on(number) => {}
            Err(_) => return false,
        }
    }
    true
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Up to `most` bytes of those that come first.
    fn take(&mut self, most: usize) -> Vec<u8> {
        let Some((at, mut bytes)) = self.under_way.pop_front() else { return Vec::new() };
        if bytes.len() > most {
            let rest = bytes.split_off(most);
            self.under_way.push_front((at, rest));
        }
        self.len -= bytes.len();
        bytes
    }
}

/// SplitMix64: short, and the same for ever.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
