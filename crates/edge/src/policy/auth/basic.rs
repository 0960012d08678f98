//! Names and passwords (`basic`): to hash them takes its time, which is spent at a desk of their own.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use model::Proof;
use policy::claims::Claims;
use policy::password::{Credentials, Users};

use super::caller::Caller;
use super::desk::{Desk, NoRoom};
use super::inquiry::{Answer, Incoming, Question, Slow};
use super::prover::{self, Refused};

/// How long a request waits for its password to be checked: others may be before it.
const WITHIN: Duration = Duration::from_secs(10);
/// How long a password is believed without being hashed again.
const BELIEVED_FOR: Duration = Duration::from_secs(3600);

/// Who is believed by a password.
#[derive(Debug)]
pub(super) struct Basic {
    users: Arc<Users>,
    desk: Arc<Desk>,
}

impl Basic {
    /// Those of `basic`, whose passwords are hashed at `desk`.
    pub(super) fn new(basic: &model::Basic, desk: &Arc<Desk>) -> Self {
        // The configuration checked that they can be read; users that cannot be read let nobody in.
        let users = Users::parse(&basic.users.text).unwrap_or_default();
        Self { users: Arc::new(users), desk: desk.clone() }
    }
}

impl Slow for Basic {
    fn credential<'a>(
        &self,
        proof: &'a Proof,
        incoming: Incoming<'a>,
    ) -> Result<Cow<'a, [u8]>, Refused> {
        prover::credential(proof, incoming.request.head)
    }

    fn within(&self) -> Duration {
        WITHIN
    }

    fn ask(&self, question: Question<'_>) -> LocalBoxFuture<'static, Answer> {
        let Question { by, credential, incoming, server: _, now } = question;
        let client = incoming.client();
        let credentials = Credentials::parse(credential);
        let (users, desk, by) = (self.users.clone(), self.desk.clone(), by.clone());
        async move {
            let Some(Credentials { name, password }) = credentials else {
                return Answer::refused(Refused::Malformed, now);
            };
            let claims = Claims::of_subject(&name);
            match desk.ask(client, move || users.verify(&name, &password)).await {
                Ok(true) => {
                    let until = Some(now.after(BELIEVED_FOR));
                    Answer { finding: Ok(Caller::new(&by, claims)), until }
                }
                Ok(false) => Answer::refused(Refused::Forged, now),
                Err(NoRoom) => Answer::refused(Refused::Busy, now),
            }
        }
        .boxed_local()
    }
}
