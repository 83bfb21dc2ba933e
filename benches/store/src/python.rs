//! `cachetools.TLRUCache`, where there is one.

use std::env;
use std::process::Command;

const SCRIPT: &str = include_str!("tlrucache.py");

/// Nanoseconds of a get and of a put that evicts, and the version; else what is missing.
pub fn measure(entries: usize) -> Result<(f64, f64, String), String> {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&python)
        .args(["-c", SCRIPT, &entries.to_string()])
        .output();
    let output = output.map_err(|error| format!("{python}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [version, get, put] => match (get.parse(), put.parse()) {
            (Ok(get), Ok(put)) => Ok((get, put, version.to_owned())),
            _ => Err(format!("{python}: no numbers in {text:?}")),
        },
        _ => {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.lines().next_back().unwrap_or("no output");
            Err(format!(
                "{python}: {why} (pip install cachetools; PYTHON=... picks another python)"
            ))
        }
    }
}
