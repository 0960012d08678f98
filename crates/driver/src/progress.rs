//! How far an instance's end has come, as its supervisor tells and others wait for it.

use std::future;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::exit::{Exit, Stopped};

/// How far an instance's end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The first process has ended.
    pub exit: Option<Exit>,
    /// Nothing is left.
    pub gone: Option<Stopped>,
}

/// Waits until `of` it is known. Never answers if our own runtime ends before.
pub fn once<T: Send + 'static>(
    mut progress: watch::Receiver<Progress>,
    of: fn(&Progress) -> Option<T>,
) -> BoxFuture<'static, T> {
    async move {
        loop {
            let known = of(&progress.borrow_and_update());
            match known {
                Some(known) => return known,
                None if progress.changed().await.is_ok() => {}
                // The runtime ends, and the instance lives on.
                None => future::pending().await,
            }
        }
    }
    .boxed()
}
