//! Asking the control loop: whom it answers, and that there is nothing left to ask.

use tokio::sync::oneshot;

/// The control loop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Plimsoll is shutting down")]
pub struct Ended;

/// Whom the control loop tells what it was asked for.
pub(crate) type Reply<T> = oneshot::Sender<T>;
