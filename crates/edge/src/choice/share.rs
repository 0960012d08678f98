//! Which of the services that share a route's requests gets one: one decision, for requests and for
//! `plimsoll explain`.

use wire::head::RequestHead;

use crate::choice::select::Candidate;
use crate::choice::sticky;
use crate::snapshot::Shares;
use crate::sticky_key::StickyKey;
use model::Service;

/// A service that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Its place among the route's shares.
    pub(crate) share: usize,
    /// What decided for it.
    pub(crate) by: ShareBy,
}

/// What decides for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareBy {
    /// There is no other.
    Alone,
    /// The client has its sticky cookie.
    Cookie,
    /// Chance, by weight.
    Chance,
}

/// Chooses the service: the one whose cookie the client has, as long as that has a share and an instance
/// that may serve, or else by chance. `keeps` says of a service's place in the snapshot whether the client
/// has its cookie (see [`keeps`]); `below` draws a number below the one that it is given.
pub(crate) fn choose(
    shares: &Shares,
    keeps: impl Fn(usize) -> bool,
    below: impl FnOnce(u32) -> u32,
) -> Chosen {
    if shares.of.len() == 1 {
        return Chosen { share: 0, by: ShareBy::Alone };
    }
    let kept = shares.of.iter().position(|it| it.weight > 0 && keeps(it.place));
    if let Some(share) = kept {
        return Chosen { share, by: ShareBy::Cookie };
    }
    let mut left = below(shares.sum.max(1));
    let drawn = shares.of.iter().position(|it| {
        let here = left < it.weight;
        left = left.saturating_sub(it.weight);
        here
    });
    Chosen { share: drawn.unwrap_or(0), by: ShareBy::Chance }
}

/// Whether a client with this head has the service's sticky cookie, and it has an instance that may serve.
pub(crate) fn keeps<I: Candidate>(
    key: &StickyKey,
    service: &Service,
    instances: &[I],
    head: &RequestHead,
) -> bool {
    sticky::named(key, service, head).is_some()
        && instances.iter().any(|it| it.live().is_eligible())
}
