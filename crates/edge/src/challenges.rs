//! What CAs look for by HTTP to believe that a host is ours (RFC 8555 section 8.3): told by any thread, and read by workers without
//! a lock. While there is none a request pays one branch. Who puts it there, and for how long, is not known here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use wire::head::{Method, RequestHead};

/// Where a CA looks for a token.
const PREFIX: &[u8] = b"/.well-known/acme-challenge/";

type Tokens = HashMap<Box<[u8]>, Arc<str>>;

/// What is responded to a CA that looks for a token, on every listener.
#[derive(Debug, Default)]
pub struct Challenges {
    are_some: AtomicBool,
    tokens: ArcSwap<Tokens>,
}

impl Challenges {
    /// Responds with `body` to requests for `token` from now on.
    pub fn put(&self, token: &str, body: &str) {
        let body = Arc::<str>::from(body);
        self.change(|tokens| drop(tokens.insert(token.as_bytes().into(), body.clone())));
    }

    /// Knows nothing of `token` any more: requests for it are routed as all others are.
    pub fn remove(&self, token: &str) {
        self.change(|tokens| drop(tokens.remove(token.as_bytes())));
    }

    fn change(&self, change: impl Fn(&mut Tokens)) {
        // First, so that a request that sees one also looks for it; a look for none finds none.
        self.are_some.store(true, Ordering::SeqCst);
        self.tokens.rcu(|tokens| {
            let mut tokens = Tokens::clone(tokens);
            change(&mut tokens);
            tokens
        });
    }

    /// Whether a CA looks for a token that is known.
    #[inline]
    pub(crate) fn has(&self, head: &RequestHead) -> bool {
        self.are_some.load(Ordering::Relaxed) && self.answer(head).is_some()
    }

    /// What is responded to it.
    pub(crate) fn answer(&self, head: &RequestHead) -> Option<Arc<str>> {
        let token = head.path().strip_prefix(PREFIX)?;
        let is_look = matches!(head.method(), Method::Get | Method::Head);
        is_look.then(|| self.tokens.load().get(token).cloned())?
    }
}
