//! Tests as documents name them, and slow tests as CI selects them.

use std::collections::BTreeSet;

use super::Problem;
use super::code::{closing, line_of, places_of_word, without_comments_and_literals};

/// The lines of a document between which the last cell of every row names what proves the row.
const PROOFS_BEGIN: &str = "<!-- proofs: begin (checked by cargo xtask tidy) -->";
const PROOFS_END: &str = "<!-- proofs: end -->";

/// The names of all tests in `sources`.
pub(crate) fn test_names(sources: &[(String, String)]) -> BTreeSet<String> {
    sources.iter().flat_map(|(_, source)| names_in(&without_comments_and_literals(source))).collect()
}

fn names_in(code: &str) -> Vec<String> {
    // `#[test]`, `#[tokio::test]` and `#[tokio::test(…)]`: an attribute whose path ends in `test`.
    places_of_word(code, "test")
        .filter(|&at| code[..at].ends_with("#[") || code[..at].ends_with("#[tokio::"))
        .filter_map(|at| {
            let function = places_of_word(&code[at..], "fn").next()?;
            let name = code[at + function + "fn".len()..].trim_start();
            Some(name[..name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?].to_owned())
        })
        .collect()
}

/// Holds the proofs that the document at `path` names against the tests and files that there are.
///
/// In a proof, code with a `/` is a path, code with a space a command, any other a test.
pub(crate) fn check_proofs(
    path: &str,
    document: &str,
    tests: &BTreeSet<String>,
    files: &[&str],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut inside, mut rows) = (false, 0);
    for (index, line) in document.lines().enumerate() {
        inside = (inside || line == PROOFS_BEGIN) && line != PROOFS_END;
        let Some(row) = line.strip_suffix('|').filter(|_| inside) else { continue };
        rows += 1;
        let cell = row.rsplit('|').next().unwrap_or_default();
        for proof in cell.split('`').skip(1).step_by(2).filter(|proof| !proof.contains(' ')) {
            let folder = format!("{}/", proof.trim_end_matches('/'));
            let holds = if proof.contains('/') {
                files.iter().any(|file| *file == proof || file.starts_with(&folder))
            } else {
                tests.contains(proof)
            };
            if !holds {
                problems.push(Problem::at(path, index + 1, format!("there is no test or file `{proof}`")));
            }
        }
    }
    if rows == 0 {
        problems.push(Problem::file(path, "the marks around its table of proofs are missing".to_owned()));
    }
    problems
}

/// Refuses slow tests without a reason, and files of them that CI would pass over: it runs those in `mod bounded`.
pub(crate) fn check_slow_tests(path: &str, source: &str) -> Vec<Problem> {
    let code = without_comments_and_literals(source);
    let ignored: Vec<usize> = code.match_indices("#[ignore").map(|(at, _)| at).collect();
    let bounded = places_of_word(&code, "bounded")
        .filter(|&at| code[..at].ends_with("mod "))
        .map(|at| at..closing(code.as_bytes(), at))
        .next();
    let mut problems: Vec<Problem> = ignored
        .iter()
        .filter(|&&at| {
            let attribute = &source[at..closing(code.as_bytes(), at)];
            attribute.split('"').nth(1).is_none_or(|reason| reason.trim().is_empty())
        })
        .map(|&at| Problem::at(path, line_of(&code, at), "an ignored test says why: `#[ignore = …]`".into()))
        .collect();
    let runs_in_ci = |at: &usize| bounded.as_ref().is_some_and(|module| module.contains(at));
    match (&bounded, ignored.iter().any(runs_in_ci)) {
        (None, _) if ignored.is_empty() => {}
        (_, true) => {}
        (None, false) => problems.push(Problem::file(
            path,
            "its slow tests never run in CI: give them a short form in `mod bounded`".into(),
        )),
        (Some(module), false) => problems.push(Problem::at(
            path,
            line_of(&code, module.start),
            "`mod bounded` holds no ignored test: CI would run nothing of it".into(),
        )),
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests() -> BTreeSet<String> {
        test_names(&[(
            "a.rs".to_owned(),
            "#[test]\nfn one() {}\n#[tokio::test(start_paused = true)]\n#[ignore = \"slow\"]\nasync fn two() {}\n\
             proptest! { #[test] fn three(n: u8) {} }\nfn helper() {} // #[test] fn four() {}"
                .to_owned(),
        )])
    }

    #[test]
    fn tests_are_found_under_every_attribute_and_helpers_are_none() {
        assert_eq!(tests().into_iter().collect::<Vec<_>>(), ["one", "three", "two"]);
    }

    #[test]
    fn a_proof_that_is_not_there_is_refused() {
        let check = |row: &str| {
            let document =
                format!("`none`\n{PROOFS_BEGIN}\n| `lock` held | {row} |\n{PROOFS_END}\n| `none` |\n");
            check_proofs("a.md", &document, &tests(), &["cli/tests/stops.rs"]).len()
        };
        assert_eq!(check("`one`, `two` in `cli/tests/stops.rs` and `cli/tests`; `cargo xtask tidy`"), 0);
        assert_eq!(check("`four`, `cli/tests/gone.rs`"), 2);
        assert_eq!(check_proofs("a.md", "| `one` |\n", &tests(), &[]).len(), 1);
    }

    #[test]
    fn an_ignored_test_needs_a_reason_and_a_form_that_ci_runs() {
        let check = |source: &str| check_slow_tests("a.rs", source).len();
        let bounded = "mod bounded { #[ignore = \"ten seconds\"] #[test] fn a() {} }";
        assert_eq!(check("#[test] fn a() {} // #[ignore]"), 0);
        assert_eq!(check(bounded), 0);
        assert_eq!(check(&format!("{bounded}\n#[ignore = \"an hour\"] #[test] fn b() {{}}")), 0);
        assert_eq!(check("#[ignore = \"an hour\"] #[test] fn b() {}"), 1);
        assert_eq!(check(&format!("{bounded}\n#[ignore] #[test] fn b() {{}}")), 1);
        assert_eq!(check(&format!("{bounded}\n#[ignore = \"\"] #[test] fn b() {{}}")), 1);
        assert_eq!(check("mod bounded { #[test] fn a() {} }"), 1);
    }
}
