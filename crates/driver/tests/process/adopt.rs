//! Instances outlive whoever started them, and are found again; nobody else is mistaken for one.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;

use driver::{
    Adoption, Driver, ExitCause, Gone, Identity, Instance, ProcessIdentity, ProcessRecord, Record,
    Upkeep,
};

use crate::ground::{Ground, actor, said, soon, stop, until};
use crate::record_line;

/// A program that starts instances, with the records that it wrote down.
struct Owner {
    process: Child,
    records: Vec<Record>,
}

impl Owner {
    fn new(ground: &Ground, arguments: &[&str]) -> Self {
        let mut process = Program::new(actor())
            .arg("own")
            .arg(ground.path())
            .args(arguments)
            .env(ground.mark().0, ground.mark().1)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let records = lines.take_while(|line| line != "ready").map(|line| read(&line)).collect();
        Self { process, records }
    }

    /// kill -9.
    fn kill(mut self) -> Vec<Record> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.records
    }
}

fn read(line: &str) -> Record {
    let fields: Vec<&str> = line.split('\t').collect();
    let record = Record {
        service: fields[0].into(),
        instance: fields[1].into(),
        version: fields[2].to_owned(),
        address: fields[3].parse().unwrap(),
        run: fields[6].to_owned(),
        identity: Identity::Process(ProcessRecord {
            leader: ProcessIdentity {
                pid: fields[7].parse().unwrap(),
                start_ticks: fields[8].parse().unwrap(),
                boot_id: fields[9].to_owned(),
            },
            log: fields[4].into(),
            log_start: fields[5].parse().unwrap(),
        }),
    };
    assert_eq!(record_line::write(&record), line);
    record
}

fn leader(record: &mut Record) -> &mut ProcessIdentity {
    match &mut record.identity {
        Identity::Process(process) => &mut process.leader,
        Identity::Container(_) => panic!("it is a process's"),
    }
}

async fn adopt(ground: &Ground, record: &Record) -> Adoption {
    soon(ground.driver.adopt(record.clone(), Upkeep::default())).await.unwrap()
}

async fn adopt_running(ground: &Ground, record: &Record) -> Arc<dyn Instance> {
    match adopt(ground, record).await {
        Adoption::Running(instance) => instance,
        Adoption::Gone(gone) => panic!("{record:?} is gone: {gone:?}"),
    }
}

async fn adopt_gone(ground: &Ground, record: &Record) -> Gone {
    match adopt(ground, record).await {
        Adoption::Gone(gone) => gone,
        Adoption::Running(_) => panic!("{record:?} was taken for one that runs"),
    }
}

#[tokio::test]
async fn instances_outlive_a_killed_owner_and_are_adopted() {
    let ground = Ground::new();
    let records = Owner::new(&ground, &["3", "run"]).kill();
    until("all serve", || ground.processes().len() == 3).await;
    let mut instances = Vec::new();
    for record in &records {
        instances.push(adopt_running(&ground, record).await);
    }
    for instance in &instances {
        said(&**instance, "listening").await;
        // It still answers, and what it writes still arrives, though its first owner is gone.
        TcpStream::connect(("127.0.0.1", instance.record().address.port()))
            .unwrap()
            .flush()
            .unwrap();
        said(&**instance, "hello").await;
        assert!(instance.memory().await > 0);
    }
    let stopped = soon(instances[0].stop(stop())).await;
    assert_eq!((stopped.exit.ending, stopped.exit.asked), (ExitCause::Unknown, true));
    let pid =
        rustix::process::Pid::from_raw(records[1].identity.process().unwrap().leader.pid as i32)
            .unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let exit = soon(instances[1].exited()).await;
    assert_eq!((exit.ending, exit.asked), (ExitCause::Unknown, false));
    soon(instances[2].stop(stop())).await;
    for record in &records {
        assert_eq!(adopt_gone(&ground, record).await, Gone::Ended { leftovers: 0 });
    }
}

