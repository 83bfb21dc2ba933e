//! Runs the targets without libFuzzer: the corpus first, then mutations of it for a given time.
//!
//! `replay [--seconds N] [--seed N] [TARGET]...`, or `replay TARGET FILE...` for those inputs alone, as
//! they were kept.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use zerocache_fuzz::{TARGETS, Target};
use zerocache_proto::Rng;

/// No mutation grows beyond this.
const LONGEST: usize = 8 << 10;
/// No noise is longer.
const NOISE: usize = 1 << 10;

struct Settings {
    seconds: u64,
    seed: u64,
    targets: Vec<&'static Target>,
    /// Nothing but these.
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(what) => {
            eprintln!("replay: {what}");
            return ExitCode::from(2);
        }
    };
    if let ([target], true) = (&settings.targets[..], !settings.files.is_empty()) {
        return again(target, &settings.files);
    }
    println!("seed {}", settings.seed);
    let mut failed = 0;
    for target in &settings.targets {
        match replay(target, &settings) {
            Ok(runs) => println!("{}: {runs} inputs, none failed", target.name),
            Err(file) => {
                println!("{}: FAILED, input kept as {}", target.name, file.display());
                failed += 1;
            }
        }
    }
    println!(
        "fuzz: {} passed, {failed} failed",
        settings.targets.len() - failed
    );
    ExitCode::from(u8::from(failed > 0))
}

fn settings(mut arguments: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings {
        seconds: 0,
        seed: 1,
        targets: Vec::new(),
        files: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments
                .next()
                .ok_or(format!("{argument} wants a number"))?;
            value.parse().map_err(|_| format!("{value} is no number"))
        };
        match argument.as_str() {
            "--seconds" => settings.seconds = number()?,
            "--seed" => settings.seed = number()?,
            name => match TARGETS.iter().find(|target| target.name == name) {
                Some(target) => settings.targets.push(target),
                None if Path::new(name).is_file() => settings.files.push(name.into()),
                None => return Err(format!("{name} is neither a target nor a file")),
            },
        }
    }
    if !settings.files.is_empty() && settings.targets.len() != 1 {
        return Err("files want the one target they are for".to_owned());
    }
    if settings.targets.is_empty() {
        settings.targets.extend(TARGETS);
    }
    Ok(settings)
}

/// Runs these inputs, each with its name first, and lets a panic be one.
fn again(target: &Target, files: &[PathBuf]) -> ExitCode {
    for file in files {
        println!("{}", file.display());
        match fs::read(file) {
            Ok(input) => (target.run)(&input),
            Err(error) => {
                eprintln!("replay: {error}");
                return ExitCode::from(2);
            }
        }
    }
    println!("none failed");
    ExitCode::SUCCESS
}

/// How many inputs were tried; or where the one that failed was written.
fn replay(target: &Target, settings: &Settings) -> Result<u64, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = inputs(&folder.join("corpus").join(target.name));
    let mut runs = 0;
    for input in &corpus {
        attempt(target, input)?;
        runs += 1;
    }
    corpus.push(Vec::new());
    let mut rng = Rng::new(settings.seed);
    let until = Instant::now() + Duration::from_secs(settings.seconds);
    while Instant::now() < until {
        for _ in 0..64 {
            attempt(target, &mutated(&corpus, &mut rng))?;
            runs += 1;
        }
    }
    Ok(runs)
}

fn attempt(target: &Target, input: &[u8]) -> Result<(), PathBuf> {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok() {
        return Ok(());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("artifacts")
        .join(target.name);
    let file = folder.join(format!("replay-{:016x}", fingerprint(input)));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, input));
    if let Err(error) = written {
        eprintln!("{}: {error}", file.display());
        let _ = std::io::stderr().write_all(input);
    }
    Err(file)
}

/// Every file of the folder, in order of its name.
fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .collect()
}

/// One of the corpus, or two of them joined, changed in a few places; or nothing but noise.
fn mutated(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    if rng.below(8) == 0 {
        let length = rng.below(NOISE);
        return (0..length).map(|_| rng.next_u32() as u8).collect();
    }
    let mut input = corpus[rng.below(corpus.len())].clone();
    if rng.below(4) == 0 {
        let other = &corpus[rng.below(corpus.len())];
        input.truncate(rng.below(input.len() + 1));
        input.extend_from_slice(&other[rng.below(other.len() + 1)..]);
    }
    for _ in 0..=rng.below(6) {
        mutate(&mut input, rng);
    }
    input.truncate(LONGEST);
    input
}

/// Bytes that mean something to the formats under test.
const MEANINGFUL: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b":",
    b" ",
    b"%2F",
    b"%00",
    b"\xc0\x0c",
    b"\xff",
    b"\x00",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"?expiry=",
    b"&recurse=0",
];

fn mutate(input: &mut Vec<u8>, rng: &mut Rng) {
    let place = rng.below(input.len() + 1);
    match rng.below(6) {
        0 if place < input.len() => input[place] ^= 1 << rng.below(8),
        1 if place < input.len() => input[place] = rng.next_u32() as u8,
        2 => input.insert(place, rng.next_u32() as u8),
        3 => {
            let end = (place + 1 + rng.below(16)).min(input.len());
            input.drain(place.min(end)..end);
        }
        4 => {
            let piece = MEANINGFUL[rng.below(MEANINGFUL.len())];
            input.splice(place..place, piece.iter().copied());
        }
        _ => {
            let end = (place + rng.below(64)).min(input.len());
            let piece = input[place..end].to_vec();
            let to = rng.below(input.len() + 1);
            input.splice(to..to, piece);
        }
    }
}

/// FNV-1a: names a file after its content.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
