//! What goes to standard output and standard error, and the code the process ends with.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;
use zerocache_tokio::Error;

/// How a command ended, as a shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// What was asked for is done.
    Done = 0,
    /// `get`: there is no such value. `serve`: could not start. `demo`: a step went otherwise. `bench`: a check failed.
    Miss = 1,
    /// An argument makes no sense.
    Usage = 2,
    /// No node answered.
    Unreachable = 3,
    /// A node answered that it will not.
    Refused = 4,
    /// Standard input or output failed.
    Io = 5,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command did not do what it should: one line for standard error, and the code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }

    /// Standard output could not be written.
    fn output(error: &io::Error) -> Self {
        Self::new(Code::Io, format_args!("can not write the output: {error}"))
    }

    /// Reports on standard error, and for `--json` as an object on standard output too.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            // The failure below stands, whether or not this can be written.
            let _ = print(&json!({ "error": self.message, "exit": self.code as u8 }).to_string());
        }
        warn(&self.message);
        self.code.into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::InvalidKey { .. } => Code::Usage,
            Error::Refused { .. } => Code::Refused,
            _ => Code::Unreachable,
        };
        Self::new(code, error)
    }
}

/// Writes `line` and a line feed to standard output at once. A reader that has gone is no failure.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    finish(writeln!(out, "{line}").and_then(|()| out.flush()))
}

/// Writes bytes as they are to standard output; on a terminal, the prompt then gets a line of its own.
pub(crate) fn print_raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let end: &[u8] = if out.is_terminal() && !bytes.ends_with(b"\n") {
        b"\n"
    } else {
        b""
    };
    finish(
        out.write_all(bytes)
            .and_then(|()| out.write_all(end))
            .and_then(|()| out.flush()),
    )
}

fn finish(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::output(&error)),
        _ => Ok(()),
    }
}

/// Writes one line to standard error; there is nowhere to say that this failed.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(io::stderr().lock(), "zerocache: {message}");
}

/// Adds `bytes` to a JSON object: as text where they are UTF-8, else in base64, and which of them.
pub(crate) fn insert_bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    let (text, encoding) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), "utf8"),
        Err(_) => (BASE64_STANDARD.encode(bytes), "base64"),
    };
    object.insert(name.to_owned(), text.into());
    let encoding_of = if name == "value" {
        "encoding".to_owned()
    } else {
        format!("{name}_encoding")
    };
    if name == "value" || encoding == "base64" {
        object.insert(encoding_of, encoding.into());
    }
}

/// Lines up `rows` under `head`, two spaces between the columns; the last one is ragged.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.truncate(line.trim_end().len());
        line
    };
    let mut lines = vec![line(head)];
    lines.extend(
        rows.iter()
            .map(|row| line(row.each_ref().map(String::as_str))),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let rows = [
            ["a".to_owned(), "bcd".to_owned()],
            ["efgh".to_owned(), String::new()],
        ];
        assert_eq!(table(["x", "long"], &rows), "x     long\na     bcd\nefgh");
    }

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        let mut object = Map::new();
        insert_bytes(&mut object, "key", b"k");
        insert_bytes(&mut object, "value", b"\xff\x00");
        let wanted = json!({ "key": "k", "value": "/wA=", "encoding": "base64" });
        assert_eq!(Value::Object(object), wanted);
    }
}
