//! Starting: what an instance is given, and what keeps it from starting.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;

use driver::port::Ports;
use driver::{Command, Driver, ExitCause, LaunchError, ProcessDriver, ProcessLogs};

use crate::ground::{self, Ground, acting, actor, launcher, process, soon, until};

#[tokio::test]
async fn instance_finds_what_it_was_given_and_nothing_else() {
    let ground = Ground::new();
    let mut launch = ground.launch(acting(&["environment"]));
    for (name, value) in [
        ("SPACES", "two  words "),
        ("QUOTES", r#"'single' "double" `back`"#),
        ("LINES", "one\ntwo\n"),
        ("DOLLAR", "$PORT ${HOME} \\"),
        ("PORT", "not ours to hide"),
    ] {
        process(&mut launch).environment.set(name, value);
    }
    let instance = ground.start(launch).await.unwrap();
    let stopped = soon(instance.gone()).await;
    assert_eq!(stopped.exit.ending, ExitCause::Code(0));
    let record = instance.record();
    let mut said = instance.tail(100).await.unwrap();
    said.retain(|line| !line.starts_with("ACTOR_GROUND=") && !line.starts_with("PATH="));
    said.sort();
    assert_eq!(
        said,
        [
            r#"DOLLAR="$PORT ${HOME} \\""#.to_owned(),
            r#"INSTANCE="api-1""#.to_owned(),
            r#"LINES="one\ntwo\n""#.to_owned(),
            format!("PLIMSOLL_RUN={:?}", record.run),
            format!("PORT=\"{}\"", record.address.port()),
            r#"QUOTES="'single' \"double\" `back`""#.to_owned(),
            r#"SERVICE="api""#.to_owned(),
            r#"SPACES="two  words ""#.to_owned(),
            r#"VERSION="1.4.2""#.to_owned(),
        ]
    );
}

#[tokio::test]
async fn instance_leads_a_session_and_a_group_and_holds_nothing_of_ours() {
    let ground = Ground::new();
    let script = "cut -d' ' -f5,6 /proc/$$/stat; readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; \
                  readlink /proc/$$/fd/* | grep -c socket";
    let instance = ground.shell(script).await;
    soon(instance.gone()).await;
    let record = instance.record();
    let (pid, log) = (
        record.identity.process().unwrap().leader.pid,
        record.identity.process().unwrap().log.display().to_string(),
    );
    let expected = [format!("{pid} {pid}"), "/dev/null".into(), log.clone(), log, "0".into()];
    assert_eq!(instance.tail(9).await.unwrap(), expected);
}

#[tokio::test]
async fn signals_that_are_ignored_where_we_come_from_are_heard_by_an_instance() {
    let mut ground = Ground::new();
    let script = r#"trap '' HUP INT QUIT TERM USR1; exec "$0" launch "$@""#;
    let actor = ground::actor().into_os_string();
    let launcher = launcher("/bin/sh".into(), vec!["-c".into(), script.into(), actor]);
    ground.launch_by(launcher);
    let instance = ground.shell("grep SigIgn /proc/self/status").await;
    soon(instance.gone()).await;
    let line = instance.tail(1).await.unwrap().remove(0);
    let mask = u64::from_str_radix(line.strip_prefix("SigIgn:\t").unwrap(), 16).unwrap();
    assert_eq!(mask & 0x7fff_ffff, 0, "{line}");
}

#[tokio::test]
async fn arguments_arrive_as_they_were_meant() {
    let ground = Ground::new();
    let line = r#"printf '<%s>\n' "a b" $PORT r-{version} '$(id)' '' ünï"#;
    let instance = ground.start(ground.launch(Command::Line(line.into()))).await.unwrap();
    soon(instance.gone()).await;
    let port = format!("<{}>", instance.record().address.port());
    let expected = ["<a b>", &port, "<r-1.4.2>", "<$(id)>", "<>", "<ünï>"];
    assert_eq!(instance.tail(9).await.unwrap(), expected);
}

#[tokio::test]
async fn what_is_held_has_not_run_and_dropped_never_does() {
    let ground = Ground::new();
    let launch = ground.launch(Command::Shell("touch ran".into()));
    let held = ground.driver.prepare(launch.clone()).await.unwrap();
    assert!(
        fs::exists(format!("/proc/{}", held.record().identity.process().unwrap().leader.pid))
            .unwrap()
    );
    let port = held.record().address.port();
    assert!(ground.driver.ports().free(usize::MAX) > 0);
    drop(held);
    assert!(ground.processes().is_empty());
    assert!(!ground.path().join("ran").exists());
    assert!(driver::port::is_free(port));

    let instance = ground.start(launch).await.unwrap();
    soon(instance.gone()).await;
    assert!(ground.path().join("ran").exists(), "let go, it runs");
}

#[tokio::test]
async fn a_release_that_nobody_waits_for_is_carried_through_and_watched() {
    let ground = Ground::new();
    let launch = ground.launch(Command::Shell("touch ran; exit 0".into()));
    let held = ground.driver.prepare(launch).await.unwrap();
    let pid = held.record().identity.process().unwrap().leader.pid;
    let mut release = held.release();
    assert!(futures_util::poll!(&mut release).is_pending());
    drop(release);
    until("it ran", || ground.path().join("ran").exists()).await;
    until("it was reaped", || !fs::exists(format!("/proc/{pid}")).unwrap()).await;
}

#[tokio::test]
async fn two_that_start_at_once_get_two_ports() {
    let ground = Ground::new();
    let one = ground.driver.prepare(ground.launch(acting(&["serve"]))).await.unwrap();
    let other = ground.driver.prepare(ground.launch(acting(&["serve"]))).await.unwrap();
    assert_ne!(one.record().address.port(), other.record().address.port());
    assert_ne!(one.record().run, other.record().run);
}

#[tokio::test]
async fn each_reason_not_to_start_is_told_apart() {
    let ground = Ground::new();
    let start = |command| ground.start(ground.launch(command));
    let missing = start(Command::Line("no-such-program --x".into())).await.unwrap_err();
    assert!(matches!(missing, LaunchError::Program(_)), "{missing:?}");

    let unclosed = start(Command::Line("echo 'x".into())).await.unwrap_err();
    assert!(matches!(unclosed, LaunchError::Command(_)), "{unclosed:?}");

    let mut launch = ground.launch(Command::Line("true".into()));
    process(&mut launch).directory = ground.path().join("none");
    let nowhere = ground.start(launch).await.unwrap_err();
    assert!(matches!(nowhere, LaunchError::Directory { .. }), "{nowhere:?}");

    let logs = ProcessLogs::of("/proc/none".as_ref());
    let driver =
        ProcessDriver::new(launcher(actor(), vec!["launch".into()]), Ports::default(), logs);
    let mute = driver.prepare(ground.launch(Command::Line("true".into()))).await.unwrap_err();
    assert!(matches!(mute, LaunchError::Log { .. }), "{mute:?}");

    let huge = "x".repeat(200 << 10);
    let long = start(Command::Arguments(vec!["true".into(), huge])).await.unwrap_err();
    assert!(matches!(long, LaunchError::Process(_)), "{long:?}");
}

#[tokio::test]
async fn a_program_that_the_system_refuses_is_told_with_the_reason() {
    let ground = Ground::new();
    let program = ground.path().join("serve");
    fs::copy("/bin/true", &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let writer = OpenOptions::new().write(true).open(&program).unwrap();
    let refused = ground.start(ground.launch(Command::Line("./serve".into()))).await.unwrap_err();
    let LaunchError::Exec { program: told, source } = refused else { panic!("{refused:?}") };
    assert_eq!(told, ground.path().join("./serve"));
    assert_eq!(source.kind(), std::io::ErrorKind::ExecutableFileBusy);
    drop(writer);
}

#[tokio::test]
async fn a_launcher_that_is_none_is_told() {
    let mut ground = Ground::new();
    let launcher = launcher("/bin/true".into(), Vec::new());
    ground.launch_by(launcher);
    let lost = ground.start(ground.launch(Command::Line("true".into()))).await.unwrap_err();
    assert!(matches!(lost, LaunchError::Lost), "{lost:?}");
}
