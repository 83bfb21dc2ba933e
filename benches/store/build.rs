//! Hands the peers' versions, as locked, to the program that prints them.

use std::fs;

const PEERS: [&str; 9] = [
    "foldhash",
    "foyer-memory",
    "hashbrown",
    "hashlink",
    "lru",
    "mini-moka",
    "moka",
    "quick_cache",
    "schnellru",
];

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let mut newest: Vec<(&str, &str)> = Vec::new();
    // Sorted by name and version, so the newest of several comes last.
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(" = \"")?.strip_suffix('"')
        };
        if let Some((name, version)) = field("name").zip(field("version"))
            && PEERS.contains(&name)
        {
            newest.retain(|(other, _)| *other != name);
            newest.push((name, version));
        }
    }
    let versions: Vec<String> = newest
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    println!("cargo:rustc-env=PEERS={}", versions.join(", "));
}
