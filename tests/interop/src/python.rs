//! The virtual environment that holds the stock package, made once per machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::failure::{Failure, Outcome};
use crate::process::{run, work_folder};

/// Exactly the versions the expectations were observed with.
const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// The interpreter and the script that, with address, port and region, are a stock server until their
/// standard input ends.
///
/// # Errors
/// When the stock package can not be installed.
pub fn stock_server() -> Outcome<(PathBuf, PathBuf)> {
    Ok((interpreter()?, script("stock_server.py")))
}

/// The interpreter of the environment.
pub(crate) fn interpreter() -> Outcome<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(|| make().map_err(|failure| failure.0))
        .clone()
        .map_err(Failure)
}

/// The path of one of the drivers.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(name)
}

fn make() -> Outcome<PathBuf> {
    let folder = work_folder().join("venv");
    let python = folder.join("bin/python");
    let marker = folder.join("complete");
    if fs::read_to_string(&marker).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(work_folder())?;
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(script("requirements.txt")))?;
    fs::write(&marker, REQUIREMENTS)?;
    Ok(python)
}
