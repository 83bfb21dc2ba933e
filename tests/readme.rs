//! The tables of README.md that follow from the manifests are what the manifests say.
//!
//! `UPDATE_README=1 cargo test -p zerocache --test readme` rewrites them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
}

fn manifest(directory: &str) -> Table {
    let path = Path::new(directory).join("Cargo.toml");
    read(path.to_str().expect("UTF-8")).parse().expect("TOML")
}

/// The value behind a path of keys.
fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (last, parents) = path.split_last()?;
    let mut table = table;
    for key in parents {
        table = table.get(*key)?.as_table()?;
    }
    table.get(*last)
}

fn strings(value: Option<&Value>) -> Vec<&str> {
    let array = value.and_then(Value::as_array).into_iter().flatten();
    array.filter_map(Value::as_str).collect()
}

/// The features in the order of the manifest, each with the comment above it.
fn described(manifest: &str) -> Vec<(&str, String)> {
    let section = manifest.split("\n[features]\n").nth(1).expect("features");
    let section = section.split("\n[").next().unwrap_or_default();
    let mut comment = String::new();
    let mut features = Vec::new();
    for line in section.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(' ');
            comment.push_str(text.trim());
        } else if let Some((name, _)) = line.split_once(" = ") {
            features.push((name, std::mem::take(&mut comment).trim().to_owned()));
        }
    }
    features
}

/// `default = []` spelled out: feature by feature, what it switches on.
fn features_table(manifest: &Table, text: &str) -> String {
    let default = strings(at(manifest, &["features", "default"]));
    let mut out = String::from("| feature | what it gives | what it brings |\n|---|---|---|\n");
    for (name, comment) in described(text)
        .iter()
        .filter(|(name, _)| *name != "default")
    {
        assert!(
            !comment.is_empty(),
            "feature `{name}` has no comment above it"
        );
        let brings = strings(at(manifest, &["features", name])).into_iter();
        let brings = brings.map(|what| format!("`{}`", what.trim_start_matches("dep:")));
        let brings = brings.collect::<Vec<_>>().join(", ");
        let mark = if default.contains(name) {
            " (default)"
        } else {
            ""
        };
        let _ = writeln!(out, "| `{name}`{mark} | {comment} | {brings} |");
    }
    out
}

/// The crates a program can run on, and the features that name them.
fn runtimes_table(manifest: &Table) -> String {
    let features = at(manifest, &["features"]).and_then(Value::as_table);
    let features: BTreeMap<_, _> = features.into_iter().flatten().collect();
    let default = strings(at(manifest, &["features", "default"]));
    let brings = |feature: &str, what: &str| {
        let list = features.get(&feature.to_owned()).copied();
        strings(list).contains(&what)
    };
    let mut out = String::from("| crate | what it is | features |\n|---|---|---|\n");
    for directory in members(manifest) {
        if !directory.starts_with("rt-") && directory != "blocking" {
            continue;
        }
        let (name, what) = named(directory);
        let direct: Vec<&str> = (features.keys().map(|feature| feature.as_str()))
            .filter(|feature| brings(feature, &format!("dep:{name}")))
            .collect();
        let alias = |feature: &&str| direct.iter().any(|real| brings(feature, real));
        let aliases = features.keys().map(|feature| feature.as_str());
        let aliases = aliases
            .filter(|feature| *feature != "default")
            .filter(alias);
        let tell = |feature: &str| match default.contains(&feature) {
            true => format!("`{feature}` (default)"),
            false => format!("`{feature}`"),
        };
        let named: Vec<_> = direct.iter().copied().chain(aliases).map(tell).collect();
        assert!(!named.is_empty(), "no feature for {name}");
        let named = named.join(", ");
        let _ = writeln!(out, "| [`{name}`]({directory}/) | {what} | {named} |");
    }
    let (name, what) = named("proto");
    let _ = writeln!(
        out,
        "| [`{name}`](proto/) | {what} | none, it is always there |"
    );
    out
}

fn members(manifest: &Table) -> Vec<&str> {
    strings(at(manifest, &["workspace", "members"]))
}

fn named(directory: &str) -> (String, String) {
    let manifest = manifest(directory);
    let text = |key| at(&manifest, &["package", key]).and_then(Value::as_str);
    let text = |key| text(key).unwrap_or_default().to_owned();
    (text("name"), text("description"))
}

/// The examples of the facade package: name and file.
fn examples() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("examples")).expect("examples");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names
        .map(|name| match name.strip_suffix(".rs") {
            Some(stem) => (stem.to_owned(), name),
            None => (name.clone(), format!("{name}/main.rs")),
        })
        .collect();
    names.sort();
    names
}

/// Puts `table` between the markers of that name.
fn replaced(readme: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = readme.split_once(&begin).expect("a marker");
    let (_, after) = rest.split_once(&end).expect("a marker");
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn the_tables_are_what_the_manifests_say() {
    let (readme, text) = (read("README.md"), read("Cargo.toml"));
    let manifest: Table = text.parse().expect("TOML");
    let tables = [
        ("features", features_table(&manifest, &text)),
        ("runtimes", runtimes_table(&manifest)),
    ];
    let mut wanted = readme.clone();
    for (name, table) in &tables {
        wanted = replaced(&wanted, name, table);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(root().join("README.md"), &wanted).expect("written");
        return;
    }
    let [(_, features), (_, runtimes)] = &tables;
    assert!(
        readme == wanted,
        "README.md is out of date; UPDATE_README=1 rewrites it. It should have\n\n{features}\n{runtimes}"
    );
}

#[test]
fn every_crate_has_its_place_in_the_pages() {
    let manifest = manifest("");
    let (readme, architecture) = (read("README.md"), read("ARCHITECTURE.md"));
    for directory in members(&manifest) {
        if directory == "." {
            continue;
        }
        let (name, what) = named(directory);
        assert!(!what.is_empty(), "{name} has no description");
        assert!(
            architecture.contains(&format!("\n{directory}/")),
            "ARCHITECTURE.md: {directory}"
        );
        if !directory.starts_with("tests/") {
            assert!(
                readme.contains(&format!("]({directory}/)")),
                "README.md: {directory}"
            );
        }
    }
}

#[test]
fn every_example_is_shown_and_says_how_to_run_it() {
    let readme = read("README.md");
    for (example, file) in examples() {
        assert!(
            readme.contains(&format!("](examples/{file})")),
            "README.md: {file}"
        );
        let text = read(&format!("examples/{file}"));
        let manual = text.lines().take_while(|line| line.starts_with("//!"));
        let manual = manual.map(|line| line.trim_start_matches("//!").trim());
        let manual = manual.collect::<Vec<_>>().join(" ");
        let command = manual
            .split('`')
            .find(|code| code.starts_with("cargo run "));
        let command = command.unwrap_or_default();
        let named =
            command.contains("-p zerocache ") && command.contains(&format!("--example {example} "));
        assert!(named, "{file}: `{command}`");
    }
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let mut pages = vec![
        String::from("store/README.md"),
        String::from("benches/store/README.md"),
    ];
    for folder in ["", "docs/"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder");
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let names = names.filter(|name| name.ends_with(".md"));
        pages.extend(names.map(|name| format!("{folder}{name}")));
    }
    for page in pages {
        let text = read(&page);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or_default();
            let folder = Path::new(&page).parent().expect("of a file");
            assert!(root().join(folder).join(file).exists(), "{page}: {target}");
        }
    }
}
