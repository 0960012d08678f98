//! A body whose trailers are looked at as its head was: what a route edits, or `Connection` has named,
//! does not come in behind the body. What may follow no body at all is known to `wire::trailer`.

use std::task::{Context, Poll};

use model::HeaderEdits;
use wire::body::{Error, Source};
use wire::h1::Conn;
use wire::head::Fields;

use crate::hops::named::Named;
use crate::policy::headers::is_edited;

/// A body of a message with this head, some of whose fields a route edits.
pub(crate) struct Trailing<'a, S> {
    pub(crate) body: &'a mut S,
    pub(crate) head: &'a Fields,
    pub(crate) edits: &'a HeaderEdits,
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
            let named = Named::by_connection(self.head);
            trailers.retain(|_, text| !is_edited(self.edits, text) && !named.has(text));
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
