//! The case table: what is sent over one connection, what is answered, and whether it stays open.
//!
//! The files beside this one hold it, a case a line. Three users play it: this test on the core alone,
//! the conformance suite over sockets, and the comparison with hyper.
//!
//! ```text
//! # A comment.
//! let put = PUT /london/{key} HTTP/1.1\r\n
//! cl/exact  200,200=value  open  {put}Content-Length: 5\r\n\r\nvalue{read}
//! ```
//!
//! - The first word is the case's name, `family/what`.
//! - Then the statuses of the answers in their order (`-`: none), each with the body that must come
//!   with it, if it matters; `h` follows the status of an answer to HEAD. Interim answers (1xx) are not counted.
//! - Then what the connection is: `open`: it serves a further request; `close`: after the last answer it
//!   takes nothing more and closes; `cut`: the bytes end within a request, which is never carried out.
//! - The rest is what is sent: `\r`, `\n`, `\t`, `\\`, `\xHH`, `{key}`: a key that nobody else uses,
//!   `{n*text}`: n times that, `{name}`: what `let` says, in this file or in `common.txt`.

use std::collections::BTreeMap;

/// Stands for `{key}` until a run has a key; as long as every key that replaces it.
pub(crate) const KEY: &[u8; 12] = b"key-of-a-run";

/// What becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Open,
    Close,
    Cut,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// It is one to HEAD, so nothing follows its head.
    pub(crate) bare: bool,
    pub(crate) body: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) answers: Vec<Expected>,
    pub(crate) end: End,
    script: Vec<u8>,
}

impl Case {
    /// What is sent, with a key of its own.
    pub(crate) fn bytes(&self, key: &[u8; KEY.len()]) -> Vec<u8> {
        let mut bytes = self.script.clone();
        for at in 0..bytes.len() {
            if bytes[at..].starts_with(KEY) {
                bytes[at..at + KEY.len()].copy_from_slice(key);
            }
        }
        bytes
    }

    /// The part of the name before the slash.
    pub(crate) fn family(&self) -> &'static str {
        self.name.split('/').next().unwrap()
    }

    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.answers.iter().map(|answer| answer.status).collect()
    }

    /// Whether every request in it is well-formed, and is served.
    pub(crate) fn is_good(&self) -> bool {
        self.end != End::Cut
            && self.answers.iter().all(|answer| answer.status < 405)
            && self.answers.iter().all(|answer| answer.status != 400)
    }

    /// Whether anything in it may be stored.
    pub(crate) fn stores(&self) -> bool {
        self.answers.iter().any(|answer| answer.status < 300)
    }
}

const FILES: [&str; 10] = [
    include_str!("cl.txt"),
    include_str!("te.txt"),
    include_str!("chunk.txt"),
    include_str!("header.txt"),
    include_str!("line.txt"),
    include_str!("version.txt"),
    include_str!("target.txt"),
    include_str!("method.txt"),
    include_str!("conn.txt"),
    include_str!("pipe.txt"),
];

/// The table.
pub(crate) fn all() -> Vec<Case> {
    let mut common = BTreeMap::new();
    let none = read(include_str!("common.txt"), &mut common);
    assert!(none.is_empty(), "common.txt is for names alone");
    let cases = FILES.into_iter();
    let cases: Vec<_> = cases
        .flat_map(|file| read(file, &mut common.clone()))
        .collect();
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "two cases of one name");
    cases
}

/// The cases of a file; its names are added to `names`.
fn read(file: &'static str, names: &mut BTreeMap<&'static str, Vec<u8>>) -> Vec<Case> {
    let lines = file.lines().filter(|line| !line.is_empty());
    let mut cases = Vec::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        if let Some(named) = line.strip_prefix("let ") {
            let (name, text) = named.split_once(" = ").unwrap();
            let text = unescape(text, names);
            names.insert(name, text);
            continue;
        }
        let (name, rest) = word(line);
        let (answers, rest) = word(rest);
        let (end, script) = word(rest);
        cases.push(Case {
            name,
            answers: answers
                .split(',')
                .filter_map(|answer| expected(answer, names))
                .collect(),
            end: match end {
                "open" => End::Open,
                "close" => End::Close,
                "cut" => End::Cut,
                _ => unreachable!("{line}"),
            },
            script: unescape(script, names),
        });
    }
    cases
}

fn word(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    (word, rest.trim_start_matches(' '))
}

fn expected(text: &str, names: &BTreeMap<&str, Vec<u8>>) -> Option<Expected> {
    if text == "-" {
        return None;
    }
    let (status, body) = match text.split_once('=') {
        Some((status, body)) => (status, Some(unescape(body, names))),
        None => (text, None),
    };
    let digits = status.trim_end_matches('h');
    Some(Expected {
        status: digits.parse().unwrap_or_else(|_| unreachable!("{text}")),
        bare: digits != status,
        body,
    })
}

fn unescape(text: &str, names: &BTreeMap<&str, Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '{']) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let mark = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if mark == b'{' {
            let (inner, after) = rest
                .split_once('}')
                .unwrap_or_else(|| unreachable!("{text}"));
            out.extend(named(inner, names));
            rest = after;
            continue;
        }
        let (byte, used) = match rest.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&rest[1..3], 16).unwrap(), 3),
            _ => unreachable!("{text}"),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn named(inner: &str, names: &BTreeMap<&str, Vec<u8>>) -> Vec<u8> {
    match inner.split_once('*') {
        Some((times, text)) => unescape(text, names).repeat(times.parse().unwrap()),
        None if inner == "key" => KEY.to_vec(),
        None => names
            .get(inner)
            .cloned()
            .unwrap_or_else(|| unreachable!("{inner}?")),
    }
}
