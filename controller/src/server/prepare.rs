//! From what somebody submits to a run that can be started: read, checked, compiled.

use std::sync::Arc;

use api::http::{FileReference, SubmitRun};
use control::{ContentDigest, RunId};
use scenario::{Files, Workload};
use units::Nanos;

use super::contents::Contents;
use crate::cluster::{Request, Submission, SubmitError};
use crate::run::Actor;

/// What tells a submission apart: its key, and the digest of its body.
pub(super) fn request(run: &SubmitRun, key: String) -> Result<Request, SubmitError> {
    let body = serde_json::to_vec(run).map_err(|error| SubmitError::Invalid(error.to_string()))?;
    Ok(Request { key, body: ContentDigest::of(&body) })
}

/// Reads and compiles what was submitted. Opens no file: contents were put before.
///
/// # Cost
/// Up to seconds for a large workload: not for a task that others wait for.
pub(super) fn submission(run: SubmitRun, by: Actor, contents: &Contents) -> Result<Submission, SubmitError> {
    let files = files(&run.files, contents)?;
    let workload = Workload::from_canonical_json(&run.document, &files)
        .map_err(|error| SubmitError::Invalid(error.diagnostics.render(false)))?;
    let plan = scenario::compile(&workload, &files).map_err(|error| SubmitError::Invalid(chain(&error)))?;
    let layout = Arc::new(control::layout(&plan, workload.tags.clone()));
    Ok(Submission {
        run_id: RunId::new(uuid::Uuid::now_v7()),
        document: workload.to_canonical_json(),
        plan: Arc::new(plan),
        layout,
        files,
        workload,
        preflight: run.preflight,
        expect_workers: run.expect_workers.unwrap_or(1),
        wait: run.wait_ms.map_or(DEFAULT_WAIT, Nanos::from_millis),
        worker_labels: run.worker_labels,
        overrides: run.overrides,
        by,
    })
}

fn files(named: &[FileReference], contents: &Contents) -> Result<Files, SubmitError> {
    let mut files = Files::default();
    for file in named {
        let missing = || SubmitError::MissingContent { path: file.path.clone(), digest: file.sha256.clone() };
        let digest = parse(&file.sha256).ok_or_else(missing)?;
        let bytes =
            contents.get(&digest).filter(|bytes| bytes.len() as u64 == file.bytes).ok_or_else(missing)?;
        files.insert(file.path.clone(), bytes);
    }
    Ok(files)
}

fn parse(text: &str) -> Option<ContentDigest> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(ContentDigest(digest))
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// How long a run waits for its workers if nobody says.
const DEFAULT_WAIT: Nanos = Nanos::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixture::{document, submit};

    #[test]
    fn the_same_submission_has_the_same_digest_and_another_one_another() {
        let one = request(&submit(&document()), "a".to_owned()).unwrap();
        assert_eq!(one, request(&submit(&document()), "a".to_owned()).unwrap());
        let mut other = submit(&document());
        other.preflight = false;
        assert_ne!(one.body, request(&other, "a".to_owned()).unwrap().body);
    }

    #[test]
    fn a_submission_is_read_and_compiled() {
        let submission = submission(submit(&document()), Actor::local(), &Contents::new(0)).unwrap();
        assert_eq!(submission.plan.scenarios.len(), submission.workload.scenarios.len());
        assert_eq!((submission.expect_workers, submission.wait), (1, DEFAULT_WAIT));
    }

    #[test]
    fn a_workload_that_is_not_valid_is_refused_with_its_reason() {
        let refused = submission(submit("{}"), Actor::local(), &Contents::new(0)).unwrap_err();
        assert!(matches!(&refused, SubmitError::Invalid(why) if why.contains("target")), "{refused}");
    }

    #[test]
    fn a_file_that_was_not_put_or_is_another_is_named() {
        let contents = Contents::new(100);
        let digest = ContentDigest::of(b"abc");
        let mut run = submit(&document());
        run.files =
            vec![FileReference { path: "body.json".to_owned(), sha256: digest.to_string(), bytes: 3 }];
        let missing =
            SubmitError::MissingContent { path: "body.json".to_owned(), digest: digest.to_string() };
        let check = |run: &SubmitRun| submission(run.clone(), Actor::local(), &contents).map(|_| ());
        assert_eq!(check(&run), Err(missing.clone()));
        contents.put(digest, b"abc").unwrap();
        assert_eq!(check(&run), Ok(()));
        run.files[0].bytes = 4;
        assert_eq!(check(&run), Err(missing));
        for wrong in ["", "../../etc/passwd", &"+".repeat(64)] {
            run.files[0].sha256 = wrong.to_owned();
            assert!(matches!(check(&run), Err(SubmitError::MissingContent { .. })), "{wrong}");
        }
    }
}
