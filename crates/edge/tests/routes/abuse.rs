//! Whom refusals have banned: what counts, who is to blame, and that nobody else is hurt.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge::explain::{Explanation, Question, Transport};
use model::{
    Abuse, AbuseKey, AbuseMode, Action, ClaimPath, PathMatch, Per, Rate, RefusedAs, Requirement,
    Respond, Route, Unrouted, ValueMatch,
};
use policy::Bans;
use policy::bans::{Ban, Banned};
use telemetry::event::Kind;
use telemetry::{AbuseOutcome, Ending};
use testkit::edge::{Wanted, route};
use testkit::password::{STAFF, basic, ended, staff};
use testkit::token::{token, token_until};
use testkit::{Line, Origin, Protocol, Step, Talk, TestEdge, eventually};

use crate::auth::{bearer, users};
use crate::{Stage, networks};

/// Three refusals with 401, 403 or 404 lead to nothing, and none is forgotten while a test runs.
fn rule(change: impl FnOnce(&mut Abuse)) -> Arc<Abuse> {
    let mut rule = Abuse {
        name: "guessing".into(),
        statuses: vec![401, 403, 404],
        rate: Rate { units: NonZeroU64::MIN, per: Per::Day },
        burst: NonZeroU64::new(3).expect("it is not 0"),
        key: AbuseKey::Ip,
        ban: Duration::from_secs(600),
        mode: AbuseMode::Enforce,
        exempt: Vec::new(),
        unrouted: Unrouted::Ignored,
        keys: NonZeroU32::new(1_000).expect("it is not 0"),
    };
    change(&mut rule);
    Arc::new(rule)
}

/// A route that goes by `rule`, behind a proxy that is trusted: this machine.
fn watched(rule: Arc<Abuse>, change: impl FnOnce(&mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        wanted.listener.trusted_proxies = networks(&["127.0.0.0/8"]);
        wanted.routes[0].policies.abuse = vec![rule];
        change(wanted);
    })
}

/// Everything is refused by its route.
fn refusing(status: u16) -> impl FnOnce(&mut Wanted) {
    move |wanted| wanted.routes[0].action = responding(status)
}

fn responding(status: u16) -> Action {
    let content_type = "text/plain".to_owned();
    Action::Respond(Respond { status, body: "no".to_owned(), content_type })
}

fn at(path: &str, action: Action) -> Route {
    let mut route = route();
    route.matcher.path = PathMatch::Exact(path.to_owned());
    route.action = action;
    route
}

fn from(client: &str) -> Talk {
    Talk::get("/").field("X-Forwarded-For", client)
}

fn address(text: &str) -> Banned {
    Banned::Address(text.parse().expect("a network"))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970")
}

/// The bans that the edge has asked for.
fn asked_for(edge: &mut TestEdge) -> Vec<Ban> {
    std::iter::from_fn(|| edge.banned.try_recv().ok()).collect()
}

/// The next one that it asks for, which a worker may still be about to.
fn next(edge: &mut TestEdge) -> Ban {
    let mut found = None;
    eventually("a ban is asked for", || {
        found = found.take().or_else(|| edge.banned.try_recv().ok());
        found.is_some()
    });
    found.expect("it was found")
}

fn carry_out(edge: &mut TestEdge, ban: Ban) {
    let mut bans = Bans::default();
    bans.put(ban, now()).expect("there is room");
    edge.edge.ban(&bans.into());
    edge.settle();
}

/// How many refusals the rule has counted, whatever came of them.
fn counted(edge: &TestEdge) -> u64 {
    let of = |(_, live): (_, &edge::AbuseLive)| AbuseOutcome::ALL.map(|it| live.total(it));
    edge.edge.abuse().flat_map(of).sum()
}

fn explained(edge: &TestEdge, client: &str) -> Explanation {
    let fields = [("x-forwarded-for".to_owned(), client.to_owned())];
    let question = Question {
        method: "GET",
        entrance: Some((Transport::Clear, edge.address().port())),
        authority: "example.com",
        target: "/",
        fields: &fields,
        peer: [127, 0, 0, 1].into(),
    };
    edge.edge.explain(question).expect("it makes sense").expect("it is served")
}

