//! How an exchange ended: the one table of what it is called, who is at fault and what its client is told.
//! All who count, judge, log or answer ask here, so that they never differ.
//!
//! The access log and the metrics use the same word. How often an instance was asked is told
//! beside it, not by it: an exchange that ended well after a retry is `ok` with two attempts.

use std::fmt;

use crate::grpc::GrpcStatus;

/// Declares the endings, once for all uses: the word, who is at fault, and, where the client is told of it in
/// a response of our own, that response's status, that of a gRPC call, what is read, and what becomes of the
/// connection.
macro_rules! endings {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $word:literal by $blame:ident
            $(tells $status:literal $grpc:ident $sentence:literal $connection:ident)?;
    )*) => {
        /// How an exchange ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Ending {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Ending {
            /// Every ending.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word that the log and the metrics write.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }

            /// Who is at fault.
            pub const fn blame(self) -> Blame {
                match self {
                    $(Self::$name => Blame::$blame,)*
                }
            }

            /// What its client is told in the place of a response; `None` where there is one, or nobody
            /// to be told.
            pub const fn told(self) -> Option<Told> {
                match self {
                    $(Self::$name => row!($($status $grpc $sentence $connection)?),)*
                }
            }
        }
    };
}

/// What a row of the table tells.
macro_rules! row {
    () => {
        None
    };
    ($status:literal $grpc:ident $sentence:literal $connection:ident) => {
        Some(Told {
            status: $status,
            grpc: GrpcStatus::$grpc,
            sentence: $sentence,
            connection: Persistence::$connection,
        })
    };
}

