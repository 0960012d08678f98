//! Images that come from a real registry: Debian's docker-registry, in the engine's network.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use docker::DockerDriver;
use driver::{Driver, KeptRelease};
use model::{ImageName, Pin, Recipe, Registries, Registry};
use tempfile::TempDir;
use testkit::has;
use testkit::redis_server::free_port;

use crate::ground::{Ground, SERVES, container, recipe, spec, stop};

/// The user `ci` with the password `docker`, which cargo gives every test of this package in this variable.
const USERS: &str = "ci:$2b$04$abcdefghijklmnopqrstuuLLC2zutb0UaXkS6Jl3Cn91VMcfSvkCm\n";
const PASSWORD: &str = "CARGO_PKG_NAME";

/// A registry that asks everybody who he is. Ended when it is dropped.
struct LocalRegistry {
    host: String,
    program: Child,
    _files: TempDir,
}

impl LocalRegistry {
    fn start() -> Self {
        let (files, port) = (TempDir::new().unwrap(), free_port());
        let place = files.path().display();
        fs::write(files.path().join("users"), USERS).unwrap();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {place}/data\n  delete:\n    enabled: true\n\
             http:\n  addr: 127.0.0.1:{port}\nauth:\n  htpasswd:\n    realm: test\n    path: {place}/users\n"
        );
        fs::write(files.path().join("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(files.path().join("config.yml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = command.spawn().unwrap();
        testkit::eventually("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { host: format!("127.0.0.1:{port}"), program, _files: files }
    }

    /// Pushes the image `shop:1` of the engine as this one of the registry, and forgets it there.
    fn take(&self, ground: &Ground, name: &str) {
        let name = format!("{}/{name}", self.host);
        ground.engine.docker(&["login", &self.host, "--username", "ci", "--password", "docker"]);
        ground.engine.docker(&["tag", "shop:1", &name]);
        ground.engine.docker(&["push", &name]);
        ground.engine.docker(&["rmi", &name, "shop:1"]);
    }

    fn known(&self) -> Registries {
        let registry = Registry { username: "ci".into(), password_env: PASSWORD.into() };
        [(self.host.clone(), registry)].into()
    }
}

impl Drop for LocalRegistry {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn what_a_tag_stood_for_is_what_runs_wherever_it_moves() {
    if !has(&["docker-registry"]) {
        return;
    }
    let Some(mut ground) = Ground::new() else { return };
    let registry = LocalRegistry::start();
    ground.image("shop:1", SERVES);
    registry.take(&ground, "shop:1");
    let wanted = recipe(&format!("{}/shop:{{version}}", registry.host));
    let denied = ground.lacks(&wanted, Registries::new());
    assert!(denied.len() == 1 && denied[0].contains("does not let us have"), "{denied:?}");
    assert_eq!(ground.lacks(&wanted, registry.known()), [""; 0]);
    let gone = recipe(&format!("{}/shop:7", registry.host));
    let missing = ground.lacks(&gone, registry.known());
    assert!(missing.len() == 1 && missing[0].starts_with("there is no image"), "{missing:?}");
    let fetch = |ground: &Ground| {
        let spec = driver::Spec { registries: registry.known(), ..spec(&wanted) };
        ground.wait(ground.driver.fetch(spec)).unwrap()
    };
    let mut first = fetch(&ground);
    let Some(Pin::Digest(digest)) = container(&mut first).pin.clone() else { panic!("{first:?}") };
    // Somebody pushes another image by the same name.
    ground.image("shop:1", r#"CMD ["/bin/sh", "-c", "echo moved; exec sleep 1000"]"#);
    registry.take(&ground, "shop:1");
    let instance = ground.start("shop-1", &first).unwrap();
    ground.said(&instance, "shop-1 of 1");
    let made_of = &instance.record().identity.container().unwrap().image;
    assert_eq!(*made_of, format!("{}/shop@{digest}", registry.host));
    ground.wait(instance.stop(stop(Duration::ZERO)));
    let mut second = fetch(&ground);
    assert_ne!(container(&mut second).pin, Some(Pin::Digest(digest.clone())));
    let instance = ground.start("shop-2", &second).unwrap();
    ground.said(&instance, "moved");
    ground.wait(instance.stop(stop(Duration::ZERO)));
    // The registry is away: what was pulled under the name, as by hand, is what it means.
    let Some(Pin::Digest(moved)) = container(&mut second).pin.clone() else { panic!("{second:?}") };
    let (pulled, name) =
        (format!("{}/shop@{moved}", registry.host), format!("{}/shop:1", registry.host));
    ground.engine.docker(&["tag", &pulled, &name]);
    drop(registry);
    let mut third = ground.fetch(&wanted).unwrap();
    assert_eq!(container(&mut third).pin, container(&mut second).pin);
}

#[test]
fn what_we_pulled_is_removed_when_no_release_needs_it_and_what_others_pulled_never() {
    if !has(&["docker-registry"]) {
        return;
    }
    let Some(mut ground) = Ground::new() else { return };
    let registry = LocalRegistry::start();
    let here = |ground: &Ground, recipe: &mut Recipe| {
        let container = container(recipe);
        let name: ImageName = container.image.parse().unwrap();
        let Some(Pin::Digest(digest)) = &container.pin else { panic!("{container:?}") };
        let name = name.by_digest(digest);
        ground.engine.try_docker(&["image", "inspect", &name]).status.success()
    };
    let mut pinned = Vec::new();
    for number in 1..=3 {
        ground.image("shop:1", &SERVES.replace("of", &format!("{number} of")));
        registry.take(&ground, &format!("shop:{number}"));
        let wanted = recipe(&format!("{}/shop:{number}", registry.host));
        // The third was pulled by hand before.
        if number == 3 {
            let name = format!("{}/shop:3", registry.host);
            ground.engine.docker(&["pull", &name]);
        }
        let spec = driver::Spec { registries: registry.known(), ..spec(&wanted) };
        pinned.push(ground.wait(ground.driver.fetch(spec)).unwrap());
    }
    let retain = |ground: &Ground, driver: &DockerDriver, wanted: &Recipe| {
        let wanted = vec![KeptRelease { version: "1".into(), recipe: wanted.clone() }];
        ground.wait(async { driver.retain(wanted) });
    };
    let (first, second, third) = (0, 1, 2);
    // Just fetched, each may be of a deploy that begins.
    retain(&ground, &ground.driver, &pinned[second].clone());
    let instance = ground.start("shop-1", &pinned[first]).unwrap();
    ground.said(&instance, "shop-1 1 of 1");
    retain(&ground, &ground.again(), &pinned[second].clone());
    ground.wait(instance.stop(stop(Duration::ZERO)));
    for pinned in &mut pinned {
        assert!(here(&ground, pinned), "{pinned:?}");
    }
    // Now nothing is made of it, and no deploy is about to.
    let next = ground.again();
    retain(&ground, &next, &pinned[second].clone());
    let mut gone = pinned[first].clone();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while here(&ground, &mut gone) {
        assert!(std::time::Instant::now() < deadline, "it is still here");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(here(&ground, &mut pinned[second]) && here(&ground, &mut pinned[third]));
    let noted = fs::read_to_string(ground.state.path().join("docker/images")).unwrap();
    assert_eq!(noted.lines().count(), 1, "{noted}");
}
