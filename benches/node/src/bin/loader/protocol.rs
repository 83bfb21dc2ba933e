//! The same requests in each server's protocol, and the checking of what it answers.

use memchr::memmem;

/// Digits of a key, after its first letter.
const DIGITS: usize = 8;
/// Lives of values: none ends during a run.
const TTL: u32 = 36_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    /// memcached's classic text commands.
    Memcached,
    /// memcached's meta commands.
    Meta,
    /// Redis.
    Resp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Get,
    Put,
}

/// A request with a place for the key's digits.
struct Template {
    bytes: Vec<u8>,
    digits: usize,
}

/// Writes requests.
pub(crate) struct Requests {
    get: Template,
    put: Template,
}

/// Reads answers.
pub(crate) struct Answers {
    protocol: Protocol,
    value: usize,
    /// The last head of an HTTP answer and the length of the body it told.
    known: (Vec<u8>, usize),
}

pub(crate) type Bad = String;

impl Protocol {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "http" => Self::Http,
            "memcached" => Self::Memcached,
            "meta" => Self::Meta,
            "resp" => Self::Resp,
            _ => return None,
        })
    }
}

impl Requests {
    /// Keys have nine bytes. Their first letter tells servers that do not keep anything how long the value is.
    pub(crate) fn new(protocol: Protocol, value: usize) -> Self {
        let letter = if value > 1024 { 'K' } else { 'k' };
        let key = format!("{letter}{:0DIGITS$}", 0);
        let text = "v".repeat(value);
        let (get, put) = match protocol {
            Protocol::Http => (
                format!("GET /r/{key} HTTP/1.1\r\nHost: x\r\n\r\n"),
                format!(
                    "PUT /r/{key}?expiry={TTL} HTTP/1.1\r\nHost: x\r\nContent-Length: {value}\r\n\r\n{text}"
                ),
            ),
            Protocol::Memcached => (
                format!("get {key}\r\n"),
                format!("set {key} 0 {TTL} {value}\r\n{text}\r\n"),
            ),
            Protocol::Meta => (
                format!("mg {key} v\r\n"),
                format!("ms {key} {value} T{TTL}\r\n{text}\r\n"),
            ),
            Protocol::Resp => (
                format!("*2\r\n$3\r\nGET\r\n$9\r\n{key}\r\n"),
                format!(
                    "*5\r\n$3\r\nSET\r\n$9\r\n{key}\r\n${value}\r\n{text}\r\n$2\r\nEX\r\n$5\r\n{TTL}\r\n"
                ),
            ),
        };
        Self {
            get: Template::new(get, &key),
            put: Template::new(put, &key),
        }
    }