// The status of a gRPC call is what gRPC itself makes of the status of HTTP
// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>), except where it has a word for
// what happened and would make none of it: too large is RESOURCE_EXHAUSTED, as its own servers say of messages
// and metadata, and too slow DEADLINE_EXCEEDED, of client and server alike. UNAVAILABLE invites clients to try again.
endings! {
    /// An instance's response was passed on whole.
    Ok = "ok" by Nobody;
    /// A route redirected the client.
    Redirect = "redirect" by Nobody;
    /// A route responded itself.
    Respond = "respond" by Nobody;
    /// A browser's preflight was answered, as the route's `cors` says.
    Preflight = "preflight" by Nobody;
    /// An upgraded connection was carried until one of its sides ended it.
    Tunnel = "tunnel_closed" by Nobody;
    /// An event stream or an upgraded connection was closed because its instance drains.
    DrainClosed = "drain_closed" by Nobody;
    /// Not HTTP, or framing that could be read two ways.
    BadRequest = "bad_request" by Client
        tells 400 Internal "The request is malformed or ambiguous." Close;
    /// TLS was spoken to a listener of plain HTTP.
    TlsOnPlain = "tls_on_plain" by Client
        tells 400 Internal "TLS was spoken to a port that speaks plain HTTP." Close;
    /// Too many or too large headers.
    HeaderTooLarge = "header_too_large" by Client
        tells 431 ResourceExhausted "The request's headers are too large." Close;
    /// A target that is too long.
    UriTooLong = "uri_too_long" by Client
        tells 414 ResourceExhausted "The request's target is too long." Close;
    /// A body over the limit.
    BodyTooLarge = "body_too_large" by Client
        tells 413 ResourceExhausted "The request's body is too large." Close;
    /// The head came too slowly.
    HeaderTimeout = "header_timeout" by Client
        tells 408 DeadlineExceeded "The request's headers came too slowly." Close;
    /// The body came too slowly.
    BodyTimeout = "body_timeout" by Client
        tells 408 DeadlineExceeded "The request's body came too slowly." Close;
    /// The client's deadline for its gRPC call passed (`grpc-timeout`).
    ClientDeadline = "client_deadline" by Client
        tells 504 DeadlineExceeded "The request's deadline has passed." Keep;
    /// The client disconnected before it had its response.
    ClientClosed = "client_closed" by Client;
    /// The client did not read its response.
    WriteTimeout = "write_timeout" by Client;
    /// A method that a gateway does not serve.
    MethodNotAllowed = "method_not_allowed" by Client
        tells 405 Unimplemented "This method is not served here." Keep;
    /// A request came back to the Plimsoll that had forwarded it.
    Loop = "loop" by Edge
        // To try again leads into the same circle.
        tells 508 Internal "The request was forwarded in a loop." Keep;
    /// There was no memory for it: its client, or all clients together, had reached their limit.
    Overloaded = "overloaded" by Edge
        tells 503 Unavailable "The gateway is overloaded at the moment." Close;
    /// The client's address is one that the route denies.
    Denied = "denied" by Client
        tells 403 PermissionDenied "Access is denied." Keep;
    /// The client's address, or who asks, is banned.
    Banned = "banned" by Client
        tells 403 PermissionDenied "Access is denied." Keep;
    /// A browser asked for a page of an origin that the route's `cors` does not list.
    PreflightRefused = "preflight_refused" by Client
        tells 403 PermissionDenied "Pages of this origin may not use this address." Keep;
    /// The route asks who it is, and the request does not say.
    AuthMissing = "auth_missing" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The request's credential cannot be read, or there are several that differ.
    AuthMalformed = "auth_malformed" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The request's token, its signature, or its client's certificate has expired.
    AuthExpired = "auth_expired" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The request's token, or its signature, is of a time to come.
    AuthNotYet = "auth_not_yet" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The request's token, key, password or signature is not one that is known, or not by an algorithm that may be.
    AuthForged = "auth_forged" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The request's token is of another issuer, for another audience, or of another kind; or its client's certificate is not one that the route asks for.
    AuthForeign = "auth_foreign" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The request was signed well, and has come before.
    AuthReplayed = "auth_replayed" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The issuer of the request's token says that it is not active: it has expired, was revoked, or never was; or its client's certificate was revoked since its connection was opened.
    AuthInactive = "auth_inactive" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// The service that is asked who the request is from refused it, or sent its client elsewhere: the status is the service's.
    AuthDenied = "auth_denied" by Client
        tells 401 Unauthenticated "This needs authentication." Keep;
    /// What credentials are checked with is not there yet.
    AuthUnready = "auth_unready" by Edge
        tells 503 Unavailable "Authentication is not available at the moment." Keep;
    /// The service that is asked who the request is from gave no response that can be used.
    AuthUnavailable = "auth_unavailable" by Edge
        tells 503 Unavailable "Authentication is not available at the moment." Keep;
    /// There was no room, or not enough time, to check the request's credential.
    AuthBusy = "auth_busy" by Edge
        tells 503 Unavailable "Authentication is not available at the moment." Keep;
    /// The claims of who asks are not what the route requires.
    NotPermitted = "not_permitted" by Client
        tells 403 PermissionDenied "Access is denied." Keep;
    /// A limit of the route has not enough left for it.
    Limited = "limited" by Client
        tells 429 ResourceExhausted "There were too many requests." Keep;
    /// The request's host is one of another listener, which asks otherwise for certificates of clients.
    Misdirected = "misdirected" by Client
        tells 421 Internal "This is not served on this connection." Keep;
    /// A limit of the route holds over several edges, and the store by which they share it is down.
    StoreDown = "store_down" by Edge
        tells 503 Unavailable "The gateway cannot decide on this at the moment." Keep;
    /// No route matches.
    NoRoute = "no_route" by Client
        tells 404 Unimplemented "Nothing is served at this address." Keep;
    /// No instance may serve.
    NoInstance = "no_instance" by Instance
        tells 503 Unavailable "No server is available at the moment." Keep;
    /// All instances and the queue are full.
    QueueFull = "queue_full" by Edge
        tells 503 Unavailable "All servers are busy at the moment." Keep;
    /// It waited too long in the queue.
    QueueTimeout = "queue_timeout" by Edge
        tells 503 Unavailable "All servers are busy at the moment." Keep;
    /// Plimsoll had no descriptor, port or memory left for a connection to an instance.
    Shortage = "shortage" by Edge
        tells 503 Unavailable "No server can be reached at the moment." Keep;
    /// No connection to an instance could be opened.
    ConnectFailed = "connect_failed" by Instance
        tells 502 Unavailable "The server could not be reached." Keep;
    /// An instance took too long to accept a connection.
    ConnectTimeout = "connect_timeout" by Instance
        // It did not run, and may on another instance.
        tells 504 Unavailable "The server took too long to respond." Keep;
    /// TLS could not be agreed on with an instance, or its certificate is not good.
    UpstreamTls = "upstream_tls" by Instance
        tells 502 Unavailable "The server could not be reached." Keep;
    /// An instance broke the connection before it responded.
    UpstreamReset = "upstream_reset" by Instance
        tells 502 Unavailable "The server could not be reached." Keep;
    /// An instance sent something that is not HTTP.
    UpstreamProtocol = "upstream_protocol" by Instance
        tells 502 Unavailable "The server's response was broken." Keep;
    /// An instance took too long to respond.
    UpstreamTimeout = "upstream_timeout" by Instance
        tells 504 DeadlineExceeded "The server took too long to respond." Keep;
    /// An instance broke off in the middle of its response, or broke an upgraded connection, or ended a WebSocket without
    /// a close frame.
    UpstreamTruncated = "upstream_truncated" by Instance
        tells 502 Unavailable "The server's response was broken." Keep;
    /// Plimsoll stopped, and cut off what was still open at the drain timeout.
    Shutdown = "shutdown" by Edge;
}