#[test]
fn the_client_behind_a_proxy_is_banned_for_a_while_and_neither_the_proxy_nor_another() {
    for protocol in Protocol::ALL {
        let mut stage = watched(rule(|_| {}), |wanted| {
            refusing(401)(wanted);
            wanted.routes.push(at("/fine", responding(200)));
        });
        let fine = |client: &str| Talk::get("/fine").field("X-Forwarded-For", client);
        for _ in 0..3 {
            assert_eq!(stage.ask(protocol, from("203.0.113.7")).status, 401);
            assert_eq!(stage.ask(protocol, from("203.0.113.8")).status, 401);
        }
        eventually("all are counted", || counted(&stage.edge) == 6);
        assert!(asked_for(&mut stage.edge).is_empty(), "three lead to nothing, {protocol:?}");
        assert_eq!(stage.ask(protocol, from("203.0.113.7")).status, 401);
        let ban = next(&mut stage.edge);
        assert_eq!(ban.banned, address("203.0.113.7/32"), "{protocol:?}");
        assert_eq!(ban.until - ban.at, Duration::from_secs(600));
        let reason = ban.reason.as_deref();
        assert_eq!(reason, Some("abuse guessing: more than 3 refusals (401, 403, 404)"));

        carry_out(&mut stage.edge, ban);
        for talk in [from("203.0.113.7"), fine("203.0.113.7")] {
            let reply = stage.ask(protocol, talk);
            assert_eq!((reply.status, reply.body.contains("ban")), (403, false), "{protocol:?}");
        }
        for client in ["203.0.113.8", "127.0.0.1", "198.51.100.1"] {
            assert_eq!(stage.ask(protocol, fine(client)).status, 200, "{client} {protocol:?}");
        }
        // What a ban refuses does not count: it ends however often its client asks.
        for _ in 0..8 {
            assert_eq!(stage.ask(protocol, from("203.0.113.7")).status, 403);
        }
        assert!(asked_for(&mut stage.edge).is_empty(), "{protocol:?}");
        // Who is let in again begins anew.
        stage.edge.edge.ban(&Arc::default());
        stage.edge.settle();
        for _ in 0..3 {
            assert_eq!(stage.ask(protocol, from("203.0.113.7")).status, 401);
        }
        eventually("all are counted", || counted(&stage.edge) == 10);
        assert!(asked_for(&mut stage.edge).is_empty(), "{protocol:?}");
    }
}

#[test]
fn addresses_of_one_64_are_one_client_and_are_banned_together() {
    for protocol in Protocol::ALL {
        let mut stage = watched(rule(|_| {}), refusing(403));
        for host in ["0:0:0:1", "0:0:0:2", "1:2:3:4", "ffff:0:0:9"] {
            let client = format!("2001:db8:1:2:{host}");
            assert_eq!(stage.ask(protocol, from(&client)).status, 403);
        }
        let ban = next(&mut stage.edge);
        assert_eq!(ban.banned, address("2001:db8:1:2::/64"), "{protocol:?}");
        carry_out(&mut stage.edge, ban);
        let before = ended(&stage.edge, Ending::Banned);
        for (client, is_banned) in
            [("2001:db8:1:2::77", true), ("2001:db8:1:3::1", false), ("2001:db8:1::1", false)]
        {
            assert_eq!(stage.ask(protocol, from(client)).status, 403);
            let explained = explained(&stage.edge, client);
            let banned = format!("{:?}", explained.outcome).contains("Banned");
            assert_eq!(banned, is_banned, "{client} {protocol:?}");
        }
        eventually("one was refused", || ended(&stage.edge, Ending::Banned) == before + 1);
    }
}

#[test]
fn proxies_and_those_who_are_exempt_are_never_banned_nor_the_network_of_one() {
    let exempt = |it: &mut Abuse| it.exempt = networks(&["198.51.100.0/24", "2001:db8:1:2::7/128"]);
    for protocol in Protocol::ALL {
        let mut stage = watched(rule(exempt), refusing(404));
        for client in ["198.51.100.9", "2001:db8:1:2::7", "2001:db8:1:2::8", "127.0.0.1", ""] {
            for _ in 0..5 {
                assert_eq!(stage.ask(protocol, from(client)).status, 404, "{client}");
            }
            assert_eq!(explained(&stage.edge, client).abuse[0].left, None, "{client}");
        }
        recorded(&stage.edge, 25);
        assert_eq!((counted(&stage.edge), asked_for(&mut stage.edge).len()), (0, 0));
        assert_eq!(explained(&stage.edge, "203.0.113.7").abuse[0].left, Some(3));
    }
}

/// Waits until so many exchanges were recorded, and with them what counts of them.
fn recorded(edge: &TestEdge, exchanges: u64) {
    eventually("all are recorded", || {
        let mut totals = telemetry::EndingTotals::default();
        edge.edge.counters().for_each(|it| totals.merge(&it.exchanges.totals()));
        Ending::ALL.iter().map(|it| totals.of(*it)).sum::<u64>() == exchanges
    });
}

