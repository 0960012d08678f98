//! Users with passwords, and more wrong passwords than an edge can check, for tests of those who ask for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use model::{
    ApiKey, Authentication, Basic, Credential, CredentialPlace, Document, Proof, RefusedAs,
};
use telemetry::{Ending, EndingTotals};

use crate::h2_client::{Asked, request};
use crate::{H2Client, H2Response, TestEdge};

/// `alice`, whose password is `hello`, and `bob`, whose password is `s:e cä`: hashes of bcrypt that cost little.
pub const STAFF: &str = "alice:$2b$04$abcdefghijklmnopqrstuuwHJMEGjfAzmL1lWmUmlphguIbWfjYey\n\
    bob:$2y$04$abcdefghijklmnopqrstuuv05ap0jD10CqCGo2i60TtKbForNllei\n";

/// `carol`, whose password is `slow`: its hash takes a long time.
pub const SLOW: &str = "carol:$2y$12$abcdefghijklmnopqrstuuvhqlfa3SToYAWnpQD0wYcoxAD7y2cEy\n";

/// Streams of one connection, fewer than an edge allows.
const STREAMS: usize = 64;
/// More than wait for an edge's threads, with those that are being checked.
const MANY: usize = 400;

/// The authentication `staff`, with these users.
pub fn staff(users: &str) -> Authentication {
    Authentication {
        name: "staff".into(),
        proof: Proof::Basic(Basic {
            users: Document { name: "staff.htpasswd".to_owned(), text: users.into() },
        }),
        claims: Vec::new(),
        credential: Credential::Kept,
        refused: RefusedAs::Unauthorized,
    }
}

/// The authentication `partners`: `one` and `two` are keys of `acme`, looked for at `places`.
pub fn partners(places: Vec<CredentialPlace>) -> Authentication {
    let text = "acme:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed\n\
        acme:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3\n";
    let keys = Document { name: "partners.keys".to_owned(), text: text.into() };
    let proof = Proof::ApiKey(ApiKey { places, keys });
    Authentication { name: "partners".into(), proof, ..staff("") }
}

/// What `Authorization` says of a name and a password.
pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// Requests with wrong passwords that wait to be checked, and go on waiting until this is dropped.
pub struct Flood {
    clients: Vec<(H2Client, Vec<Asked>)>,
}

impl Flood {
    /// Asks `edge` for `/` with one wrong password of `carol`'s after another, until one of them is refused for want of room.
    ///
    /// # Panics
    /// When none is.
    pub fn begin(edge: &TestEdge) -> Self {
        let mut flood = Self { clients: Vec::new() };
        for number in 0..MANY {
            if number % STREAMS == 0 {
                flood.clients.push((H2Client::connect(edge.address()), Vec::new()));
            }
            let (client, asked) = flood.clients.last_mut().expect("there is one");
            let mut wrong = request("GET", "/");
            let value = HeaderValue::try_from(basic("carol", &format!("wrong {number}")));
            wrong.headers_mut().insert("authorization", value.expect("it is plain"));
            asked.push(client.begin(wrong, true));
            // What comes later on the same connection comes to its end when this one waits, or is refused.
            assert_eq!(client.ask(request("TRACE", "/"), b"", None).status, 405);
            if refused(edge) > 0 {
                return flood;
            }
        }
        panic!("{MANY} passwords are being checked");
    }

    /// What the one was told that was refused.
    ///
    /// # Panics
    /// When it is not told.
    pub fn refused(mut self) -> H2Response {
        let (client, mut asked) = self.clients.pop().expect("one was refused");
        client.answer(asked.pop().expect("it came last"))
    }

    /// How many there are, that which was refused included.
    pub fn count(&self) -> usize {
        self.clients.iter().map(|(_, asked)| asked.len()).sum()
    }
}

/// How many requests were refused since there was no room to check a password.
fn refused(edge: &TestEdge) -> u64 {
    ended(edge, Ending::AuthBusy)
}

/// How many exchanges have ended so.
pub fn ended(edge: &TestEdge, ending: Ending) -> u64 {
    let mut totals = EndingTotals::default();
    edge.edge.counters().for_each(|it| totals.merge(&it.exchanges.totals()));
    totals.of(ending)
}
