//! The figures of the whole program: rate, dispatch lag, a stall against its arithmetic, memory, and what recording
//! and exporting costs 50,000 waiting users.
//!
//! `system [rate|lag|stall|memory|slopes|users]…`, from `benches/system/run`, which builds everything first. Prints one line a
//! figure with what was asked; the target's own count must agree with the result.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, ensure};
use engine::Tracer;
use loadgen_benches::exporter::{Exporter, serve};
use loadgen_benches::memory::tracer;
use loadgen_benches::{GET, layout, over_memory, plan, recorder, run_with};
use metrics::{NoRecorder, Record, SinkReport, TraceOptions};
use plan::{LoadModel, Op, Stage, UserProfile};
use serde_json::Value;
use units::Nanos;

fn main() -> anyhow::Result<()> {
    let bin = std::env::current_exe()?.parent().context("a program lies in a folder")?.to_owned();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted == [SINK] {
        return serve(|url| println!("{url}"));
    }
    let bench =
        Bench { bin, folder: std::env::temp_dir().join(format!("loadgen-system-{}", std::process::id())) };
    std::fs::create_dir_all(&bench.folder)?;
    let figures: [(&str, Figure); 6] = [
        ("rate", rate),
        ("lag", lag),
        ("stall", stall),
        ("memory", memory),
        ("slopes", slopes),
        ("users", users),
    ];
    for (name, figure) in figures {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            println!("\n{name}");
            figure(&bench)?;
        }
    }
    std::fs::remove_dir_all(&bench.folder)?;
    Ok(())
}

type Figure = fn(&Bench) -> anyhow::Result<()>;

struct Bench {
    bin: PathBuf,
    folder: PathBuf,
}

/// The built-in target in a process of its own, on CPU 0.
struct Target {
    child: Child,
    url: String,
}

