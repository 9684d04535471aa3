//! The target: of the run, and what a scenario changes in it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::pem::{PemKind, check_pem};
use super::{Fields, Reader};
use crate::document::Node;
use crate::shape::{TargetChangeShape, TargetShape, TimeoutsShape, TlsShape};
use crate::url::is_host_name;
use crate::{BaseUrl, FileError, Span, Target, Text, Timeouts, Tls, names};

impl Reader<'_> {
    /// The target of the run.
    pub(super) fn target(&mut self, node: &Node, at: Span) -> Option<Target> {
        let fields = self.fields::<TargetShape>("target", node, at)?;
        let url = match fields.get("url") {
            Some(entry) => self.base_url("url", &entry.value),
            None => {
                self.missing(&fields, "url", "add `url: \"http://localhost:8080\"`".to_owned());
                None
            }
        };
        let rest = self.target_parts(&fields, &Target::demo());
        Some(Target { url: url?, ..rest? })
    }

    /// The target of a scenario: `base` with what the scenario changes.
    pub(super) fn target_change(&mut self, node: &Node, at: Span, base: &Target) -> Option<Target> {
        let fields = self.fields::<TargetChangeShape>("target", node, at)?;
        let url = self.optional_or(&fields, "url", base.url.clone(), Self::base_url);
        let rest = self.target_parts(&fields, base);
        Some(Target { url: url?, ..rest? })
    }

    /// Everything but the URL.
    fn target_parts(&mut self, fields: &Fields<'_>, base: &Target) -> Option<Target> {
        let tls = match fields.get("tls") {
            Some(entry) => self.tls(&entry.value, entry.key_span, &base.tls),
            None => Some(base.tls.clone()),
        };
        let headers = self.optional_or(fields, "headers", Vec::new(), Self::headers);
        let resolve = self.optional_or(fields, "resolve", BTreeMap::new(), Self::resolve);
        let timeouts = match fields.get("timeouts") {
            Some(entry) => self.timeouts(&entry.value, entry.key_span, base.timeouts),
            None => Some(base.timeouts),
        };
        let mut merged = base.resolve.clone();
        merged.extend(resolve?);
        Some(Target {
            url: base.url.clone(),
            tls: tls?,
            headers: merge_headers(&base.headers, headers?),
            resolve: merged,
            timeouts: timeouts?,
        })
    }

    fn base_url(&mut self, label: &str, node: &Node) -> Option<BaseUrl> {
        let text = self.plain(label, node)?;
        match text.parse() {
            Ok(url) => Some(url),
            Err(error) => {
                self.parse_error("bad-url", node.span, label, &error);
                None
            }
        }
    }

    fn tls(&mut self, node: &Node, at: Span, base: &Tls) -> Option<Tls> {
        let fields = self.fields::<TlsShape>("tls", node, at)?;
        let ca = self.optional_or(&fields, "ca", base.ca.clone(), |reader, label, node| {
            reader.pem_file(label, node, PemKind::Certificates).map(Some)
        });
        let cert = self.optional_or(&fields, "cert", base.cert.clone(), |reader, label, node| {
            reader.pem_file(label, node, PemKind::Certificates).map(Some)
        });
        let key = self.optional_or(&fields, "key", base.key.clone(), |reader, label, node| {
            reader.pem_file(label, node, PemKind::PrivateKey).map(Some)
        });
        let verify = self.optional_or(&fields, "verify", base.verify, Self::flag);
        let server_name =
            self.optional_or(&fields, "server_name", base.server_name.clone(), |reader, label, node| {
                let name = reader.plain(label, node)?;
                if is_host_name(&name) || name.parse::<IpAddr>().is_ok() {
                    return Some(Some(name));
                }
                let help = "write a name such as `example.com`".to_owned();
                reader.error("bad-host", node.span, format!("`{name}` is no host"), help);
                None
            });
        let tls = Tls { ca: ca?, cert: cert?, key: key?, verify: verify?, server_name: server_name? };
        let missing = match (&tls.cert, &tls.key) {
            (Some(_), None) => Some(("cert", "key")),
            (None, Some(_)) => Some(("key", "cert")),
            _ => None,
        };
        if let Some((there, missing)) = missing {
            let span = fields.get(there).map_or(at, |entry| entry.key_span);
            self.error(
                "missing-key",
                span,
                format!("`{there}` needs `{missing}`"),
                format!("add `{missing}: FILE.pem`"),
            );
            return None;
        }
        Some(tls)
    }

    /// The path of a PEM file, whose content is kept.
    fn pem_file(&mut self, label: &str, node: &Node, kind: PemKind) -> Option<String> {
        let path = self.path(label, node)?;
        let bytes = match self.files.content(&path) {
            Some(content) => content.bytes.clone(),
            None => match self.access.read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let help = match &error {
                        FileError::Outside { .. } => {
                            Some("put it beside the scenario file or below its folder".to_owned())
                        }
                        _ => None,
                    };
                    self.error("file", node.span, format!("the file `{path}` cannot be read: {error}"), help);
                    return None;
                }
            },
        };
        if let Err(error) = check_pem(kind, &bytes) {
            let help = match kind {
                PemKind::Certificates => "name a PEM file with certificates",
                PemKind::PrivateKey => "name a PEM file with a private key that is not encrypted",
            };
            self.error("not-pem", node.span, format!("the file `{path}` {error}"), help.to_owned());
            return None;
        }
        self.files.insert(path.as_str(), bytes);
        Some(path)
    }

    fn timeouts(&mut self, node: &Node, at: Span, base: Timeouts) -> Option<Timeouts> {
        let fields = self.fields::<TimeoutsShape>("timeouts", node, at)?;
        let dns = self.optional_or(&fields, "dns", base.dns, Self::duration);
        let connect = self.optional_or(&fields, "connect", base.connect, Self::duration);
        let tls = self.optional_or(&fields, "tls", base.tls, Self::duration);
        let request = self.optional_or(&fields, "request", base.request, Self::duration);
        Some(Timeouts { dns: dns?, connect: connect?, tls: tls?, request: request? })
    }

    fn resolve(&mut self, label: &str, node: &Node) -> Option<BTreeMap<String, IpAddr>> {
        let entries = self.entries(label, node)?;
        let mut addresses = BTreeMap::new();
        let mut whole = true;
        for entry in entries {
            if !is_host_name(&entry.key) {
                let help = "write the name alone, without scheme and port".to_owned();
                self.error("bad-host", entry.key_span, format!("`{}` is no host name", entry.key), help);
                whole = false;
            }
            let Some(text) = self.plain(&entry.key, &entry.value) else {
                whole = false;
                continue;
            };
            match text.trim().trim_start_matches('[').trim_end_matches(']').parse() {
                Ok(address) => drop(addresses.insert(entry.key.to_ascii_lowercase(), address)),
                Err(_) => {
                    let help = "write for example `10.0.0.7` or `::1`".to_owned();
                    self.error("bad-address", entry.value.span, format!("`{text}` is no address"), help);
                    whole = false;
                }
            }
        }
        whole.then_some(addresses)
    }

    /// Headers in the order of the file.
    pub(super) fn headers(&mut self, label: &str, node: &Node) -> Option<Vec<(String, Text)>> {
        let entries = self.entries(label, node)?;
        let mut headers: Vec<(String, Text)> = Vec::with_capacity(entries.len());
        let mut whole = true;
        for entry in entries {
            let name = &entry.key;
            let (code, message, help) = if !names::is_token(name) {
                ("bad-header", format!("`{name}` is no name of a header"), "use letters, digits and `-`")
            } else if SET_BY_US.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                ("bad-header", format!("the header `{name}` follows from the body"), "remove it")
            } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                ("duplicate-key", format!("the header `{name}` is there twice"), "remove one of them")
            } else {
                match self.header_value(name, &entry.value) {
                    Some(value) => headers.push((name.clone(), value)),
                    None => whole = false,
                }
                continue;
            };
            self.error(code, entry.key_span, message, help.to_owned());
            whole = false;
        }
        whole.then_some(headers)
    }
}

/// Headers that frame the message; a wrong one would make a request that is none.
const SET_BY_US: &[&str] = &["content-length", "transfer-encoding"];

/// `base` with the values of `changes`, then those that are new.
pub(crate) fn merge_headers(base: &[(String, Text)], changes: Vec<(String, Text)>) -> Vec<(String, Text)> {
    let mut merged = base.to_vec();
    for (name, value) in changes {
        match merged.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(&name)) {
            Some(own) => *own = (name, value),
            None => merged.push((name, value)),
        }
    }
    merged
}
