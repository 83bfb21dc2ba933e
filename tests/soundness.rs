//! What ARCHITECTURE.md says of unsafe code and of atomics is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// What a node or a client consists of.
const CRATES: [&str; 9] = [
    "store",
    "proto",
    "driver",
    "rt-tokio",
    "rt-smol",
    "blocking",
    "decorator",
    "macros",
    ".",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
}

fn manifest(directory: &str) -> Table {
    let text = read(&root().join(directory).join("Cargo.toml"));
    text.parse().expect("TOML")
}

/// The Rust files below `folder`, those of tests alone not among them.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let each = paths.flat_map(
        |path| match path.file_name().and_then(|name| name.to_str()) {
            Some(_) if path.is_dir() => sources(&path),
            Some(name) if name.ends_with("tests.rs") || !name.ends_with(".rs") => Vec::new(),
            _ => vec![path],
        },
    );
    each.collect()
}

#[test]
fn no_crate_may_have_unsafe_code() {
    let workspace = manifest(".");
    let lint = workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str();
    assert_eq!(lint, Some("forbid"));
    let members = workspace["workspace"]["members"].as_array();
    let members = members.expect("members").iter().filter_map(Value::as_str);
    for member in members.chain(["."]) {
        let lints = &manifest(member)["lints"];
        assert_eq!(lints["workspace"].as_bool(), Some(true), "{member}");
    }
}

#[test]
fn atomics_are_where_the_architecture_says() {
    let page = read(&root().join("ARCHITECTURE.md"));
    let (_, section) = page
        .split_once("### What threads share")
        .expect("a section");
    let (section, _) = section.split_once("\n## ").expect("another one");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();

    let files = CRATES
        .iter()
        .flat_map(|name| sources(&root().join(name).join("src")));
    let found = files.filter(|path| {
        let text = read(path);
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.any(|word| word.len() > 6 && word.starts_with("Atomic"))
    });
    let found: Vec<_> = found
        .map(|path| {
            let path = path.strip_prefix(root()).expect("below it").to_owned();
            path.strip_prefix(".").map_or(path.clone(), Path::to_owned)
        })
        .collect();
    let found: BTreeSet<&str> = found.iter().filter_map(|path| path.to_str()).collect();
    assert_eq!(found, named);
}
