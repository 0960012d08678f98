//! How far an instance's end has come, as its supervisor tells and others wait for it.

use std::future;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::Stop;
use tokio::sync::{mpsc, watch};

use crate::exit::{Exit, Stopped};

/// How far an instance's end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The first process has ended.
    pub exit: Option<Exit>,
    /// Nothing is left.
    pub gone: Option<Stopped>,
}

/// An instance that is supervised, as those have it that wait for its end and ask for it.
#[derive(Clone, Debug)]
pub struct Supervised {
    stops: mpsc::UnboundedSender<Stop>,
    progress: watch::Receiver<Progress>,
}

/// The supervisor's side: what it is asked, and where it tells how far the end has come.
#[derive(Debug)]
pub struct Supervision {
    /// How it is to be stopped, each time that this is asked.
    pub orders: mpsc::UnboundedReceiver<Stop>,
    /// How far its end has come.
    pub told: watch::Sender<Progress>,
}

impl Supervised {
    /// Both sides.
    pub fn begin() -> (Self, Supervision) {
        let (stops, orders) = mpsc::unbounded_channel();
        let (told, progress) = watch::channel(Progress::default());
        (Self { stops, progress }, Supervision { orders, told })
    }

    /// Its first process has ended, and how.
    pub fn exited(&self) -> BoxFuture<'static, Exit> {
        once(self.progress.clone(), |progress| progress.exit)
    }

    /// Nothing of it is left, and what that took.
    pub fn gone(&self) -> BoxFuture<'static, Stopped> {
        once(self.progress.clone(), |progress| progress.gone)
    }

    /// Asks for its end, and waits until nothing of it is left.
    pub fn stop(&self, stop: Stop) -> BoxFuture<'static, Stopped> {
        // If nobody takes it, nothing is left to stop.
        let _ = self.stops.send(stop);
        self.gone()
    }
}

/// Waits until `of` it is known. Never answers if our own runtime ends before.
fn once<T: Send + 'static>(
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
