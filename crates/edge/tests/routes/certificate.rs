//! Who a client is by the certificate that it shows: what is believed, what instances are told, and that this lasts no longer than the
//! trust in it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge::explain::{AuthAccount, Outcome, Question, Transport};
use model::{
    Authentication, CertificateAuth, ClaimHeader, ClaimPath, ClientAuth, ClientDemand, Credential,
    KeyPart, Proof, RefusedAs, Requirement, ValueMatch,
};
use policy::Bans;
use policy::bans::{Ban, Banned};
use telemetry::Ending;
use testkit::edge::Wanted;
use testkit::limit::{limit, limit_use, requests};
use testkit::{AccessLine, AccessLines, Authority, Line, Protocol, Talk};
use wire::tls::{Alpn, ClientCertificate, ClientTrust, Demand, Files};

use crate::Stage;

const BOTH: [Alpn; 2] = [Alpn::Http2, Alpn::Http1];

fn told(header: &str, claim: &str) -> ClaimHeader {
    ClaimHeader { header: header.to_owned(), claim: ClaimPath(vec![claim.to_owned()]) }
}

fn machines(subjects: &[&str], sans: &[&str]) -> Authentication {
    let owned = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect();
    Authentication {
        name: "machines".into(),
        proof: Proof::Certificate(CertificateAuth { subjects: owned(subjects), sans: owned(sans) }),
        claims: vec![
            told("x-client", "subject"),
            told("x-fingerprint", "fingerprint"),
            told("x-sans", "sans"),
            told("x-serial", "serial"),
        ],
        credential: Credential::Kept,
        refused: RefusedAs::Unauthorized,
    }
}

/// A route that asks for `machines` behind a listener that asks for certificates, after `change`.
fn asking(
    authority: &Authority,
    trust: &ClientTrust,
    machines: Authentication,
    change: impl FnOnce(&mut Wanted),
) -> Stage {
    Stage::with(|wanted| {
        let files = [authority.issue(&["example.com"])];
        wanted.tls = Some(authority.server_for(&files, &BOTH, Some(trust)));
        wanted.clients = Some(trust.clone());
        let ca = "clients.pem".into();
        let demand = ClientDemand::Optional;
        wanted.listener.client_auth = Some(ClientAuth { ca, crl: None, demand });
        wanted.routes[0].policies.auth = vec![machines.name.clone()];
        wanted.auth.push(machines);
        change(wanted);
    })
}

/// A client's end of a connection, on which it shows this certificate, or none.
fn line(authority: &Authority, stage: &Stage, protocol: Protocol, files: Option<&Files>) -> Line {
    let alpn = match protocol {
        Protocol::H1 => [Alpn::Http1],
        Protocol::H2 => [Alpn::Http2],
    };
    let versions = [&rustls::version::TLS13];
    let config = match files {
        Some(files) => authority.client_showing(&versions, &alpn, files),
        None => authority.client_of(&versions, &alpn),
    };
    Line::open_tls(protocol, stage.edge.address(), config, "example.com")
}

fn leaf(files: &Files) -> ClientCertificate {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_file(&files.cert).expect("it was written");
    ClientCertificate::parse(&der).expect("it is one")
}

#[test]
fn instances_are_told_what_the_certificate_says_and_nobody_else_can_say_so() {
    let authority = Authority::default();
    let trust = authority.trust(None, Demand::Required);
    let stage = asking(&authority, &trust, machines(&["CN=ci"], &["*.svc"]), |_| {});
    let ci = authority.issue_to("ci", &["a.example", "Ci.Build.Svc"]);
    let shown = leaf(&ci);
    for protocol in Protocol::ALL {
        let mut line = line(&authority, &stage, protocol, Some(&ci));
        // The second time it is remembered, and the same.
        for _ in 0..2 {
            let talk = Talk::get("/")
                .field("X-Client", "CN=root")
                .field("x_client", "CN=root")
                .field("X-Fingerprint", "00");
            assert_eq!(line.ask(talk).status, 200, "{protocol:?}");
            let seen = stage.origin.journal().pop().expect("it was asked");
            let only = |name: &str| {
                let values: Vec<_> = seen.fields(name).collect();
                assert_eq!(values.len(), 1, "{name} {protocol:?}");
                values[0].to_owned()
            };
            assert_eq!(only("x-client"), "CN=ci");
            assert_eq!(only("x-sans"), "a.example,ci.build.svc");
            assert_eq!(only("x-fingerprint"), shown.fingerprint_text());
            assert_eq!(only("x-serial"), &*shown.serial);
            assert_eq!(seen.fields("x_client").count(), 0, "{protocol:?}");
        }
    }
}

