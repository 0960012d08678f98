//! The server that an authentication asks, as one worker asks it: so many at once, the others in turns among their clients, each within
//! its time. What cannot be used is told, and why; it never lets anybody in.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use model::{AuthName, AuthServer, Authentication};
use outbound::{BadAuthorities, Client, Excess, PooledClient, Response, Trust};
use policy::time::UnixTime;
use telemetry::{Events, event};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::line::Line;
use super::prover::Refused;
use crate::live::inquiry::InquiryLive;
use crate::peer::ClientKey;

/// How many a worker asks one server at once: as many connections.
const ASKED_MAX: usize = 64;
/// How many more wait on a worker until they can ask.
const WAITING_MAX: usize = 1_024;

/// A request waits for a moment longer than its server has, so that what is told is what became of the server.
const MARGIN: Duration = Duration::from_secs(1);

/// How a server is asked.
#[derive(Debug)]
pub(super) struct ServerPlan {
    /// What each request to it has in common with the others.
    pub(super) request: outbound::Request,
    pub(super) excess: Excess,
    /// It cannot be asked at all.
    distrusted: Option<BadAuthorities>,
}

impl ServerPlan {
    /// A GET of `server`, of whose responses so many bytes are read.
    pub(super) fn new(server: &AuthServer, bytes_max: usize, excess: Excess) -> Self {
        let request = outbound::Request::get(server.url.clone(), server.timeout, bytes_max);
        // It was checked that they can be used.
        let (trust, distrusted) = match server.ca.as_ref().map(|ca| Trust::of_pem(&ca.text)) {
            None => (Trust::System, None),
            Some(Ok(trust)) => (trust, None),
            Some(Err(bad)) => (Trust::System, Some(bad)),
        };
        Self { request: outbound::Request { trust, ..request }, excess, distrusted }
    }

    /// How long a request waits.
    pub(super) fn within(&self) -> Duration {
        self.request.within + MARGIN
    }
}

/// By what a worker reaches others, and to whom it tells what comes of it.
#[derive(Clone, Copy)]
pub(crate) struct Outside<'a> {
    pub(crate) client: &'a Client,
    pub(crate) events: &'a Events,
    /// Its number.
    pub(crate) worker: usize,
}

/// What asks one server for one worker.
pub(super) struct AuthClient {
    pooled: PooledClient,
    turns: Rc<RefCell<Turns>>,
    within: Duration,
    /// Why it is never asked.
    distrusted: Option<String>,
    telling: Telling,
}

impl fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthClient").field("pooled", &self.pooled).finish_non_exhaustive()
    }
}

/// What it takes to tell how a server does.
struct Telling {
    name: AuthName,
    url: String,
    live: Arc<InquiryLive>,
    events: Events,
}

impl AuthClient {
    pub(super) fn new(
        plan: &ServerPlan,
        by: &Authentication,
        live: &Arc<InquiryLive>,
        outside: Outside<'_>,
    ) -> Self {
        let url = plan.request.url.to_string();
        let (name, live, events) = (by.name.clone(), live.clone(), outside.events.clone());
        Self {
            pooled: PooledClient::new(outside.client.clone(), plan.request.clone(), plan.excess),
            turns: Rc::default(),
            within: plan.request.within,
            distrusted: plan.distrusted.as_ref().map(ToString::to_string),
            telling: Telling { name, url, live, events },
        }
    }

    /// Asks for `client`, once it has its turn.
    pub(super) async fn ask(
        &self,
        client: ClientKey,
        fields: HeaderMap,
        body: Bytes,
        now: UnixTime,
    ) -> Result<Response, Refused> {
        if let Some(why) = &self.distrusted {
            return Err(self.fails(why, now));
        }
        let until = Instant::now() + self.within;
        let turn = timeout_at(until, Turns::of(&self.turns, client)).await;
        let Ok(Some(_turn)) = turn else { return Err(Refused::Busy) };
        let left = until.saturating_duration_since(Instant::now());
        let asked = self.pooled.ask(fields, body, left).await;
        asked.map_err(|fault| self.fails(&with_causes(&fault), now))
    }

