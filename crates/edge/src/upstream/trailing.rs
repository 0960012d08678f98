//! A body whose trailers are looked at as its head was: what a route edits, or `Connection` has named,
//! does not come in behind the body. What may follow no body at all is known to `wire::trailer`.

use std::task::{Context, Poll};

use model::HeaderEdits;
use wire::body::{Error, Source};
use wire::h1::Conn;
use wire::head::Fields;

use crate::hops::named::Named;
use crate::policy::Phase;
use crate::policy::headers::is_edited;

/// A body of a message with this head, some of whose fields a route edits.
pub(crate) struct Trailing<'a, S> {
    pub(crate) body: &'a mut S,
    pub(crate) head: &'a Fields,
    pub(crate) edits: &'a HeaderEdits,
    /// Of a request whose route has policies: what they keep from instances.
    pub(crate) phase: Option<Phase<'a>>,
}

/// Takes out of `trailers`, behind a message with this head, what may not pass.
pub(crate) fn sift(
    trailers: &mut Fields,
    head: &Fields,
    edits: &HeaderEdits,
    phase: Option<Phase<'_>>,
) {
    let named = Named::by_connection(head);
    trailers.retain(|_, text| {
        let is_hidden = phase.is_some_and(|phase| phase.hides(text));
        !is_edited(edits, text) && !named.has(text) && !is_hidden
    });
}

impl<S: Source> Source for Trailing<'_, S> {
    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.body.poll_fill(cx)
    }

    #[inline]
    fn expect_room(&mut self, bytes: usize) {
        self.body.expect_room(bytes);
    }

    #[inline]
    fn data(&self) -> &[u8] {
        self.body.data()
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        self.body.consume(n);
    }

    fn take_trailers(&mut self) -> Result<Option<Fields>, Error> {
        let mut trailers = self.body.take_trailers()?;
        if let Some(trailers) = &mut trailers {
            sift(trailers, self.head, self.edits, self.phase);
        }
        Ok(trailers)
    }

    #[inline]
    fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.body.is_over()
    }

    #[inline]
    fn source_conn(&mut self) -> Option<&mut Conn> {
        self.body.source_conn()
    }
}
