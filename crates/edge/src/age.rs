//! How old the oldest exchange is that is open on each instance: asked of the workers when
//! somebody wants to know, so that a request pays for it with the store of a coarse time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::{InstanceName, ServiceName};
use tokio::sync::mpsc;

use crate::live::Live;

/// How long a worker may take to answer; one that takes longer is left out.
const PATIENCE: Duration = Duration::from_millis(500);

/// What identifies an instance.
type Key = (ServiceName, InstanceName, SocketAddr);

/// One worker's answer.
pub(crate) type Answer = Vec<(Key, Duration)>;

/// For how long the oldest claim on each instance has been open. Exact to a tick of the workers'
/// wheels, which is 50 ms.
#[derive(Debug, Default)]
pub struct Ages(BTreeMap<Key, Duration>);

impl Ages {
    /// For how long the oldest claim on the instance has been open; `None` when nothing is.
    pub fn of(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        address: SocketAddr,
    ) -> Option<Duration> {
        self.0.get(&(service.clone(), instance.clone(), address)).copied()
    }

    /// Gathers what the workers tell, until all have or patience ends.
    pub(crate) async fn gather(mut answers: mpsc::UnboundedReceiver<Answer>) -> Self {
        let mut ages = Self::default();
        let all = async {
            while let Some(answer) = answers.recv().await {
                ages.merge(answer);
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::debug!("a worker was too busy to tell what is open");
        }
        ages
    }

    fn merge(&mut self, answer: Answer) {
        for (key, age) in answer {
            let oldest = self.0.entry(key).or_default();
            *oldest = age.max(*oldest);
        }
    }
}

/// What identifies `live`.
pub(crate) fn key(live: &Live) -> Key {
    (live.service.clone(), live.name.clone(), live.address)
}
