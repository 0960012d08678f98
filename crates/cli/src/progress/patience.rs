//! How long what a Plimsoll elsewhere does is asked for again, while no connection to it is there: it goes on all the same, and a job of a CI
//! must not be told that its deploy failed because a network did.

use std::time::Duration;

use admin::{Client, ClientError};
use tokio::time::{Instant, sleep};

use crate::foreign::shown;
use crate::output;

/// So long without any response, and it is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it is waited before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Patience with one Plimsoll.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Since when it gives no response.
    lost: Option<Instant>,
}

impl Patience {
    /// What comes of `ask`, which changes nothing: asked of one elsewhere again, while only the connection fails.
    pub(crate) async fn of<T>(
        &mut self,
        client: &Client,
        ask: impl AsyncFn() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        loop {
            match ask().await {
                Err(error) if client.is_remote() && error.is_of_connection() => {
                    let now = Instant::now();
                    let lost = self.lost.replace(self.lost.unwrap_or(now));
                    match lost {
                        Some(lost) if now.duration_since(lost) >= PATIENCE => return Err(error),
                        Some(_) => {}
                        None => output::err(&format!(
                            "warning: no connection: {}; trying again for {} s\n",
                            shown(&error.to_string()),
                            PATIENCE.as_secs()
                        )),
                    }
                    sleep(PAUSE).await;
                }
                asked => {
                    self.lost = None;
                    return asked;
                }
            }
        }
    }
}