    /// It gave nothing that can be used, for this reason.
    pub(super) fn fails(&self, why: &str, now: UnixTime) -> Refused {
        let Telling { name, url, live, events } = &self.telling;
        if let Some(before) = live.fails(now.as_secs(), why) {
            let (auth, url, why) = (name.clone(), url.clone(), why.to_owned());
            events.emit(event::AuthServerFailed { auth, url, why, before });
        }
        Refused::Unavailable
    }

    /// It gave something that can be used.
    pub(super) fn responds(&self) {
        let Telling { name, url, live, events } = &self.telling;
        if live.recovers() {
            events.emit(event::AuthServerRecovered { auth: name.clone(), url: url.clone() });
        }
    }
}

fn with_causes(fault: &outbound::Fault) -> String {
    let mut text = fault.to_string();
    let mut source = std::error::Error::source(fault);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Who asks, and who waits until it may.
struct Turns {
    asking: usize,
    waiting: Line<ClientKey, oneshot::Sender<Turn>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { asking: 0, waiting: Line::new(WAITING_MAX) }
    }
}

/// That one may ask. It goes to the next when it is dropped.
struct Turn(Rc<RefCell<Turns>>);

impl Turns {
    /// Waits until `client` may ask; `None` where there is no room for it to wait.
    async fn of(turns: &Rc<RefCell<Self>>, client: ClientKey) -> Option<Turn> {
        let waits = {
            let mut now = turns.borrow_mut();
            if now.asking < ASKED_MAX {
                now.asking += 1;
                return Some(Turn(turns.clone()));
            }
            let (tell, told) = oneshot::channel();
            // One that has to give way, this one or another, learns it as its sender is dropped.
            drop(now.waiting.join(client, tell));
            told
        };
        waits.await.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        loop {
            let next = self.0.borrow_mut().waiting.next();
            match next {
                // One that was given up has no use for it.
                Some(waiting) if waiting.is_closed() => {}
                Some(waiting) => {
                    drop(waiting.send(Self(self.0.clone())));
                    return;
                }
                None => {
                    self.0.borrow_mut().asking -= 1;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::of([10, 0, 0, last].into())
    }

    #[test]
    fn those_that_wait_ask_in_turns_and_who_has_left_takes_none() {
        let turns = Rc::new(RefCell::new(Turns::default()));
        let of = |last| Turns::of(&turns, client(last)).now_or_never().flatten();
        let mut asking: Vec<_> = (0..ASKED_MAX).filter_map(|_| of(1)).collect();
        assert_eq!(asking.len(), ASKED_MAX);
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(Turns::of(&turns, client(1)))).collect();
        let mut other = Box::pin(Turns::of(&turns, client(2)));
        waiting.iter_mut().for_each(|it| assert!(it.as_mut().now_or_never().is_none()));
        assert!(other.as_mut().now_or_never().is_none());
        let left = waiting.remove(1);
        drop(left);
        drop(asking.pop());
        let first = waiting[0].as_mut().now_or_never().flatten();
        assert!(first.is_some(), "who came first");
        drop(asking.pop());
        let second = other.as_mut().now_or_never().flatten();
        assert!(second.is_some(), "then the other client, which has waited for less");
        drop(first);
        assert!(waiting[1].as_mut().now_or_never().flatten().is_some());
        drop((asking, second, waiting, other));
        assert_eq!(turns.borrow().asking, 0);
    }

    #[test]
    fn where_there_is_no_room_the_client_that_waits_for_most_gives_way() {
        let turns = Rc::new(RefCell::new(Turns::default()));
        let of = |last| Box::pin(Turns::of(&turns, client(last)));
        let mut all: Vec<_> = (0..ASKED_MAX + WAITING_MAX).map(|_| of(1)).collect();
        let mut asking = Vec::new();
        for it in &mut all {
            asking.extend(it.as_mut().now_or_never().flatten());
        }
        assert_eq!(asking.len(), ASKED_MAX);
        assert!(
            of(1).now_or_never().is_some_and(|turn| turn.is_none()),
            "it waits for most itself"
        );
        let mut other = of(2);
        assert!(other.as_mut().now_or_never().is_none(), "it has room");
        let last = all.last_mut().and_then(|it| it.as_mut().now_or_never());
        assert!(last.is_some_and(|turn| turn.is_none()), "the last of the other gave way");
    }
}