#[test]
fn another_certificate_or_none_is_401_and_the_instance_is_not_asked() {
    let authority = Authority::default();
    let trust = authority.trust(None, Demand::Optional);
    let log = AccessLines::default();
    let stage = asking(&authority, &trust, machines(&["CN=ci"], &["*.svc"]), |wanted| {
        wanted.access_log = Some(log.clone());
    });
    let others = [
        ("auth_missing", None),
        ("auth_foreign", Some(authority.issue_to("ci", &[]))),
        ("auth_foreign", Some(authority.issue_to("ci,O=other", &["a.svc"]))),
        ("auth_foreign", Some(authority.issue_to("guest", &["a.svc"]))),
        ("auth_foreign", Some(authority.issue_to("ci", &["a.svc.example", "svc@a.svc"]))),
    ];
    for protocol in Protocol::ALL {
        for (word, files) in &others {
            let reply = line(&authority, &stage, protocol, files.as_ref()).get("/");
            assert_eq!(reply.status, 401, "{word} {protocol:?}");
            let challenge = reply.fields("www-authenticate");
            assert_eq!(challenge, ["Certificate realm=\"machines\""], "{word} {protocol:?}");
        }
    }
    assert!(stage.origin.journal().is_empty());
    drop(stage);
    let lines = log.all();
    // Each worker writes its own, whenever it comes to that.
    let mut endings: Vec<_> = lines.iter().map(|line| line.field("ending")).collect();
    let mut wanted: Vec<_> = others.iter().chain(&others).map(|(word, _)| *word).collect();
    endings.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(endings, wanted);
}

#[test]
fn requirements_limits_bans_and_the_access_log_know_who_it_is() {
    let authority = Authority::default();
    let trust = authority.trust(None, Demand::Required);
    let log = AccessLines::default();
    let mut stage = asking(&authority, &trust, machines(&[], &[]), |wanted| {
        wanted.access_log = Some(log.clone());
        let policies = &mut wanted.routes[0].policies;
        policies.require = vec![Requirement {
            claim: ClaimPath(vec!["sans".into()]),
            one_of: vec![ValueMatch::Exact("a.svc".into())],
        }];
        let few = limit("few", requests(3), &[KeyPart::Subject]);
        policies.limits = vec![limit_use(few, 1)];
    });
    let (ci, other) = (authority.issue_to("ci", &["a.svc"]), authority.issue_to("x", &["a.svc"]));
    let unnamed = authority.issue_to("y", &["b.svc"]);
    for protocol in Protocol::ALL {
        let ask = |files| line(&authority, &stage, protocol, Some(files)).get("/").status;
        assert_eq!((ask(&ci), ask(&unnamed)), (200, 403), "{protocol:?}");
    }
    let ask =
        |stage: &Stage, files| line(&authority, stage, Protocol::H1, Some(files)).get("/").status;
    assert_eq!((ask(&stage, &ci), ask(&stage, &ci), ask(&stage, &other)), (200, 429, 200));

    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let until = now + Duration::from_secs(3_600);
    let mut bans = Bans::default();
    for banned in [Banned::Token(leaf(&other).fingerprint), Banned::IssuedBefore(None)] {
        bans.put(Ban { banned, at: now, until, reason: None }, now).expect("there is room");
    }
    stage.edge.edge.ban(&bans.into());
    stage.edge.settle();
    let third = authority.issue_to("third", &["a.svc"]);
    assert_eq!((ask(&stage, &other), ask(&stage, &third)), (401, 200), "nobody signs in anew");
    drop(stage);
    let lines = log.all();
    let of = |ending: &'static str| lines.iter().filter(move |line| line.field("ending") == ending);
    let is_ci = |line: &&AccessLine| line.get("subject") == Some("\"CN=ci\"");
    assert_eq!(of("ok").filter(is_ci).count(), 3);
    assert_eq!(of("not_permitted").count(), 2);
    assert!(lines.iter().all(|line| line.field("auth") == "machines"));
}

