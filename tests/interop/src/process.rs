//! A child process in a namespace, with its standard error in a log file.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};

/// The longest any driver may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// The signals of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Term,
    Interrupt,
    Kill,
}

/// A running child; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    pub(crate) fn spawn(mut command: Command, name: &str, log: &Path) -> Outcome<Self> {
        command.stderr(File::options().create(true).append(true).open(log)?);
        let child = command
            .spawn()
            .map_err(|error| Failure(format!("{name}: cannot start {command:?}: {error}")))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    pub(crate) fn signal(&self, signal: Signal) -> Outcome {
        let flag = match signal {
            Signal::Term => "-TERM",
            Signal::Interrupt => "-INT",
            Signal::Kill => "-KILL",
        };
        run(Command::new("kill")
            .arg(flag)
            .arg(self.child.id().to_string()))
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self, within: Duration) -> Outcome<ExitStatus> {
        let started = Instant::now();
        while started.elapsed() < within {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(Failure(format!(
            "{}: still runs after {within:?}",
            self.name
        )))
    }

    /// Fails if it ended by itself.
    pub(crate) fn running(&mut self) -> Outcome {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Failure(format!("{}: ended early, {status}", self.name))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child that answers JSON lines with JSON lines.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) process: Process,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Driver {
    /// Starts it and waits for its first line, which is returned.
    pub(crate) fn spawn(
        mut command: Command,
        name: &str,
        log: &Path,
    ) -> Outcome<(Self, Map<String, Value>)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(command, name, log)?;
        let pipes = process.child.stdin.take().zip(process.child.stdout.take());
        let Some((requests, stdout)) = pipes else {
            return Err(Failure(format!("{name}: no pipes")));
        };
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut driver = Self {
            process,
            requests,
            answers,
        };
        let first = driver.answer()?;
        Ok((driver, first))
    }

    /// One exchange; an answer that is not `ok` is an error.
    pub(crate) fn ask(&mut self, request: &Value) -> Outcome<Map<String, Value>> {
        let name = &self.process.name;
        writeln!(self.requests, "{request}")
            .map_err(|error| Failure(format!("{name}: {request}: {error}")))?;
        let answer = self.answer()?;
        if answer.get("ok") == Some(&Value::Bool(true)) {
            return Ok(answer);
        }
        let error = answer
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or("no reason given");
        Err(Failure(format!(
            "{}: {request}: {error}",
            self.process.name
        )))
    }

    fn answer(&mut self) -> Outcome<Map<String, Value>> {
        let name = &self.process.name;
        let line = self
            .answers
            .recv_timeout(ANSWER)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => Failure(format!("{name}: no answer in {ANSWER:?}")),
                RecvTimeoutError::Disconnected => {
                    Failure(format!("{name}: ended before it answered"))
                }
            })?;
        match serde_json::from_str(&line)? {
            Value::Object(answer) => Ok(answer),
            other => Err(Failure(format!("{name}: answered {other}"))),
        }
    }
}

/// Runs a command to its end; its output is told only if it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure(format!("cannot run {command:?}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let more = String::from_utf8_lossy(&output.stdout);
    Err(Failure(format!(
        "{command:?}: {}\n{more}{text}",
        output.status
    )))
}

/// `target/interop`, shared by every run.
pub(crate) fn work_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/interop")
}
