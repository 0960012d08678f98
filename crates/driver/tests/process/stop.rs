//! Stopping.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use driver::{ExitCause, Killed, PortOwner, Stop, StopSignal, StopTo};
use futures_util::future::{join_all, try_join_all};
use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Ground, acting, said, soon, stop, until};

/// Hears no SIGTERM, nor do its children.
const STUBBORN: &str = "trap '' TERM; echo up; while :; do sleep 1000; done";

fn at_once() -> Stop {
    Stop { timeout: Duration::ZERO, ..stop() }
}

#[tokio::test]
async fn asked_by_the_signal_it_ends_as_it_likes() {
    let ground = Ground::new();
    for (signal, name) in [(StopSignal::Term, "TERM"), (StopSignal::Quit, "QUIT")] {
        let script = format!("trap 'exit 5' {name}; echo up; while :; do sleep 0.01; done");
        let instance = ground.shell(&script).await;
        said(&*instance, "up").await;
        let stopped = soon(instance.stop(Stop { signal, ..stop() })).await;
        assert_eq!(stopped.exit.ending, ExitCause::Code(5));
        assert!(stopped.exit.asked && stopped.killed.is_none(), "{stopped:?}");
    }
}

#[tokio::test]
async fn one_that_ignores_the_signal_is_killed_with_its_children_when_its_time_is_over() {
    let ground = Ground::new();
    let instance = ground.shell(STUBBORN).await;
    said(&*instance, "up").await;
    let timeout = Duration::from_millis(200);
    let begun = Instant::now();
    let stopped = soon(instance.stop(Stop { timeout, ..stop() })).await;
    assert!(begun.elapsed() >= timeout);
    assert_eq!(stopped.exit.ending, ExitCause::Signal(9));
    assert_eq!(stopped.killed, Some(Killed::Overdue));
}

#[tokio::test]
async fn children_and_grandchildren_go_with_it() {
    let ground = Ground::new();
    let script = "sleep 1000 & sh -c 'sleep 1000 & echo up; wait' & wait";
    let instance = ground.shell(script).await;
    said(&*instance, "up").await;
    let stopped = soon(instance.stop(stop())).await;
    assert!(stopped.killed.is_none());
    assert!(ground.processes().is_empty());
}

#[tokio::test]
async fn a_child_that_drains_gets_its_time_though_its_parent_is_gone() {
    let ground = Ground::new();
    let child = "trap 'echo draining; sleep 0.3; echo drained; exit' TERM; echo up; \
                 while :; do sleep 0.01; done";
    let instance = ground.shell(&format!("sh -c \"{child}\" & wait")).await;
    said(&*instance, "up").await;
    let stopped = soon(instance.stop(stop())).await;
    assert_eq!(stopped.exit.ending, ExitCause::Signal(15));
    assert!(stopped.leftovers >= 1 && stopped.killed.is_none(), "{stopped:?}");
    let mut said = instance.tail(9).await.unwrap();
    // The shell remarks that the sleep of the moment was ended too.
    said.retain(|line| line != "Terminated");
    assert_eq!(said, ["up", "draining", "drained"], "it was asked once");
}

#[tokio::test]
async fn a_child_of_the_group_is_asked_once_and_one_that_left_it_is_asked_too() {
    let ground = Ground::new();
    let stays = "trap 'echo asked' TERM; echo up; while [ ! -e end ]; do sleep 0.01; done";
    let left = "trap 'echo other asked; exit' TERM; touch other; while :; do sleep 0.01; done";
    let script = format!(
        "sh -c \"{stays}\" & setsid sh -c \"{left}\" & \
         while [ ! -e other ]; do sleep 0.01; done; wait"
    );
    let instance = ground.shell(&script).await;
    said(&*instance, "up").await;
    until("the other is up", || ground.path().join("other").exists()).await;
    let stopped = instance.stop(stop());
    said(&*instance, "other asked").await;
    std::fs::write(ground.path().join("end"), "").unwrap();
    assert!(soon(stopped).await.killed.is_none());
    let said = instance.tail(99).await.unwrap();
    let asked = |words: &str| said.iter().filter(|line| *line == words).count();
    assert_eq!((asked("asked"), asked("other asked")), (1, 1), "{said:?}");
}

#[tokio::test]
async fn a_child_in_a_session_of_its_own_that_will_not_end_is_killed() {
    let ground = Ground::new();
    let script = format!("setsid sh -c \"{STUBBORN}\" & wait");
    let instance = ground.shell(&script).await;
    said(&*instance, "up").await;
    let timeout = Duration::from_millis(200);
    let stopped = soon(instance.stop(Stop { timeout, ..stop() })).await;
    assert!(stopped.killed.is_some() && stopped.leftovers >= 1, "{stopped:?}");
    assert!(ground.processes().is_empty());
}

