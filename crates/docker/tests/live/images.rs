//! Which image a name stands for, and what is said where there is none.

use model::{Pin, Registries, Registry};
use testkit::{Origin, Step};

use crate::ground::{Ground, SERVES, container, recipe};

#[test]
fn an_image_of_this_machine_is_taken_by_its_id_however_its_tag_moves() {
    let Some(ground) = Ground::new() else { return };
    ground.image("shop:1", SERVES);
    let mut pinned = ground.fetch(&recipe("shop:{version}")).unwrap();
    let id = ground.engine.docker(&["image", "inspect", "shop:1", "--format", "{{.Id}}"]);
    assert_eq!(container(&mut pinned).pin, Some(Pin::Local(id.clone())));
    assert!(pinned.follows(&recipe("shop:{version}")));
    ground.image("shop:1", r#"CMD ["/bin/sh", "-c", "exit 1"]"#);
    assert_ne!(ground.engine.docker(&["image", "inspect", "shop:1", "--format", "{{.Id}}"]), id);
    let instance = ground.start("shop-1", &pinned).unwrap();
    let made_of = instance.record().identity.container().unwrap().image.clone();
    assert_eq!(made_of, id);
    // It is gone, and nothing can bring it back.
    ground.wait(instance.stop(crate::ground::stop(std::time::Duration::ZERO)));
    ground.engine.docker(&["rmi", &id]);
    let error = ground.start("shop-2", &pinned).map(drop).unwrap_err();
    assert!(error.contains("not there any more"), "{error}");
}

/// What a registry that answers everything with `status` comes to.
fn refused(
    ground: &Ground,
    status: u16,
    code: &str,
    registries: impl Fn(&str) -> Registries,
) -> String {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"in its own words"}}]}}"#);
    let registry = Origin::start(move |request| match &*request.target {
        "/v2/" => vec![Step::answer(200, "{}")],
        _ => vec![Step::send(format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))],
    });
    let host = registry.address().to_string();
    let lacks = ground.lacks(&recipe(&format!("{host}/shop:1")), registries(&host));
    assert_eq!(lacks.len(), 1, "{lacks:?}");
    lacks[0].replace(&host, "REGISTRY")
}

#[test]
fn what_a_registry_answers_is_told_before_anything_starts() {
    let Some(ground) = Ground::new() else { return };
    let none = |_: &str| Registries::new();
    let missing = refused(&ground, 404, "MANIFEST_UNKNOWN", none);
    assert!(missing.starts_with("there is no image REGISTRY/shop:1: "), "{missing}");
    let denied = refused(&ground, 401, "UNAUTHORIZED", none);
    assert!(denied.starts_with("the registry does not let us have REGISTRY/shop:1: "), "{denied}");
    assert!(denied.contains("say who asks in [registries.\"REGISTRY\"]"), "{denied}");
    let broken = refused(&ground, 500, "UNKNOWN", none);
    assert!(broken.starts_with("the registry of REGISTRY/shop:1 cannot be asked: "), "{broken}");
    let unset = refused(&ground, 401, "UNAUTHORIZED", |host| {
        let registry = Registry { username: "ci".into(), password_env: "NO_SUCH_VARIABLE".into() };
        [(host.to_owned(), registry)].into()
    });
    assert!(unset.starts_with("`NO_SUCH_VARIABLE` is not set"), "{unset}");
}

#[test]
fn an_engine_that_is_not_there_is_told_once() {
    let Some(mut ground) = Ground::new() else { return };
    ground.engine.kill();
    let lacks = ground.lacks(&recipe("shop:1"), Registries::new());
    assert_eq!(lacks.len(), 1, "{lacks:?}");
    assert!(lacks[0].starts_with("the Docker engine cannot be reached at unix://"), "{lacks:?}");
}
