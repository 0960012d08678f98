//! What the deploy runs once: before anything starts, and when the new release has come to stay.
//!
//! A rollout never ends while a hook of its own runs: the next deploy's would run beside it.

use std::time::Duration;

use model::{Hook, HookMoment, Strategy};

use super::{Rollout, Stage};
use crate::event::{DeployAction, Effect, HookEnd, News, Outcome, Reason};

/// A hook that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningHook {
    moment: HookMoment,
    since: Duration,
}

impl Rollout {
    /// Begins what the deploy says for `moment`. Whether it says anything.
    pub(super) fn begin_hook(&mut self, moment: HookMoment) -> bool {
        if self.plan.deploy.hook(moment).is_none() {
            return false;
        }
        let name = moment.name(&self.plan.service, self.next_number);
        self.next_number += 1;
        self.hook = Some(RunningHook { moment, since: self.now });
        self.tell(News::HookBegun(moment));
        self.effects.push(Effect::Hook(moment, name));
        true
    }

    /// Nothing is left of the hook that ran.
    pub(super) fn hook_ended(&mut self, end: HookEnd) {
        let Some(RunningHook { moment, since }) = self.hook.take() else { return };
        match (end, &self.stage) {
            (HookEnd::Done, _) => self.tell(News::HookDone(moment, self.now - since)),
            (HookEnd::Failed(why), Stage::Before) => self.turn_back(Reason::Hook(moment, why)),
            // It was ended, and why was told.
            (HookEnd::Failed(_), Stage::Returning(_)) => {}
            (HookEnd::Failed(why), _) => self.tell(News::HookFailed(moment, why)),
        }
        match self.stage {
            Stage::Before => self.stage = self.first_stage(),
            Stage::After => self.end(Outcome::Promoted),
            _ => {}
        }
    }

    /// Where it begins when all is prepared.
    pub(super) fn first_stage(&self) -> Stage {
        match self.plan.deploy.strategy {
            Strategy::Replace => Stage::Clearing,
            _ => Stage::Starting,
        }
    }

    /// What the deploy runs at `moment`, if it runs anything.
    pub fn hook(&self, moment: HookMoment) -> Option<&Hook> {
        self.plan.deploy.hook(moment)
    }

    /// Ends the hook that runs, if one does.
    pub(super) fn end_hook(&mut self) {
        if self.hook.is_some() {
            self.effects.push(Effect::EndHook);
        }
    }

    /// Whether a person's word still changes anything: which release stays may be decided, and what runs after it be
    /// ended all the same.
    pub fn heeds(&self, action: DeployAction) -> bool {
        let ends_hook = self.stage == Stage::After && action == DeployAction::Abort;
        !self.is_decided() || ends_hook
    }
}
