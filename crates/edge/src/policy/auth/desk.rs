//! Where work is done that would hold a worker up: threads of their own, started with the first of it, at the lowest priority that there is.
//!
//! A request that waits anyway takes its lock, and nobody else. What there is no room for is refused at once, and what nobody waits for
//! any more is not done.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::line::Line;
use crate::peer::ClientKey;

/// How many pieces of work wait at the most: what half a core of a machine does in some ten seconds.
const WAITING_MAX: usize = 256;
/// The most threads: each may take 128 MiB for a hash of Argon2.
const THREADS_MAX: usize = 16;
/// Gives way to everything: workers, instances, other programs.
const NICENESS: i32 = 19;

/// Does slow work for all workers.
#[derive(Debug)]
pub(crate) struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    news: Condvar,
    threads_max: usize,
}

#[derive(Debug)]
struct State {
    waiting: Line<ClientKey, Work>,
    threads: usize,
    /// Threads that have nothing to do.
    idle: usize,
    is_closed: bool,
}

struct Work {
    work: Box<dyn FnOnce() -> bool + Send>,
    tell: oneshot::Sender<bool>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

/// What was asked was not done: there was no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Default for Desk {
    /// One without threads, until there is something to do: half as many as the machine has cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new((cores / 2).clamp(1, THREADS_MAX))
    }
}

impl Desk {
    fn new(threads_max: usize) -> Self {
        let waiting = Line::new(WAITING_MAX);
        let state = State { waiting, threads: 0, idle: 0, is_closed: false };
        Self(Arc::new(Inner { state: Mutex::new(state), news: Condvar::new(), threads_max }))
    }

    /// Has `work` done for `client`, and waits for what comes of it. It is given up when this is dropped.
    pub(super) async fn ask(
        &self,
        client: ClientKey,
        work: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, NoRoom> {
        let (tell, told) = oneshot::channel();
        self.take(client, Work { work: Box::new(work), tell })?;
        // Where it had to give way, or its thread is gone, nobody tells.
        told.await.map_err(|_| NoRoom)
    }

    fn take(&self, client: ClientKey, work: Work) -> Result<(), NoRoom> {
        let mut state = self.0.state();
        let gone = state.waiting.join(client, work);
        let wants_thread = state.idle == 0 && state.threads < self.0.threads_max;
        if wants_thread {
            let inner = self.0.clone();
            let thread = std::thread::Builder::new().name("passwords".to_owned());
            if thread.spawn(move || Inner::run(&inner)).is_ok() {
                state.threads += 1;
            }
        }
        if state.threads == 0 {
            return Err(NoRoom);
        }
        drop(state);
        self.0.news.notify_one();
        // A request that has to leave the line, this one or another, learns it as its sender is dropped.
        drop(gone);
        Ok(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.news.notify_all();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread, until nobody has the desk any more.
    fn run(inner: &Arc<Self>) {
        // Where it may not be lowered it is as it is.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        while let Some(Work { work, tell }) = inner.next() {
            if tell.is_closed() {
                continue;
            }
            // One that panics is not told, and harms nobody else.
            if let Ok(done) = catch_unwind(AssertUnwindSafe(work)) {
                // It may be that nobody waits for it by now.
                let _ = tell.send(done);
            }
        }
    }

    /// Waits for work; `None` where there will be none.
    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(work) = state.waiting.next() {
                return Some(work);
            }
            state.idle += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::Poll;

    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::of([10, 0, 0, last].into())
    }

    /// A desk whose only thread has something to do until the first is dropped; nobody need wait for the second.
    fn busy() -> (Desk, mpsc::Sender<()>, oneshot::Receiver<bool>) {
        let desk = Desk::new(1);
        let ((hold, held), (begun, begins)) = (mpsc::channel::<()>(), mpsc::channel());
        let (tell, told) = oneshot::channel();
        let work = move || begun.send(()).is_ok() && held.recv().is_ok();
        desk.take(client(0), Work { work: Box::new(work), tell }).unwrap();
        begins.recv().unwrap();
        (desk, hold, told)
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn work_is_done_elsewhere_and_told() {
        let desk = Desk::default();
        let here = std::thread::current().id();
        runtime().block_on(async {
            let is_elsewhere = move || std::thread::current().id() != here;
            assert_eq!(desk.ask(client(1), is_elsewhere).await, Ok(true));
            assert_eq!(desk.ask(client(1), || false).await, Ok(false));
        });
    }

    #[test]
    fn what_there_is_no_room_for_is_refused_and_others_have_their_turn() {
        let (desk, hold, _told) = busy();
        runtime().block_on(async {
            let greedy: Vec<_> = (0..WAITING_MAX)
                .map(|_| {
                    let (tell, told) = oneshot::channel();
                    desk.take(client(1), Work { work: Box::new(|| true), tell }).unwrap();
                    told
                })
                .collect();
            assert_eq!(desk.ask(client(1), || true).await, Err(NoRoom));
            // Another takes the place of the greedy one's last.
            let (tell, other) = oneshot::channel();
            desk.take(client(2), Work { work: Box::new(|| true), tell }).unwrap();
            drop(hold);
            assert_eq!(other.await, Ok(true));
            let told = futures_util::future::join_all(greedy).await;
            assert_eq!(told.iter().filter(|it| it.is_err()).count(), 1);
        });
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_done() {
        let (desk, hold, _told) = busy();
        let done = Arc::new(AtomicUsize::new(0));
        runtime().block_on(async {
            let count = |done: &Arc<AtomicUsize>| {
                let done = done.clone();
                move || done.fetch_add(1, Ordering::SeqCst) == usize::MAX
            };
            {
                let mut given_up = std::pin::pin!(desk.ask(client(1), count(&done)));
                let polled = std::future::poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx)));
                assert!(polled.await.is_pending());
            }
            drop(hold);
            assert_eq!(desk.ask(client(1), count(&done)).await, Ok(false));
        });
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn work_that_panics_harms_nobody_else() {
        let desk = Desk::new(1);
        runtime().block_on(async {
            assert_eq!(desk.ask(client(1), || panic!("for the test")).await, Err(NoRoom));
            assert_eq!(desk.ask(client(1), || true).await, Ok(true));
        });
    }
}
