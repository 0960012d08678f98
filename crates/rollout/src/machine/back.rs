//! The way back: the old release takes over again, the new one goes.

use model::{InstanceName, Strategy};

use super::{Rollout, Stage};
use crate::event::{News, Outcome, Reason, Side};
use crate::fleet::Phase;

/// How often an instance of the old release is tried again, over all of them.
const LOST_MAX: u32 = 5;

impl Rollout {
    pub(super) fn turn_back(&mut self, reason: Reason) {
        (self.share, self.paused) = (None, None);
        self.stage = Stage::Returning(reason.clone());
        self.tell(News::Returning(reason));
        self.end_hook();
        // What is still there takes over at once.
        let is_back = |phase| matches!(phase, Phase::Retiring | Phase::Warm);
        for name in self.stable.in_phase(is_back) {
            self.stable.set(&name, Phase::Serving);
        }
    }

    /// An instance of the old release could not be brought back.
    pub(super) fn lose(&mut self, name: InstanceName, why: String) {
        self.stable.remove(&name);
        self.lost += 1;
        self.tell(News::TriedAgain(name, why));
    }

    /// Lets the old release take over, and the new one go. Whether the stage is over.
    pub(super) fn bring_back(&mut self) -> bool {
        let Stage::Returning(reason) = &self.stage else { return false };
        let reason = reason.clone();
        let is_replace = self.plan.deploy.strategy == Strategy::Replace;
        for name in self.stable.in_phase(|phase| phase == Phase::Ready) {
            self.stable.set(&name, Phase::Serving);
        }
        let is_lost = self.lost >= LOST_MAX;
        let wanted = self.plan.stable.len() as u32;
        // Two releases that may not run beside each other do not do so on the way back either.
        let has_gone = self.canary.is_empty() && self.stable.count(|it| it == Phase::Stopping) == 0;
        if !is_lost && (!is_replace || has_gone) {
            while self.stable.staying() < wanted {
                self.start(Side::Stable);
            }
        }
        let serving = self.stable.count(|phase| phase == Phase::Serving);
        // A bad release is better than none, where there was one.
        if serving > 0 || is_replace || wanted == 0 {
            for name in self.canary.in_phase(|phase| phase == Phase::Serving) {
                self.canary.set(&name, Phase::Retiring);
            }
        }
        self.direct();
        self.stop(Side::Canary, |phase| {
            phase.is_starting() || matches!(phase, Phase::Ready | Phase::Warm)
        });
        self.end_if_restored(reason, serving, wanted)
    }

    /// Ends it where the old release serves, or cannot, and the new one is gone. Whether it is over.
    fn end_if_restored(&mut self, reason: Reason, serving: u32, wanted: u32) -> bool {
        let is_lost = self.lost >= LOST_MAX;
        let stays_bad = is_lost && serving == 0;
        let has_left = self.canary.is_empty()
            || stays_bad && self.canary.count(|phase| phase != Phase::Serving) == 0;
        let is_quiet = self.stable.count(|phase| phase != Phase::Serving) == 0;
        let is_alone = self.hook.is_none();
        let is_over = has_left && is_quiet && is_alone && (serving >= wanted || is_lost);
        if is_over {
            self.end(match serving >= wanted {
                true => Outcome::RolledBack(reason),
                false => Outcome::Broken(reason),
            });
        }
        is_over
    }
}
