//! Header fields that decide framing and connection, shared by requests and responses.

/// How long a message's body is (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Framing {
    /// Nothing said it.
    #[default]
    Unsaid,
    /// `Content-Length`; `u64::MAX` stands for anything as long or longer.
    Length(u64),
    /// `Transfer-Encoding: chunked`
    Chunked,
}

/// A message's framing cannot be trusted: answer 400, close (RFC 9112 §6.1, §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ambiguous;

impl Framing {
    /// Takes a `Content-Length` field in: one, and digits alone.
    pub(super) fn length(self, value: &[u8]) -> Result<Self, Ambiguous> {
        if self != Self::Unsaid || value.is_empty() {
            return Err(Ambiguous);
        }
        let mut length = 0_u64;
        for byte in value {
            if !byte.is_ascii_digit() {
                return Err(Ambiguous);
            }
            length = length
                .saturating_mul(10)
                .saturating_add((byte & 0x0f).into());
        }
        Ok(Self::Length(length))
    }

    /// Takes a `Transfer-Encoding` field in: one, and nothing but `chunked`, and no length beside it.
    pub(super) fn coding(self, value: &[u8]) -> Result<Self, Ambiguous> {
        if self != Self::Unsaid || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Ambiguous);
        }
        Ok(Self::Chunked)
    }
}

/// The options of all `Connection` fields (RFC 9112 §9.3).
#[derive(Clone, Copy, Default)]
pub(super) struct Connection {
    close: bool,
    keep_alive: bool,
}

impl Connection {
    /// Takes a field in.
    pub(super) fn options(&mut self, value: &[u8]) {
        // As it is nearly always written.
        match value {
            b"keep-alive" => return self.keep_alive = true,
            b"close" => return self.close = true,
            _ => {}
        }
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Whether the connection outlives the message.
    pub(super) const fn persists(self, http10: bool) -> bool {
        !self.close && (self.keep_alive || !http10)
    }
}

/// `httparse` takes a bare LF for a line's end; two parsers that differ in this can be played
/// against each other, so a head with one is refused.
pub(super) fn has_bare_lf(head: &[u8]) -> bool {
    let mut before = b'\n';
    head.iter()
        .any(|byte| core::mem::replace(&mut before, *byte) != b'\r' && *byte == b'\n')
}

/// A byte of a token (RFC 9110 §5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
