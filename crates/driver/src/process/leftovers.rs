//! Ending what outlives the first process of an instance.

use std::collections::BTreeSet;
use std::future;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::family::{Family, Member};
use crate::exit::Killed;
use model::{Stop, StopTo};

/// How long something may take to be gone once it was killed; what takes longer hangs in the
/// system.
const KILL_TIME: Duration = Duration::from_secs(5);

/// When the system refuses a look, as it does without a free descriptor, it is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// Processes that outlived the first.
    pub(super) leftovers: usize,
    /// Why some had to be killed.
    pub(super) killed: Option<Killed>,
    /// Some could not be.
    pub(super) stuck: usize,
}

/// Ends all of `family` but its first process, which has ended.
///
/// With a `deadline` the whole group was asked to end already; otherwise they are asked as `stop`
/// says. A stop among `orders` can only shorten the time. Where only the first process is to be asked,
/// what it left has no time.
pub(super) async fn end(
    family: &Family,
    stop: Stop,
    mut deadline: Option<Instant>,
    orders: &mut mpsc::UnboundedReceiver<Stop>,
) -> Ended {
    let group_was_asked = deadline.is_some();
    if stop.to == StopTo::First {
        deadline = Some(Instant::now());
    }
    let mut asked = BTreeSet::new();
    let mut ended = Ended::default();
    loop {
        let others = match family.others().await {
            Ok(others) => others,
            Err(error) => {
                tracing::debug!(%error, "cannot look for an instance's leftover processes");
                sleep(LOOK_AGAIN).await;
                continue;
            }
        };
        let newly = others.iter().filter(|member| asked.insert(member.pid)).collect::<Vec<_>>();
        ended.leftovers = asked.len();
        if others.is_empty() {
            return ended;
        }
        let until = *deadline.get_or_insert_with(|| Instant::now() + stop.timeout);
        if Instant::now() < until {
            newly
                .iter()
                .filter(|member| !(group_was_asked && member.is_in_group))
                .for_each(|member| ask(member, crate::signal::raw(stop.signal)));
            tokio::select! {
                () = all_gone(&others) => {}
                () = sleep_until(until) => {}
                order = next(orders) => {
                    deadline = Some(until.min(Instant::now() + order.timeout));
                }
            }
            continue;
        }
        ended.killed = Some(match stop.to {
            StopTo::First => Killed::LeftBehind,
            StopTo::All => Killed::Overdue,
        });
        others.iter().for_each(|member| member.pidfd.signal(Signal::KILL));
        if timeout(KILL_TIME, all_gone(&others)).await.is_err() {
            ended.stuck = others.len();
            return ended;
        }
    }
}

/// Asks a process to end, one that is stopped too.
fn ask(member: &Member, signal: Signal) {
    member.pidfd.signal(signal);
    member.pidfd.signal(Signal::CONT);
}

async fn all_gone(members: &[Member]) {
    for member in members {
        member.pidfd.ended().await;
    }
}

/// The next order; never, when nobody is left to give one.
async fn next(orders: &mut mpsc::UnboundedReceiver<Stop>) -> Stop {
    match orders.recv().await {
        Some(order) => order,
        None => future::pending().await,
    }
}
