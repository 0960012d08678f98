//! Follows a list that edges change: asks for what has changed since the number that it knows.
//!
//! A gap is caught up without anything that could be lost, and the same works with one server, sentinels and a cluster. The numbers never go back by
//! themselves: a store that was emptied has another epoch, one that lost its last writes in a failover is noticed by a lower number or by the new
//! connection. Then everything is read, and the edge is told to say again what it knows.

use redis::RedisError;

use crate::call::Shared;
use crate::health::Down;
use crate::keeper::Number;

/// How far an edge has read a list.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    epoch: String,
    pub(crate) read: u64,
    connection: Number,
}

/// One answer of a list.
pub(crate) struct Page<Row> {
    pub(crate) epoch: String,
    pub(crate) last: u64,
    /// How far it goes; `None` where it is the last.
    pub(crate) read_to: Option<u64>,
    pub(crate) rows: Vec<Row>,
}

/// A list that is read by pages.
pub(crate) trait Pages {
    type Row: Send;

    /// What has changed after this number.
    fn page(&self, after: u64) -> impl Future<Output = Result<Page<Self::Row>, Down>> + Send;
}

/// What has changed.
pub(crate) struct Changes<Row> {
    /// In the order in which it did.
    pub(crate) rows: Vec<Row>,
    /// Whether the store may have forgotten what this edge knows.
    pub(crate) say_again: bool,
}

impl Follower {
    /// What has changed since the last time; everything at first.
    pub(crate) async fn changes<List: Pages + Sync>(
        &mut self,
        shared: &Shared,
        list: &List,
    ) -> Result<Changes<List::Row>, Down> {
        let connection = shared.number();
        let mut changes = Changes { rows: Vec::new(), say_again: false };
        let mut page = list.page(self.read).await?;
        let is_other = page.epoch != self.epoch || page.last < self.read;
        if is_other || connection != self.connection {
            // All of it again: what lies between may be gone.
            changes.say_again = true;
            self.epoch.clone_from(&page.epoch);
            if self.read > 0 {
                self.read = 0;
                page = list.page(0).await?;
            }
        }
        loop {
            changes.rows.append(&mut page.rows);
            match page.read_to {
                Some(read_to) => self.read = read_to,
                None => break,
            }
            page = list.page(self.read).await?;
        }
        self.connection = connection;
        Ok(changes)
    }
}

/// What a script has responded with, if it is not what it should be.
pub(crate) fn wrong(what: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::UnexpectedReturnType, what))
}

/// A text that no other store has.
pub(crate) fn new_epoch() -> String {
    format!("{:016x}", fastrand::u64(..))
}
