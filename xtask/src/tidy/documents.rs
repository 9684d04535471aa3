//! Lists that people read, held against what they list.

use super::Problem;

/// The lines of `ARCHITECTURE.md` between which [`super::dependencies::render`] must stand as it is.
const TABLE_BEGINS: &str = "<!-- dependencies: begin (cargo xtask tidy --write) -->\n";
const TABLE_ENDS: &str = "<!-- dependencies: end -->\n";

/// Holds the table of dependencies in `ARCHITECTURE.md` against the one that is enforced.
pub(crate) fn check_architecture(document: &str, table: &str) -> Vec<Problem> {
    match with_table(document, table) {
        Some(wanted) if wanted == document => Vec::new(),
        Some(_) => vec![architecture(
            "the dependency table is not the enforced one; `cargo xtask tidy --write` mends it",
        )],
        None => vec![architecture("the marks around the dependency table are missing")],
    }
}

/// The document with the enforced table between its marks; `None` without marks.
pub(crate) fn with_table(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(TABLE_BEGINS)?;
    let (_, after) = rest.split_once(TABLE_ENDS)?;
    Some(format!("{before}{TABLE_BEGINS}\n{table}\n{TABLE_ENDS}{after}"))
}

fn architecture(text: &str) -> Problem {
    Problem::file("ARCHITECTURE.md", text.to_owned())
}

/// Holds the scenario files against the links in `scenarios/README.md`.
///
/// `files` are paths below `scenarios/`; only those right inside it are scenarios, folders hold their data.
pub(crate) fn check_scenarios(files: &[&str], readme: &str) -> Vec<Problem> {
    const README: &str = "scenarios/README.md";
    let is_scenario = |name: &str| {
        !name.contains('/') && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"))
    };
    let linked: Vec<&str> = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|name| is_scenario(name))
        .collect();
    let unlisted = files.iter().filter(|name| is_scenario(name) && !linked.contains(name));
    let missing = linked.iter().filter(|name| !files.contains(name));
    unlisted
        .map(|name| Problem::file(README, format!("scenario `{name}` is not linked")))
        .chain(missing.map(|name| Problem::file(README, format!("link to `{name}`, which does not exist"))))
        .collect()
}

/// Holds the exit codes of `api`, by precedence, against the rows `` | 99 | `threshold_failed` | … `` of
/// `docs/exit-codes.md`.
pub(crate) fn check_exit_codes(codes: &[(u8, &str)], document: &str) -> Vec<Problem> {
    const DOCUMENT: &str = "docs/exit-codes.md";
    let rows: Vec<(u8, &str)> = document.lines().filter_map(exit_code_row).collect();
    let undocumented = codes.iter().filter(|code| !rows.contains(code));
    let unknown = rows.iter().filter(|row| !codes.contains(row));
    let mut problems: Vec<Problem> =
        undocumented
            .map(|(code, name)| Problem::file(DOCUMENT, format!("exit code {code} `{name}` has no row")))
            .chain(unknown.map(|(code, name)| {
                Problem::file(DOCUMENT, format!("no process exits with {code} `{name}`"))
            }))
            .collect();
    if problems.is_empty() && rows != codes {
        problems.push(Problem::file(
            DOCUMENT,
            "the rows are not in the order of precedence, each once".to_owned(),
        ));
    }
    problems
}

fn exit_code_row(line: &str) -> Option<(u8, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let code = cells.next()?.parse().ok()?;
    Some((code, cells.next()?.trim_matches('`')))
}

/// The lines of `docs/cluster.md` between which every limit on waiting has its row.
const LIMITS_BEGIN: &str = "<!-- limits: begin (checked by cargo xtask tidy) -->\n";
const LIMITS_END: &str = "<!-- limits: end -->\n";

/// Holds the limits on waiting, as rows of a table, against the table in `docs/cluster.md`.
pub(crate) fn check_limits(limits: &[String], document: &str) -> Vec<Problem> {
    const DOCUMENT: &str = "docs/cluster.md";
    let table = document.split_once(LIMITS_BEGIN).and_then(|(_, rest)| rest.split_once(LIMITS_END));
    let Some((table, _)) = table else {
        return vec![Problem::file(DOCUMENT, "the marks around the table of limits are missing".to_owned())];
    };
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let missing = limits.iter().filter(|limit| !rows.contains(&limit.as_str()));
    let unknown = rows.iter().filter(|row| !limits.iter().any(|limit| limit == *row));
    let mut problems: Vec<Problem> = missing
        .map(|limit| Problem::file(DOCUMENT, format!("the limit has no row: {limit}")))
        .chain(unknown.map(|row| Problem::file(DOCUMENT, format!("`loadgen limits` says otherwise: {row}"))))
        .collect();
    if problems.is_empty() && rows != limits {
        problems.push(Problem::file(DOCUMENT, "the limits are not in their order, each once".to_owned()));
    }
    problems
}

/// Refuses commands and texts that name a scenario of ours that is not there.
pub(crate) fn check_named_scenarios(path: &str, text: &str, files: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (at, folder) in line.match_indices("scenarios/") {
            let part_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
            let rest = &line[at + folder.len()..];
            let name = &rest[..rest.find(|c| !part_of_a_name(c)).unwrap_or(rest.len())];
            let named = format!("scenarios/{name}");
            if name.ends_with(".yaml")
                && !line[..at].ends_with(part_of_a_name)
                && !files.contains(&named.as_str())
            {
                problems.push(Problem::at(path, index + 1, format!("`{named}` does not exist")));
            }
        }
    }
    problems
}

