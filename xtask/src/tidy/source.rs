//! What the source of the crates may not contain.

use super::Problem;
use super::code::{self, lines_with_word, places_of_word};

/// The crates on the hot path: their state belongs to one thread.
pub(crate) const HOT_CRATES: &[&str] = &[
    "crates/units/src/",
    "crates/metrics/src/",
    "crates/plan/src/",
    "crates/engine/src/",
    "crates/protocols/src/",
];

const HIDDEN_STATE: &[&str] = &["thread_local", "task_local"];
const LOCKS: &[&str] = &["Mutex", "RwLock", "Condvar", "Barrier", "Semaphore", "parking_lot"];
const READ_MODIFY_WRITE: &[&str] = &[
    "fetch_add",
    "fetch_sub",
    "fetch_or",
    "fetch_and",
    "fetch_xor",
    "fetch_nand",
    "fetch_max",
    "fetch_min",
    "fetch_update",
    "compare_exchange",
    "compare_exchange_weak",
    "compare_and_swap",
];
/// `swap` is also a method of slices and cells; on an atomic it names an ordering.
const ORDERINGS: &[&str] = &["Ordering", "Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// A file past this is about two nouns.
const MAX_LINES: usize = 600;

/// What a program writes is as long as it is: `cargo xtask codegen --check` looks after these folders.
const GENERATED: &str = "/generated/";

/// Files that may be longer, each with its reason. A file that is no longer long must leave the list.
const LONG_FILES: &[(&str, &str)] = &[];

/// The only files with `unsafe`, each with its reason. A file that has none left must leave the list.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("crates/engine/src/pacer.rs", "the runtime registers a descriptor only on a promise that it stays open"),
    ("benches/tests/allocations.rs", "a global allocator that counts cannot be written without"),
];

/// Whether `path` is a source file of the hot path that is shipped, so not a file of tests.
pub(crate) fn is_hot(path: &str) -> bool {
    HOT_CRATES.iter().any(|root| path.starts_with(root)) && !is_test_file(path)
}

/// `foo/tests.rs` and `foo/tests/*.rs` are declared under `#[cfg(test)]`, by the style guide.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Refuses hidden per-thread state, locks and shared read-modify-write atomics in one file of the hot path.
pub(crate) fn check_hot_path(path: &str, source: &str) -> Vec<Problem> {
    let code = code::without_test_items(&code::without_comments_and_literals(source));
    let mut problems = Vec::new();
    let mut refuse = |words: &[&str], why: &str| {
        for word in words {
            for line in lines_with_word(&code, word) {
                problems.push(Problem::at(path, line, format!("`{word}` on the hot path: {why}")));
            }
        }
    };
    refuse(HIDDEN_STATE, "the context of an iteration is an argument");
    refuse(LOCKS, "state has one owner, and leaves its thread through a queue");
    refuse(READ_MODIFY_WRITE, "count in the thread's own recorder and merge");
    for at in places_of_word(&code, "swap") {
        let arguments = at + "swap".len();
        if code.as_bytes().get(arguments) != Some(&b'(') {
            continue;
        }
        let call = &code[arguments..code::closing(code.as_bytes(), arguments)];
        if ORDERINGS.iter().any(|ordering| places_of_word(call, ordering).next().is_some()) {
            let line = code::line_of(&code, at);
            problems.push(Problem::at(
                path,
                line,
                "an atomic `swap` on the hot path: hand over through a queue".into(),
            ));
        }
    }
    problems
}

/// Refuses `unsafe` outside the listed files, and listed files without it.
pub(crate) fn check_unsafe(files: &[(String, String)]) -> Vec<Problem> {
    check_unsafe_against(files, UNSAFE_FILES)
}

fn check_unsafe_against(files: &[(String, String)], listed: &[(&str, &str)]) -> Vec<Problem> {
    let mut problems = stale_entries(files, listed, "no longer contains `unsafe`", |source| {
        !lines_with_word(&code::without_comments_and_literals(source), "unsafe").is_empty()
    });
    for (path, source) in files {
        if listed.iter().any(|(file, _)| file == path) {
            continue;
        }
        for line in lines_with_word(&code::without_comments_and_literals(source), "unsafe") {
            let text = "`unsafe` in a file that is not listed for it in xtask/src/tidy/source.rs".into();
            problems.push(Problem::at(path, line, text));
        }
    }
    problems
}

