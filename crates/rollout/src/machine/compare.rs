//! What follows from the judge's words beside "worse": two releases are compared again while the new one bakes, one bad
//! instance is replaced, and a change in the classes of responses is told or held.

use std::time::Duration;

use model::{ClientErrors, InstanceName, Strategy};

use super::{Direction, Rollout, Stage};
use crate::event::{News, Pause, Reason, Side};
use crate::fleet::Phase;
use crate::judge::{Basis, Fault};

/// So long both releases get half of the requests each, at least.
pub(super) const COMPARED: Duration = Duration::from_secs(15);

/// And so long, while it is not certain.
const COMPARED_MAX: Duration = Duration::from_secs(60);

/// So often they are compared in one bake.
const COMPARISONS_MAX: u32 = 3;

impl Rollout {
    /// Beside the old release's past the new one may look worse. While the old one is there whole, that is no verdict:
    /// it gets half of the requests back, and the comparison decides.
    pub(super) fn suspect(&mut self) {
        let Stage::Baking { since } = self.stage else { return };
        let could_serve = |phase| matches!(phase, Phase::Retiring | Phase::Warm);
        let is_whole = self.stable.count(could_serve) as usize == self.plan.stable.len();
        let may_compare = is_whole
            && !self.plan.stable.is_empty()
            && self.plan.deploy.strategy != Strategy::Replace
            && !self.bake().is_zero()
            && !self.is_hurried
            && self.compared < COMPARISONS_MAX;
        if !may_compare {
            return;
        }
        let Some(suspicion) = self.judge.suspicion() else { return };
        if self.plan.direction == Direction::Back {
            // A person wanted the other one gone: it gets nothing back.
            return self.found_worse(suspicion);
        }
        self.compared += 1;
        for name in self.stable.in_phase(could_serve) {
            self.stable.set(&name, Phase::Serving);
        }
        self.share = Some(0.5);
        self.stage = Stage::Comparing { since: self.now, baking: since };
        self.tell(News::Comparing { suspicion, watch: COMPARED });
    }

    /// Waits until the comparison is over. Whether it is.
    pub(super) fn watch_comparison(&mut self) -> bool {
        let Stage::Comparing { since, baking } = self.stage else { return false };
        let took = self.now.saturating_sub(since);
        let is_over =
            self.is_hurried || took >= COMPARED_MAX || took >= COMPARED && !self.judge.is_open();
        if !is_over {
            return false;
        }
        self.judge.acquit();
        self.tell(News::Shared);
        self.share = None;
        self.retire(u32::MAX);
        // The time of the comparison is no part of the bake.
        self.stage = Stage::Baking { since: baking + (self.now - since) };
        true
    }

    /// One instance is to blame. It is replaced, once for each place, as long as another serves meanwhile; otherwise the
    /// release is to blame for it.
    pub(super) fn found_bad_instance(&mut self, fault: Fault) {
        let is_time = matches!(
            self.stage,
            Stage::Step { .. } | Stage::Baking { .. } | Stage::Comparing { .. }
        );
        let Some(name) = fault.instance.clone() else { return };
        let is_first = self.stage == Stage::Starting && fault.basis != Basis::Siblings;
        match (self.canary.phase(&name), self.may_replace()) {
            (Some(Phase::Serving), _) if is_first => self.replace_first(&name, fault),
            // While instances take over one by one, it is waited for the rest.
            _ if !is_time => {}
            (Some(Phase::Serving), true) => {
                self.put_out(&name, fault);
                self.start(Side::Canary);
            }
            (Some(Phase::Serving), false) => self.found_worse(fault),
            // It is on its way out.
            _ => self.judge.forgive(),
        }
    }

    /// The first of those that take over one by one gives its place back to an old one: the next, which is started anyway, tells
    /// whether it or the release is to blame.
    fn replace_first(&mut self, name: &InstanceName, fault: Fault) {
        self.put_out(name, fault);
        for old in self.stable.in_phase(|phase| matches!(phase, Phase::Retiring | Phase::Warm)) {
            self.stable.set(&old, Phase::Serving);
        }
    }

    fn put_out(&mut self, name: &InstanceName, fault: Fault) {
        self.replaced += 1;
        self.judge.forgive();
        self.tell(News::Replacing(fault));
        self.canary.set(name, Phase::Retiring);
    }

    fn may_replace(&self) -> bool {
        let serving = self.canary.count(|phase| phase == Phase::Serving);
        serving > 1 && self.replaced < self.plan.replicas
    }

    /// Whether an instance of the new release is being replaced.
    pub(super) fn is_replacing(&self) -> bool {
        let is_on = matches!(
            self.stage,
            Stage::Step { .. } | Stage::Baking { .. } | Stage::Comparing { .. }
        );
        is_on && self.canary.count(|phase| phase != Phase::Serving) > 0
    }

    /// Whether an instance was replaced, and is on its way out.
    pub(super) fn is_replaced(&self, name: &InstanceName) -> bool {
        let phase = self.canary.phase(name);
        self.replaced > 0 && matches!(phase, Some(Phase::Retiring | Phase::Warm | Phase::Stopping))
    }

    /// The one that came instead serves as soon as it is ready, and the bad one stops once nothing reaches it.
    pub(super) fn carry_on_replacing(&mut self) {
        if self.is_replacing() {
            self.admit();
            self.direct();
            self.stop(Side::Canary, |phase| phase == Phase::Warm);
        }
    }

    /// It responds with another class of status more often than the old release.
    pub(super) fn found_change(&mut self, fault: Fault) {
        match self.plan.deploy.judge.client_errors {
            _ if self.paused.is_some() => {}
            ClientErrors::Rollback => self.turn_back(Reason::Worse(Box::new(fault))),
            ClientErrors::Hold if !self.is_hurried => {
                self.tell(News::Changed(fault));
                self.pause(Pause::ClientErrors);
            }
            ClientErrors::Tell | ClientErrors::Hold => {
                self.judge.excuse_change();
                self.tell(News::Changed(fault));
            }
        }
    }
}
