//! The plan as the protocol needs it: made once, shared by all threads, never written again.

use std::net::IpAddr;
use std::sync::Arc;

use plan::{OriginId, RequestPlan, RunPlan, Scheme};
use units::Nanos;

use crate::checks::{CheckSet, MAX_CHECKS};
use crate::image::{Image, Secrets};
use crate::propagation::Propagated;
use crate::tls::{TlsError, TlsSetup};

/// Everything [`crate::Http1`] knows before the run: request images, checks, origins.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) requests: Box<[Request]>,
    pub(crate) origins: Box<[Origin]>,
}

/// A request ready to be sent.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) image: Image,
    /// The same with trace headers, when requests of the run may have them. Every engine thread has a copy of its own.
    pub(crate) traced: Option<Image>,
    pub(crate) origin: OriginId,
    pub(crate) timeout: Nanos,
    pub(crate) checks: CheckSet,
    pub(crate) is_head: bool,
    pub(crate) is_idempotent: bool,
}

/// An origin ready to be connected to.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The address, when it needs no look-up.
    pub(crate) address: Option<IpAddr>,
    pub(crate) tls: Option<TlsSetup>,
    pub(crate) dns_timeout: Nanos,
    pub(crate) connect_timeout: Nanos,
    pub(crate) tls_timeout: Nanos,
}

impl Origin {
    /// The name that its addresses are found by; `None` when its address is given.
    pub(crate) fn looked_up(&self) -> Option<&str> {
        self.address.is_none().then_some(self.host.as_str())
    }
}

/// Why a plan cannot be carried over HTTP.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A template refers to a secret nobody knows.
    #[error("step `{step}` needs the secret `{name}`, which is not set; set it where the load is made")]
    UnknownSecret {
        /// The step.
        step: String,
        /// The secret.
        name: String,
    },
    /// The method is not one HTTP can carry.
    #[error("step `{step}` has the method `{method}`; use letters only, for example GET")]
    InvalidMethod {
        /// The step.
        step: String,
        /// What stands there.
        method: String,
    },
    /// The path cannot stand in a request line. It is not shown: it may hold a secret.
    #[error(
        "the path of step `{step}` must start with `/` and hold no blanks or control characters; percent-encode them"
    )]
    InvalidPath {
        /// The step.
        step: String,
    },
    /// A header cannot stand in a request. Its value is not shown: it may hold a secret.
    #[error(
        "the header `{name}` of step `{step}` has an invalid name or a line end or control character in its value"
    )]
    InvalidHeader {
        /// The step.
        step: String,
        /// The header.
        name: String,
    },
    /// More checks than can be told apart.
    #[error(
        "step `{step}` has {count} checks; at most {MAX_CHECKS} are possible, so split the step or merge checks"
    )]
    TooManyChecks {
        /// The step.
        step: String,
        /// How many it has.
        count: usize,
    },
    /// The TLS settings of an origin are of no use.
    #[error("the TLS settings for `{host}` cannot be used")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong with them.
        source: TlsError,
    },
}

/// Makes everything ready that can be before the run. With `propagated` a request that is given a parent when it starts
/// has trace headers; without, none has.
///
/// # Errors
/// When a secret is missing, a request cannot be written as HTTP, or TLS settings are of no use.
pub fn prepare(
    plan: &RunPlan,
    secrets: &dyn Secrets,
    propagated: Option<Propagated>,
) -> Result<Prepared, PrepareError> {
    let origins = plan.origins.iter().map(prepare_origin).collect::<Result<_, _>>()?;
    let requests = plan
        .requests
        .iter()
        .map(|request| prepare_request(plan, request, secrets, propagated))
        .collect::<Result<_, _>>()?;
    Ok(Prepared { requests, origins })
}

