//! The one-line mode: a workload of one request.
//!
//! The flags are put together to a document, which is then read like any file; every value is a text of its own, so
//! that a problem is shown at its flag.

use units::{Nanos, Rate};

use crate::document::{Entry, Kind, Node};
use crate::load::read_document;
use crate::read::step::KINDS;
use crate::source::Sources;
use crate::{Environment, FileAccess, Loaded, Origin, Overrides, Span};

/// What `loadgen http URL` is told; texts as the user wrote them.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Where the request goes.
    pub url: String,
    /// `-X`: the method; `GET` when absent, `POST` with a body.
    pub method: Option<String>,
    /// `-H`: headers as `Name: value`.
    pub headers: Vec<String>,
    /// `--body`.
    pub body: Option<String>,
    /// `-r`: iterations per time; absent for a closed model.
    pub rate: Option<String>,
    /// `-c`: users, which is connections.
    pub connections: u32,
    /// `-n`: requests in all; absent to run for `duration`.
    pub requests: Option<u64>,
    /// `-d`: how long to run; 10 s when neither this nor `requests` is given.
    pub duration: Option<String>,
    /// `--timeout`: bound on one request.
    pub timeout: Option<String>,
    /// `-k`: the server's certificate is not verified.
    pub insecure: bool,
    /// `--cacert`: PEM certificates to trust.
    pub ca: Option<String>,
    /// `--cert`: PEM client certificate chain.
    pub cert: Option<String>,
    /// `--key`: PEM private key.
    pub key: Option<String>,
    /// `--resolve`: `HOST:PORT:ADDRESS` as curl has it, or `HOST:ADDRESS`; the port is not looked at.
    pub resolve: Vec<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--threads`.
    pub threads: Option<u32>,
    /// `--pacing`: `balanced` or `precise`.
    pub pacing: Option<String>,
    /// `--out`.
    pub out: Option<String>,
    /// `--log-executions`: as the file has it.
    pub log_executions: Option<String>,
}

/// Builds the workload of one request; problems point at the flags.
///
/// With a rate it is a `constant-arrival-rate` of at most `connections` users, else `constant-vus`; with a number of
/// requests `shared-iterations`, or with a rate as long as that many take.
pub fn http_workload(options: &HttpOptions, environment: &Environment, files: &mut dyn FileAccess) -> Loaded {
    let mut builder = Builder::default();
    let root = builder.root(options);
    read_document(root, "http", builder.sources, &Overrides::none(), environment, files)
}

/// Makes nodes whose spans point at flags.
#[derive(Default)]
struct Builder {
    sources: Sources,
}

type Entries = Vec<Entry>;

impl Builder {
    fn root(&mut self, options: &HttpOptions) -> Node {
        let url = self.text("URL", &options.url);
        let (base, path) = split_url(&options.url);
        let mut target = vec![entry("url", part(&url, 0, base.to_owned()))];
        let tls = self.tls(options);
        if !tls.is_empty() {
            target.push(entry("tls", map(url.span, tls)));
        }
        let resolve = self.resolve(&options.resolve);
        if !resolve.is_empty() {
            target.push(entry("resolve", map(url.span, resolve)));
        }
        if let Some(timeout) = &options.timeout {
            let request = entry("request", self.text("--timeout", timeout));
            target.push(entry("timeouts", map(url.span, vec![request])));
        }
        let step = self.step(options, part(&url, base.len(), path));
        let mut scenario = self.load(options, url.span);
        scenario.push(entry("steps", Node::new(url.span, Kind::Seq(vec![map(url.span, step)]))));
        let scenarios = vec![entry("http", map(url.span, scenario))];
        let mut root =
            vec![entry("target", map(url.span, target)), entry("scenarios", map(url.span, scenarios))];
        if let Some(seed) = options.seed {
            root.push(entry("seed", self.number("--seed", seed.into())));
        }
        if let Some(threads) = options.threads {
            root.push(entry("threads", self.number("--threads", threads.into())));
        }
        if let Some(pacing) = &options.pacing {
            root.push(entry("pacing", self.text("--pacing", pacing)));
        }
        if let Some(out) = &options.out {
            root.push(entry("out", self.text("--out", out)));
        }
        if let Some(log) = &options.log_executions {
            let log = entry("log_executions", self.text("--log-executions", log));
            root.push(entry("telemetry", map(url.span, vec![log])));
        }
        map(url.span, root)
    }

    /// The executor with its keys.
    fn load(&mut self, options: &HttpOptions, at: Span) -> Entries {
        let users = self.number("-c", options.connections.into());
        let executor = |name: &str| entry("executor", Node::new(at, Kind::String(name.to_owned())));
        let Some(rate) = &options.rate else {
            return match options.requests {
                Some(requests) => {
                    let iterations = self.number("-n", requests.into());
                    // More users than requests would only stand idle.
                    let busy = u128::from(options.connections).min(u128::from(requests.max(1)));
                    let users = Node { kind: Kind::Int(busy as i128), ..users };
                    let longest = options.duration.as_deref().unwrap_or(UNTIL_DONE);
                    vec![
                        executor("shared-iterations"),
                        entry("vus", users),
                        entry("iterations", iterations),
                        entry("max_duration", self.text("-d", longest)),
                    ]
                }
                None => vec![executor("constant-vus"), entry("vus", users), self.duration(options)],
            };
        };
        let duration = match (options.requests, rate.parse::<Rate>()) {
            (Some(requests), Ok(rate)) if !rate.is_zero() => {
                let duration = self.text("-n", &time_for(requests, rate).to_string());
                entry("duration", duration)
            }
            // A wrong rate is reported when it is read.
            _ => self.duration(options),
        };
        let rate = self.text("-r", rate);
        vec![executor("constant-arrival-rate"), entry("rate", rate), entry("max_vus", users), duration]
    }

    fn duration(&mut self, options: &HttpOptions) -> Entry {
        entry("duration", self.text("-d", options.duration.as_deref().unwrap_or(DEFAULT_DURATION)))
    }

    fn step(&mut self, options: &HttpOptions, path: Node) -> Entries {
        let default = if options.body.is_some() { "POST" } else { "GET" };
        let method = options.method.as_deref().unwrap_or(default);
        let key = KINDS
            .iter()
            .find(|kind| kind.eq_ignore_ascii_case(method) && !matches!(**kind, "request" | "think"));
        let at = path.span;
        let mut step = match key {
            Some(key) => vec![entry(key, path)],
            None => {
                let line = vec![entry("method", self.text("-X", method)), entry("url", path)];
                vec![entry("request", map(at, line))]
            }
        };
        if !options.headers.is_empty() {
            let headers = options.headers.iter().map(|header| self.header(header)).collect();
            step.push(entry("headers", map(at, headers)));
        }
        if let Some(body) = &options.body {
            step.push(entry("body", self.text("--body", body)));
        }
        step
    }

    /// `Name: value`; without a colon the name is wrong, and reported when it is read.
    fn header(&mut self, header: &str) -> Entry {
        let whole = self.text("-H", header);
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        let offset = if header.contains(':') { name.len() + 1 } else { header.len() };
        let name = if header.contains(':') { name.trim() } else { header };
        let indent = value.len() - value.trim_start().len();
        let value = part(&whole, offset + indent, value.trim().to_owned());
        let key_span = Span { end: whole.span.start + name.len() as u32, ..whole.span };
        Entry { key: name.to_owned(), key_span, value }
    }

    fn tls(&mut self, options: &HttpOptions) -> Entries {
        let mut tls = Vec::new();
        let files = [
            ("ca", "--cacert", &options.ca),
            ("cert", "--cert", &options.cert),
            ("key", "--key", &options.key),
        ];
        for (key, flag, path) in files {
            if let Some(path) = path {
                let node = self.text(flag, path);
                tls.push(Entry { key_span: node.span, ..entry(key, node) });
            }
        }
        if options.insecure {
            let node = self.text("-k", "true");
            tls.push(entry("verify", Node { kind: Kind::Bool(false), ..node }));
        }
        tls
    }

    fn resolve(&mut self, resolve: &[String]) -> Entries {
        let one = |builder: &mut Self, text: &String| {
            let whole = builder.text("--resolve", text);
            let (host, rest) = text.split_once(':').unwrap_or((text, ""));
            let address = match rest.split_once(':') {
                Some((port, address))
                    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    address
                }
                _ => rest,
            };
            let node = Node::new(whole.span, Kind::String(address.to_owned()));
            Entry { key: host.to_owned(), key_span: whole.span, value: node }
        };
        resolve.iter().map(|text| one(self, text)).collect()
    }

    /// A text that is the value of `flag`.
    fn text(&mut self, flag: &str, text: &str) -> Node {
        let source = self.sources.add(flag, text, Some(Origin::Flag(flag.to_owned())));
        Node::new(Span { source, start: 0, end: text.len() as u32 }, Kind::String(text.to_owned()))
    }

    fn number(&mut self, flag: &str, number: i128) -> Node {
        let node = self.text(flag, &number.to_string());
        Node { kind: Kind::Int(number), ..node }
    }
}

/// How long to run when nobody says.
const DEFAULT_DURATION: &str = "10s";

/// A bound for runs that end after a number of requests; such a run may be left alone for a day.
const UNTIL_DONE: &str = "1d";

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_span: value.span, value }
}

fn map(span: Span, entries: Entries) -> Node {
    Node::new(span, Kind::Map(entries))
}

/// The text `text` that starts at byte `start` of `whole`.
fn part(whole: &Node, start: usize, text: String) -> Node {
    let start = (whole.span.start + start as u32).min(whole.span.end);
    let end = (start + text.len() as u32).min(whole.span.end);
    Node::new(Span { start, end, ..whole.span }, Kind::String(text))
}

/// Where the server is, and what is asked of it.
fn split_url(url: &str) -> (&str, String) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let (base, path) = url.split_at(url[host..].find(['/', '?', '#']).map_or(url.len(), |at| at + host));
    if path.starts_with('/') { (base, path.to_owned()) } else { (base, format!("/{path}")) }
}

/// The shortest time in which `requests` slots are due at `rate`.
fn time_for(requests: u64, rate: Rate) -> Nanos {
    let nanos = (u128::from(requests) * u128::from(rate.per().as_u64())).div_ceil(u128::from(rate.count()));
    Nanos::new(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
