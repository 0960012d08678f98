//! Instances that are containers, of a real engine in a network of its own.

use std::path::Path;

use rustix::process::Signal;
use testkit::{DockerEngine, Image};

use super::{PROGRAM, Visitors, deploy, deploy_of, until};
use crate::sandbox::{Running, Sandbox};

/// An engine with images of the sample server, by the names of these releases; this thread is in its network.
fn engine(releases: &[&str]) -> Option<DockerEngine> {
    let engine = DockerEngine::start()?;
    engine.enter();
    import(&engine, releases);
    Some(engine)
}

/// Makes images of the sample server by the names of these releases.
pub(super) fn import(engine: &DockerEngine, releases: &[&str]) {
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

/// The lines of a receipt that tell of this.
fn lines<'a>(receipt: &'a serde_json::Value, event: &str) -> Vec<&'a str> {
    let lines = receipt["lines"].as_array().unwrap_or_else(|| panic!("{receipt:#}"));
    let lines = lines.iter().filter(|line| line["event"] == event);
    lines.map(|line| line["text"].as_str().unwrap()).collect()
}

fn begin(sandbox: &Sandbox, engine: &DockerEngine) -> Running {
    let running = sandbox.run_with_variable("DOCKER_HOST", engine.host());
    until(sandbox, "the first release", |service| {
        service["run"]["release"] == "1" && service["run"]["deploy"].is_null()
    });
    running
}

/// The names of the containers without what makes them unique.
pub(super) fn instances(engine: &DockerEngine) -> Vec<String> {
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

#[test]
fn hooks_run_once_in_a_container_of_the_new_image_and_a_command_in_one_that_serves() {
    let Some(mut engine) = engine(&["1", "2", "3"]) else { return };
    let before = "{ shell = 'm=\"migrates to $VERSION for $SERVICE, $COLOUR, ${PORT:-no port}\"; echo $m; echo $m >> /data/notes; test {version} != 3' }";
    let after = "{ shell = \"echo {version} stays >> /data/notes; cat /data/notes\" }";
    let sandbox = sandbox(&format!(
        "env = {{ COLOUR = \"blue\" }}\nvolumes = [\"notes:/data\"]\n\
         [services.api.deploy]\nbake = \"0s\"\nbefore = {before}\nafter = {after}\n"
    ));
    let mut running = begin(&sandbox, &engine);
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!(code, Some(0), "{receipt:#}");
    let migrates = "migrates to 2 for api, blue, no port";
    let first = "migrates to 1 for api, blue, no port";
    let expected = [migrates, first, "1 stays", migrates, "2 stays"];
    assert_eq!(lines(&receipt, "output"), expected, "{receipt:#}");
    assert_eq!(engine.containers().len(), 1, "hooks leave nothing: {:?}", engine.containers());
    let (code, receipt) = deploy(&sandbox, &["3"]);
    assert_eq!((code, &receipt["outcome"]), (Some(1), &"rolled-back".into()), "{receipt:#}");
    assert_eq!(receipt["reason"], "`before` failed: it exited with code 1");
    assert_eq!(lines(&receipt, "starting"), [""; 0], "{receipt:#}");
    let script = "echo $COLOUR $VERSION $INSTANCE; cat /data/notes >/dev/null && exit 7";
    let ended = sandbox.plimsoll(&["exec", "api", "--", "sh", "-c", script]);
    let serves = instances(&engine).pop().unwrap();
    let within = (ended.code, ended.stdout.trim());
    assert_eq!(within, (Some(7), &*format!("blue 2 {serves}")), "{ended:#?}");
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    engine.until("nothing is left", |engine| engine.containers().is_empty());
}

#[test]
fn a_hook_that_a_crash_leaves_is_ended_by_the_next_start() {
    let Some(mut engine) = engine(&["1", "2"]) else { return };
    let before = "{ shell = \"[ {version} = 1 ] || { echo waits; exec sleep 1000; }\" }";
    let sandbox = sandbox(&format!("[services.api.deploy]\nbake = \"0s\"\nbefore = {before}\n"));
    let mut running = begin(&sandbox, &engine);
    let known = instances(&engine);
    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2", "--no-wait"]).code, Some(0));
    engine.until("it runs", |engine| {
        engine.docker(&["ps", "--format", "{{.Names}}"]).lines().count() == 2
    });
    running.signal(Signal::KILL);
    running.wait();
    let _running = sandbox.run_with_variable("DOCKER_HOST", engine.host());
    engine.until("it is gone", |engine| instances(engine) == known);
    let receipt = sandbox.plimsoll(&["history", "api", "2"]).stdout;
    let told = "(`before` is running: what is left of it is stopped)";
    assert!(receipt.contains(told), "{receipt}");
}

#[test]
fn a_worker_in_a_container_has_no_port_and_is_found_by_its_name() {
    let Some(engine) = engine(&["1", "2"]) else { return };
    engine.docker(&["network", "create", "backend"]);
    let store = "[services.store]\nimage = \"shop:{version}\"\nversion = \"1\"\nhttp = false\n\
         network = \"backend\"\nready_after = \"100ms\"\n\
         command = { shell = \"export -p; exec httpd -f -p 7000 -h /\" }\n\
         deploy = { strategy = \"replace\" }\nstop = { timeout = \"1s\" }\n";
    let sandbox = sandbox(&format!("network = \"backend\"\n{store}"));
    let _running = begin(&sandbox, &engine);
    let page = "http://store:7000/etc/hostname";
    let asks = ["exec", "api", "--", "wget", "-q", "-O", "-", page];
    testkit::eventually("it is found", || sandbox.plimsoll(&asks).code == Some(0));
    let (code, receipt) = deploy_of(&sandbox, "store", &["2"]);
    assert_eq!((code, &receipt["outcome"]), (Some(0), &"promoted".into()), "{receipt:#}");
    let logs = sandbox.plimsoll(&["logs", "store"]).stdout;
    assert!(logs.contains("VERSION=") && !logs.contains("PORT="), "{logs}");
    testkit::eventually("it is found again", || sandbox.plimsoll(&asks).code == Some(0));
}
