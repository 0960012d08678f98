//! The whole status as text: what serves, the tables, and what is wrong.

use std::time::Duration;

use admin::{AuthServer, Certificate, Descriptors, Issuer, LastReload, Status, Store};
use anstyle::AnsiColor;
use jiff::Timestamp;

use super::notes::notes;
use super::table::{Reasons, SPARE, instances, listeners, releases};
use crate::commands::certificates::trouble;
use crate::foreign::{shown, shown_lines};
use crate::output::colour;
use crate::progress::reload;
use crate::quantity::{ago, counted, rough};
use crate::width::wrapped;

/// The whole status, as of `now`, in `width` columns.
pub(super) fn draw(status: &Status, now: Timestamp, width: usize) -> String {
    let mut text = wrapped(&head(status, now), width, 2);
    text.push_str(&format!("\n{}", listeners(&status.listeners).fit(width, &["TLS"])));
    if status.services.iter().any(|service| service.run.is_some()) {
        text.push_str(&format!("\n{}", releases(&status.services, now).fit(width, &[])));
    }
    if !status.services.is_empty() {
        let beside = instances(&status.services, Reasons::Beside);
        // Why an instance stands as it does is what one looks for: it goes on lines of its own before
        // any of it is cut.
        let table = match beside.width() <= width {
            true => beside,
            false => instances(&status.services, Reasons::Below),
        };
        text.push_str(&format!("\n{}", table.fit(width, &SPARE)));
    }
    let certificates = status.listeners.iter().filter_map(|listener| {
        let why = listener.certificate_fault.as_ref()?;
        Some(format!("{}: cannot read new certificates: {why}\n", listener.name))
    });
    let admin = status.admin_certificate_fault.iter();
    let admin = admin.map(|why| format!("admin API: cannot read its new certificate: {why}\n"));
    let certificates = certificates.chain(admin);
    let certificates = certificates.chain(status.certificates.iter().map(certificate));
    let certificates = certificates.chain(status.issuers.iter().filter_map(issuer));
    let certificates =
        certificates.chain(status.auth_servers.iter().filter_map(|it| auth_server(it, now)));
    let notes = certificates.chain(status.services.iter().flat_map(notes));
    let notes = notes.map(|note| wrapped(&shown(note.trim_end()), width, 4));
    let notes: String = notes.map(|note| format!("{note}\n")).collect();
    if !notes.is_empty() {
        text.push_str(&format!("\n{notes}"));
    }
    text
}

/// What is to be said of a certificate that has not come, or whose orders fail.
fn certificate(certificate: &Certificate) -> String {
    let said = match trouble(certificate) {
        Some(trouble) => trouble,
        None => format!("{}: being ordered", certificate.hosts.join(", ")),
    };
    format!("certificate of {said}\n")
}

/// What is to be said of an issuer whose keys cannot be fetched.
fn issuer(issuer: &Issuer) -> Option<String> {
    let Issuer { auth, url, keys, fault } = issuer;
    let why = fault.as_ref()?;
    let kept = match keys {
        Some(1) => "1 key is used that was fetched before".to_owned(),
        Some(keys) => format!("{keys} keys are used that were fetched before"),
        None => "there are none yet, and routes that need them respond with 503".to_owned(),
    };
    Some(format!("authentication {auth}: cannot fetch keys from {url}: {why}; {kept}\n"))
}

/// What is to be said of a server that says nothing of who requests are from.
fn auth_server(server: &AuthServer, now: Timestamp) -> Option<String> {
    let AuthServer { auth, url, fault, failing_since } = server;
    let why = fault.as_ref()?;
    let since = failing_since.as_ref().map(|since| format!(" ({})", ago(since, now)));
    let since = since.unwrap_or_default();
    Some(format!(
        "authentication {auth}: {url} gives no usable response{since}: {why}; requests that need it respond with 503\n"
    ))
}

