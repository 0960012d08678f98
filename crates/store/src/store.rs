//! The handle.

use std::fmt;
use std::sync::Arc;

use model::OnFailure;

use crate::call::Shared;
use crate::nonce::{Nonce, NonceError, NonceUse, Nonces};
use crate::seal::Sealer;

/// What edges share, as far as they do. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    nonces: Arc<Nonces>,
    shared: Option<Shared>,
    on_failure: OnFailure,
    sealer: Option<Arc<Sealer>>,
    /// What `[store]` says, by which it was opened.
    wanted: Option<Arc<model::Store>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Store {
    /// What one edge keeps for itself.
    pub fn alone() -> Self {
        let (nonces, on_failure) = (Arc::default(), OnFailure::default());
        Self { nonces, shared: None, on_failure, sealer: None, wanted: None }
    }

    /// What `[store]` says; without one, what one edge keeps for itself. What `before` remembers is kept, and its connection, too,
    /// where the same server is wanted in the same way. Connects on the runtime that this is called on, and waits for nothing.
    pub fn open(wanted: Option<&model::Store>, before: &Self) -> Self {
        let open = |wanted| Shared::open(wanted, before.shared.as_ref());
        let shared = wanted.map(|wanted| match &before.wanted {
            // What happens while it is down is no matter of the connection.
            Some(was) if is_same_server(was, wanted) => {
                before.shared.clone().unwrap_or_else(|| open(wanted))
            }
            _ => open(wanted),
        });
        Self {
            nonces: before.nonces.clone(),
            shared,
            on_failure: wanted.map(|it| it.on_failure).unwrap_or_default(),
            sealer: wanted.and_then(|it| {
                let secret = it.secret.as_ref()?;
                Some(Arc::new(Sealer::new(secret.expose(), &it.prefix)))
            }),
            wanted: wanted.cloned().map(Arc::new),
        }
    }

    /// The part that other edges see, where there is one.
    pub fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    /// What seals what edges alone may read and write there, where they have a secret.
    pub fn sealer(&self) -> Option<&Arc<Sealer>> {
        self.sealer.as_ref()
    }

    /// What happens to requests that need it while it is down.
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// Uses a nonce: one round trip where edges share a store, bounded by its deadline, and none otherwise. While it is
    /// down and `on_failure` is `local`, a nonce counts as new that this edge has not seen.
    ///
    /// # Errors
    /// When nothing can be said of it: a request with it must not pass.
    pub async fn use_nonce(&self, nonce: Nonce<'_>) -> Result<NonceUse, NonceError> {
        // This edge's own memory first, and always: it is what is left when the others cannot be asked.
        let here = self.nonces.use_nonce(nonce);
        let Some(shared) = &self.shared else { return here };
        if here == Ok(NonceUse::Again) {
            return here;
        }
        match (shared.use_nonce(nonce).await, self.on_failure) {
            (Ok(used), _) => Ok(used),
            (Err(_), OnFailure::Local) => here,
            (Err(down), OnFailure::Refuse) => Err(down.into()),
        }
    }
}

/// Whether a connection that was opened for `one` is as good for `other`.
fn is_same_server(one: &model::Store, other: &model::Store) -> bool {
    let model::Store { redis, ca, prefix, timeout, on_failure: _, secret: _ } = one;
    (redis, ca, prefix, timeout) == (&other.redis, &other.ca, &other.prefix, &other.timeout)
}
