//! The tests that SECURITY.md names are there.

use std::fs;
use std::path::Path;

/// The tests and suites of the crates that hold any.
const SOURCES: [&str; 8] = [
    "proto/tests",
    "proto/src",
    "store/src",
    "tests/conformance/src",
    "tests/interop/tests",
    "driver/src",
    "driver/tests",
    "cli/tests",
];

fn sources(directory: &Path, all: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}

#[test]
fn each_threat_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    for directory in SOURCES {
        sources(&root.join(directory), &mut all);
    }
    let page = fs::read_to_string(root.join("SECURITY.md")).expect("UTF-8");
    let (_, table) = page.split_once("## Defended").expect("a section");
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let tests = row.trim_end_matches(['|', ' ']).rsplit('|').next();
        let mut names = tests.expect("a column").split('`').skip(1).step_by(2);
        let mut named = 0;
        for name in names.by_ref() {
            named += 1;
            let there =
                all.contains(&format!("fn {name}(")) || all.contains(&format!("fn {name}<"));
            assert!(there, "{name}");
        }
        assert!(named > 0, "no test: {row}");
        rows += 1;
    }
    assert!(rows >= 20, "{rows} rows");
}