/// What a client is told that gets no instance's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The status of HTTP, from 400 to 599.
    pub status: u16,
    /// The status of a gRPC call.
    pub grpc: GrpcStatus,
    /// One sentence that tells nothing of the inside.
    pub sentence: &'static str,
    /// What becomes of a connection of HTTP/1.
    pub connection: Persistence,
}

impl Told {
    /// Whether to try again soon may help.
    pub const fn is_temporary(self) -> bool {
        self.status == 503
    }
}

/// What becomes of a connection of HTTP/1 whose client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It may serve another request.
    Keep,
    /// It is closed: where the next request begins is not certain, or the client still sends what nobody
    /// wants, or there is no room for another.
    Close,
}

/// Who is at fault for how an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// It ended as it should.
    Nobody,
    /// The client.
    Client,
    /// An instance.
    Instance,
    /// Plimsoll, or how it is configured.
    Edge,
}

impl Blame {
    /// Who, in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Client => "the client",
            Self::Instance => "an instance",
            Self::Edge => "Plimsoll, or how it is configured",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ_and_are_plain() {
        let words: std::collections::BTreeSet<_> =
            Ending::ALL.iter().map(|ending| ending.as_str()).collect();
        assert_eq!(words.len(), Ending::ALL.len());
        let plain = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(words.iter().all(plain));
    }

    #[test]
    fn every_ending_says_what_it_means() {
        for ending in Ending::ALL {
            let meaning = ending.meaning();
            assert!(meaning.ends_with('.') && !meaning.contains("  "), "{meaning}");
        }
    }

    #[test]
    fn what_ends_well_tells_no_error_and_what_is_told_is_one() {
        for ending in Ending::ALL {
            let Some(told) = ending.told() else { continue };
            assert_ne!(ending.blame(), Blame::Nobody, "{ending}");
            assert!((400..600).contains(&told.status), "{ending}");
            assert!(told.sentence.ends_with('.'), "{ending}");
            assert_ne!(told.grpc, GrpcStatus::Ok, "{ending}");
        }
    }

    #[test]
    fn a_connection_ends_where_the_next_request_could_not_be_found() {
        for ending in Ending::ALL {
            let Some(told) = ending.told() else { continue };
            let is_lost = matches!(told.status, 400 | 408 | 413 | 414 | 431);
            assert_eq!(
                told.connection == Persistence::Close,
                is_lost || *ending == Ending::Overloaded,
                "{ending}"
            );
        }
    }
}