/// Refuses links from the document at `path` to files that are not there; links to the web are not followed.
pub(crate) fn check_links(path: &str, text: &str, files: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let full = resolve(path, target);
            let folder = format!("{full}/");
            if !files.iter().any(|file| *file == full || file.starts_with(&folder)) {
                problems.push(Problem::at(
                    path,
                    index + 1,
                    format!("link to `{target}`, which does not exist"),
                ));
            }
        }
    }
    problems
}

/// The path from the root of what `link` means in the document at `path`.
fn resolve(path: &str, link: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Refuses paths that exist only on the machine where somebody works.
pub(crate) fn check_machine_paths(path: &str, text: &str) -> Vec<Problem> {
    // Written without their slashes, so that this file passes too.
    const ROOTS: &[&str] = &["work", "root", "farm"];
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for root in ROOTS {
            let whole = format!("/{root}/");
            let starts_a_path = |at: usize| {
                !line[..at]
                    .ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '.' | '}'))
            };
            if line.match_indices(&whole).any(|(at, _)| starts_a_path(at)) {
                problems.push(Problem::at(
                    path,
                    index + 1,
                    format!("a path below {whole} is on one machine only"),
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_differs_or_is_missing_is_refused() {
        let document = format!("# A\n{TABLE_BEGINS}\n| a |\n\n{TABLE_ENDS}text\n");
        assert!(check_architecture(&document, "| a |\n").is_empty());
        assert_eq!(check_architecture(&document, "| b |\n").len(), 1);
        assert_eq!(check_architecture("# A\n", "| a |\n").len(), 1);
        let mended = with_table(&document, "| b |\n").unwrap();
        assert!(check_architecture(&mended, "| b |\n").is_empty());
    }

    #[test]
    fn a_scenario_that_is_not_linked_and_a_link_to_none_are_refused() {
        let readme = "See [one](one.yaml), [the language](../docs/scenario-language.md), [schema](schema/scenario.schema.json).";
        assert!(
            check_scenarios(&["one.yaml", "README.md", "data/users.json", "schema/a.json"], readme)
                .is_empty()
        );
        assert_eq!(check_scenarios(&["one.yaml", "two.json"], readme).len(), 1);
        assert_eq!(check_scenarios(&[], readme).len(), 1);
    }

    #[test]
    fn exit_codes_must_be_documented_by_number_and_name() {
        let document = "| code | name |\n|---|---|\n| 0 | `passed` | … |\n| 99 | `failed` | … |\n";
        assert!(check_exit_codes(&[(0, "passed"), (99, "failed")], document).is_empty());
        assert_eq!(check_exit_codes(&[(0, "passed")], document).len(), 1);
        assert_eq!(check_exit_codes(&[(0, "passed"), (99, "failed"), (2, "usage")], document).len(), 1);
        assert_eq!(check_exit_codes(&[(0, "passed"), (99, "other")], document).len(), 2);
        assert_eq!(check_exit_codes(&[(99, "failed"), (0, "passed")], document).len(), 1);
    }

    #[test]
    fn every_limit_on_waiting_has_its_row_and_every_row_a_limit() {
        let limits = ["| `beat` | 5s |".to_owned(), "| `drain` | 2s |".to_owned()];
        let document =
            |rows: &str| format!("text\n{LIMITS_BEGIN}\n| name | default |\n|---|---|\n{rows}\n{LIMITS_END}");
        let check = |rows: &str| check_limits(&limits, &document(rows)).len();
        assert_eq!(check("| `beat` | 5s |\n| `drain` | 2s |"), 0);
        assert_eq!(check("| `beat` | 5s |"), 1);
        assert_eq!(check("| `beat` | 6s |\n| `drain` | 2s |"), 2);
        assert_eq!(check("| `drain` | 2s |\n| `beat` | 5s |"), 1);
        assert_eq!(check_limits(&limits, "no table").len(), 1);
    }

    #[test]
    fn a_command_with_a_scenario_that_is_not_there_is_refused() {
        let check = |text| check_named_scenarios("README.md", text, &["scenarios/one.yaml"]).len();
        assert_eq!(
            check("$ loadgen run scenarios/one.yaml -d 1s; my/scenarios/two.yaml; scenarios/{name}.yaml"),
            0
        );
        assert_eq!(check("`loadgen run scenarios/two.yaml` and scenarios/three.yaml"), 2);
    }

    #[test]
    fn a_link_to_no_file_is_refused() {
        let files = ["docs/measuring.md", "docs/decisions/README.md", "README.md"];
        let check = |text| check_links("docs/measuring.md", text, &files).len();
        assert_eq!(
            check("[a](decisions/), [b](../README.md#try-it), [c](#words), [d](https://semver.org)"),
            0
        );
        assert_eq!(check("[a](other.md)\n[b](README.md)"), 2);
    }

    #[test]
    fn a_path_of_this_machine_is_refused_and_a_path_of_a_url_is_not() {
        let path = |root: &str| format!("see /{root}/file");
        assert_eq!(check_machine_paths("a.md", &path("work")).len(), 1);
        assert_eq!(check_machine_paths("a.md", &path("root")).len(), 1);
        assert!(check_machine_paths("a.md", "http://localhost/work/1, target/work/, $HOME").is_empty());
    }
}
