//! What instances say of themselves.

use driver::{Adoption, Driver, Notice, Notify, Readiness, Upkeep};
use tokio::sync::watch;

use crate::ground::{self, Ground, acting, actor, soon};

async fn hears(heard: &mut watch::Receiver<Notice>, wanted: Notice) {
    soon(heard.wait_for(|notice| *notice == wanted)).await.unwrap();
}

fn notice(word: Readiness, status: Option<&str>) -> Notice {
    Notice { word, status: status.map(str::to_owned) }
}

#[tokio::test]
async fn an_instance_and_its_children_are_heard() {
    let ground = Ground::new();
    // Each waits for a file that says go on.
    let actor = actor();
    let script = format!(
        "await() {{ until [ -e $1 ]; do sleep 0.02; done; }}\n\
         {actor} notify 'STATUS=loading'\nawait ready\n{actor} notify READY=1 STATUS=\n\
         await leave\n({actor} notify STOPPING=1 'STATUS=bye') &\nexec sleep 1000",
        actor = actor.display()
    );
    let mut launch = ground.launch(driver::Command::Shell(script));
    launch.upkeep.notify = Notify::Heard;
    let instance = ground.start(launch).await.unwrap();
    let mut heard = instance.notices().unwrap();
    hears(&mut heard, notice(Readiness::Silent, Some("loading"))).await;
    std::fs::write(ground.path().join("ready"), "").unwrap();
    hears(&mut heard, notice(Readiness::Ready, None)).await;
    std::fs::write(ground.path().join("leave"), "").unwrap();
    hears(&mut heard, notice(Readiness::Stopping, Some("bye"))).await;
    soon(instance.stop(ground::stop())).await;
}

#[tokio::test]
async fn without_notices_there_is_no_socket() {
    let ground = Ground::new();
    let instance = ground.shell("echo socket: $NOTIFY_SOCKET").await;
    assert!(instance.notices().is_none());
    soon(instance.gone()).await;
    assert_eq!(instance.tail(9).await.unwrap(), ["socket:"]);
}

#[tokio::test]
async fn one_that_is_taken_over_is_heard_again() {
    let ground = Ground::new();
    let script = format!(
        "{actor} notify READY=1; until [ -e leave ]; do sleep 0.02; done; \
         {actor} notify STOPPING=1; exec sleep 1000",
        actor = actor().display()
    );
    let mut launch = ground.launch(driver::Command::Shell(script));
    launch.upkeep.notify = Notify::Heard;
    let instance = ground.start(launch).await.unwrap();
    hears(&mut instance.notices().unwrap(), notice(Readiness::Ready, None)).await;
    let record = instance.record().clone();
    // Nobody listens any more: Plimsoll is gone.
    drop(instance);
    let upkeep = Upkeep { stop: ground::stop(), notify: Notify::Heard, ..Upkeep::default() };
    let adopted = loop {
        match ground.driver.adopt(record.clone(), upkeep.clone()).await {
            Ok(Adoption::Running(instance)) => break instance,
            Ok(gone) => panic!("{gone:?}"),
            // The name is free when the task that listened has ended.
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut heard = adopted.notices().unwrap();
    assert_eq!(heard.borrow().word, Readiness::Before);
    std::fs::write(ground.path().join("leave"), "").unwrap();
    hears(&mut heard, notice(Readiness::Stopping, None)).await;
    soon(adopted.stop(ground::stop())).await;
}

#[tokio::test]
async fn the_socket_is_no_descriptor_of_the_instance() {
    let ground = Ground::new();
    let mut launch = ground.launch(acting(&["environment"]));
    launch.upkeep.notify = Notify::Heard;
    let instance = ground.start(launch).await.unwrap();
    soon(instance.gone()).await;
    let said = instance.tail(100).await.unwrap();
    let name = format!("NOTIFY_SOCKET=\"@plimsoll/notify/{}\"", instance.record().run);
    assert!(said.contains(&name), "{said:?}");
}
