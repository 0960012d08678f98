//! Instances that are containers, of a real engine in a network of its own.

use std::path::Path;

use rustix::process::Signal;
use testkit::{DockerEngine, Image};

use super::{PROGRAM, Visitors, deploy, until};
use crate::sandbox::{Running, Sandbox};

/// An engine with images of the sample server, by the names of these releases; this thread is in its network.
fn engine(releases: &[&str]) -> Option<DockerEngine> {
    let engine = DockerEngine::start()?;
    engine.enter();
    let programs = [(Path::new(PROGRAM), "/bin/plimsoll")];
    let changes = [r#"CMD ["/bin/plimsoll", "sample", "--host", "0.0.0.0"]"#];
    let image = Image { programs: &programs, changes: &changes, ..Image::default() };
    engine.import(&format!("shop:{}", releases[0]), &image);
    for release in &releases[1..] {
        // An image of its own, with nothing but another label.
        let label = format!("LABEL release={release}");
        let changes = [changes[0], &label];
        engine.import(&format!("shop:{release}"), &Image { changes: &changes, ..image.clone() });
    }
    Some(engine)
}

/// A service `api` of containers, with `more` of it.
fn sandbox(more: &str) -> Sandbox {
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nto = \"api\"\n\
         [services.api]\nimage = \"shop:{{version}}\"\nport = 3000\nversion = \"1\"\n\
         health = {{ path = \"/health\", interval = \"200ms\" }}\n\
         stop = {{ timeout = \"5s\" }}\n{more}"
    ))
}

fn begin(sandbox: &Sandbox, engine: &DockerEngine) -> Running {
    let running = sandbox.run_with_variable("DOCKER_HOST", engine.host());
    until(sandbox, "the first release", |service| {
        service["run"]["release"] == "1" && service["run"]["deploy"].is_null()
    });
    running
}

/// The names of the containers without what makes them unique.
fn instances(engine: &DockerEngine) -> Vec<String> {
    let names = engine.containers().into_iter();
    names.map(|name| name.split('.').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_release_of_containers_is_served_rolled_and_rolled_back_and_loses_nothing() {
    let Some(mut engine) = engine(&["1", "2"]) else { return };
    let sandbox = sandbox("replicas = 2\n");
    let mut running = begin(&sandbox, &engine);
    assert_eq!(instances(&engine), ["api-1", "api-2"]);
    let visitors = Visitors::of(&running, 50);
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!((code, &receipt["outcome"]), (Some(0), &"promoted".into()), "{receipt:#}");
    let image = engine.docker(&["image", "inspect", "shop:2", "--format", "{{.Id}}"]);
    let told = format!("release 2 is the image shop:2 ({image}, made on this machine)");
    assert!(receipt.to_string().contains(&told), "{receipt:#}");
    let back = sandbox.plimsoll(&["rollback", "api", "--json"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    let tally = visitors.leave();
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures());
    assert!(tally.answered_by("1") > 0 && tally.answered_by("2") > 0);
    assert_eq!(instances(&engine), ["api-5", "api-6"]);
    let logs = sandbox.plimsoll(&["logs", "api", "--timestamps"]);
    assert!(logs.stdout.contains("api-5 of 1 serves on port 3000"), "{logs:#?}");
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    engine.until("nothing is left", |engine| engine.containers().is_empty());
}

#[test]
fn containers_outlive_a_kill_and_are_found_again_and_only_our_orphans_are_removed() {
    let Some(mut engine) = engine(&["1"]) else { return };
    let sandbox = sandbox("replicas = 2\n");
    let mut running = begin(&sandbox, &engine);
    let before = engine.docker(&["ps", "--quiet", "--no-trunc"]);
    running.signal(Signal::KILL);
    running.wait();
    let state = std::fs::read_to_string(sandbox.path().join("state/docker/state-id")).unwrap();
    let label = format!("plimsoll.state={}", state.trim());
    engine.docker(&["create", "--name", "orphan", "--label", &label, "shop:1"]);
    engine.docker(&["create", "--name", "api-1.stranger", "--label", "plimsoll.state=x", "shop:1"]);
    let running = sandbox.run_with_variable("DOCKER_HOST", engine.host());
    until(&sandbox, "both", |service| {
        let instances = service["instances"].as_array().unwrap();
        instances.len() == 2 && instances.iter().all(|it| it["state"] == "healthy")
    });
    assert_eq!(engine.docker(&["ps", "--quiet", "--no-trunc"]), before, "the same containers");
    assert!(running.get("/").contains("hello from api-"));
    engine
        .until("the orphan is gone", |engine| !engine.containers().contains(&"orphan".to_owned()));
    assert!(engine.containers().contains(&"api-1.stranger".to_owned()), "it is nobody's of ours");
    let lines = sandbox.plimsoll(&["logs", "api", "api-1", "--lines", "100"]).stdout;
    let begun = lines.lines().filter(|line| line.contains("serves on port")).count();
    assert_eq!(begun, 1, "nothing is there twice: {lines}");
    // What was taken out of the file is let go.
    sandbox.write("[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nrespond = { status = 204 }\n");
    let reloaded = sandbox.plimsoll(&["reload"]);
    assert_eq!(reloaded.code, Some(0), "{reloaded:#?}");
    engine.until("ours are gone", |engine| engine.containers() == ["api-1.stranger"]);
}
