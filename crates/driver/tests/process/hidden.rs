//! Descendants that hide: in a session of their own, without the environment that marks them, without
//! a parent that lives, as another user. All are an instance's own, and none outlives it.

use std::fs;
use std::path::PathBuf;

use driver::{PortOwner, Stop};

use crate::ground::{Ground, actor, soon, stop, until};

/// A shell that runs `script` in a session of its own and with a clean environment.
fn hiding(script: &str) -> String {
    format!("setsid env -i PORT=$PORT sh -c '{script}'")
}

/// The process that wrote its number into the file `name`.
struct Hidden {
    file: PathBuf,
}

impl Hidden {
    fn new(ground: &Ground, name: &str) -> Self {
        Self { file: ground.path().join(name) }
    }

    fn pid(&self) -> Option<u32> {
        fs::read_to_string(&self.file).ok()?.trim().parse().ok()
    }

    fn runs(&self) -> bool {
        let stat = |pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        // One that has ended, and was not asked how by the process that is its parent now, is there no more.
        let has_ended =
            |stat: String| stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'));
        self.pid().and_then(stat).is_some_and(|stat| !has_ended(stat))
    }
}

impl Drop for Hidden {
    /// It outlives the test in which something is wrong only.
    fn drop(&mut self) {
        if let Some(pid) = self.pid().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

#[tokio::test]
async fn one_that_hides_beside_its_parent_or_without_one_goes_with_the_instance() {
    for (name, start) in [
        ("a child", format!("{} &", hiding("echo $$ > hidden; exec sleep 1000"))),
        ("an orphan", format!("({} &);", hiding("echo $$ > hidden; exec sleep 1000"))),
        (
            "an orphan twice removed",
            format!(
                "({} &);",
                hiding("setsid sh -c \"echo \\$\\$ > hidden; exec sleep 1000\" & exit")
            ),
        ),
    ] {
        let ground = Ground::new();
        let hidden = Hidden::new(&ground, "hidden");
        let instance = ground.shell(&format!("{start} exec sleep 1000")).await;
        until("it hides", || hidden.runs()).await;
        let stopped = soon(instance.stop(stop())).await;
        assert!(!hidden.runs(), "{name}: {stopped:?}");
        assert!(stopped.leftovers >= 1, "{name}: {stopped:?}");
    }
}

#[tokio::test]
async fn one_that_hides_and_hears_no_signal_is_killed() {
    let ground = Ground::new();
    let hidden = Hidden::new(&ground, "hidden");
    let deaf = hiding("trap \"\" TERM; echo $$ > hidden; while :; do sleep 1000; done");
    let instance = ground.shell(&format!("({deaf} &); exec sleep 1000")).await;
    until("it hides", || hidden.runs()).await;
    let timeout = std::time::Duration::from_millis(100);
    let stopped = soon(instance.stop(Stop { timeout, ..stop() })).await;
    assert!(stopped.killed.is_some() && !hidden.runs(), "{stopped:?}");
}

#[tokio::test]
async fn the_port_of_one_that_hides_is_the_instance_s_own() {
    let ground = Ground::new();
    let hidden = Hidden::new(&ground, "hidden");
    let serve = format!("echo $$ > hidden; exec {} serve", actor().display());
    let instance = ground.shell(&format!("({} &); exec sleep 1000", hiding(&serve))).await;
    until("it hides", || hidden.runs()).await;
    let mut listener = PortOwner::Nobody;
    while listener == PortOwner::Nobody {
        listener = soon(instance.listener()).await;
    }
    assert_eq!(listener, PortOwner::Own);
    soon(instance.stop(stop())).await;
    assert!(!hidden.runs());
}

#[tokio::test]
async fn one_that_became_another_user_goes_with_the_instance() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can.
        return;
    }
    let ground = Ground::new();
    let hidden = Hidden::new(&ground, "hidden");
    fs::write(&hidden.file, "").unwrap();
    std::os::unix::fs::chown(&hidden.file, Some(65534), None).unwrap();
    std::os::unix::fs::chown(ground.path(), Some(65534), None).unwrap();
    let script = "su -s /bin/sh nobody -c \"echo \\$\\$ > hidden; exec sleep 1000\"";
    let instance = ground.shell(&format!("({} &); exec sleep 1000", hiding(script))).await;
    until("it hides", || hidden.runs()).await;
    soon(instance.stop(stop())).await;
    assert!(!hidden.runs());
}