fn head(status: &Status, now: Timestamp) -> String {
    let Status { version, pid, file, revision, generation, .. } = status;
    let uptime = rough(Duration::from_secs_f64(status.uptime_s.max(0.0)));
    let connections = counted(status.connections as usize, "connection");
    let mut text = format!(
        "plimsoll {version} serves {}, pid {pid}, up {uptime}, revision {revision}, generation \
         {generation}, {connections}\n",
        shown(file)
    );
    text.push_str(&descriptors(status.descriptors));
    if let Some(reload) = &status.last_reload {
        text.push_str(&last_reload(reload, now));
    }
    if let Some(store) = &status.store {
        text.push_str(&shared_store(store, now));
    }
    if let Some(watch) = &status.watched {
        text.push_str(&reload::line(watch));
    }
    if let Some(rolled_back) = &status.rolled_back {
        let bad = colour(AnsiColor::Red);
        text.push_str(&format!(
            "{bad}the file was rolled back{bad:#} as revision {}; a restart serves it as it is: change it, or `plimsoll reload --anyway`\n",
            rolled_back.revision
        ));
    }
    text
}

/// Nothing where the program that runs does not say, or most are free. What its connections use beyond three quarters
/// is what somebody has to look at.
fn descriptors(descriptors: Descriptors) -> String {
    let Descriptors { clients, instances, allowed, reserve, limit, .. } = descriptors;
    let used = clients + instances;
    if limit == 0 || used <= allowed / 2 {
        return String::new();
    }
    let bad = match used > allowed / 4 * 3 {
        true => colour(AnsiColor::Red),
        false => anstyle::Style::new(),
    };
    format!(
        "descriptors: {bad}{used} of {allowed} for connections{bad:#}, {reserve} in reserve, limit {limit}\n"
    )
}

fn last_reload(reload: &LastReload, now: Timestamp) -> String {
    let age = ago(&reload.at, now);
    match &reload.refused {
        None => format!("last reload {age}\n"),
        Some(why) => {
            let bad = colour(AnsiColor::Red);
            format!("{bad}last reload {age} changed nothing:{bad:#} {}\n", shown_lines(why))
        }
    }
}

