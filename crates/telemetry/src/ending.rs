//! The one word for how an exchange ended.
//!
//! The access log and the metrics use the same word. How often an instance was asked is told
//! beside it, not by it: an exchange that ended well after a retry is `ok` with two attempts.

use std::fmt;

/// Declares the endings with their word and who is at fault, once for all uses.
macro_rules! endings {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal by $blame:ident,)*) => {
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
        }
    };
}

endings! {
    /// An instance's answer was passed on whole.
    Ok = "ok" by Nobody,
    /// A route redirected the client.
    Redirect = "redirect" by Nobody,
    /// A route answered by itself.
    Respond = "respond" by Nobody,
    /// An upgraded connection was carried to its end.
    Tunnel = "tunnel_closed" by Nobody,
    /// An event stream or an upgraded connection was closed because its instance was to go.
    Moved = "moved" by Nobody,
    /// Not HTTP, or framing that could be read two ways.
    BadRequest = "bad_request" by Client,
    /// Too many or too large headers.
    HeaderTooLarge = "header_too_large" by Client,
    /// A target that is too long.
    UriTooLong = "uri_too_long" by Client,
    /// A body over the limit.
    BodyTooLarge = "body_too_large" by Client,
    /// The head came too slowly.
    HeaderTimeout = "header_timeout" by Client,
    /// The body came too slowly.
    BodyTimeout = "body_timeout" by Client,
    /// The time was over that the client had given its gRPC call (`grpc-timeout`).
    ClientDeadline = "client_deadline" by Client,
    /// The client went away before it had its answer.
    ClientClosed = "client_closed" by Client,
    /// The client did not read its answer.
    WriteTimeout = "write_timeout" by Client,
    /// A method that a gateway does not serve.
    MethodNotAllowed = "method_not_allowed" by Client,
    /// A request came back to the Plimsoll that had forwarded it.
    Loop = "loop" by Edge,
    /// There was no memory for it: its client, or all together, held what they may.
    Overloaded = "overloaded" by Edge,
    /// The client's address is one that the route denies.
    Denied = "denied" by Client,
    /// No route matches.
    NoRoute = "no_route" by Client,
    /// No instance may serve.
    NoInstance = "no_instance" by Instance,
    /// All instances and the queue are full.
    QueueFull = "queue_full" by Edge,
    /// It waited too long in the queue.
    QueueTimeout = "queue_timeout" by Edge,
    /// Plimsoll had no descriptor, port or memory left for a connection to an instance.
    Shortage = "shortage" by Edge,
    /// No connection to an instance could be opened.
    ConnectFailed = "connect_failed" by Instance,
    /// An instance took too long to accept a connection.
    ConnectTimeout = "connect_timeout" by Instance,
    /// An instance broke the connection before it answered.
    UpstreamReset = "upstream_reset" by Instance,
    /// An instance spoke something that is not HTTP.
    UpstreamProtocol = "upstream_protocol" by Instance,
    /// An instance took too long to answer.
    UpstreamTimeout = "upstream_timeout" by Instance,
    /// An instance broke off in the middle of its answer.
    UpstreamTruncated = "upstream_truncated" by Instance,
    /// Plimsoll stopped, and what its drain time left open was cut off.
    Shutdown = "shutdown" by Edge,
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
}