#[test]
fn only_what_a_client_tries_that_it_may_not_counts() {
    let past = SystemTime::now() - Duration::from_secs(60);
    let many = |it: &mut Abuse| {
        it.burst = NonZeroU64::new(1_000).unwrap();
        it.statuses = vec![401, 403];
    };
    let admin = Requirement {
        claim: ClaimPath(vec!["roles".to_owned()]),
        one_of: vec![ValueMatch::Exact("ADMIN".to_owned())],
    };
    let asking = |refused: RefusedAs| {
        watched(rule(many), |wanted| {
            let mut users = users();
            users.refused = refused;
            wanted.routes[0].policies.auth = vec![users.name.clone()];
            wanted.routes[0].policies.require = vec![admin.clone()];
            wanted.auth.push(users);
        })
    };
    for (refused, status) in [(RefusedAs::Unauthorized, 401), (RefusedAs::Forbidden, 403)] {
        let stage = asking(refused);
        let (alice, bob) = (token(r#""sub":"a""#), token(r#""sub":"b""#));
        let forged =
            format!("{}.{}", alice.rsplit_once('.').unwrap().0, bob.rsplit_once('.').unwrap().1);
        let (mut asked, mut wanted) = (0, 0);
        for (what, talk, status, count) in [
            ("no token", Talk::get("/"), status, 0),
            ("one that has expired", bearer(&token_until(r#""sub":"a""#, past)), status, 0),
            ("one of a time to come", bearer(&token(r#""nbf":9999999999"#)), status, 0),
            ("nonsense", bearer("nonsense"), status, 1),
            ("one that is forged", bearer(&forged), status, 1),
            ("too few rights", bearer(&alice), 403, 1),
            ("enough", bearer(&token(r#""sub":"a","roles":["ADMIN"]"#)), 200, 0),
        ] {
            for protocol in Protocol::ALL {
                let talk = talk.clone().field("X-Forwarded-For", "203.0.113.7");
                assert_eq!(stage.ask(protocol, talk).status, status, "{what} {protocol:?}");
                asked += 1;
                wanted += count;
            }
            recorded(&stage.edge, asked);
            assert_eq!(counted(&stage.edge), wanted, "{what}");
        }
    }
}

#[test]
fn a_status_counts_from_instances_and_from_us_and_another_does_not() {
    let origin = Origin::start(|request| {
        let status = request.target.trim_start_matches('/').parse().expect("a status");
        vec![Step::answer(status, "said")]
    });
    let many = rule(|it| it.burst = NonZeroU64::new(1_000).unwrap());
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.retry.attempts = 1;
        wanted.routes[0].policies.abuse = vec![many];
    });
    let mut wanted = 0;
    for protocol in Protocol::ALL {
        for status in [200, 302, 400, 401, 403, 404, 429, 500, 503] {
            let path = format!("/{status}");
            assert_eq!(Talk::get(&path).over(protocol, edge.address()).status, status);
            wanted += u64::from([401, 403, 404].contains(&status));
        }
    }
    eventually("all that count have", || counted(&edge) == wanted);
}

#[test]
fn a_subject_is_banned_wherever_it_comes_from_and_others_at_its_address_are_not() {
    for protocol in Protocol::ALL {
        let mut stage = watched(rule(|it| it.key = AbuseKey::Subject), |wanted| {
            let users = users();
            wanted.routes[0].policies.auth = vec![users.name.clone()];
            refusing(403)(wanted);
            wanted.auth.push(users);
        });
        let by = |subject: &str, client: &str| {
            bearer(&token(&format!("\"sub\":\"{subject}\""))).field("X-Forwarded-For", client)
        };
        for host in 1..=4 {
            let client = format!("203.0.113.{host}");
            assert_eq!(stage.ask(protocol, by("alice", &client)).status, 403);
            // Who proves nothing counts for nobody.
            let nobody = bearer("nonsense").field("X-Forwarded-For", &client);
            assert_eq!(stage.ask(protocol, nobody).status, 401);
        }
        let ban = next(&mut stage.edge);
        assert_eq!(ban.banned, Banned::Subject("alice".to_owned()), "{protocol:?}");
        carry_out(&mut stage.edge, ban);
        assert_eq!(stage.ask(protocol, by("alice", "198.51.100.1")).status, 401);
        assert_eq!(stage.ask(protocol, by("bob", "203.0.113.1")).status, 403, "by the route");
        assert!(asked_for(&mut stage.edge).is_empty(), "{protocol:?}");
    }
}

#[test]
fn what_no_route_takes_counts_where_the_rule_says_so() {
    for (unrouted, wanted) in [(Unrouted::Counted, 1), (Unrouted::Ignored, 0)] {
        let rule = rule(|it| it.unrouted = unrouted);
        let mut stage = Stage::with(|wanted| {
            wanted.routes[0].matcher.path = PathMatch::Exact("/fine".to_owned());
            wanted.abuse.push(rule);
        });
        for protocol in [Protocol::H1, Protocol::H2, Protocol::H1, Protocol::H2] {
            assert_eq!(stage.ask(protocol, Talk::get("/wp-login.php")).status, 404);
        }
        if wanted > 0 {
            assert_eq!(next(&mut stage.edge).banned, address("127.0.0.1/32"));
        }
        recorded(&stage.edge, 4);
        assert!(asked_for(&mut stage.edge).is_empty(), "{unrouted:?}");
    }
}

#[test]
fn a_rule_that_observes_bans_nobody_and_says_whom_it_would() {
    let mut stage = watched(rule(|it| it.mode = AbuseMode::Observe), refusing(401));
    for protocol in Protocol::ALL {
        for _ in 0..4 {
            assert_eq!(stage.ask(protocol, from("203.0.113.7")).status, 401);
        }
    }
    eventually("all are counted", || counted(&stage.edge) == 8);
    let observed: u64 =
        stage.edge.edge.abuse().map(|(_, live)| live.total(AbuseOutcome::Observed)).sum();
    assert_eq!(observed, 1, "once in the time that a ban would last");
    eventually("it is told", || stage.edge.has_told(Kind::ClientObserved));
    assert!(asked_for(&mut stage.edge).is_empty());
}

#[test]
fn a_reload_keeps_what_was_counted_and_another_rate_goes_on_from_there() {
    let mut stage = watched(rule(|_| {}), refusing(401));
    for protocol in [Protocol::H1, Protocol::H2, Protocol::H1] {
        assert_eq!(stage.ask(protocol, from("203.0.113.7")).status, 401);
    }
    eventually("all are counted", || counted(&stage.edge) == 3);
    let looser = rule(|it| it.burst = NonZeroU64::new(5).unwrap());
    stage.edge.republish(|intent| {
        let route = Arc::make_mut(&mut intent.routes[0]);
        route.policies.abuse = vec![looser.clone()];
        intent.abuse.insert(looser.name.clone(), looser);
    });
    stage.edge.settle();
    assert_eq!(explained(&stage.edge, "203.0.113.7").abuse[0].left, Some(2));
    for _ in 0..3 {
        assert_eq!(stage.ask(Protocol::H2, from("203.0.113.7")).status, 401);
    }
    assert_eq!(next(&mut stage.edge).banned, address("203.0.113.7/32"));
}

/// Wrong passwords that a client sends, one after another on each of its connections.
const WRONG: usize = 10_000;

#[test]
fn ten_thousand_wrong_passwords_ban_their_client_and_hurt_nobody_else() {
    let mut stage = watched(rule(|it| it.burst = NonZeroU64::new(20).unwrap()), |wanted| {
        let staff = staff(STAFF);
        wanted.routes[0].policies.auth = vec![staff.name.clone()];
        wanted.auth.push(staff);
    });
    let (address, is_over) = (stage.edge.address(), AtomicBool::new(false));
    let attack = |line: usize| {
        let protocol = Protocol::ALL[line % Protocol::ALL.len()];
        let mut line_to = Line::open(protocol, address);
        let mut refused = [0_usize; 2];
        for number in 0..WRONG / 4 {
            let wrong = basic("alice", &format!("wrong {line} {number}"));
            let talk = from("203.0.113.7").field("Authorization", &wrong);
            match line_to.ask(talk).status {
                401 | 503 => refused[0] += 1,
                403 => refused[1] += 1,
                other => panic!("{other}"),
            }
        }
        refused
    };
    let good = || {
        let mut served = 0;
        let right = from("198.51.100.1").field("Authorization", &basic("alice", "hello"));
        let mut lines = Protocol::ALL.map(|protocol| Line::open(protocol, address));
        while !is_over.load(Ordering::Relaxed) {
            for line in &mut lines {
                assert_eq!(line.ask(right.clone()).status, 200, "after {served}");
                served += 1;
            }
        }
        served
    };
    std::thread::scope(|scope| {
        let good = scope.spawn(good);
        let attackers: Vec<_> = (0..4).map(|line| scope.spawn(move || attack(line))).collect();
        let ban = next(&mut stage.edge);
        carry_out(&mut stage.edge, ban);
        let refused: Vec<_> = attackers.into_iter().map(|it| it.join().unwrap()).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(good.join().unwrap() > 0);
        let banned: usize = refused.iter().map(|[_, banned]| banned).sum();
        assert!(banned > WRONG / 2, "{refused:?}");
    });
    // The others are still let in, and the hashing of passwords was spared.
    let checked = ended(&stage.edge, Ending::AuthForged) as usize;
    assert!(checked < WRONG / 2, "{checked}");
}
