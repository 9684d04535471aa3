//! CPU per verified request, side by side: `loadgen`, the floor client, `wrk` and `oha` against the epoll server and
//! nginx, in ABBA order within one run, after an A/A run that shows how much to believe.
//!
//! `peers [ROUNDS] [SECONDS]`, from `benches/peers/run`, which builds everything first. Client and target are pinned
//! to a CPU each. A row counts only if the target's own count agrees with the client's.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};

/// A target under test; stopped when dropped.
struct Server {
    name: &'static str,
    child: Child,
    port: u16,
    /// Where it tells its own count.
    stats: &'static str,
    folder: Option<PathBuf>,
}

/// One client, and how to read its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Loadgen,
    Floor,
    Hyper,
    Wrk,
    Oha,
}

/// What one client's run came to.
#[derive(Clone, Copy, Debug)]
struct Reading {
    micros_per_request: f64,
    requests: u64,
    wall_rate: f64,
}

const CONNECTIONS: u32 = 64;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let rounds: u32 = args.next().map_or(Ok(4), |text| text.parse())?;
    let seconds: u32 = args.next().map_or(Ok(4), |text| text.parse())?;
    let bin = std::env::current_exe()?.parent().context("a program lies in a folder")?.to_owned();

    println!(
        "CPU per verified request, {CONNECTIONS} connections, keep-alive HTTP/1.1, {rounds} ABBA rounds of {seconds} s"
    );
    for server in [epoll_server(&bin)?, nginx()?].into_iter().flatten() {
        println!("\ntarget {}", server.name);
        compare(&bin, &server, Client::Loadgen, Client::Loadgen, rounds, seconds)?;
        for other in [Client::Floor, Client::Hyper, Client::Wrk, Client::Oha] {
            if other.program(&bin).is_none() {
                println!("  {other:?}: not installed, not compared");
                continue;
            }
            compare(&bin, &server, Client::Loadgen, other, rounds, seconds)?;
        }
    }
    Ok(())
}

/// Prints `first` over `second`: the median of the rounds' ratios and their spread.
fn compare(
    bin: &Path,
    server: &Server,
    first: Client,
    second: Client,
    rounds: u32,
    seconds: u32,
) -> anyhow::Result<()> {
    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        // ABBA: a drift of the machine falls on both alike.
        let a = first.run(bin, server, seconds)?;
        let b = second.run(bin, server, seconds)?;
        let b2 = second.run(bin, server, seconds)?;
        let a2 = first.run(bin, server, seconds)?;
        ratios.push(
            (a.micros_per_request + a2.micros_per_request) / (b.micros_per_request + b2.micros_per_request),
        );
        ours.extend([a, a2]);
        theirs.extend([b, b2]);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "  {first:?} / {second:?}: {:.3}  (rounds {:.3} to {:.3}; {:.2} against {:.2} µs a request; {:.0} against {:.0} requests/s; {} requests)",
        median(&ratios),
        ratios[0],
        ratios[ratios.len() - 1],
        mean(&ours, |reading| reading.micros_per_request),
        mean(&theirs, |reading| reading.micros_per_request),
        mean(&ours, |reading| reading.wall_rate),
        mean(&theirs, |reading| reading.wall_rate),
        ours.iter().chain(&theirs).map(|reading| reading.requests).sum::<u64>(),
    );
    Ok(())
}

fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

fn mean(readings: &[Reading], of: impl Fn(&Reading) -> f64) -> f64 {
    readings.iter().map(of).sum::<f64>() / readings.len() as f64
}