#[test]
fn an_open_connection_proves_nothing_once_its_certificate_is_believed_no_more() {
    let (authority, other) = (Authority::default(), Authority::default());
    let trust = authority.trust(None, Demand::Required);
    let log = AccessLines::default();
    let mut stage = asking(&authority, &trust, machines(&[], &[]), |wanted| {
        wanted.access_log = Some(log.clone());
    });
    let (ci, gone) = (authority.issue_to("ci", &[]), authority.issue_to("gone", &[]));
    for protocol in Protocol::ALL {
        let open = |files| line(&authority, &stage, protocol, Some(files));
        let (mut ci, mut revoked) = (open(&ci), open(&gone));
        let mut ask = || (ci.get("/").status, revoked.get("/").status);
        assert_eq!(ask(), (200, 200), "{protocol:?}");
        let crl = authority.revoke(&[&gone]);
        for (trust, statuses) in [
            (Some(authority.trust(Some(&crl), Demand::Required)), (200, 401)),
            (Some(other.trust(None, Demand::Required)), (401, 401)),
            (None, (401, 401)),
            (Some(authority.trust(None, Demand::Optional)), (200, 200)),
        ] {
            stage.edge.change_clients(trust.as_ref());
            stage.edge.settle();
            assert_eq!(ask(), statuses, "{protocol:?}");
            assert_eq!(ask(), statuses, "and it stays so, {protocol:?}");
        }
    }
    drop(stage);
    assert!(log.all().iter().any(|line| line.field("ending") == "auth_inactive"));
}

#[test]
fn reloads_of_all_of_it_under_load_fail_none_that_should_pass_and_pass_none_that_should_fail() {
    let authority = Authority::default();
    let trust = authority.trust(None, Demand::Required);
    let mut stage = asking(&authority, &trust, machines(&["CN=ci"], &[]), |_| {});
    let (ci, guest) = (authority.issue_to("ci", &["a.svc"]), authority.issue_to("guest", &[]));
    let (address, is_over) = (stage.edge.address(), AtomicBool::new(false));
    let asked = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for (files, status) in [(&ci, 200), (&guest, 401)] {
            for protocol in Protocol::ALL {
                let (is_over, asked) = (&is_over, &asked);
                let alpn = if protocol == Protocol::H1 { Alpn::Http1 } else { Alpn::Http2 };
                let versions = [&rustls::version::TLS13];
                let config = authority.client_showing(&versions, &[alpn], files);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let config = config.clone();
                        let mut line = Line::open_tls(protocol, address, config, "example.com");
                        for _ in 0..20 {
                            assert_eq!(line.get("/").status, status, "{protocol:?}");
                            asked.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        }
        for turn in 0..40 {
            // Others, which mean the same for these two.
            let trust = authority.trust(None, Demand::Optional);
            stage.edge.change_clients(Some(&trust));
            let machines = match turn % 2 {
                0 => machines(&["CN=other", "CN=c*"], &["*.svc"]),
                _ => machines(&["CN=ci"], &[]),
            };
            stage.edge.republish(|intent| {
                intent.auth.insert("machines".into(), machines.into());
            });
            stage.edge.settle();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) > 100);
}

#[test]
fn explain_says_that_a_certificate_is_needed_and_what_follows_where_none_can_be_shown() {
    let authority = Authority::default();
    let trust = authority.trust(None, Demand::Required);
    let mut stage = asking(&authority, &trust, machines(&["CN=ci"], &[]), |_| {});
    let explain = |stage: &Stage| {
        let question = Question {
            method: "GET",
            // What the edge speaks here is not in the listener that is wanted.
            entrance: Some((Transport::Clear, stage.edge.address().port())),
            authority: "example.com",
            target: "/",
            fields: &[],
            peer: [127, 0, 0, 1].into(),
        };
        stage.edge.edge.explain(question).expect("it is one").expect("something is served")
    };
    let explained = explain(&stage);
    assert_eq!(explained.auth[0].account, AuthAccount::CertificateNeeded);
    assert!(matches!(explained.outcome, Outcome::Depends(_)), "{:?}", explained.outcome);
    stage.edge.republish(|intent| {
        for listener in intent.listeners.values_mut() {
            let open = model::Listener { client_auth: None, ..(**listener).clone() };
            *listener = open.into();
        }
    });
    let refused = explain(&stage).outcome;
    let is_it = matches!(refused, Outcome::Refused { status: 401, ending: Ending::AuthMissing });
    assert!(is_it, "{refused:?}");
}