fn prepare_origin(origin: &plan::Origin) -> Result<Origin, PrepareError> {
    let tls = match origin.scheme {
        Scheme::Http => None,
        Scheme::Https => Some(
            TlsSetup::new(&origin.tls, &origin.host)
                .map_err(|source| PrepareError::Tls { host: origin.host.clone(), source })?,
        ),
    };
    Ok(Origin {
        host: origin.host.clone(),
        port: origin.port,
        address: origin.address.or_else(|| origin.host.parse().ok()),
        tls,
        dns_timeout: origin.dns_timeout,
        connect_timeout: origin.connect_timeout,
        tls_timeout: origin.tls_timeout,
    })
}

fn prepare_request(
    plan: &RunPlan,
    request: &RequestPlan,
    secrets: &dyn Secrets,
    propagated: Option<Propagated>,
) -> Result<Request, PrepareError> {
    let step = &plan.steps[request.step.index()].name;
    if request.checks.len() > MAX_CHECKS {
        return Err(PrepareError::TooManyChecks { step: step.clone(), count: request.checks.len() });
    }
    let checks = request.checks.iter().map(|id| &plan.checks[id.index()]);
    let origin = &plan.origins[request.origin.index()];
    let image = |propagated| Image::build(request, origin, step, secrets, propagated);
    Ok(Request {
        image: image(None)?,
        traced: propagated.map(|run| image(Some(run))).transpose()?,
        origin: request.origin,
        timeout: request.timeout,
        checks: CheckSet::new(request.expected.clone(), checks),
        is_head: request.method == "HEAD",
        is_idempotent: request.is_idempotent(),
    })
}

const _: fn() = || {
    fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Arc<Prepared>>();
};

#[cfg(test)]
mod tests {
    use plan::{Check, CheckId, CheckKind, ScenarioId, Seed, StatusSet, Step, StepId, Template, TlsPlan};

    use super::*;
    use crate::image::Secret;

    struct NoSecrets;

    impl Secrets for NoSecrets {
        fn secret(&self, _: &str) -> Option<Secret> {
            None
        }
    }

    fn plan(host: &str, method: &str, checks: u32) -> RunPlan {
        let tls = TlsPlan { server_name: Some(host.to_owned()), ..TlsPlan::default() };
        let check = || Check {
            step: StepId(0),
            name: String::new(),
            required: false,
            kind: CheckKind::Status(StatusSet::success()),
        };
        RunPlan {
            scenarios: vec![],
            steps: vec![Step { scenario: ScenarioId(0), name: "buy".into() }],
            requests: vec![RequestPlan {
                step: StepId(0),
                origin: OriginId(0),
                method: method.to_owned(),
                path: Template::literal("/"),
                headers: vec![],
                body: Template::default(),
                timeout: Nanos::SECOND,
                expected: StatusSet::success(),
                checks: (0..checks).map(CheckId).collect(),
            }],
            origins: vec![plan::Origin {
                scheme: Scheme::Https,
                host: "10.0.0.1".into(),
                port: 443,
                address: None,
                tls,
                dns_timeout: Nanos::SECOND,
                connect_timeout: Nanos::SECOND,
                tls_timeout: Nanos::SECOND,
            }],
            checks: (0..checks).map(|_| check()).collect(),
            seed: Seed(0),
        }
    }

    #[test]
    fn addresses_need_no_look_up_and_only_idempotent_methods_are_sent_again() {
        for (method, is_idempotent) in [("GET", true), ("DELETE", true), ("POST", false), ("PATCH", false)] {
            let prepared = prepare(&plan("a.test", method, 64), &NoSecrets, None).unwrap();
            assert_eq!(prepared.origins[0].address, Some([10, 0, 0, 1].into()));
            assert_eq!(prepared.requests[0].is_idempotent, is_idempotent, "{method}");
        }
    }

    #[test]
    fn what_cannot_be_prepared_is_named_by_step_or_host() {
        let refused = |plan: &RunPlan| prepare(plan, &NoSecrets, None).unwrap_err().to_string();
        assert_eq!(
            refused(&plan("a.test", "GET", 65)),
            "step `buy` has 65 checks; at most 64 are possible, so split the step or merge checks"
        );
        assert_eq!(refused(&plan("not a name", "GET", 0)), "the TLS settings for `10.0.0.1` cannot be used");
    }
}
