//! What befalls the world: processes die, persons change their minds, Plimsoll is killed.

use std::time::Duration;

use model::Drain;
use rollout::DeployAction;
use rollout::instance::{Demand, Lifecycle};

use super::{Active, Coming, PACE, World};
use crate::outside::Id;

impl World {
    pub(super) fn meddle(&mut self) {
        if self.chance.f64() < self.temper.dies * 0.3 {
            let lives = self
                .held
                .iter()
                .map(|(name, held)| Id { instance: name.clone(), number: held.number });
            let running: Vec<_> = lives.filter_map(|id| self.outside.running(&id)).collect();
            if let Some(pid) = self.chance.choice(running) {
                self.exits(pid);
            }
        }
        if self.chance.f64() < self.temper.meddles {
            self.person();
        }
        if self.chance.f64() < self.temper.killed {
            self.is_killed();
        }
        let is_paused = |active: &Active| active.rollout.overview().paused.is_some();
        if self.active.as_ref().is_some_and(is_paused) && self.chance.f64() < 0.2 {
            self.tell_rollout(rollout::Event::Action(DeployAction::Resume));
        }
    }

    fn person(&mut self) {
        match self.chance.u32(0..8) {
            0..3 => self.begin_deploy(),
            3 => {
                let words = [DeployAction::Promote, DeployAction::Abort, DeployAction::Pause];
                let word = self.chance.choice(words).expect("there are some");
                self.tell_rollout(rollout::Event::Action(word));
            }
            4 | 5 => {
                self.replicas = self.chance.u32(1..4);
                self.reconcile();
            }
            6 => self.take_out(),
            _ => {
                self.is_wanted = true;
                self.reconcile();
                if self.release.is_none() {
                    self.begin_deploy();
                }
            }
        }
    }

    /// The file does not have the service any more.
    fn take_out(&mut self) {
        (self.is_wanted, self.active) = (false, None);
        let names: Vec<_> = self.held.keys().cloned().collect();
        for instance in names {
            self.demand(&instance, Demand::Dismiss(Drain::all(Duration::ZERO)));
        }
    }

    /// Plimsoll is killed, and started again: it finds what runs by its journal.
    fn is_killed(&mut self) {
        let chance = &mut self.chance;
        self.outside.is_killed(|| chance.bool());
        self.active = None;
        self.held.clear();
        self.coming.retain(|_, coming| matches!(coming, Coming::Exits(_)));
        let found: Vec<_> =
            self.outside.processes.iter().map(|(pid, it)| (*pid, it.clone())).collect();
        for (pid, process) in found {
            let is_meant = Some(process.release) == self.release && self.is_wanted;
            let (lifecycle, effects) = match is_meant {
                true => Lifecycle::adopt(self.now, PACE, pid),
                false => Lifecycle::reject(self.now, PACE, pid),
            };
            *(if is_meant { &mut self.counts.adopted } else { &mut self.counts.rejected }) += 1;
            let instance = process.of.instance;
            let start = lifecycle.last_start();
            self.keep(&instance, process.release, lifecycle);
            let id = Id { instance: instance.clone(), number: self.numbers };
            self.outside.is_followed(pid, &id, start);
            self.carry_out(&instance, effects);
        }
        self.reconcile();
    }
}