    pub(crate) fn write(&self, command: Command, key: u32, out: &mut Vec<u8>) {
        let template = match command {
            Command::Get => &self.get,
            Command::Put => &self.put,
        };
        let digits = out.len() + template.digits;
        out.extend_from_slice(&template.bytes);
        let mut rest = key;
        for digit in out[digits..digits + DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

impl Template {
    fn new(text: String, key: &str) -> Self {
        Self {
            digits: text.find(key).map_or(0, |at| at + 1),
            bytes: text.into_bytes(),
        }
    }
}

impl Answers {
    pub(crate) fn new(protocol: Protocol, value: usize) -> Self {
        Self {
            protocol,
            value,
            known: (Vec::new(), 0),
        }
    }

    /// The length of the answer at the start of `input`, once all of it is there.
    pub(crate) fn read(&mut self, asked: Command, input: &[u8]) -> Result<Option<usize>, Bad> {
        match (self.protocol, asked) {
            (Protocol::Http, _) => self.http(asked, input),
            (Protocol::Memcached, Command::Put) => constant(b"STORED\r\n", input),
            (Protocol::Meta, Command::Put) => constant(b"HD\r\n", input),
            (Protocol::Resp, Command::Put) => constant(b"+OK\r\n", input),
            (Protocol::Memcached, Command::Get) => self.value(b"VALUE ", b"\r\nEND\r\n", input),
            (Protocol::Meta, Command::Get) => self.value(b"VA ", b"\r\n", input),
            (Protocol::Resp, Command::Get) => self.value(b"$", b"\r\n", input),
        }
    }

    fn http(&mut self, asked: Command, input: &[u8]) -> Result<Option<usize>, Bad> {
        let (head, body) = &self.known;
        let (head, body) = if !head.is_empty() && input.starts_with(head) {
            (head.len(), *body)
        } else {
            let Some(end) = memmem::find(input, b"\r\n\r\n") else {
                return Ok(None);
            };
            let head = &input[..end + 4];
            let body = content_length(head).ok_or_else(|| bad(input))?;
            self.known = (head.to_vec(), body);
            (head.len(), body)
        };
        if asked == Command::Get && body != self.value {
            return Err(bad(input));
        }
        let Some(text) = input.get(head..head + body) else {
            return Ok(None);
        };
        if asked == Command::Get && !is_value(text) {
            return Err(bad(input));
        }
        Ok(Some(head + body))
    }

    /// An answer of one line that ends with the value's length, the value, and what ends it.
    fn value(&self, starts: &[u8], ends: &[u8], input: &[u8]) -> Result<Option<usize>, Bad> {
        if !input.starts_with(&starts[..starts.len().min(input.len())]) {
            return Err(bad(input));
        }
        let Some(line) = memchr::memchr(b'\n', input) else {
            return Ok(None);
        };
        let digits = input[..line.saturating_sub(1)]
            .rsplit(|byte| !byte.is_ascii_digit())
            .next();
        if digits.and_then(decimal) != Some(self.value) {
            return Err(bad(input));
        }
        let body = line + 1;
        let end = body + self.value;
        let Some(tail) = input.get(end..end + ends.len()) else {
            return Ok(None);
        };
        if tail != ends || !is_value(&input[body..end]) {
            return Err(bad(input));
        }
        Ok(Some(end + ends.len()))
    }
}

fn constant(expected: &[u8], input: &[u8]) -> Result<Option<usize>, Bad> {
    let len = expected.len().min(input.len());
    if expected[..len] != input[..len] {
        return Err(bad(input));
    }
    Ok((len == expected.len()).then_some(len))
}

/// The body's length, if the head is that of a good answer.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let status = head.strip_prefix(b"HTTP/1.")?.get(1..)?;
    if !status.starts_with(b" 200 ") {
        return None;
    }
    let mut lines = head.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let (name, rest) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME)
            .then(|| decimal(rest.trim_ascii()))?
    })
}

fn decimal(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Looked at in two places: reading all of it would be the loader's time.
fn is_value(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'v') && bytes.last() == Some(&b'v')
}

fn bad(input: &[u8]) -> Bad {
    let shown = &input[..input.len().min(300)];
    format!("not the answer expected: {}", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Protocol, &str, &str); 4] = [
        (
            Protocol::Http,
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nvvv",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            Protocol::Memcached,
            "VALUE k00000012 0 3\r\nvvv\r\nEND\r\n",
            "STORED\r\n",
        ),
        (Protocol::Meta, "VA 3\r\nvvv\r\n", "HD\r\n"),
        (Protocol::Resp, "$3\r\nvvv\r\n", "+OK\r\n"),
    ];

    #[test]
    fn an_answer_is_one_once_all_of_it_is_there() {
        for (protocol, got, put) in ALL {
            for (asked, text) in [(Command::Get, got), (Command::Put, put)] {
                let mut answers = Answers::new(protocol, 3);
                for len in 0..text.len() {
                    assert_eq!(answers.read(asked, &text.as_bytes()[..len]), Ok(None));
                }
                let more = format!("{text}{text}");
                assert_eq!(answers.read(asked, more.as_bytes()), Ok(Some(text.len())));
            }
        }
    }

    #[test]
    fn another_length_a_miss_and_an_error_are_not_taken_for_answers() {
        for (protocol, got, _) in ALL {
            let mut answers = Answers::new(protocol, 4);
            assert!(answers.read(Command::Get, got.as_bytes()).is_err());
        }
        let misses = [
            (
                Protocol::Http,
                "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nvvvv",
            ),
            (Protocol::Memcached, "END\r\n"),
            (Protocol::Meta, "EN\r\n"),
            (Protocol::Resp, "$-1\r\n"),
        ];
        for (protocol, text) in misses {
            let mut answers = Answers::new(protocol, 4);
            assert!(
                answers.read(Command::Get, text.as_bytes()).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_request_has_its_key() {
        let requests = Requests::new(Protocol::Meta, 2);
        let mut out = Vec::new();
        requests.write(Command::Get, 12, &mut out);
        requests.write(Command::Put, 1_234_567, &mut out);
        assert_eq!(out, b"mg k00000012 v\r\nms k01234567 2 T36000\r\nvv\r\n");
    }
}
