//! Authentications that ask a server, which is one of a test's own.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use model::{
    AuthServer, Authentication, ClaimHeader, ClaimPath, Credential, CredentialPlace, ForwardAuth,
    Host, Introspection, Proof, RefusedAs, Scheme, Secret, ServiceCookies, Url,
};
use telemetry::InquiryOutcome;

use crate::{DEADLINE, Request, Step, TestEdge};

/// The server at `address`, which may take its time.
pub fn server(address: SocketAddr, target: &str) -> AuthServer {
    let (scheme, host, port) = (Scheme::Http, Host::Address(address.ip()), address.port());
    let url = Url { scheme, host, port, target: target.to_owned() };
    // A test that waits for something gives up before.
    AuthServer { url, ca: None, timeout: 6 * DEADLINE }
}

/// `legacy`: asks the service at `address`, is told `x-user-id`, and takes that for the subject.
pub fn legacy(address: SocketAddr) -> Authentication {
    let forward = ForwardAuth {
        cookies: ServiceCookies::Dropped,
        server: server(address, "/verify?of=edge"),
        send: vec!["authorization".into(), "cookie".into()],
        headers: vec!["x-user-id".into()],
        subject: Some("x-user-id".into()),
    };
    authentication("legacy", Proof::Forward(forward))
}

/// `opaque`: asks the issuer at `address` of tokens for `shop`, of which instances are told the subject in `x-user-id`.
pub fn opaque(address: SocketAddr) -> Authentication {
    let introspection = Introspection {
        server: server(address, "/introspect"),
        client_id: "edge".into(),
        secret: Secret::new(*b"s3cret"),
        issuers: Vec::new(),
        audiences: vec!["shop".into()],
        leeway: std::time::Duration::ZERO,
        ttl: std::time::Duration::from_secs(60),
        places: vec![CredentialPlace::Bearer],
    };
    let header = ClaimHeader { header: "x-user-id".into(), claim: ClaimPath(vec!["sub".into()]) };
    let opaque = authentication("opaque", Proof::Introspect(introspection));
    Authentication { claims: vec![header], ..opaque }
}

/// One that asks for `proof`: the credential is kept, and a refusal is 401.
pub(crate) fn authentication(name: &str, proof: Proof) -> Authentication {
    Authentication {
        name: name.into(),
        proof,
        claims: Vec::new(),
        credential: Credential::Kept,
        refused: RefusedAs::Unauthorized,
    }
}

/// A service that lets in who has a cookie, by its value.
pub fn lets_in(request: &Request) -> Vec<Step> {
    match request.field("cookie") {
        Some(user) => vec![Step::send(format!(
            "HTTP/1.1 200 X\r\nX-User-Id: {user}\r\nContent-Length: 0\r\n\r\n"
        ))],
        None => vec![Step::answer(401, "who are you?")],
    }
}

/// A response of 200 with these fields, a line each.
pub fn granted(fields: &str) -> Vec<Step> {
    vec![Step::send(format!("HTTP/1.1 200 X\r\n{fields}Content-Length: 0\r\n\r\n"))]
}

/// An issuer's response.
pub fn said(json: &str) -> Vec<Step> {
    let length = json.len();
    vec![Step::send(format!("HTTP/1.1 200 X\r\nContent-Length: {length}\r\n\r\n{json}"))]
}

/// How often that became of a request that had to be asked of.
pub fn inquiries(edge: &TestEdge, outcome: InquiryOutcome) -> u64 {
    edge.edge.inquiries().map(|live| live.total(outcome)).sum()
}

/// Holds servers back until a test lets them go on.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Waits until it is open.
    pub fn pass(&self) {
        let (is_open, opened) = &*self.0;
        let mut now = is_open.lock().unwrap_or_else(PoisonError::into_inner);
        while !*now {
            now = opened.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets everybody go on.
    pub fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

impl Drop for Gate {
    /// A test that fails leaves nobody waiting.
    fn drop(&mut self) {
        self.open();
    }
}
