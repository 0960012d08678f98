//! Limits as tests want them: enforced, without older headers, for a thousand keys.

use std::num::{NonZeroU32, NonZeroU64};

use model::{Bound, KeyPart, Limit, LimitMode, LimitUse, Per, Rate};

const KEYS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// A limit of this bound by this key.
pub fn limit(name: &str, bound: Bound, key: &[KeyPart]) -> Limit {
    Limit {
        name: name.into(),
        bound,
        key: key.to_vec(),
        mode: LimitMode::Enforce,
        legacy_headers: false,
        keys: KEYS,
    }
}

/// So many requests each day, of which none comes back while a test runs.
///
/// # Panics
/// When there are none.
pub fn requests(burst: u64) -> Bound {
    Bound::Requests { rate: rate(1, Per::Day), burst: nonzero(burst), cost_header: None }
}

/// So many bytes each day, of which none comes back while a test runs.
///
/// # Panics
/// When there are none.
pub fn bytes(burst: u64) -> Bound {
    Bound::Bytes { rate: rate(1, Per::Day), burst: nonzero(burst) }
}

/// So many open requests at once.
///
/// # Panics
/// When there are none.
pub fn concurrent(most: u32) -> Bound {
    Bound::Concurrent(NonZeroU32::new(most).expect("some may be open"))
}

/// So many in a time.
///
/// # Panics
/// When there are none.
pub fn rate(units: u64, per: Per) -> Rate {
    Rate { units: nonzero(units), per }
}

/// A route's use of `limit`, at this cost.
///
/// # Panics
/// When it costs nothing.
pub fn limit_use(limit: Limit, cost: u32) -> LimitUse {
    LimitUse { limit: limit.into(), cost: NonZeroU32::new(cost).expect("each costs something") }
}

fn nonzero(count: u64) -> NonZeroU64 {
    NonZeroU64::new(count).expect("a limit lets something pass")
}
