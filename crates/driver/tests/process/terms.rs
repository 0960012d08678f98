//! As whom an instance runs, and what it has of what Plimsoll was given and made of that for itself.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use driver::{Account, Command, Launch, LaunchError};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::ground::{Ground, launcher, process, soon};

/// What the script prints, run in an instance.
async fn told(ground: &Ground, launch: Launch) -> Vec<String> {
    let instance = ground.start(launch).await.unwrap();
    soon(instance.gone()).await;
    instance.tail(99).await.unwrap()
}

#[tokio::test]
async fn an_instance_has_the_limit_and_the_umask_that_plimsoll_was_started_with() {
    let mut ground = Ground::new();
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let few = maximum.map_or(2000, |most| most - 1);
    setrlimit(Resource::Nofile, Rlimit { current: Some(few), maximum }).unwrap();
    let launcher = launcher(crate::ground::actor(), vec!["launch".into()]);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let umask = {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
        u32::from_str_radix(line.trim(), 8).unwrap()
    };
    ground.launch_by(launcher);
    let script = "ulimit -Sn; ulimit -Hn; umask";
    let told = told(&ground, ground.launch(Command::Shell(script.into()))).await;
    let hard = maximum.map_or("unlimited".to_owned(), |most| most.to_string());
    assert_eq!(told, [few.to_string(), hard, format!("{umask:04o}")]);
}

#[tokio::test]
async fn an_instance_holds_no_descriptor_that_plimsoll_was_handed() {
    let ground = Ground::new();
    let secret = ground.path().join("secret");
    fs::write(&secret, "s3cret").unwrap();
    // As from a shell's `exec 7<secret`: it stays open over exec. Two, and one far behind the other.
    let file = fs::File::open(&secret).unwrap();
    let near = rustix::io::dup(&file).unwrap();
    let far = (0..100).map(|_| rustix::io::dup(&file).unwrap()).collect::<Vec<_>>();
    let held = [&near, &far[99]].map(AsRawFd::as_raw_fd);
    let open = |number| format!("if [ -e /proc/$$/fd/{number} ]; then echo {number}; fi; ");
    let script = [0, 1, 2, held[0], held[1]].map(open).concat();
    let told = told(&ground, ground.launch(Command::Shell(script))).await;
    assert_eq!(told, ["0", "1", "2"]);
}

#[tokio::test]
async fn an_instance_runs_as_its_user_and_in_its_groups_and_in_no_others() {
    if !geteuid().is_root() {
        return;
    }
    let ground = Ground::new();
    fs::set_permissions(ground.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = "grep -E '^(Uid|Gid|Groups|CapPrm|CapEff|CapAmb):' /proc/self/status";
    let account = Account { uid: 5678, gid: 5679, groups: vec![5680, 5681], entry: None };
    let mut launch = ground.launch(Command::Shell(script.into()));
    process(&mut launch).account = Some(account);
    let told: Vec<_> = told(&ground, launch)
        .await
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "Uid: 5678 5678 5678 5678",
        "Gid: 5679 5679 5679 5679",
        "Groups: 5680 5681",
        "CapPrm: 0000000000000000",
        "CapEff: 0000000000000000",
        "CapAmb: 0000000000000000",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_user_that_cannot_be_taken_on_is_told_and_nothing_runs() {
    if geteuid().is_root() {
        return;
    }
    let ground = Ground::new();
    let account = Account { uid: 5678, gid: 5679, groups: vec![], entry: None };
    let command = Command::Shell("touch ran".into());
    let mut launch = ground.launch(command);
    process(&mut launch).account = Some(account);
    let error = ground.start(launch).await.unwrap_err();
    assert!(matches!(error, LaunchError::Terms(_)), "{error:?}");
    assert!(!ground.path().join("ran").exists());
}

#[tokio::test]
async fn rights_that_plimsoll_was_lent_are_not_its_instances() {
    let lender = "/usr/bin/setpriv";
    if !geteuid().is_root() || !fs::exists(lender).unwrap() {
        // Nobody else has any to lend.
        return;
    }
    let mut ground = Ground::new();
    let right = "+net_bind_service";
    let lent = [
        "--inh-caps",
        right,
        "--ambient-caps",
        right,
        crate::ground::actor().to_str().unwrap(),
        "launch",
    ]
    .map(Into::into);
    ground.launch_by(launcher(lender.into(), lent.into()));
    let script = "grep -E '^Cap(Inh|Amb):' /proc/self/status | cut -f2";
    let told = told(&ground, ground.launch(Command::Shell(script.into()))).await;
    assert_eq!(told, ["0000000000000000"; 2]);
}