/// How the store stands that edges share.
fn shared_store(store: &Store, now: Timestamp) -> String {
    let place = shown(&store.place);
    if store.up {
        return format!("store {place} is up\n");
    }
    let bad = colour(AnsiColor::Red);
    let since = store.down_since.as_ref().map(|since| format!(" {}", ago(since, now)));
    let then = match &*store.on_failure {
        "refuse" => "requests that need it are refused",
        _ => "each edge goes on with what it knows",
    };
    let (since, why) = (since.unwrap_or_default(), store.why.as_deref().unwrap_or_default());
    format!("{bad}store {place} went down{since}:{bad:#} {}; {then}\n", shown(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::{
        Access, DrainedAway, Instance, InstanceState, Listener, Open, Run, Service, ServiceMode,
        Totals,
    };

    fn instance(name: &str, state: InstanceState, reason: &str) -> Instance {
        Instance {
            name: name.to_owned(),
            address: name.to_owned(),
            release: None,
            state,
            access: Access::Open,
            reason: reason.to_owned(),
            since_s: 192.0,
            drained_at: None,
            weight: 1,
            backup: false,
            in_flight: 0,
            oldest_s: None,
            open: None,
            totals: Totals::default(),
            requests_per_s: 0.0,
            errors_per_s: 0.0,
            error_share: 0.0,
            p50_ms: None,
            p99_ms: None,
            outlier: None,
        }
    }

    fn service(name: &str, mode: ServiceMode, instances: Vec<Instance>) -> Service {
        Service {
            name: name.to_owned(),
            balance: "least_conn".to_owned(),
            mode,
            queued: 0,
            run: None,
            unresolved: Vec::new(),
            certificate_fault: None,
            drained_away: Vec::new(),
            instances,
        }
    }

    fn status() -> Status {
        let busy = Instance {
            in_flight: 3,
            weight: 3,
            requests_per_s: 120.4,
            error_share: 0.012,
            p50_ms: Some(1.24),
            p99_ms: Some(80.0),
            ..instance("10.0.0.11:8080", InstanceState::Healthy, "passed its checks")
        };
        let sick = instance("10.0.0.12:8080", InstanceState::Unhealthy, "connection refused");
        let drained = Instance { backup: true, ..instance("a:80", InstanceState::Drained, "") };
        let draining = Instance {
            in_flight: 2,
            oldest_s: Some(307.4),
            open: Some(Open { tunnels: 1, requests: 1, ..Open::default() }),
            ..instance("b:80", InstanceState::Drained, "drained by an operator")
        };
        let away = DrainedAway {
            name: "c:80/10.0.0.7".to_owned(),
            drained_at: "2026-01-02T03:00:00Z".to_owned(),
        };
        let old = service("old", ServiceMode::Nobody, vec![drained, draining]);
        Status {
            version: "0.1.0".to_owned(),
            pid: 4242,
            file: "/srv/plimsoll.toml".to_owned(),
            revision: 2,
            generation: 7,
            uptime_s: 7500.0,
            connections: 1,
            descriptors: Descriptors {
                clients: 100,
                instances: 301,
                allowed: 640,
                pipes: 128,
                reserve: 256,
                limit: 1024,
            },
            last_reload: None,
            store: None,
            watched: None,
            rolled_back: None,
            issuers: Vec::new(),
            auth_servers: Vec::new(),
            admin_certificate_fault: None,
            certificates: Vec::new(),
            listeners: vec![Listener {
                name: "web".to_owned(),
                addresses: vec!["0.0.0.0:8080".to_owned(), "[::]:8080".to_owned()],
                tls: false,
                certificate_fault: None,
                connections: 1,
                accepted: 9,
            }],
            services: vec![
                service("api", ServiceMode::Normal, vec![busy, sick.clone()]),
                service("chat", ServiceMode::Panic, vec![sick]),
                Service { drained_away: vec![away], ..old },
            ],
        }
    }

    fn plain(status: &Status, width: usize) -> String {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        anstream::adapter::strip_str(&draw(status, now, width)).to_string()
    }

    #[test]
    fn every_instance_is_a_line_and_what_is_wrong_stands_below() {
        insta::assert_snapshot!(plain(&status(), usize::MAX), @r"
        plimsoll 0.1.0 serves /srv/plimsoll.toml, pid 4242, up 2h 5m, revision 2, generation 7, 1 connection
        descriptors: 401 of 640 for connections, 256 in reserve, limit 1024

        LISTENER  ADDRESS       TLS  CONNECTIONS
        web       0.0.0.0:8080  no             1
                  [::]:8080

        SERVICE  INSTANCE        STATE             WEIGHT  IN FLIGHT  REQ/S    5XX     P50    P99  WHY
        api      10.0.0.11:8080  healthy                3          3    120  1.2 %  1.2 ms  80 ms  for 3m 12s: passed its checks
                 10.0.0.12:8080  unhealthy              1          0      0      -       -      -  for 3m 12s: connection refused
        chat     10.0.0.12:8080  unhealthy              1          0      0      -       -      -  for 3m 12s: connection refused
        old      a:80            drained (backup)       1          0      0      -       -      -  for 3m 12s, open: nothing
                 b:80            drained                1          2      0      -       -      -  for 3m 12s: drained by an operator, open: 1 tunnel and 1 request, the oldest for 5m 7s

        chat: no instance is healthy: traffic goes to all
        old: no instance may get traffic: requests get 503
        old: c:80/10.0.0.7 has no address, drained since 2026-01-02T03:00:00Z
        ");
    }

    #[test]
    fn an_issuer_whose_keys_cannot_be_fetched_is_told_with_what_is_used() {
        let issuer = |auth: &str, keys, fault: Option<&str>| Issuer {
            auth: auth.to_owned(),
            url: "https://id.example.com/keys".to_owned(),
            keys,
            fault: fault.map(str::to_owned),
        };
        let why = Some("cannot connect to 10.0.0.7:443: connection refused");
        let issuers =
            vec![issuer("a", Some(2), None), issuer("b", Some(2), why), issuer("c", None, why)];
        let text = plain(&Status { issuers, services: Vec::new(), ..status() }, usize::MAX);
        let (_, notes) = text.rsplit_once("\n\n").unwrap();
        insta::assert_snapshot!(notes, @r"
        authentication b: cannot fetch keys from https://id.example.com/keys: cannot connect to 10.0.0.7:443: connection refused; 2 keys are used that were fetched before
        authentication c: cannot fetch keys from https://id.example.com/keys: cannot connect to 10.0.0.7:443: connection refused; there are none yet, and routes that need them respond with 503
        ");
    }

    #[test]
    fn a_server_that_says_nothing_of_who_requests_are_from_is_told() {
        let server = |auth: &str, fault: Option<&str>| AuthServer {
            auth: auth.to_owned(),
            url: "http://10.0.0.7:9100/verify".to_owned(),
            fault: fault.map(str::to_owned),
            failing_since: fault.map(|_| "2026-01-02T03:04:00Z".to_owned()),
        };
        let auth_servers = vec![server("a", None), server("b", Some("connection refused"))];
        let text = plain(&Status { auth_servers, services: Vec::new(), ..status() }, usize::MAX);
        let (_, notes) = text.rsplit_once("\n\n").unwrap();
        insta::assert_snapshot!(notes, @"authentication b: http://10.0.0.7:9100/verify gives no usable response (5 s ago): connection refused; requests that need it respond with 503");
    }

    #[test]
    fn a_certificate_that_has_not_come_is_told() {
        let certificate = Certificate {
            hosts: vec!["shop.example.com".to_owned()],
            file: None,
            issuer: None,
            key: None,
            expires: None,
            next: None,
            why: Some("new".to_owned()),
            edge: None,
            trouble: None,
        };
        let text = plain(&Status { certificates: vec![certificate], ..status() }, usize::MAX);
        assert!(text.contains("certificate of shop.example.com: being ordered\n"), "{text}");
    }

    #[test]
    fn in_a_narrow_terminal_the_reasons_stand_whole_below() {
        let text = plain(&status(), 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
        plimsoll 0.1.0 serves /srv/plimsoll.toml, pid 4242, up 2h 5m, revision 2,
          generation 7, 1 connection
        descriptors: 401 of 640 for connections, 256 in reserve, limit 1024

        LISTENER  ADDRESS       TLS  CONNECTIONS
        web       0.0.0.0:8080  no             1
                  [::]:8080

        SERVICE  INSTANCE        STATE             IN FLIGHT  REQ/S    5XX    P99
        api      10.0.0.11:8080  healthy                   3    120  1.2 %  80 ms
            for 3m 12s: passed its checks
                 10.0.0.12:8080  unhealthy                 0      0      -      -
            for 3m 12s: connection refused
        chat     10.0.0.12:8080  unhealthy                 0      0      -      -
            for 3m 12s: connection refused
        old      a:80            drained (backup)          0      0      -      -
            for 3m 12s, open: nothing
                 b:80            drained                   2      0      -      -
            for 3m 12s: drained by an operator, open: 1 tunnel and 1 request, the oldest
            for 5m 7s

        chat: no instance is healthy: traffic goes to all
        old: no instance may get traffic: requests get 503
        old: c:80/10.0.0.7 has no address, drained since 2026-01-02T03:00:00Z
        ");
    }

    #[test]
    fn a_service_without_a_release_is_told_with_what_brings_one() {
        let run = Run { idle: Some("plimsoll deploy api VERSION".to_owned()), ..Run::default() };
        let api = Service { run: Some(run), ..service("api", ServiceMode::Nobody, Vec::new()) };
        let text = plain(&Status { services: vec![api], ..status() }, usize::MAX);
        let last = "\napi: no release yet, requests get 503: plimsoll deploy api VERSION\n";
        assert!(text.ends_with(last) && !text.contains("wait for one"), "{text}");
    }

    #[test]
    fn descriptors_are_told_of_where_they_may_run_out() {
        let told = |clients| descriptors(Descriptors { clients, ..status().descriptors });
        assert_eq!(told(0), "");
        assert!(told(100).contains("401 of 640"));
    }

    #[test]
    fn a_store_that_is_down_says_since_when_and_why() {
        let store = Store {
            place: "10.0.0.5:6379".to_owned(),
            on_failure: "refuse".to_owned(),
            up: false,
            down_since: Some("2026-01-02T03:03:05Z".to_owned()),
            why: Some("no response within 250 ms".to_owned()),
        };
        let up = Store { up: true, down_since: None, why: None, ..store.clone() };
        let line = |store| {
            let text = plain(&Status { store: Some(store), ..status() }, usize::MAX);
            text.lines().find(|line| line.starts_with("store")).unwrap_or_default().to_owned()
        };
        let told = "store 10.0.0.5:6379 went down 1m 0s ago: no response within 250 ms; requests that need it are refused";
        assert_eq!(line(store), told);
        assert_eq!(line(up), "store 10.0.0.5:6379 is up");
    }

    #[test]
    fn a_reload_that_changed_nothing_says_why() {
        let last_reload = Some(LastReload {
            at: "2026-01-02T03:03:55Z".to_owned(),
            revision: None,
            refused: Some("plimsoll.toml: 3 errors".to_owned()),
        });
        let text = plain(&Status { last_reload, ..status() }, usize::MAX);
        let line = text.lines().nth(2).unwrap();
        assert_eq!(line, "last reload 10 s ago changed nothing: plimsoll.toml: 3 errors");
    }
}
