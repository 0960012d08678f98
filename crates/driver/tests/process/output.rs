//! Output: nothing is lost, whoever reads or rotates or dies.

use driver::{ExitCause, Rotation};

use crate::ground::{Ground, acting, follow, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fast_writer_that_is_rotated_all_the_while_loses_no_line() {
    const LINES: usize = 1_500_000;
    let ground = Ground::new();
    let mut launch = ground.launch(acting(&["write", &LINES.to_string()]));
    launch.upkeep.rotation = Rotation { bytes_max: 500_000, keep: 1_000_000 };
    let instance = ground.start(launch).await.unwrap();
    let log = instance.record().identity.process().unwrap().log.clone();
    let mut follow = follow(&*instance, 1_000_000);
    for number in 0..LINES {
        assert_eq!(soon(follow.line()).await.unwrap(), format!("line {number}"));
    }
    assert_eq!(soon(instance.gone()).await.exit.ending, ExitCause::Code(0));
    assert_eq!(follow.ready().unwrap(), None);
    let directory = std::fs::read_dir(log.parent().unwrap()).unwrap().flatten();
    let is_part = |path: &std::path::PathBuf| path.extension().is_none_or(|it| it != "times");
    let mut files: Vec<_> = directory.map(|entry| entry.path()).filter(is_part).collect();
    files.sort();
    assert!(files.len() > 30, "it was rotated: {}", files.len());
    let archived: String =
        files[1..].iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let expected: String = (0..LINES).map(|number| format!("line {number}\n")).collect();
    assert!(expected.starts_with(&archived), "the archives are the log's beginning");
    assert!(expected.len() - archived.len() <= 500_000, "and all of it but the last part");
}

#[tokio::test]
async fn the_last_lines_of_this_run_are_told_and_none_of_the_run_before() {
    let ground = Ground::new();
    soon(ground.shell("echo old").await.gone()).await;
    let instance = ground.shell("seq 1 30; echo 'no line end' >&2; printf end").await;
    soon(instance.gone()).await;
    let tail = instance.tail(20).await.unwrap();
    assert_eq!((tail.len(), &*tail[0], &*tail[18], &*tail[19]), (20, "13", "no line end", "end"));
    assert_eq!(instance.tail(100).await.unwrap().len(), 32);
    let whole =
        std::fs::read_to_string(&instance.record().identity.process().unwrap().log).unwrap();
    assert!(whole.starts_with("old\n1\n"));
}

#[tokio::test]
async fn a_log_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let ground = Ground::new();
    let instance = ground.shell("echo secret").await;
    soon(instance.gone()).await;
    let log = &instance.record().identity.process().unwrap().log;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(log) & 0o777, 0o600);
    assert_eq!(mode(log.parent().unwrap()) & 0o777, 0o700);
}
