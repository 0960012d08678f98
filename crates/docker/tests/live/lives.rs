//! From the start of a container to its end, by whatever end.

use std::net::TcpStream;
use std::time::Duration;

use driver::{ExitCause, Killed, PortOwner};
use model::{Access, Volume, VolumeSource};
use rustix::process::Signal;

use crate::ground::{Ground, SERVES, container, recipe, stop};

#[test]
fn a_container_runs_when_it_is_let_go_and_not_before_and_is_ended_and_removed() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("shop:1", SERVES);
    let held = ground.hold("shop-1", &recipe("shop:{version}")).unwrap();
    let (record, is_running) = (held.record().clone(), "{{.State.Running}}");
    let id = record.identity.container().unwrap().id.clone();
    assert_eq!(ground.engine.docker(&["inspect", &id, "--format", is_running]), "false");
    let instance = ground.wait(held.release()).unwrap();
    ground.said(&instance, "shop-1 of 1");
    ground.engine.until("it listens", |_| TcpStream::connect(record.address).is_ok());
    assert!(record.address.ip().is_loopback());
    let name = ground.engine.docker(&["inspect", &id, "--format", "{{.Name}}"]);
    assert!(name.starts_with("/shop-1."), "{name}");
    let ended = ground.wait(instance.stop(stop(Duration::from_secs(30))));
    assert_eq!((ended.killed, ended.exit.asked), (None, true), "{ended:?}");
    assert!(ground.engine.containers().is_empty());
    assert_eq!(ground.state.path().join("docker/output").read_dir().unwrap().count(), 0);
}

#[test]
fn one_that_is_let_drop_never_runs_and_leaves_nothing() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("shop:1", SERVES);
    let held = ground.hold("shop-1", &recipe("shop:1")).unwrap();
    ground.wait(async { drop(held) });
    ground.engine.until("it is gone", |engine| engine.containers().is_empty());
}

