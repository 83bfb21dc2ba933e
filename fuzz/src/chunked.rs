//! `chunked`: a body in the chunked coding is read, or refused, as a reader does that has all of it before
//! it, and takes no memory on trust.

use zerocache_proto::http::{Limits, ServerConn};
use zerocache_proto::{Instant, Version};

use crate::http::{LIMITS, serve};

const HEAD: &[u8] = b"PUT /london/key HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Bytes of a line with a chunk's size; those of a longer one are refused.
const MAX_LINE: usize = 256;
/// Taken for a body of which nothing has come yet.
const FIRST: usize = 16 << 10;
/// All extensions and trailers of an input this long are short enough.
const LONGEST: usize = 8 << 10;

/// The first byte says how long the pieces are that it comes in.
pub(crate) fn run(data: &[u8]) {
    let Some((piece, coding)) = data.split_first() else {
        return;
    };
    let coding = &coding[..coding.len().min(LONGEST)];
    let piece = match piece {
        0 => usize::MAX,
        piece => usize::from(*piece),
    };
    let served = serve(&[HEAD, coding].concat(), &[0xff; 64], || piece);
    match reference(coding) {
        None => assert_eq!(served.requests, [""; 0], "what should be refused"),
        Some((body, length)) => {
            let (path, none) = (&b"/london/key"[..], None::<&[u8]>);
            let version = None::<Version>;
            let seen = format!("Put {path:?} {none:?} {:?} {version:?} {none:?}", &body[..]);
            // Whatever stands behind it is what would stand there alone.
            let mut expected = serve(&coding[length..], &[0xff; 64], || piece).requests;
            expected.insert(0, seen);
            assert_eq!(served.requests, expected);
        }
    }
    frugal(coding, piece);
}

/// A body and the length of its coding, by RFC 9112 §7.1 and the bounds; `None` if it is refused or ends
/// early.
fn reference(coding: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut rest = coding;
    loop {
        let line;
        (line, rest) = split_line(rest).filter(|(line, _)| line.len() + 2 <= MAX_LINE)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (digits, extensions) = line.split_at(digits.count());
        let size = size(digits)?;
        if !extensions.is_empty() && !are_extensions(extensions) {
            return None;
        }
        if size == 0 {
            break;
        }
        let (data, after) = rest.split_at_checked(size)?;
        body.extend_from_slice(data);
        if body.len() > LIMITS.max_body {
            return None;
        }
        rest = after.strip_prefix(b"\r\n")?;
    }
    loop {
        let line;
        (line, rest) = split_line(rest)?;
        if line.is_empty() {
            return Some((body, coding.len() - rest.len()));
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_text) {
            return None;
        }
    }
}

/// What is before the first CR LF, and what is behind it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

/// One that may be allowed.
fn size(digits: &[u8]) -> Option<usize> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let text = std::str::from_utf8(&digits[zeros..]).ok()?;
    match text {
        "" if zeros == 0 => None,
        "" => Some(0),
        text => usize::from_str_radix(text, 16)
            .ok()
            .filter(|size| *size <= LIMITS.max_body),
    }
}

/// `; name` and, after a name, any text.
fn are_extensions(bytes: &[u8]) -> bool {
    let space = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let Some(rest) = bytes[bytes.iter().take_while(space).count()..].strip_prefix(b";") else {
        return false;
    };
    let rest = &rest[rest.iter().take_while(space).count()..];
    let name = rest.iter().take_while(|byte| is_token(byte)).count();
    let (name, rest) = rest.split_at(name);
    !name.is_empty()
        && match rest {
            [b';', ..] => are_extensions(rest),
            rest => rest.iter().all(is_text),
        }
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

fn is_text(byte: &u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Whatever is announced, memory is taken for what has come.
fn frugal(coding: &[u8], piece: usize) {
    let now = Instant::from_millis(1);
    let limits = Limits {
        max_body: 1 << 20,
        ..Limits::default()
    };
    let mut conn = ServerConn::new(now, limits);
    let mut rest = &[HEAD, coding].concat()[..];
    let mut came = 0;
    while !rest.is_empty() {
        let room = conn.read_buf();
        if room.is_empty() {
            return;
        }
        let count = room.len().min(rest.len()).min(piece);
        room[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        came += count;
        conn.handle_read(now, count);
        if conn.poll_request(now).is_some() {
            return;
        }
        let reserved = conn.body_reserved();
        assert!(
            reserved <= FIRST.max(4 * came),
            "{reserved} for {came} bytes"
        );
    }
}
