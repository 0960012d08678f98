//! Opaque tokens (`introspect`): their issuer is asked of each (RFC 7662), and what it said holds for a while.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use model::{Authentication, Introspection, Proof};
use outbound::{Excess, Response};
use policy::introspection::{self, Active, Disbelief, RESPONSE_BYTES_MAX};
use policy::jwt::{TOKEN_BYTES_MAX, Verifier};
use policy::time::UnixTime;

use super::caller::{Caller, ProvenToken};
use super::client::{AuthClient, ServerPlan};
use super::inquiry::{Answer, Incoming, Question, REFUSED_FOR, Slow};
use super::prover::{self, Refused};

/// The issuer that is asked.
#[derive(Debug)]
pub(super) struct Introspect {
    server: ServerPlan,
    verifier: Arc<Verifier>,
    ttl: Duration,
}

impl Introspect {
    /// As `introspection` says.
    pub(super) fn new(introspection: &Introspection) -> Self {
        let Introspection { server, client_id, secret, ttl, .. } = introspection;
        let mut server = ServerPlan::new(server, RESPONSE_BYTES_MAX, Excess::Refused);
        server.request.method = Method::POST;
        let authorization = introspection::authorization(client_id.as_bytes(), secret.expose());
        if let Ok(mut authorization) = HeaderValue::try_from(authorization) {
            authorization.set_sensitive(true);
            server.request.fields.insert(AUTHORIZATION, authorization);
        }
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        server.request.fields.insert(CONTENT_TYPE, form);
        server.request.fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let verifier = Verifier::of_introspection(introspection).into();
        Self { server, verifier, ttl: *ttl }
    }
}

impl Slow for Introspect {
    fn credential<'a>(
        &self,
        proof: &'a Proof,
        incoming: Incoming<'a>,
    ) -> Result<Cow<'a, [u8]>, Refused> {
        let token = prover::credential(proof, incoming.request.head)?;
        // The issuer is not bothered with what is no token.
        if token.len() > TOKEN_BYTES_MAX { Err(Refused::Malformed) } else { Ok(token) }
    }

    fn within(&self) -> Duration {
        self.server.within()
    }

    fn server(&self) -> Option<&ServerPlan> {
        Some(&self.server)
    }

    fn ask(&self, question: Question<'_>) -> LocalBoxFuture<'static, Answer> {
        let Question { by, credential, incoming, server, now } = question;
        let body = Bytes::from(introspection::question(credential));
        let (client, server) = (incoming.client(), server.cloned());
        let token = Token { bytes: credential.into(), by: by.clone() };
        let (verifier, ttl) = (self.verifier.clone(), self.ttl);
        async move {
            let Some(server) = server else { return Answer::once(Err(Refused::Unready)) };
            let response = match server.ask(client, HeaderMap::new(), body, now).await {
                Ok(response) => response,
                Err(refused) => return Answer::once(Err(refused)),
            };
            let finding = token.worth(&response, &verifier, &server, now);
            let until = match &finding {
                Ok(caller) => {
                    let latest = now.after(ttl);
                    Some(caller.expires.map_or(latest, |expires| expires.min(latest)))
                }
                Err(why) => why.is_of_credential().then(|| now.after(ttl.min(REFUSED_FOR))),
            };
            Answer { finding, until: until.filter(|until| *until > now) }
        }
        .boxed_local()
    }
}

/// A token of which its issuer is asked.
struct Token {
    bytes: Box<[u8]>,
    by: Arc<Authentication>,
}

impl Token {
    /// What it is worth by the issuer's `response`.
    fn worth(
        &self,
        response: &Response,
        verifier: &Verifier,
        server: &AuthClient,
        now: UnixTime,
    ) -> Result<Caller, Refused> {
        match response.status.as_u16() {
            200 => {}
            401 | 403 => {
                let status = response.status.as_u16();
                let why = format!(
                    "it responds with status {status}: does it know `client_id`, and is the secret right?"
                );
                return Err(server.fails(&why, now));
            }
            status => return Err(server.fails(&format!("it responds with status {status}"), now)),
        }
        match introspection::read(&response.body, verifier, now) {
            Ok(Active { claims, period }) => {
                server.responds();
                let token = Some(ProvenToken::new(&self.bytes, period.issued_at));
                Ok(Caller { expires: period.until, token, ..Caller::new(&self.by, claims) })
            }
            Err(Disbelief::Unusable) => {
                let why =
                    "its response is no JSON object as RFC 7662 has it: `active` is true or false";
                Err(server.fails(why, now))
            }
            Err(Disbelief::Inactive) => {
                server.responds();
                Err(Refused::Inactive)
            }
            Err(Disbelief::Refused(refusal)) => {
                server.responds();
                Err(refusal.into())
            }
        }
    }
}