impl Target {
    fn start(bin: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(bin.join("loadgen"))
            .args(["demo-target", "--port", "0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let url = lines
            .find_map(|line| {
                line.ok().and_then(|line| {
                    line.split(' ').find(|word| word.starts_with("http://")).map(str::to_owned)
                })
            })
            .context("the target told no address")?;
        Ok(Self { child, url: url.trim_end_matches('/').to_owned() })
    }

    /// How many requests it has counted.
    fn arrivals(&self) -> anyhow::Result<u64> {
        let address = self.url.trim_start_matches("http://");
        let mut socket = std::net::TcpStream::connect(address)?;
        std::io::Write::write_all(
            &mut socket,
            format!("GET /stats HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut socket, &mut answer)?;
        let body = answer.split_once("\r\n\r\n").context("the target told nothing")?.1;
        let stats: Value = serde_json::from_str(body)?;
        stats["arrivals"].as_u64().context("the target told no count")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Bench {
    /// Runs a scenario on CPU 1 alone against `target`; the target must have counted what the result tells.
    fn run(&self, target: &Target, pacing: &str, scenario: &str) -> anyhow::Result<Value> {
        let file = self.folder.join("scenario.yaml");
        let url = &target.url;
        std::fs::write(
            &file,
            format!("name: system\npacing: {pacing}\ntarget: {{ url: {url} }}\nscenarios:\n  s:\n{scenario}"),
        )?;
        let before = target.arrivals()?;
        let output = Command::new("taskset")
            .args(["-c", "1"])
            .arg(self.bin.join("loadgen"))
            .arg("run")
            .arg(&file)
            .args(["--quiet", "--out", "-", "--threads", "1"])
            .output()?;
        let result: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        // The preflight's connection sends nothing.
        let attempted = result["totals"]["requests"]["attempted"].as_u64().context("no count")?;
        let counted = target.arrivals()? - before;
        ensure!(counted == attempted, "the result tells {attempted} requests, the target counted {counted}");
        Ok(result)
    }
}

fn number(result: &Value, path: &str) -> f64 {
    result.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn open(rate: &str, duration: &str, path: &str) -> String {
    format!(
        "    executor: constant-arrival-rate\n    rate: {rate}\n    duration: {duration}\n    max_vus: 64\n    steps: [{{ get: {path} }}]\n"
    )
}

/// 10,000/s for two minutes: every slot sent, drift under 0.1 %.
fn rate(bench: &Bench) -> anyhow::Result<()> {
    let target = Target::start(&bench.bin, &[])?;
    let result = bench.run(&target, "balanced", &open("10000/s", "2m", "/"))?;
    println!(
        "  10,000/s for 2 min: planned {} started {} (asked: 0 missing, 0 extra), drift {:.4} % (asked < 0.1 %), verdict {}",
        number(&result, "/scenarios/0/rate/planned"),
        number(&result, "/scenarios/0/rate/started"),
        number(&result, "/scenarios/0/rate/drift_ratio") * 100.0,
        result["verdict"]["outcome"],
    );
    Ok(())
}

/// Dispatch lag at 10,000/s with the whole process on one core, in both pacing modes.
fn lag(bench: &Bench) -> anyhow::Result<()> {
    let target = Target::start(&bench.bin, &[])?;
    for (pacing, asked) in [("balanced", "≤ 100 µs at ≤ 60 %"), ("precise", "≤ 20 µs")] {
        let result = bench.run(&target, pacing, &open("10000/s", "20s", "/"))?;
        let health = &result["workers"][0]["health"];
        let elapsed = number(health, "/elapsed_ms");
        println!(
            "  {pacing}: dispatch lag p50 {:.1} p99 {:.1} p99.9 {:.1} µs (asked p99 {asked}); service time p50 {:.1} µs; engine {:.1} % of the core, other threads {:.2} % (asked ≤ 1 %)",
            number(&result, "/totals/dispatch_lag_us/p50"),
            number(&result, "/totals/dispatch_lag_us/p99"),
            number(&result, "/totals/dispatch_lag_us/p99_9"),
            number(&result, "/totals/service_time_us/all/p50"),
            number(health, "/engine_cpu_ms") / elapsed * 100.0,
            number(health, "/other_cpu_ms") / elapsed * 100.0,
        );
    }
    Ok(())
}

/// A target that stalls 2 s at 1,000/s over 64 connections, in a run of 3 s: response times against arithmetic.
fn stall(bench: &Bench) -> anyhow::Result<()> {
    let target = Target::start(&bench.bin, &["--stall", "500ms+2s"])?;
    let result = bench.run(&target, "balanced", &open("1000/s", "3s", "/"))?;
    // Of 3,000 requests 2,000 wait, the one that arrives s into the stall for 2 − s: P(wait > x) = (2 − x)/3.
    for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99_9", 0.999)] {
        let analytic = (2.0 - 3.0 * (1.0 - q)) * 1e6;
        let measured = number(&result, &format!("/totals/response_time_us/all/{name}"));
        println!(
            "  {name}: {:.1} ms, by arithmetic {:.1} ms: {:+.2} % (asked ±1 % and a bucket)",
            measured / 1e3,
            analytic / 1e3,
            (measured / analytic - 1.0) * 100.0
        );
    }
    Ok(())
}

/// Users of a closed model who begin with `steps`.
fn closed(vus: u32, duration: &str, steps: &str) -> String {
    format!(
        "    executor: constant-vus\n    vus: {vus}\n    duration: {duration}\n    graceful_stop: 100ms\n    steps: [{steps}]\n"
    )
}

fn rss(result: &Value) -> f64 {
    number(result, "/workers/0/health/peak_rss_bytes")
}

/// Memory of long and of fast runs.
fn memory(bench: &Bench) -> anyhow::Result<()> {
    let target = Target::start(&bench.bin, &[])?;
    let slow = bench.run(&target, "balanced", &open("1000/s", "100s", "/"))?;
    let fast = bench.run(&target, "balanced", &closed(64, "100s", "{ get: / }"))?;
    println!(
        "  peak RSS over 64 connections: {:.1} MiB at 1,000/s for 100 s, {:.1} MiB at full speed for 100 s (asked ≤ 20 MiB, within 5 %)",
        rss(&slow) / 1048576.0,
        rss(&fast) / 1048576.0
    );
    Ok(())
}

/// Memory of a user, as a slope: what a few do not cost does not count.
fn slopes(bench: &Bench) -> anyhow::Result<()> {
    let target = Target::start(&bench.bin, &[])?;
    let idle = "{ think: 30s }, { get: / }";
    let (few, many) = (
        bench.run(&target, "balanced", &closed(2_000, "2s", idle))?,
        bench.run(&target, "balanced", &closed(18_000, "2s", idle))?,
    );
    println!("  an idle user: {:.0} B (asked ≤ 512 B)", (rss(&many) - rss(&few)) / 16_000.0);
    let held = "{ get: \"/delay/fixed?ms=1500\" }";
    let (few, many) = (
        bench.run(&target, "balanced", &closed(1_000, "1s", held))?,
        bench.run(&target, "balanced", &closed(5_000, "1s", held))?,
    );
    println!("  a user with a plain connection: {:.0} B (asked ≤ 2 KiB)", (rss(&many) - rss(&few)) / 4_000.0);
    Ok(())
}

/// CPU per iteration of 50,000 users in think time over the target in memory: without a recorder, with one, and with
/// everything that a run with exporters has.
fn users(_: &Bench) -> anyhow::Result<()> {
    let seconds = Stage { duration: Nanos::from_secs(6), from: 50_000, to: 50_000, measured: true };
    let load = LoadModel::VirtualUsers { profile: UserProfile::new(vec![seconds])? };
    let think = Op::Think { min: Nanos::from_millis(100), max: Nanos::from_millis(900) };
    let mut plan = plan(load, vec![think, GET], 80);
    plan.scenarios[0].graceful_stop = Nanos::from_millis(1);
    let plan = Arc::new(plan);
    let with = || {
        let (recorder, drain) = recorder(&plan);
        let cost = Cost::of(&plan, recorder, None);
        drop(drain);
        cost
    };
    let without = || Cost::of(&plan, NoRecorder, None);
    let (a, b, b2, a2) = (with(), without(), without(), with());
    println!(
        "  50,000 users: {:.3} µs an iteration with the recorder, {:.3} µs without: {:.3} µs (asked ≤ 1 µs); A/A {:.3} and {:.3} µs",
        (a.engine + a2.engine) / 2.0,
        (b.engine + b2.engine) / 2.0,
        (a.engine + a2.engine - b.engine - b2.engine) / 2.0,
        a.engine - a2.engine,
        b.engine - b2.engine
    );

    let sink = Sink::start()?;
    let options = TraceOptions::default();
    let exporting = || -> anyhow::Result<(Cost, Vec<SinkReport>)> {
        let (recorder, drain) = recorder(&plan);
        let (tracer, executions) = tracer(&plan, options, 4_096);
        let exporter = Exporter::start(&plan, layout(&plan), sink.url.clone(), drain, executions)?;
        let cost = Cost::of(&plan, recorder, Some((tracer, &options)));
        Ok((cost, exporter.finish()))
    };
    let ((c, reports), b3, b4, (c2, _)) = (exporting()?, without(), without(), exporting()?);
    println!(
        "  the same with spans of 5 % and metrics every second sent: {:.3} µs on the engine thread, {:.3} µs in the whole process (asked < 500 µs, goal 1 µs); A/A {:.3} and {:.3} µs",
        (c.engine + c2.engine - b3.engine - b4.engine) / 2.0,
        (c.process + c2.process - b3.process - b4.process) / 2.0,
        c.process - c2.process,
        b3.process - b4.process
    );
    for report in &reports {
        let sent = &report.delivery;
        println!("  {}: {} of {} acknowledged", report.signal.name(), sent.acknowledged, sent.produced);
        ensure!(sent.acknowledged > 0 && sent.balances(), "the sink took nothing: {report:?}");
    }
    Ok(())
}

/// CPU time per iteration, in microseconds.
struct Cost {
    /// Of the engine thread.
    engine: f64,
    /// Of all threads.
    process: f64,
}

impl Cost {
    fn of<R: Record + 'static>(
        plan: &Arc<plan::RunPlan>,
        recorder: R,
        traced: Option<(Tracer, &TraceOptions)>,
    ) -> Self {
        let (tracer, options) = traced.unzip();
        let protocol = over_memory(plan, options);
        let before = process_cpu();
        let report = run_with(plan, protocol, recorder, tracer);
        let process = process_cpu().saturating_sub(before);
        let iterations = report.iterations_started as f64;
        Self {
            engine: report.cpu.as_micros_f64() / iterations,
            process: process.as_micros_f64() / iterations,
        }
    }
}

fn process_cpu() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Nanos::new(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// This program once more, as what exporters send to: its CPU time is not ours.
struct Sink {
    child: Child,
    url: String,
}

impl Sink {
    fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program).arg(SINK).stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut url)?;
        Ok(Self { child, url: url.trim_end().to_owned() })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program is called with to be the sink.
const SINK: &str = "sink";