/// Refuses files past [`MAX_LINES`], except generated and listed ones, and listed ones that have shrunk.
pub(crate) fn check_length(files: &[(String, String)]) -> Vec<Problem> {
    check_length_against(files, LONG_FILES)
}

fn check_length_against(files: &[(String, String)], listed: &[(&str, &str)]) -> Vec<Problem> {
    let is_long = |source: &str| source.lines().count() > MAX_LINES;
    let mut problems = stale_entries(files, listed, "is no longer long", is_long);
    for (path, source) in files {
        if is_long(source) && !path.contains(GENERATED) && !listed.iter().any(|(file, _)| file == path) {
            let lines = source.lines().count();
            let text =
                format!("{lines} lines; past {MAX_LINES} look for the second noun, or list it with a reason");
            problems.push(Problem::file(path, text));
        }
    }
    problems
}

fn stale_entries(
    files: &[(String, String)],
    listed: &[(&str, &str)],
    what: &str,
    needed: impl Fn(&str) -> bool,
) -> Vec<Problem> {
    listed
        .iter()
        .filter(|(file, _)| !files.iter().any(|(path, source)| path == file && needed(source)))
        .map(|(file, _)| {
            Problem::file(file, format!("{what}: remove it from the list in xtask/src/tidy/source.rs"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str) -> usize {
        check_hot_path("crates/engine/src/a.rs", source).len()
    }

    #[test]
    fn hidden_state_locks_and_shared_counters_are_refused() {
        assert_eq!(refused("thread_local! { static A: u8 = 0; }"), 1);
        assert_eq!(refused("tokio::task_local! { static A: u8; }"), 1);
        assert_eq!(refused("use std::sync::{Mutex, RwLock};"), 2);
        assert_eq!(refused("use parking_lot::Once;"), 1);
        assert_eq!(refused("count.fetch_add(1, Ordering::Relaxed);"), 1);
        assert_eq!(refused("let _ = a.compare_exchange(0, 1, AcqRel, Relaxed);"), 1);
        assert_eq!(refused("flag.swap(\n true,\n Ordering::AcqRel);"), 1);
    }

    #[test]
    fn loads_stores_and_other_swaps_are_fine() {
        assert_eq!(refused("std::mem::swap(&mut a, &mut b); slice.swap(0, 1); fn swap() {}"), 0);
        assert_eq!(refused("flag.store(true, Ordering::Release); flag.load(Ordering::Acquire);"), 0);
        assert_eq!(
            refused("/// No Mutex, no `fetch_add`.\n#[cfg(test)]\nmod tests { use std::sync::Mutex; }"),
            0
        );
    }

    #[test]
    fn only_shipped_files_of_the_hot_crates_are_looked_at() {
        assert!(is_hot("crates/engine/src/pacer.rs"));
        assert!(!is_hot("crates/engine/src/pacer/tests.rs"));
        assert!(!is_hot("crates/report/src/text.rs"));
        assert!(!is_hot("worker/src/collector.rs"));
    }

    #[test]
    fn unsafe_needs_an_entry_and_an_entry_needs_unsafe() {
        let files = [
            ("a.rs".to_owned(), "unsafe { x() } // unsafe".to_owned()),
            ("b.rs".to_owned(), "forbid(unsafe_code)".to_owned()),
        ];
        assert_eq!(check_unsafe_against(&files, &[]).len(), 1);
        assert_eq!(check_unsafe_against(&files, &[("a.rs", "reason")]).len(), 0);
        assert_eq!(check_unsafe_against(&files, &[("a.rs", "reason"), ("b.rs", "reason")]).len(), 1);
        assert_eq!(check_unsafe_against(&files, &[("a.rs", "reason"), ("gone.rs", "reason")]).len(), 1);
    }

    #[test]
    fn a_long_file_needs_an_entry_and_an_entry_a_long_file() {
        let files = [("long.rs".to_owned(), "\n".repeat(601)), ("fair.rs".to_owned(), "\n".repeat(600))];
        assert_eq!(check_length_against(&files, &[]).len(), 1);
        let generated = [("a/generated/long.rs".to_owned(), "\n".repeat(601))];
        assert_eq!(check_length_against(&generated, &[]).len(), 0);
        assert_eq!(check_length_against(&files, &[("long.rs", "reason")]).len(), 0);
        assert_eq!(check_length_against(&files, &[("long.rs", "reason"), ("fair.rs", "reason")]).len(), 1);
    }
}