impl Client {
    /// Its program, when it is there.
    fn program(self, bin: &Path) -> Option<PathBuf> {
        let name = match self {
            Self::Loadgen => return Some(bin.join("loadgen")),
            Self::Floor => return Some(bin.join("floor_client")),
            Self::Hyper => return Some(bin.join("hyper_client")),
            Self::Wrk => "wrk",
            Self::Oha => "oha",
        };
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    fn run(self, bin: &Path, server: &Server, seconds: u32) -> anyhow::Result<Reading> {
        let program = self.program(bin).context("the client is installed")?;
        let program = program.to_string_lossy();
        let port = server.port;
        let client = match self {
            Self::Loadgen => format!(
                "{program} http http://127.0.0.1:{port}/ -c {CONNECTIONS} -d {seconds}s --threads 1 --quiet --out -"
            ),
            Self::Floor | Self::Hyper => format!("{program} 127.0.0.1:{port} {CONNECTIONS} {seconds}"),
            Self::Wrk => format!("{program} -t1 -c{CONNECTIONS} -d{seconds}s http://127.0.0.1:{port}/"),
            Self::Oha => format!(
                "{program} --no-tui -c {CONNECTIONS} -z {seconds}s -w --output-format json http://127.0.0.1:{port}/"
            ),
        };
        let before = server.count()?;
        // The shell's `time` tells user and system time of all threads, to the millisecond.
        let script = format!("TIMEFORMAT='CPU %U %S'; time taskset -c 1 {client}");
        let output = Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).output()?;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{self:?} ended with {}: {stderr}", output.status);
        let cpu: f64 = stderr
            .lines()
            .find_map(|line| line.strip_prefix("CPU "))
            .with_context(|| format!("no CPU time in {stderr}"))?
            .split(' ')
            .map(|part| part.parse::<f64>())
            .sum::<Result<f64, _>>()?;
        let counted = server.count()? - before;
        let told = self.told(&stdout)?;
        // A client that stops with requests in flight leaves up to one a connection that only the target has seen.
        let unseen = counted
            .checked_sub(told)
            .with_context(|| format!("{self:?} tells {told}, the target {counted}"))?;
        ensure!(
            unseen <= u64::from(CONNECTIONS),
            "{self:?} tells {told} requests, the target counted {counted}"
        );
        Ok(Reading {
            micros_per_request: cpu * 1e6 / told as f64,
            requests: told,
            wall_rate: told as f64 / f64::from(seconds),
        })
    }

    /// The number of complete responses in what it printed.
    fn told(self, stdout: &str) -> anyhow::Result<u64> {
        match self {
            Self::Floor | Self::Hyper => Ok(stdout.trim().parse()?),
            Self::Wrk => {
                let line = stdout
                    .lines()
                    .find(|line| line.contains(" requests in "))
                    .context("wrk told no count")?;
                Ok(line.split_whitespace().next().context("wrk told no count")?.parse()?)
            }
            Self::Loadgen => {
                let result: serde_json::Value = serde_json::from_str(stdout)?;
                result["totals"]["requests"]["succeeded"].as_u64().context("the result tells no count")
            }
            Self::Oha => {
                let result: serde_json::Value = serde_json::from_str(stdout)?;
                result["statusCodeDistribution"]["200"].as_u64().context("oha told no count")
            }
        }
    }
}

impl Server {
    /// How many requests it has counted; those for its count are not among them.
    fn count(&self) -> anyhow::Result<u64> {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
        // In one piece: a target that reads whole requests takes nothing else.
        let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", self.stats);
        socket.write_all(request.as_bytes())?;
        let mut answer = BufReader::new(socket);
        let mut line = String::new();
        while answer.read_line(&mut line)? > 2 {
            line.clear();
        }
        line.clear();
        answer.read_line(&mut line)?;
        if self.stats == "/stats" {
            return Ok(line.trim().parse()?);
        }
        // nginx: "server accepts handled requests", then the three numbers; each of our own counts is one of them.
        line.clear();
        answer.read_line(&mut line)?;
        line.clear();
        answer.read_line(&mut line)?;
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [accepts, _, requests] = numbers[..] else { bail!("nginx told `{line}`") };
        let _ = accepts;
        Ok(requests)
    }
}

fn epoll_server(bin: &Path) -> anyhow::Result<Option<Server>> {
    let mut child = Command::new("taskset")
        .args(["-c", "0"])
        .arg(bin.join("epoll_server"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
    Ok(Some(Server {
        name: "epoll server",
        child,
        port: line.trim().parse()?,
        stats: "/stats",
        folder: None,
    }))
}

fn nginx() -> anyhow::Result<Option<Server>> {
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).is_file());
    let Some(program) = program else {
        println!("\ntarget nginx: not installed, not compared");
        return Ok(None);
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let folder = std::env::temp_dir().join(format!("loadgen-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("nginx.conf");
    std::fs::write(
        &config,
        format!(
            "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
             events {{ worker_connections 1024; }}
             http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/b;
               proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
               server {{ listen 127.0.0.1:{port}; location / {{ return 200 'ok\\n'; }} location /nginx {{ stub_status; }} }} }}",
            folder = folder.display()
        ),
    )?;
    let child = Command::new("taskset").args(["-c", "0", program, "-c"]).arg(&config).spawn()?;
    let server = Server { name: "nginx", child, port, stats: "/nginx", folder: Some(folder) };
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(Some(server));
        }
        std::thread::park_timeout(std::time::Duration::from_millis(25));
    }
    bail!("nginx does not answer on port {port}")
}

impl Drop for Server {
    fn drop(&mut self) {
        // The epoll server ends with its standard input; nginx's master takes its worker with it on a signal.
        drop(self.child.stdin.take());
        if self.folder.is_some() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        }
        let _ = self.child.wait();
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