#[test]
fn how_a_container_ended_is_told() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("code:1", r#"CMD ["/bin/sh", "-c", "echo last words; exit 7"]"#);
    let instance = ground.start("shop-1", &recipe("code:1")).unwrap();
    let exit = ground.wait(instance.exited());
    assert_eq!((exit.ending, exit.asked), (ExitCause::Code(7), false));
    assert_eq!(ground.wait(instance.tail(5)).unwrap(), ["last words"]);
    // Two that do not hear a signal: one is removed by somebody else, one is killed by us.
    ground.image("deaf:1", r#"CMD ["/bin/sh", "-c", "trap : TERM; while :; do sleep 1; done"]"#);
    let removed = ground.start("shop-2", &recipe("deaf:1")).unwrap();
    let id = removed.record().identity.container().unwrap().id.clone();
    ground.engine.docker(&["rm", "--force", &id]);
    let ending = ground.wait(removed.exited()).ending;
    // Between its end and its removal it may be seen.
    assert!(matches!(ending, ExitCause::Removed | ExitCause::Code(137)), "{ending:?}");
    let deaf = ground.start("shop-3", &recipe("deaf:1")).unwrap();
    let ended = ground.wait(deaf.stop(stop(Duration::from_millis(300))));
    assert_eq!((ended.killed, ended.exit.ending), (Some(Killed::Overdue), ExitCause::Code(137)));
    // It takes more than it may.
    ground.image("hungry:1", r#"CMD ["/bin/sh", "-c", "x=x; while :; do x=$x$x; done"]"#);
    let mut hungry = recipe("hungry:1");
    container(&mut hungry).resources.memory = Some(8 << 20);
    let hungry = ground.start("shop-4", &hungry).unwrap();
    assert_eq!(ground.wait(hungry.exited()).ending, ExitCause::OutOfMemory);
    ground.engine.until("nothing is left", |engine| engine.containers().is_empty());
}

#[test]
fn an_image_that_cannot_be_run_is_told_and_leaves_nothing() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("broken:1", r#"CMD ["/bin/nothing"]"#);
    let error = ground.start("shop-1", &recipe("broken:1")).unwrap_err();
    assert!(error.contains("/bin/nothing"), "{error}");
    ground.engine.until("nothing is left", |engine| engine.containers().is_empty());
}

#[test]
fn where_it_listens_is_seen_from_within() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("shop:1", SERVES);
    ground.image("stubborn:1", r#"CMD ["/bin/httpd", "-f", "-p", "4000", "-h", "/tmp"]"#);
    ground.image("shy:1", r#"CMD ["/bin/httpd", "-f", "-p", "127.0.0.1:3000", "-h", "/tmp"]"#);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (image, owner, listens) in [
        ("shop:1", PortOwner::Own, 3000),
        ("stubborn:1", PortOwner::Nobody, 4000),
        ("shy:1", PortOwner::Nobody, 3000),
    ] {
        let instance = ground.start("shop-1", &recipe(image)).unwrap();
        ground.engine.until("it listens", |_| {
            let listening = runtime.block_on(instance.listens());
            listening.iter().any(|address| address.port() == listens)
        });
        assert_eq!(ground.wait(instance.listener()), owner, "{image}");
        // The engine's own takes connections all the same.
        assert!(TcpStream::connect(instance.record().address).is_ok(), "{image}");
        ground.wait(instance.stop(stop(Duration::ZERO)));
    }
}

#[test]
fn a_container_has_its_user_its_volumes_and_its_bounds() {
    let Some(mut ground) = Ground::new() else { return };
    let shows = "echo $(id -u):$(id -g); cat /assets/a; echo kept > /data/b; cat /data/b; \
                 echo no > /assets/a || echo read only; exec sleep 1000";
    ground.image("shop:1", &format!(r#"CMD ["/bin/sh", "-c", "{shows}"]"#));
    let assets = ground.state.path().join("assets");
    std::fs::create_dir(&assets).unwrap();
    std::fs::write(assets.join("a"), "an asset\n").unwrap();
    let mut recipe = recipe("shop:1");
    let of = |source, target: &str, access| Volume { source, target: target.into(), access };
    container(&mut recipe).volumes = vec![
        of(VolumeSource::Path(assets), "/assets", Access::Read),
        of(VolumeSource::Named("uploads".into()), "/data", Access::Write),
    ];
    container(&mut recipe).resources.pids = Some(20);
    let instance = ground.start("shop-1", &recipe).unwrap();
    for line in ["an asset", "kept", "read only"] {
        ground.said(&instance, line);
    }
    let id = instance.record().identity.container().unwrap().id.clone();
    let bound = ground.engine.docker(&["inspect", &id, "--format", "{{.HostConfig.PidsLimit}}"]);
    assert_eq!(bound, "20");
    ground.wait(instance.stop(stop(Duration::ZERO)));
    assert!(ground.engine.docker(&["volume", "ls", "--quiet"]).contains("uploads"), "it is kept");
}

#[test]
fn on_a_network_it_is_reached_by_its_own_address() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("shop:1", SERVES);
    let mut on_network = recipe("shop:1");
    container(&mut on_network).network = Some("backend".to_owned());
    let lacks = ground.lacks(&on_network, Default::default());
    assert!(lacks.len() == 1 && lacks[0].contains("no network `backend`"), "{lacks:?}");
    ground.engine.docker(&["network", "create", "backend"]);
    assert_eq!(ground.lacks(&on_network, Default::default()), [""; 0]);
    let instance = ground.start("shop-1", &on_network).unwrap();
    let address = instance.record().address;
    assert!(!address.ip().is_loopback() && address.port() == 3000, "{address}");
    ground.engine.until("it listens", |_| TcpStream::connect(address).is_ok());
    let adopted = ground.adopt(&ground.again(), instance.record()).unwrap();
    assert_eq!(adopted.record().address, address);
    ground.wait(adopted.stop(stop(Duration::ZERO)));
}

#[test]
fn the_next_plimsoll_finds_what_runs_and_takes_what_it_wrote_meanwhile_once() {
    let Some(mut ground) = Ground::new() else { return };
    let counts = "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.1; done";
    ground.image("shop:1", &format!(r#"CMD ["/bin/sh", "-c", "{counts}"]"#));
    let instance = ground.start("shop-1", &recipe("shop:1")).unwrap();
    ground.said(&instance, "line 3");
    let record = instance.record().clone();
    drop(instance);
    let mut ground = ground.next();
    let adopted = ground.adopt(&ground.driver, &record).unwrap();
    ground.said(&adopted, "line 12");
    let all = ground.wait(adopted.tail(1000)).unwrap();
    let expected: Vec<_> = (1..=all.len()).map(|number| format!("line {number}")).collect();
    assert_eq!(all, expected);
    ground.wait(adopted.stop(stop(Duration::ZERO)));
    assert!(ground.adopt(&ground.driver, &record).is_none(), "it is gone");
}

#[test]
fn an_engine_that_dies_ends_no_instance_for_us_before_it_says_so() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("shop:1", SERVES);
    let instance = ground.start("shop-1", &recipe("shop:1")).unwrap();
    ground.said(&instance, "shop-1 of 1");
    ground.engine.kill();
    let error = ground.start("shop-2", &recipe("shop:1")).map(drop).unwrap_err();
    assert!(error.contains("cannot be reached at unix://"), "{error}");
    let adopted = ground.adopt(&ground.again(), instance.record());
    assert!(adopted.is_some(), "it is taken for running until the engine says otherwise");
    ground.engine.begin();
    // Without live-restore an engine that comes back ends what it finds.
    let ended = ground.wait(instance.gone());
    assert!(!ended.exit.asked, "{ended:?}");
    ground.engine.until("nothing is left", |engine| engine.containers().is_empty());
}

#[test]
fn an_engine_that_hangs_costs_its_deadline_and_what_runs_is_stopped_when_it_wakes_up() {
    let Some(mut ground) = Ground::new() else { return };
    ground.image("shop:1", SERVES);
    let instance = ground.start("shop-1", &recipe("shop:1")).unwrap();
    ground.said(&instance, "shop-1 of 1");
    ground.engine.signal(Signal::STOP);
    let lacks = ground.lacks(&recipe("shop:1"), Default::default());
    assert!(
        lacks.len() == 1 && lacks[0].ends_with("did not say what it is within 10 s"),
        "{lacks:?}"
    );
    assert!(TcpStream::connect(instance.record().address).is_ok(), "what runs runs on");
    let stopped = instance.stop(stop(Duration::from_secs(30)));
    ground.engine.signal(Signal::CONT);
    let ended = ground.wait(stopped);
    assert!(ended.exit.asked && ended.killed.is_none(), "{ended:?}");
    assert_eq!(ground.lacks(&recipe("shop:1"), Default::default()), [""; 0]);
    ground.engine.until("nothing is left", |engine| engine.containers().is_empty());
}
