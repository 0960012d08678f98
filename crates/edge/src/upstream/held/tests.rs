//! Bodies that come in any pieces, are held in part or whole, and go to one instance after another.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use model::BodyLimit;
use proptest::prelude::*;
use wire::account::Account;
use wire::body::{Error, Sink, Source};
use wire::buffer::Pool;
use wire::h1::{Conn, Framing};
use wire::head::{Fields, HeadBuilder};

use super::{Extent, Held};
use crate::upstream::relay::{Replay, Start, Upload};

/// A client that sends these pieces, each of which is waited for once.
struct Pieces {
    left: VecDeque<Vec<u8>>,
    has_waited: bool,
    has_trailers: bool,
}

impl Source for Pieces {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.has_waited = !self.has_waited;
        match self.has_waited {
            true => Poll::Pending,
            false => Poll::Ready(Ok(!self.left.is_empty())),
        }
    }

    fn data(&self) -> &[u8] {
        self.left.front().map_or(&[], Vec::as_slice)
    }

    fn consume(&mut self, n: usize) {
        if let Some(first) = self.left.front_mut() {
            first.drain(..n);
            if first.is_empty() {
                self.left.pop_front();
            }
        }
    }

    fn take_trailers(&mut self) -> Result<Option<Fields>, Error> {
        let mut builder = HeadBuilder::new(&Pool::default());
        builder.field(b"x-sum", b"1");
        Ok(std::mem::take(&mut self.has_trailers).then(|| builder.trailers()))
    }

    fn remaining(&self) -> Option<u64> {
        None
    }

    fn source_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}

/// An instance that takes so much at a time, and fails once it has taken so much.
struct Instance {
    takes: usize,
    fails_after: usize,
    taken: Vec<u8>,
    /// How many fields came behind the body, once that has ended.
    ended: Option<usize>,
}

impl Sink for Instance {
    fn poll_send(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        if self.taken.len() >= self.fails_after {
            return Poll::Ready(Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()));
        }
        let taken = data.len().min(self.takes).min(self.fails_after - self.taken.len());
        self.taken.extend_from_slice(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &mut self,
        _: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), Error>> {
        self.ended = Some(trailers.map_or(0, Fields::len));
        Poll::Ready(Ok(()))
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}

/// Polls until it is ready.
fn run<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = poll(&mut cx) {
            return value;
        }
    }
}

proptest! {
    /// What is held is the beginning of the body and no more than may be; instances get the whole of it, the second one, too, where the
    /// first broke off before anything beyond what is held was sent.
    #[test]
    fn instances_get_what_was_held_and_then_the_rest(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..12),
        most in 0..200_usize,
        takes in 1..50_usize,
        fails_after in 0..300_usize,
        has_trailers: bool,
    ) {
        let body = pieces.concat();
        let account = Account::default();
        let mut client = Pieces { left: pieces.into(), has_waited: false, has_trailers };
        let mut held = Held::nothing(&account);
        let extent = run(|cx| held.poll_read(cx, &mut client, most)).unwrap();
        prop_assert_eq!(extent == Extent::Whole, body.len() <= most);
        prop_assert!(held.bytes().len() <= most && body.starts_with(held.bytes()));
        prop_assert_eq!(account.used(), held.bytes().len());
        let (again, before) = (run(|cx| held.poll_read(cx, &mut client, most)).unwrap(), held.bytes().len());
        prop_assert_eq!((again, held.bytes().len()), (extent, before), "asked again");

        let pool = Pool::default();
        let (framing, allowed) = (Framing::Chunked, BodyLimit::Unlimited);
        let mut upload = Upload::new(Replay::Dropped, framing, allowed, &pool, &account);
        upload.resume(held);
        let instance = |fails_after| Instance { takes, fails_after, taken: Vec::new(), ended: None };
        let mut first = instance(fails_after);
        upload.begin(Start::AtOnce);
        let sent = run(|cx| upload.poll(cx, &mut client, &mut first));
        let mut last = first;
        if sent.is_err() {
            prop_assert!(body.starts_with(&last.taken));
            // It is small enough to be kept as it passes, too.
            prop_assert!(upload.is_repeatable());
            last = instance(usize::MAX);
            upload.begin(Start::AtOnce);
            run(|cx| upload.poll(cx, &mut client, &mut last)).unwrap();
        }
        prop_assert!(upload.is_sent());
        prop_assert_eq!(&last.taken, &body);
        prop_assert_eq!(last.ended, Some(usize::from(has_trailers)));
        drop(upload);
        prop_assert_eq!(account.used(), 0, "all is given back");
    }
}

#[test]
fn where_the_account_is_spent_nothing_more_is_held() {
    let account = Account::new(10);
    let mut held = Held::nothing(&account);
    let left = VecDeque::from([vec![1; 8], vec![1; 8]]);
    let mut client = Pieces { left, has_waited: false, has_trailers: false };
    let refused = run(|cx| held.poll_read(cx, &mut client, 100));
    assert_eq!(refused, Err(telemetry::Ending::Overloaded));
    assert_eq!((held.bytes().len(), account.used()), (8, 8));
}
