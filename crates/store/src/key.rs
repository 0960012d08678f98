//! Keys that all edges have alike, and nobody else: made by the first that needs one.

use std::sync::PoisonError;

use redis::RedisError;

use crate::call::Shared;
use crate::health::Down;

impl Shared {
    /// The key of all edges for `purpose`. An edge that knows it proposes what it knows, so that a store that was emptied has the
    /// same again; one that knows none proposes `fresh`. What is agreed on is known from then on, also to what is opened
    /// in the place of this.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn agree_on_key(
        &self,
        purpose: &'static str,
        fresh: [u8; 32],
    ) -> Result<[u8; 32], Down> {
        let proposed = self.known_key(purpose).unwrap_or(fresh);
        let agreed = self.shared_key(purpose, proposed).await?;
        self.known_keys().lock().unwrap_or_else(PoisonError::into_inner).insert(purpose, agreed);
        Ok(agreed)
    }

    /// The key for `purpose`, as it was agreed on last.
    pub fn known_key(&self, purpose: &str) -> Option<[u8; 32]> {
        let known = self.known_keys().lock().unwrap_or_else(PoisonError::into_inner);
        known.get(purpose).copied()
    }

    /// The key of all edges for `purpose`; `proposed` becomes it where there is none.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn shared_key(&self, purpose: &str, proposed: [u8; 32]) -> Result<[u8; 32], Down> {
        let key = self.key(format_args!("key:{purpose}"));
        self.call(async move |mut link| {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(&proposed[..]).arg("NX");
            let _made: Option<String> = set.query_async(&mut link).await?;
            let kept: Vec<u8> = redis::cmd("GET").arg(&key).query_async(&mut link).await?;
            let kind = redis::ErrorKind::UnexpectedReturnType;
            kept.try_into().map_err(|_| RedisError::from((kind, "a key of 32 bytes")))
        })
        .await
    }
}
