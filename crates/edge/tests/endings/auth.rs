//! Endings of requests that prove nothing, or too little, of who they are from.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{
    Authentication, ClaimPath, Credential, CredentialPlace, FetchedKeys, Host, Jwt, JwtAlgorithm,
    JwtKeys, KeysAt, Proof, RefusedAs, Requirement, Scheme, Secret, Url, ValueMatch,
};
use policy::Bans;
use policy::bans::{Ban, Banned};
use telemetry::Ending;
use testkit::auth_server::{legacy, opaque, said};
use testkit::password::{Flood, SLOW, staff};
use testkit::signed::{APP_SECRET, HmacSigner, app};
use testkit::token::{TOKEN_SECRET, token, token_until};
use testkit::{Origin, Protocol, Step, Talk};

use crate::scene::Scene;

/// Comes to this end over `protocol`; `None` where it is another's.
pub(crate) fn reach(ending: Ending, protocol: Protocol) -> Option<Scene> {
    if ending == Ending::AuthBusy {
        // Over HTTP/1 it would take hundreds of connections.
        return (protocol == Protocol::H2).then(busy);
    }
    if ending == Ending::AuthReplayed {
        return Some(replayed(protocol));
    }
    if let Some(Asks { auth, said, status }) = asks(ending) {
        let server = Origin::start(move |_| said.clone());
        let scene = Scene::polite(|wanted| {
            let auth = auth(server.address());
            wanted.routes[0].policies.auth = vec![auth.name.clone()];
            wanted.auth.push(auth);
        });
        let talk = Talk::get("/").field("Authorization", "Bearer opaque");
        return Some(scene.keeping(server).answers_to(talk, protocol, status));
    }
    let minute = Duration::from_secs(60);
    let secret = || JwtKeys::Secret(Secret::new(TOKEN_SECRET));
    let (keys, claims, status) = match ending {
        Ending::AuthMissing => (secret(), None, 401),
        Ending::AuthMalformed => (secret(), Some("nonsense".to_owned()), 401),
        Ending::AuthExpired => {
            (secret(), Some(token_until(r#""sub":"a""#, SystemTime::now() - minute)), 401)
        }
        Ending::AuthNotYet => (secret(), Some(token(r#""nbf":9999999999"#)), 401),
        Ending::AuthForged => {
            let other = JwtKeys::Secret(Secret::new(vec![7; 64]));
            (other, Some(token(r#""sub":"a""#)), 401)
        }
        Ending::AuthForeign => (secret(), Some(token(r#""iss":"b","aud":"other""#)), 401),
        // They are never fetched here.
        Ending::AuthUnready => {
            let (scheme, host) = (Scheme::Https, Host::Name("id.example".to_owned()));
            let at = KeysAt::Jwks(Url { scheme, host, port: 443, target: "/keys".to_owned() });
            let keys = JwtKeys::Fetched(FetchedKeys { at, ca: None });
            (keys, Some(token(r#""sub":"a""#)), 503)
        }
        Ending::NotPermitted => (secret(), Some(token(r#""aud":"shop""#)), 403),
        _ => return None,
    };
    let requirement = Requirement {
        claim: ClaimPath(vec!["roles".to_owned()]),
        one_of: vec![ValueMatch::Exact("ADMIN".to_owned())],
    };
    let audiences = match ending {
        Ending::AuthForeign => vec!["shop".to_owned()],
        _ => Vec::new(),
    };
    let users = users(keys, audiences);
    let scene = Scene::polite(|wanted| {
        wanted.routes[0].policies.auth = vec![users.name.clone()];
        wanted.routes[0].policies.require = vec![requirement];
        wanted.auth.push(users);
    });
    let talk = match claims {
        Some(token) => Talk::get("/").field("Authorization", &format!("Bearer {token}")),
        None => Talk::get("/"),
    };
    Some(scene.answers_to(talk, protocol, status))
}

/// A signed request comes twice.
fn replayed(protocol: Protocol) -> Scene {
    let scene = Scene::polite(|wanted| {
        wanted.routes[0].policies.auth = vec!["app".into()];
        wanted.auth.push(app(&[("", APP_SECRET)]));
    });
    let talk = HmacSigner::new(APP_SECRET).sign(Talk::get("/"));
    scene.answers_to(talk.clone(), protocol, 200).answers_to(talk, protocol, 401)
}

/// An authentication that asks a server.
struct Asks {
    auth: fn(SocketAddr) -> Authentication,
    /// What the server says.
    said: Vec<Step>,
    status: u16,
}

/// One that comes to this end.
fn asks(ending: Ending) -> Option<Asks> {
    Some(match ending {
        Ending::AuthInactive => {
            Asks { auth: opaque, said: said(r#"{"active":false}"#), status: 401 }
        }
        Ending::AuthDenied => {
            Asks { auth: legacy, said: vec![Step::answer(403, "no")], status: 403 }
        }
        Ending::AuthUnavailable => {
            Asks { auth: legacy, said: vec![Step::answer(500, "no")], status: 503 }
        }
        _ => return None,
    })
}

/// More passwords are to be checked than can be.
fn busy() -> Scene {
    let scene = Scene::polite(|wanted| {
        wanted.routes[0].policies.auth = vec!["staff".into()];
        wanted.auth.push(staff(SLOW));
    });
    let flood = Flood::begin(scene.edge());
    scene.keeping(flood)
}

/// A banned subject is told apart from a banned address by its line, which names it.
pub(crate) fn a_caller_that_is_banned() {
    for protocol in Protocol::ALL {
        let users = users(JwtKeys::Secret(Secret::new(TOKEN_SECRET)), Vec::new());
        let mut scene = Scene::polite(|wanted| {
            wanted.routes[0].policies.auth = vec![users.name.clone()];
            wanted.auth.push(users);
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
        let until = now + Duration::from_secs(3600);
        let mut bans = Bans::default();
        let banned = Banned::Subject("a".to_owned());
        bans.put(Ban { banned, at: now, until, reason: None }, now).expect("there is room");
        scene.ban(bans);
        let talk =
            Talk::get("/").field("Authorization", &format!("Bearer {}", token(r#""sub":"a""#)));
        let mut scene = scene.answers_to(talk, protocol, 401);
        let lines = scene.lines(Ending::Banned);
        let [line] = &lines[..] else { panic!("{lines:#?}") };
        let said = ["ending", "status", "auth", "subject"].map(|name| line.field(name));
        assert_eq!(said, ["banned", "401", "users", "a"], "{protocol:?}");
    }
}

fn users(keys: JwtKeys, audiences: Vec<String>) -> Authentication {
    Authentication {
        name: "users".into(),
        proof: Proof::Jwt(Jwt {
            keys,
            algorithms: vec![JwtAlgorithm::Hs256],
            issuers: Vec::new(),
            audiences,
            leeway: Duration::ZERO,
            places: vec![CredentialPlace::Bearer],
        }),
        claims: Vec::new(),
        credential: Credential::Kept,
        refused: RefusedAs::Unauthorized,
    }
}
