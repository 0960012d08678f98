//! The fields of the access log: their names, their types and when they are there.

/// Declares the fields, in the order in which they are written.
macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $name:ident = $key:literal: $kind:ident, $when:literal;)*) => {
        /// A field of the access log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Field {
            /// Every field, in the order in which they are written.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }

            /// The type of its values.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$name => Kind::$kind,)*
                }
            }

            /// When a line has it.
            pub const fn when(self) -> &'static str {
                match self {
                    $(Self::$name => $when,)*
                }
            }

            /// What it tells, in a sentence or more.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }

            /// What stands before its value, a separator from the field before it included.
            #[inline(always)]
            pub(super) const fn text_lead(self) -> &'static str {
                match self {
                    $(Self::$name => concat!(" ", $key, "="),)*
                }
            }

            /// The same in JSON.
            #[inline(always)]
            pub(super) const fn json_lead(self) -> &'static str {
                match self {
                    $(Self::$name => concat!(",\"", $key, "\":"),)*
                }
            }
        }
    };
}

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RFC 3339 in UTC, with milliseconds.
    Time,
    /// Text.
    Text,
    /// A whole number, not negative.
    Count,
    /// Milliseconds with three places.
    Millis,
    /// `true` or `false`.
    Flag,
}

impl Kind {
    /// What it is called in the reference.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Text => "text",
            Self::Count => "number",
            Self::Millis => "milliseconds",
            Self::Flag => "boolean",
        }
    }
}

fields! {
    /// When the exchange ended: RFC 3339 in UTC, with milliseconds.
    Time = "time": Time, "always";
    /// The id that the client and the instance see as `X-Request-Id`.
    RequestId = "request_id": Text, "always";
    /// The client's address; behind a trusted proxy the one that the proxy names.
    Client = "client": Text, "always";
    /// The method as it was sent.
    Method = "method": Text, "always";
    /// The host that was requested, with its port if the client named one.
    Host = "host": Text, "always";
    /// The path as it was sent. The query is never written.
    Path = "path": Text, "always";
    /// The status that the client saw; 0 if it saw none. For an error of
    /// Plimsoll that a gRPC client got as a gRPC status, over 200, the equivalent HTTP status.
    Status = "status": Count, "always";
    /// How a gRPC call ended, by the name of its status: the instance's, or Plimsoll's where it
    /// had none.
    GrpcStatus = "grpc_status": Text, "if it was one, and did not break off";
    /// Bytes received from the client, heads and framing included.
    BytesIn = "bytes_in": Count, "always";
    /// Bytes sent to the client, heads and framing included.
    BytesOut = "bytes_out": Count, "always";
    /// From the request's head to the end of its response.
    Duration = "duration_ms": Millis, "always";
    /// How long the last attempt took to open a connection.
    Connect = "connect_ms": Millis, "if it opened one";
    /// How long the last attempt took from its start to the response's head.
    FirstByte = "first_byte_ms": Millis, "if the instance responded";
    /// The route that it took.
    Route = "route": Text, "if one matched";
    /// The authentication that proved who asks.
    Auth = "auth": Text, "if the route asks, and it was proven";
    /// Who asks: the subject of the token.
    Subject = "subject": Text, "if that was proven, and it has one";
    /// The limit that refused it, or would have where it only observes.
    Limit = "limit": Text, "if there was one";
    /// The service that it went to.
    Service = "service": Text, "if the route leads to one";
    /// The release of the last attempt.
    Release = "release": Text, "if Plimsoll runs the service";
    /// The instance of the last attempt.
    Instance = "instance": Text, "if a request was tried on one";
    /// How many instances were tried.
    Attempts = "attempts": Count, "always";
    /// The one word for how it ended; see below.
    Ending = "ending": Text, "always";
    /// The listener that accepted it.
    Listener = "listener": Text, "always";
    /// The version that the client speaks: `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    Protocol = "protocol": Text, "always";
    /// Whether the client speaks TLS.
    Tls = "tls": Flag, "always";
    /// What the client says it is.
    UserAgent = "user_agent": Text, "if it says so";
}
