//! The cases and tests that docs/http.md names are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the tests are that it names by `file::test`.
const SOURCES: [&str; 6] = [
    "proto/tests/http_suite",
    "tests/conformance/src/api",
    "tests/conformance/src/wire",
    "tests/differential/src",
    "driver/src",
    "cli/tests/cli",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
}

/// The names of all cases of the table.
fn cases() -> BTreeSet<String> {
    let files = fs::read_dir(root().join("proto/tests/http_cases")).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    let files = files.filter(|file| file.extension().is_some_and(|ext| ext == "txt"));
    let text: String = files.map(|file| read(&file)).collect();
    let words = text.lines().filter_map(|line| line.split(' ').next());
    words
        .filter(|word| word.contains('/'))
        .map(str::to_owned)
        .collect()
}

/// What stands between backticks in a line of a table.
fn named(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.lines().filter(|line| line.starts_with('|'));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_a_test(name: &str) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        return false;
    };
    SOURCES.iter().any(|folder| {
        let path = root().join(folder).join(format!("{file}.rs"));
        let text = fs::read_to_string(path).unwrap_or_default();
        text.contains(&format!("fn {test}(")) || text.contains(&format!("fn {test}<"))
    })
}

#[test]
fn the_cases_and_tests_that_the_page_names_exist() {
    let (page, cases) = (read(&root().join("docs/http.md")), cases());
    let families: BTreeSet<_> = cases
        .iter()
        .filter_map(|case| case.split('/').next())
        .collect();
    let is_a_family = |name: &str| {
        name.strip_suffix("/*")
            .is_some_and(|name| families.contains(name))
    };
    // What is not a name of either kind has neither mark.
    let names = named(&page).filter(|name| name.contains("::") || name.contains('/'));
    let names: Vec<_> = names.collect();
    let missing = names
        .iter()
        .filter(|name| !cases.contains(**name) && !is_a_family(name) && !is_a_test(name));
    let missing: Vec<_> = missing.collect();
    assert!(
        missing.is_empty(),
        "docs/http.md names what is not there: {missing:#?}"
    );
    for family in families {
        let told = names
            .iter()
            .any(|name| name.starts_with(&format!("{family}/")));
        assert!(told, "docs/http.md has nothing of {family}/");
    }
}

#[test]
fn every_row_of_a_table_names_something() {
    let page = read(&root().join("docs/http.md"));
    for row in page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.ends_with("shown by |"))
    {
        let last = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        assert!(last.starts_with('`'), "{row}");
    }
}