#[tokio::test]
async fn one_that_was_stopped_by_sigstop_hears_that_it_is_to_end() {
    let ground = Ground::new();
    let instance = ground.shell("trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done").await;
    said(&*instance, "up").await;
    let pid = instance.record().identity.process().unwrap().leader.pid;
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::STOP).unwrap();
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.trim_start().starts_with('T')
    };
    until("it is stopped", is_stopped).await;
    let stopped = soon(instance.stop(stop())).await;
    assert_eq!((stopped.exit.ending, stopped.killed), (ExitCause::Code(5), None));
}

#[tokio::test]
async fn of_two_deadlines_the_earlier_holds() {
    let ground = Ground::new();
    for stops in [[stop(), at_once()], [at_once(), stop()]] {
        let instance = ground.shell(STUBBORN).await;
        said(&*instance, "up").await;
        let first = instance.stop(stops[0]);
        let second = soon(instance.stop(stops[1])).await;
        assert!(second.killed.is_some());
        assert_eq!(soon(first).await, second);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_start_with_ports_of_their_own_and_end_each_in_its_way() {
    let ground = Ground::new();
    let starts = (0..24).map(|number| {
        let mut launch = ground.launch(acting(&["serve"]));
        launch.instance = format!("api-{number}").into();
        ground.start(launch)
    });
    let instances = try_join_all(starts).await.unwrap();
    let ports: BTreeSet<u16> =
        instances.iter().map(|instance| instance.record().address.port()).collect();
    assert_eq!(ports.len(), 24);
    for instance in &instances {
        said(&**instance, "listening").await;
        assert_eq!(instance.listener().await, PortOwner::Own);
    }
    let ends = instances.iter().zip(0..).map(|(instance, number)| {
        let pid =
            Pid::from_raw(instance.record().identity.process().unwrap().leader.pid as i32).unwrap();
        match number % 3 {
            0 => kill_process(pid, Signal::KILL).unwrap(),
            1 => kill_process(pid, Signal::STOP).unwrap(),
            _ => {}
        }
        instance.stop(stop())
    });
    for stopped in soon(join_all(ends)).await {
        assert!(matches!(stopped.exit.ending, ExitCause::Signal(9 | 15)), "{stopped:?}");
        assert!(stopped.killed.is_none(), "{stopped:?}");
    }
    assert!(ports.into_iter().all(driver::port::is_free));
}

#[tokio::test]
async fn a_stop_is_carried_out_though_nobody_waits() {
    let ground = Ground::new();
    let instance = ground.shell(STUBBORN).await;
    said(&*instance, "up").await;
    drop(instance.stop(at_once()));
    assert!(soon(instance.gone()).await.killed.is_some());
}

#[tokio::test]
async fn an_instance_that_is_dropped_runs_on_and_is_still_watched() {
    let ground = Ground::new();
    let instance = ground.shell("echo up; while [ ! -e end ]; do sleep 0.01; done").await;
    said(&*instance, "up").await;
    let exited = instance.exited();
    drop(instance);
    assert!(!ground.processes().is_empty());
    std::fs::write(ground.path().join("end"), "").unwrap();
    assert_eq!(soon(exited).await.ending, ExitCause::Code(0));
    until("it is reaped", || ground.processes().is_empty()).await;
}

#[tokio::test]
async fn where_the_first_is_to_be_asked_the_others_hear_nothing_until_it_tells_them() {
    let ground = Ground::new();
    let child = "trap \"echo asked; exit\" TERM; echo up; while :; do sleep 0.01; done";
    let script = format!(
        "sh -c '{child}' & child=$!; trap 'echo leaves; kill -TERM $child' TERM; \
         wait $child; wait $child; echo ends"
    );
    let instance = ground.shell(&script).await;
    said(&*instance, "up").await;
    let stopped = soon(instance.stop(Stop { to: StopTo::First, ..stop() })).await;
    assert!(stopped.killed.is_none() && stopped.leftovers == 0, "{stopped:?}");
    let mut said = instance.tail(9).await.unwrap();
    said.retain(|line| line != "Terminated");
    assert_eq!(said, ["up", "leaves", "asked", "ends"], "it was asked once, by its parent");
}

#[tokio::test]
async fn what_the_first_leaves_behind_is_killed_where_only_it_is_asked() {
    let ground = Ground::new();
    let child = "trap \"echo asked\" TERM; echo up; while :; do sleep 0.01; done";
    let instance = ground.shell(&format!("sh -c '{child}' & trap 'exit 3' TERM; wait")).await;
    said(&*instance, "up").await;
    let begun = Instant::now();
    let stopped = soon(instance.stop(Stop { to: StopTo::First, ..stop() })).await;
    assert_eq!(stopped.exit.ending, ExitCause::Code(3));
    assert_eq!(stopped.killed, Some(Killed::LeftBehind), "{stopped:?}");
    assert!(stopped.leftovers >= 1, "{stopped:?}");
    assert!(begun.elapsed() < stop().timeout, "it is not waited for");
    assert_eq!(instance.tail(9).await.unwrap(), ["up"]);
}
