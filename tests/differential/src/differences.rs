//! Where the two may differ: the list, and why.

use std::iter;

/// Why one of the two does not take a request that the other takes.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    applies: fn(&Asked<'_>) -> bool,
}

/// What the core refuses and hyper takes.
pub(crate) const STRICTER: &[Difference] = &[
    // RFC 9112 §2.2 lets a recipient take a bare LF for a line's end; one that does not can not be
    // played against one that does.
    differs("a bare line feed in the head", |asked| asked.has_bare_lf()),
    // RFC 9112 §6.1, §6.3: an attempt at smuggling, "ought to be handled as an error". hyper lets
    // Transfer-Encoding win, and takes equal lengths for one.
    differs("two fields of framing", |asked| {
        asked.count("content-length") + asked.count("transfer-encoding") > 1
    }),
    // RFC 9112 §6.1 asks for 501 where a coding is not understood: none is but chunked, and hyper hands
    // the body out still coded.
    differs("a transfer coding beside chunked", |asked| {
        let mut codings = asked.values("transfer-encoding");
        codings.any(|value| !value.eq_ignore_ascii_case(b"chunked"))
    }),
    // RFC 9112 §3.2: 400 for more than one Host is a must.
    differs("more than one Host", |asked| asked.count("host") > 1),
    // RFC 9112 §3.2: no form of target has a fragment; hyper drops it.
    differs("a fragment", |asked| asked.target.contains(&b'#')),
    // RFC 9112 §3.2: hyper leaves it to the service.
    differs("a target that names no path", |asked| {
        let form = asked.target;
        let absolute = ["http://", "https://"].into_iter().any(|scheme| {
            let start = form.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
        });
        !form.starts_with(b"/") && !absolute
    }),
    // RFC 9110 §10.1.1: 417 may be answered; hyper does not read it.
    differs("an expectation that is not 100-continue", |asked| {
        let mut expected = asked.values("expect");
        expected.any(|value| !value.eq_ignore_ascii_case(b"100-continue"))
    }),
    // RFC 9112 §7.1.1, §7.1.2: hyper skips extensions and trailers, and white space behind a size.
    differs(
        "extensions, trailers, or white space behind a size",
        |asked| asked.count("transfer-encoding") == 1 && asked.has_chunk_extras(),
    ),
    differs("a chunk line of more than 256 bytes", |asked| {
        let mut lines = asked.rest.split(|byte| *byte == b'\n');
        asked.count("transfer-encoding") == 1 && lines.any(|line| line.len() > 256)
    }),
    // Ours alone.
    differs("a malformed or repeated Zc-Version or Zc-Node", |asked| {
        asked.count("zc-version") + asked.count("zc-node") > 0
    }),
    differs("more than 64 fields", |asked| asked.fields.len() > 64),
    differs("more than 8 KiB of target", |asked| {
        asked.target.len() > 8 << 10
    }),
    differs("more than 16 KiB of head", |asked| {
        asked.head.len() > 16 << 10
    }),
];

/// What hyper refuses and the core takes.
pub(crate) const LOOSER: &[Difference] = &[
    // RFC 3986 §2 allows none of them raw; stock clients send them, and they can mean but one thing.
    differs("raw bytes in a target", |asked| {
        asked
            .target
            .iter()
            .any(|byte| b"\"<>\\^`{|}".contains(byte) || !byte.is_ascii())
    }),
    // RFC 9112 §3.2.2: the authority of an absolute-form is nobody's business here.
    differs("an authority that is none", |asked| {
        !asked.target.starts_with(b"/")
    }),
];

/// Why one of the two takes a request for the connection's last that the other does not.
pub(crate) const CLOSING: &[Difference] = &[
    // RFC 9110 §5.5: such bytes are opaque, not a reason to overlook the options around them. hyper
    // overlooks the field.
    differs("a Connection field beyond ASCII", |asked| {
        asked.values("connection").any(|value| !value.is_ascii())
    }),
];

const fn differs(name: &'static str, applies: fn(&Asked<'_>) -> bool) -> Difference {
    Difference { name, applies }
}

/// Which of the list it is, if it is on it.
pub(crate) fn explain(list: &[Difference], bytes: &[u8]) -> Option<&'static str> {
    let asked = Asked::new(bytes);
    let mut list = list.iter();
    let difference = list.find(|difference| (difference.applies)(&asked))?;
    Some(difference.name)
}

/// A request as the most lenient would take it apart.
struct Asked<'a> {
    head: &'a [u8],
    target: &'a [u8],
    fields: Vec<(&'a [u8], &'a [u8])>,
    rest: &'a [u8],
}

impl<'a> Asked<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let empty = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
        let start = empty.count();
        let mut end = bytes.len();
        let mut lines = Vec::new();
        let mut at = start;
        for line in bytes[start..].split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let line = line.trim_ascii_end();
            if line.is_empty() {
                end = at;
                break;
            }
            lines.push(line);
        }
        let mut lines = lines.into_iter();
        let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
        let field = |line: &'a [u8]| {
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(colon.unwrap_or(line.len()));
            (name, value.get(1..).unwrap_or_default().trim_ascii())
        };
        Self {
            head: &bytes[..end],
            target: words.nth(1).unwrap_or_default(),
            fields: lines.map(field).collect(),
            rest: &bytes[end..],
        }
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter();
        let named = fields.filter(move |field| field.0.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|field| field.1)
    }

    fn count(&self, name: &'static str) -> usize {
        self.values(name).count()
    }

    fn has_bare_lf(&self) -> bool {
        let before = iter::once(&b'\n').chain(self.head);
        let mut pairs = before.zip(self.head);
        pairs.any(|(before, byte)| *byte == b'\n' && *before != b'\r')
    }

    /// Whether a line of the coding is more than a size, up to the last chunk, or something follows that.
    fn has_chunk_extras(&self) -> bool {
        let mut rest = self.rest;
        loop {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit());
            let (digits, after) = rest.split_at(digits.count());
            let Some(data) = after.strip_prefix(b"\r\n") else {
                return !digits.is_empty();
            };
            let size = std::str::from_utf8(digits).unwrap_or_default();
            let size = usize::from_str_radix(size, 16).unwrap_or(usize::MAX);
            if size == 0 {
                return !data.starts_with(b"\r\n");
            }
            let data = data.get(size..).and_then(|data| data.strip_prefix(b"\r\n"));
            let Some(data) = data else {
                return false;
            };
            rest = data;
        }
    }
}
