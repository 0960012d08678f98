//! Names and numbers by which things are known.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Makes a newtype over a shared string: cheap to clone, compared and hashed by its text.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name! {
    /// A service: the key under `[services]`.
    ServiceName
}
name! {
    /// A listener: the key under `[listeners]`.
    ListenerName
}
name! {
    /// A way of proving who one is: the key under `[auth]`.
    AuthName
}
name! {
    /// A limit: the key under `[limits]`.
    LimitName
}
name! {
    /// A rule of whom refusals have banned: the key under `[abuse]`.
    AbuseName
}
name! {
    /// A job: the key under `[jobs]`.
    JobName
}
name! {
    /// One instance of a service, unique within it: for a target its address as it was written
    /// (a DNS name's instances also say which address), for an instance that Plimsoll runs the
    /// service's name with a number (`api-3`).
    InstanceName
}

/// Makes a newtype over a counter that only grows.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Counts the intents that were accepted, the first being 1.
    Revision
}
number! {
    /// Counts the snapshots that were published. A revision may be published several times: a
    /// DNS answer, a drain or a failed health check makes a new generation of the same revision.
    Generation
}
