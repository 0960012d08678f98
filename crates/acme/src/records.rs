//! TXT records that CAs look for, and who writes them.

use futures_util::future::BoxFuture;

/// Who writes TXT records where a CA finds them.
pub trait TxtRecords: Send + Sync {
    /// Writes `value` at `name`, beside what is there. It is done when a CA would find it, whichever of the zone's servers it asks.
    fn add<'a>(&'a self, name: &'a str, value: &'a str) -> BoxFuture<'a, Result<(), String>>;

    /// Takes `value` away from `name`, and nothing else.
    fn remove<'a>(&'a self, name: &'a str, value: &'a str) -> BoxFuture<'a, Result<(), String>>;
}
