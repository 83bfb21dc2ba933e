//! What a feature pulls in, and what it must not.

#![expect(clippy::panic, reason = "helpers of tests")]

use std::process::Command;

/// The crates a build of the library with these features is made of.
fn crates(features: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "zerocache"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--no-default-features", "--features", features])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let told = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{told}");
    let text = String::from_utf8_lossy(&tree.stdout);
    let name = |line: &str| line.split(' ').next().map(str::to_owned);
    text.lines().filter_map(name).collect()
}

#[track_caller]
fn pulls_in(features: &str, wanted: &[&str], banned: &[&str]) {
    let crates = crates(features);
    for name in wanted {
        assert!(crates.iter().any(|c| c == name), "{features}: no {name}");
    }
    if let Some(name) = crates.iter().find(|c| banned.contains(&c.as_str())) {
        panic!("{features} pulls in {name}");
    }
}

const TOKIO: [&str; 3] = ["tokio", "zerocache-tokio", "mio"];
const SMOL: [&str; 3] = ["async-io", "zerocache-smol", "polling"];
/// Executors, and what starts threads: no feature brings any.
const EXECUTORS: [&str; 7] = [
    "smol",
    "async-std",
    "async-executor",
    "async-global-executor",
    "async-net",
    "async-task",
    "blocking",
];

#[test]
fn tokio_pulls_in_no_smol() {
    pulls_in("tokio", &TOKIO, &[&SMOL[..], &EXECUTORS].concat());
}

#[test]
fn smol_pulls_in_no_tokio_and_no_executor() {
    for features in ["smol", "async-std"] {
        pulls_in(features, &SMOL, &[&TOKIO[..], &EXECUTORS].concat());
    }
}

#[test]
fn without_a_feature_there_is_no_runtime() {
    pulls_in(
        "",
        &["zerocache-proto"],
        &[&TOKIO[..], &SMOL, &EXECUTORS].concat(),
    );
}
