//! Ends that nobody asked for.

use std::net::TcpListener;

use driver::{Driver, ExitCause, PortOwner};

use crate::ground::{Ground, acting, said, soon};

#[tokio::test]
async fn an_exit_code_and_a_signal_are_told() {
    let ground = Ground::new();
    for (script, ending, told) in [
        ("exit 0", ExitCause::Code(0), "exited with code 0"),
        ("exit 7", ExitCause::Code(7), "exited with code 7"),
        ("kill -SEGV $$", ExitCause::Signal(11), "ended by SIGSEGV"),
    ] {
        let exit = soon(ground.shell(script).await.exited()).await;
        assert_eq!((exit.ending, exit.asked, exit.port_taken), (ending, false, false), "{script}");
        assert_eq!(exit.ending.to_string(), told);
    }
}

#[tokio::test]
async fn an_end_is_told_to_whoever_asks_later_too() {
    let ground = Ground::new();
    let instance = ground.shell("exit 7").await;
    let first = soon(instance.gone()).await;
    assert_eq!(soon(instance.exited()).await, first.exit);
    assert_eq!(soon(instance.stop(crate::ground::stop())).await, first);
}

#[tokio::test]
async fn a_port_that_somebody_took_first_is_told_and_another_is_had() {
    let ground = Ground::new();
    let held = ground.driver.prepare(ground.launch(acting(&["serve"]))).await.unwrap();
    let port = held.record().address.port();
    let _thief = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let instance = held.release().await.unwrap();
    let exit = soon(instance.exited()).await;
    assert_eq!((exit.ending, exit.port_taken), (ExitCause::Code(98), true));

    let again = ground.actor(&["serve"]).await;
    assert_ne!(again.record().address.port(), port);
    said(&*again, "listening").await;
    assert_eq!(again.listener().await, PortOwner::Own);
    let stopped = soon(again.stop(crate::ground::stop())).await;
    assert!(!stopped.exit.port_taken);
}

#[tokio::test]
async fn a_stranger_on_the_port_of_one_that_did_not_end_is_told() {
    let ground = Ground::new();
    let held = ground.driver.prepare(ground.launch(acting(&["serve", "stay"]))).await.unwrap();
    let thief = TcpListener::bind(("127.0.0.1", held.record().address.port())).unwrap();
    let instance = held.release().await.unwrap();
    said(&*instance, "stays").await;
    assert_eq!(instance.listener().await, PortOwner::Other);
    drop(thief);
    // A process that another test is starting may hold a copy until it is what it will be.
    soon(async { while instance.listener().await != PortOwner::Nobody {} }).await;
    soon(instance.stop(crate::ground::stop())).await;
}

#[tokio::test]
async fn children_that_outlive_it_are_ended_wherever_they_went() {
    let ground = Ground::new();
    // One in its group, one in a group of its own, one in a session of its own, one without the
    // mark in its environment.
    let script = "sleep 1000 & setsid sleep 1000 & env -i sleep 1000 & \
                  setsid sh -c 'echo up; sleep 1000 & wait' & \
                  while ! grep -q up logs/api/api-1.log; do sleep 0.01; done; exit 3";
    let instance = ground.shell(script).await;
    let exit = soon(instance.exited()).await;
    assert_eq!(exit.ending, ExitCause::Code(3));
    let stopped = soon(instance.gone()).await;
    assert!(
        stopped.leftovers >= 4 && stopped.killed.is_none() && stopped.stuck == 0,
        "{stopped:?}"
    );
    let pid = instance.record().identity.process().unwrap().leader.pid;
    let in_session = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        (fields[0] != "Z" && fields[3] == pid.to_string()).then_some(stat)
    };
    let left: Vec<_> =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(in_session).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_port_that_its_own_child_holds_is_not_taken_by_somebody() {
    let ground = Ground::new();
    let actor = crate::ground::actor();
    let script = format!(
        "'{}' serve & while ! grep -q listening logs/api/api-1.log; do sleep 0.01; done; exit 1",
        actor.display()
    );
    let instance = ground.shell(&script).await;
    let exit = soon(instance.exited()).await;
    assert_eq!((exit.ending, exit.port_taken), (ExitCause::Code(1), false));
    assert_eq!(soon(instance.gone()).await.leftovers, 1);
}
