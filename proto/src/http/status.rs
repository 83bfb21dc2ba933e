//! Status codes and media types, as the bytes they are on the wire.

/// The statuses a node answers with (RFC 9110 §15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Status {
    /// 200
    Ok,
    /// 202
    Accepted,
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405; says `Allow: GET, HEAD, PUT, DELETE` unless told otherwise.
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 409
    Conflict,
    /// 413
    ContentTooLarge,
    /// 414
    UriTooLong,
    /// 417
    ExpectationFailed,
    /// 429
    TooManyRequests,
    /// 431
    HeadTooLarge,
    /// 500
    Internal,
    /// 501
    NotImplemented,
    /// 503; says `Retry-After: 1`.
    Unavailable,
    /// 505
    VersionNotSupported,
    /// 507
    InsufficientStorage,
}

impl Status {
    /// The three digits.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Accepted => 202,
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Conflict => 409,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::TooManyRequests => 429,
            Self::HeadTooLarge => 431,
            Self::Internal => 500,
            Self::NotImplemented => 501,
            Self::Unavailable => 503,
            Self::VersionNotSupported => 505,
            Self::InsufficientStorage => 507,
        }
    }

    /// The status line, and the fields that always go with it.
    pub(super) const fn line(self) -> &'static [u8] {
        match self {
            Self::Ok => b"HTTP/1.1 200 OK\r\n",
            Self::Accepted => b"HTTP/1.1 202 Accepted\r\n",
            Self::BadRequest => b"HTTP/1.1 400 Bad Request\r\n",
            Self::Unauthorized => b"HTTP/1.1 401 Unauthorized\r\n",
            Self::Forbidden => b"HTTP/1.1 403 Forbidden\r\n",
            Self::NotFound => b"HTTP/1.1 404 Not Found\r\n",
            // RFC 9110 §15.5.6: an Allow field is a must; the responder writes it.
            Self::MethodNotAllowed => b"HTTP/1.1 405 Method Not Allowed\r\n",
            Self::RequestTimeout => b"HTTP/1.1 408 Request Timeout\r\n",
            Self::Conflict => b"HTTP/1.1 409 Conflict\r\n",
            Self::ContentTooLarge => b"HTTP/1.1 413 Content Too Large\r\n",
            Self::UriTooLong => b"HTTP/1.1 414 URI Too Long\r\n",
            Self::ExpectationFailed => b"HTTP/1.1 417 Expectation Failed\r\n",
            Self::TooManyRequests => b"HTTP/1.1 429 Too Many Requests\r\n",
            Self::HeadTooLarge => b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
            Self::Internal => b"HTTP/1.1 500 Internal Server Error\r\n",
            Self::NotImplemented => b"HTTP/1.1 501 Not Implemented\r\n",
            Self::Unavailable => b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n",
            Self::VersionNotSupported => b"HTTP/1.1 505 HTTP Version Not Supported\r\n",
            Self::InsufficientStorage => b"HTTP/1.1 507 Insufficient Storage\r\n",
        }
    }
}

/// What a page is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentType {
    /// `application/octet-stream`: a value. Said so that no browser guesses at it.
    Bytes,
    /// `text/plain; charset=utf-8`
    Text,
    /// `text/html; charset=utf-8`
    Html,
    /// `application/json`
    Json,
    /// Prometheus text exposition.
    Prometheus,
}

impl ContentType {
    /// The header field.
    pub(super) const fn field(self) -> &'static [u8] {
        match self {
            Self::Bytes => b"Content-Type: application/octet-stream\r\n",
            Self::Text => b"Content-Type: text/plain; charset=utf-8\r\n",
            Self::Html => b"Content-Type: text/html; charset=utf-8\r\n",
            Self::Json => b"Content-Type: application/json\r\n",
            Self::Prometheus => b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
        }
    }
}
