//! What can be wrong with an HTTP/1 message.

/// Why bytes are not a message that may be forwarded. Whose fault it is depends on which side
/// sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// RFC 9112 §2.2 lets a recipient accept it; two recipients then read two messages.
    #[error("a line ends with a bare LF")]
    BareLf,
    /// The first line, or a header field, is not as the grammar has it.
    #[error("the {0} is malformed")]
    Malformed(Part),
    /// A TLS handshake begins where a request should.
    #[error("TLS is spoken where plain HTTP is expected")]
    Tls,
    /// `CONNECT`, which a gateway does not serve, with the host where other methods have a path.
    #[error("a tunnel is asked for")]
    Tunnel,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the HTTP version is not 1.0 or 1.1")]
    Version,
    /// No head ends within the limit, and not even its first line.
    #[error("the request target is too long")]
    TargetTooLong,
    /// No head ends within the limit.
    #[error("the header section is too large")]
    HeadTooLarge,
    /// More fields than the limit.
    #[error("there are too many header fields")]
    TooManyFields,
    /// HTTP/1.1 needs exactly one.
    #[error("there is no Host")]
    NoHost,
    /// Two hosts, or one that an absolute target contradicts.
    #[error("there are several, or contradictory, hosts")]
    SeveralHosts,
    /// Both framings at once.
    #[error("both Content-Length and Transfer-Encoding are there")]
    BothFramings,
    /// Not one plain number, or a request's with zeros before it.
    #[error("Content-Length is not one plain number")]
    Length,
    /// Not one final `chunked`, or one in HTTP/1.0.
    #[error("Transfer-Encoding is not chunked alone")]
    TransferEncoding,
    /// A chunk's size line, extension or end is malformed.
    #[error("the chunked body is malformed")]
    Chunk,
    /// The fields after the last chunk are malformed or too large.
    #[error("the trailer section is malformed or too large")]
    Trailer,
    /// It is within the limit, and there is no memory for it now: the fault of nobody's message.
    #[error("there is no memory for so large a head at the moment")]
    NoMemory,
    /// The connection closed inside a message.
    #[error("the connection closed in the middle of a message")]
    Truncated,
}

/// A part of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The method.
    Method,
    /// The request target.
    Target,
    /// The request line or status line as a whole.
    FirstLine,
    /// A header field's name.
    FieldName,
    /// A header field's value.
    FieldValue,
    /// The host.
    Host,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Method => "method",
            Self::Target => "request target",
            Self::FirstLine => "first line",
            Self::FieldName => "name of a header field",
            Self::FieldValue => "value of a header field",
            Self::Host => "host",
        })
    }
}
