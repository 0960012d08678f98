//! What is really there, kept apart from what the machines think: processes, starts that are under way,
//! what the edge serves, and who could still have a request.

use std::collections::{BTreeMap, BTreeSet};

use model::InstanceName;
use rollout::instance::{Exposure, Start, Wait};

/// A process, told apart from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pid(u64);

/// Which life: the instance, and the number under which the world keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) instance: InstanceName,
    pub(crate) number: u64,
}

/// A process that may be there.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Who follows it.
    pub(crate) of: Id,
    pub(crate) start: Start,
    pub(crate) release: u32,
    /// Its first process runs.
    pub(crate) runs: bool,
    /// It was asked to end.
    pub(crate) asked: bool,
}

#[derive(Default)]
pub(crate) struct Outside {
    pids: u64,
    pub(crate) processes: BTreeMap<Pid, Process>,
    /// Starts that have not told yet what came of them, and the release that they are of.
    pub(crate) launching: BTreeMap<(Id, Start), u32>,
    /// The last start of each life.
    last: BTreeMap<Id, Start>,
    /// Starts that have passed their first checks.
    passed: BTreeSet<(Id, Start)>,
    /// What the edge serves.
    pub(crate) snapshot: BTreeMap<InstanceName, (Pid, Exposure)>,
    /// Could have got a request, and it was not proved since that none is left.
    reached: BTreeSet<Pid>,
    /// The last wait of each life.
    waits: BTreeMap<Id, Wait>,
}

impl Outside {
    /// A start begins.
    pub(crate) fn launch(&mut self, id: &Id, start: Start, release: u32) {
        let beside = self.processes.values().find(|it| it.of.instance == id.instance && it.runs);
        assert!(beside.is_none(), "{id:?} is started beside {beside:?}");
        let before = self.last.insert(id.clone(), start);
        assert!(before.is_none_or(|before| before < start), "{start:?} of {id:?} came before");
        self.launching.insert((id.clone(), start), release);
    }

    /// The program of a start runs.
    pub(crate) fn runs(&mut self, id: &Id, start: Start, release: u32) -> Pid {
        self.launching.remove(&(id.clone(), start)).expect("it was started");
        self.pids += 1;
        let process = Process { of: id.clone(), start, release, runs: true, asked: false };
        self.processes.insert(Pid(self.pids), process);
        Pid(self.pids)
    }

    /// A start has passed its first checks.
    pub(crate) fn passes(&mut self, id: &Id, start: Start) {
        self.passed.insert((id.clone(), start));
    }

    /// The edge takes a snapshot.
    pub(crate) fn publish(&mut self, snapshot: BTreeMap<InstanceName, (Pid, Exposure)>) {
        for (pid, exposure) in snapshot.values() {
            let process = &self.processes[pid];
            let start = (process.of.clone(), process.start);
            assert!(self.passed.contains(&start), "{process:?} is published and passed no check");
            assert!(!process.asked, "{process:?} is published and was asked to end");
            if *exposure == Exposure::Serving {
                self.reached.insert(*pid);
            }
        }
        self.snapshot = snapshot;
    }

    /// A wait begins until nothing reaches an instance.
    pub(crate) fn drain(&mut self, id: &Id, wait: Wait) {
        let exposure = self.snapshot.get(&id.instance).map(|(_, exposure)| *exposure);
        assert_ne!(exposure, Some(Exposure::Serving), "{id:?} drains and gets new requests");
        let before = self.waits.insert(id.clone(), wait);
        assert!(before.is_none_or(|before| before < wait), "{wait:?} of {id:?} came before");
    }

    /// It is proved that nothing reaches it, if it did not get requests again since.
    pub(crate) fn proved(&mut self, id: &Id, wait: Wait) {
        let is_served = self.snapshot.get(&id.instance).map(|it| it.1) == Some(Exposure::Serving);
        if self.waits.get(id) == Some(&wait) && !is_served {
            let processes = &self.processes;
            self.reached.retain(|pid| processes.get(pid).is_some_and(|it| it.of != *id));
        }
    }

    /// A process is asked to end.
    pub(crate) fn stop(&mut self, id: &Id, pid: Pid) {
        assert!(!self.reached.contains(&pid), "{id:?} is stopped within reach");
        assert!(
            self.snapshot.values().all(|(it, _)| *it != pid),
            "{id:?} is stopped in a snapshot"
        );
        let process = self.processes.get_mut(&pid).expect("what is stopped is there");
        assert_eq!((&process.of, process.asked), (id, false), "{id:?} stops another's, or twice");
        process.asked = true;
    }

    /// A process of the instance, if its first one runs and was not asked to end.
    pub(crate) fn running(&self, id: &Id) -> Option<Pid> {
        let is_its = |it: &Process| it.of == *id && it.runs && !it.asked;
        self.processes.iter().find(|(_, it)| is_its(it)).map(|(pid, _)| *pid)
    }

    /// Plimsoll is killed: nothing is served, and nobody follows what runs. Starts that were under way
    /// end before their program ran, or run for `are_released`.
    pub(crate) fn is_killed(&mut self, mut are_released: impl FnMut() -> bool) {
        for ((id, start), release) in std::mem::take(&mut self.launching) {
            if are_released() {
                self.launching.insert((id.clone(), start), release);
                self.runs(&id, start, release);
            }
        }
        self.snapshot.clear();
        self.reached.clear();
        // Those whose first process has ended are ended whole when they are looked for.
        self.processes.retain(|_, process| process.runs);
    }

    /// What runs already has a new life.
    pub(crate) fn is_followed(&mut self, pid: Pid, id: &Id, start: Start) {
        let process = self.processes.get_mut(&pid).expect("it was found");
        (process.of, process.start, process.asked) = (id.clone(), start, false);
        self.last.insert(id.clone(), start);
    }
}
