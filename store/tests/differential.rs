//! The store against `cachetools.TLRUCache` itself, when `ZEROCACHE_INTEROP=1` (it needs `python3`
//! 3.11 or later, and the network for `pip`, once). Against the naive model in any case.

#[expect(dead_code, reason = "the other test uses the rest")]
mod common;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Item, Model};
use zerocache_store::{Bounds, Cause, Expiry, NewValue, Tlru};

const CACHETOOLS: &str = "cachetools==8.0.1";
const OPERATIONS: &str = "200000";
const SEED: &str = "1";

#[test]
fn no_difference_from_cachetools() {
    no_difference_from_the_model();
    if env::var_os("ZEROCACHE_INTEROP").is_none_or(|value| value != "1") {
        println!("ZEROCACHE_INTEROP is not 1: held against the naive model alone");
        return;
    }
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = python(scratch);
    let replay = replay(scratch);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cachetools_differential.py");
    run(Command::new(python)
        .arg(script)
        .arg(replay)
        .args([SEED, OPERATIONS]));
}

/// A Python that has cachetools, in a virtual environment of its own.
fn python(scratch: &Path) -> PathBuf {
    let recent = "import sys; sys.exit(sys.version_info < (3, 11))";
    run(Command::new("python3").args(["-c", recent]));
    let venv = scratch.join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let python = venv.join("bin/python");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", CACHETOOLS]));
    python
}

/// The example that answers scripts.
fn replay(scratch: &Path) -> PathBuf {
    let target = scratch.join("replay");
    run(Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", "replay"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .arg("--target-dir")
        .arg(&target));
    target.join("debug/examples/replay")
}

/// Runs a command, which must succeed.
fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "{command:?}: {status:?}"
    );
}

fn no_difference_from_the_model() {
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |bound: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % bound
    };
    let (entries, weight) = (usize::MAX, 300);
    let mut store = Tlru::new(Bounds { entries, weight }, 7)
        .with_weigher(|_, value| value.len() as u64)
        .with_expiry(Expiry::Exact);
    let mut model = Model::new(entries, weight);
    let mut now = 0;
    for serial in 0..30_000_u64 {
        now += [0, 0, 0, 1, 3, 70][below(6) as usize];
        let key = below(80).to_le_bytes();
        let hash = store.hash(&key);
        if below(2) == 0 {
            let got = store.get(hash, &key, now);
            let got = got.map(|entry| entry.value.to_vec());
            let want = model.get(&key, now).map(|item| item.value.clone());
            assert_eq!(got, want, "get {serial}");
            continue;
        }
        let value = vec![serial as u8; below(20) as usize];
        let expires = now + [0, 1, 60, 5_000][below(4) as usize];
        let put = store.put(hash, &key, NewValue::Copy(&value), (), expires, now);
        let item = Item {
            key: key.to_vec(),
            weight: value.len() as u64,
            value,
            expires,
        };
        let done = model.put(item, now);
        let victims = put.map(|put| {
            let gone = put.evicted.iter();
            let evicted = gone.filter(|gone| gone.cause() == Cause::Evicted);
            evicted.map(|gone| gone.key().to_vec()).collect::<Vec<_>>()
        });
        assert_eq!(
            victims.ok(),
            done.ok().map(|done| done.evicted),
            "put {serial}"
        );
        assert_eq!(store.len(now), model.len(now), "put {serial}");
        assert_eq!(store.weight(), model.held_weight(), "put {serial}");
    }
}