#[tokio::test]
async fn the_ports_of_adopted_instances_are_given_to_nobody_else() {
    let ground = Ground::new();
    let records = Owner::new(&ground, &["1", "run"]).kill();
    let before = ground.driver.ports().free(usize::MAX);
    let instance = adopt_running(&ground, &records[0]).await;
    said(&*instance, "listening").await;
    let port = records[0].address.port();
    let only = driver::port::Ports::within(port..=port);
    assert_eq!(only.free(1), 0);
    soon(instance.stop(stop())).await;
    assert_eq!(only.free(1), 1);
    assert!(before > 0);
}

#[tokio::test]
async fn what_an_owner_held_when_it_was_killed_never_runs() {
    let ground = Ground::new();
    let owner = Owner::new(&ground, &["2", "hold"]);
    assert_eq!(ground.processes().len(), 3, "the owner and two that wait");
    let records = owner.kill();
    until("they end by themselves", || ground.processes().is_empty()).await;
    for (record, number) in records.iter().zip(1..) {
        assert_eq!(adopt_gone(&ground, record).await, Gone::Ended { leftovers: 0 });
        assert!(!ground.path().join(format!("ran-{number}")).exists());
    }
}

#[tokio::test]
async fn another_process_under_the_same_number_is_left_alone() {
    let ground = Ground::new();
    let instance = ground.actor(&["serve"]).await;
    said(&*instance, "listening").await;
    let mut record = instance.record().clone();
    leader(&mut record).start_ticks -= 1;
    // What it marked is another's too.
    record.run = "another".into();
    assert_eq!(adopt_gone(&ground, &record).await, Gone::Ended { leftovers: 0 });
    TcpStream::connect(("127.0.0.1", record.address.port())).expect("it serves on");
    soon(instance.stop(stop())).await;
}

#[tokio::test]
async fn a_record_of_an_earlier_run_of_the_machine_names_nobody() {
    let ground = Ground::new();
    let instance = ground.actor(&["serve"]).await;
    let mut record = instance.record().clone();
    leader(&mut record).boot_id = "another".into();
    assert_eq!(adopt_gone(&ground, &record).await, Gone::Rebooted);
    assert!(soon(instance.stop(stop())).await.exit.asked);
}

#[tokio::test]
async fn a_number_that_nobody_has_or_could_have_is_gone() {
    let ground = Ground::new();
    let instance = ground.shell("exit 0").await;
    soon(instance.gone()).await;
    for pid in [instance.record().identity.process().unwrap().leader.pid, 0, u32::MAX] {
        let mut record = instance.record().clone();
        leader(&mut record).pid = pid;
        assert_eq!(adopt_gone(&ground, &record).await, Gone::Ended { leftovers: 0 });
    }
}

#[tokio::test]
async fn what_outlived_an_instance_that_nobody_watched_is_ended() {
    let ground = Ground::new();
    let script = "sleep 1000 & setsid sleep 1000 &";
    let records = Owner::new(&ground, &["1", "run", script]).kill();
    let has_begun = || {
        std::fs::read_to_string(&records[0].identity.process().unwrap().log)
            .unwrap()
            .contains("listening")
    };
    until("it serves", has_begun).await;
    until("all three run", || ground.processes().len() == 3).await;
    let pid =
        rustix::process::Pid::from_raw(records[0].identity.process().unwrap().leader.pid as i32)
            .unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let has_ended = || match std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())) {
        Ok(stat) => stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'),
        Err(_) => true,
    };
    until("the first has ended", has_ended).await;
    assert_eq!(adopt_gone(&ground, &records[0]).await, Gone::Ended { leftovers: 2 });
    assert!(ground.processes().is_empty());
}

#[tokio::test]
async fn a_process_that_ended_and_was_not_reaped_is_gone() {
    let ground = Ground::new();
    let instance = ground.shell("exit 0").await;
    soon(instance.gone()).await;
    let record = instance.record().clone();
    let mut child = Program::new("true").spawn().unwrap();
    let mut zombie = record;
    let stat = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    until("it has ended", || stat()[0] == "Z").await;
    leader(&mut zombie).pid = child.id();
    leader(&mut zombie).start_ticks = stat()[19].parse().unwrap();
    assert_eq!(adopt_gone(&ground, &zombie).await, Gone::Ended { leftovers: 0 });
    child.wait().unwrap();
}
