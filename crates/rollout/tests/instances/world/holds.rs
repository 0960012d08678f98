//! What must hold after every step.

use std::collections::BTreeSet;

use model::InstanceName;
use rollout::instance::{Exposure, Phase};

use super::{Held, PACE, World};
use crate::outside::Id;

impl World {
    pub(super) fn look(&self) {
        let Self { seed, outside, held, .. } = self;
        assert_eq!(outside.snapshot, self.exposed(), "seed {seed}: not published");
        let mut names = BTreeSet::new();
        for (pid, process) in &outside.processes {
            if process.runs {
                assert!(names.insert(&process.of.instance), "seed {seed}: two of {process:?}");
            }
            if process.runs && !process.asked {
                let held =
                    held.get(&process.of.instance).filter(|it| it.number == process.of.number);
                let known = held.and_then(|held| held.lifecycle.process());
                assert_eq!(known, Some(pid), "seed {seed}: nobody follows {process:?}");
            }
        }
        for (name, held) in held {
            self.look_at(name, held);
        }
        if self.is_wanted && self.active.is_none() && self.release.is_some() {
            let staying = held.values().filter(|held| held.lifecycle.stays()).count();
            assert_eq!(staying, self.replicas as usize, "seed {seed}");
        }
        self.look_at_rollout();
    }

    fn look_at(&self, name: &InstanceName, held: &Held) {
        let (seed, lifecycle) = (self.seed, &held.lifecycle);
        let id = Id { instance: name.clone(), number: held.number };
        let phase = lifecycle.phase();
        let is_under_way =
            self.outside.launching.contains_key(&(id.clone(), lifecycle.last_start()));
        assert_eq!(phase == Phase::Starting, is_under_way, "seed {seed}: {name} {phase:?}");
        if let Some(pid) = lifecycle.process() {
            let process = self.outside.processes.get(pid);
            let process = process.unwrap_or_else(|| panic!("seed {seed}: {name} has a dead one"));
            assert!(!process.asked && process.of == id, "seed {seed}: {name} {process:?}");
        }
        match phase {
            Phase::Backoff { until, .. } => {
                assert!(until <= self.now + PACE.backoff_max, "seed {seed}: {name} {phase:?}");
                let deadline = lifecycle.next_deadline();
                assert_eq!(deadline.is_some(), lifecycle.stays(), "seed {seed}: {name}");
            }
            Phase::Gone => panic!("seed {seed}: {name} is gone, and kept"),
            _ => assert_eq!(lifecycle.next_deadline(), None, "seed {seed}: {name}"),
        }
        let exposure = lifecycle.exposure();
        let serves = phase == Phase::Live && lifecycle.serves();
        assert_eq!(exposure == Exposure::Serving, serves, "seed {seed}: {name} {phase:?}");
    }

    /// What the rollout thinks of its instances is what they are.
    fn look_at_rollout(&self) {
        let Some(active) = &self.active else { return };
        for (name, side, phase) in active.rollout.overview().instances {
            let Some(held) = self.held.get(name) else {
                panic!("seed {}: {name} ({side:?}) is {phase:?}, and is not there", self.seed);
            };
            let (serves, phase) = (held.lifecycle.serves(), (phase, held.lifecycle.phase()));
            let is_serving = matches!(phase.0, rollout::Phase::Serving);
            assert_eq!(serves, is_serving, "seed {}: {name} {phase:?}", self.seed);
        }
    }
}
