//! The way forward: new instances come, traffic shifts, the old ones go.

use std::time::Duration;

use model::{HookMoment, LittleData, Step, Strategy, Work};

use super::compare::COMPARED;
use super::{Rollout, Stage};
use crate::event::{Effect, News, Outcome, Pause, Reason, Side};
use crate::fleet::Phase;
use crate::judge::Verdict;

/// From one attempt to write down that the new release stays to the next.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);

impl Rollout {
    /// Lets the old instances go before the new ones come. Whether the stage is over.
    pub(super) fn clear(&mut self) -> bool {
        if self.paused.is_none() {
            self.retire(u32::MAX);
            self.stop(Side::Stable, |phase| phase == Phase::Warm);
        }
        let is_over = self.stable.is_empty();
        if is_over {
            self.stage = Stage::Starting;
        }
        is_over
    }

    /// Starts new instances, and lets them take over as the strategy says. Whether the stage is
    /// over.
    pub(super) fn bring_up(&mut self) -> bool {
        self.open_preview();
        if self.paused.is_some() {
            self.tell_preview();
            return false;
        }
        let replicas = self.plan.replicas;
        let is_rolling = self.plan.deploy.strategy == Strategy::Rolling;
        let at_once = if is_rolling { self.plan.deploy.surge.of(replicas) } else { replicas };
        if is_rolling {
            self.take_over_one_by_one();
        }
        // One that was found bad while it was alone is on its way out.
        self.stop(Side::Canary, |phase| phase == Phase::Warm);
        while self.canary.coming_or_come() < replicas
            && self.canary.count(Phase::is_starting) < at_once
        {
            self.start(Side::Canary);
        }
        let come = self.canary.count(|phase| matches!(phase, Phase::Ready | Phase::Serving));
        if come < replicas {
            self.tell_preview();
            return false;
        }
        let has_steps = !self.steps().is_empty() && !self.stable.is_empty() && !self.is_hurried;
        match has_steps {
            true => self.begin_step(0),
            false => self.shift_all(),
        }
        true
    }

    /// Whether a request may ask for the new release while the old one has everything.
    pub(super) fn is_previewed(&self) -> bool {
        let starts_beside =
            matches!(self.plan.deploy.strategy, Strategy::BlueGreen | Strategy::Canary);
        starts_beside && self.plan.deploy.preview.is_some() && !self.plan.stable.is_empty()
    }

    /// The new instances that are ready serve before the others are, those requests alone that ask for them.
    fn open_preview(&mut self) {
        if self.is_previewed() && self.canary.count(|phase| phase == Phase::Ready) > 0 {
            self.admit();
            self.share = Some(0.0);
        }
    }

    /// Tells how the new release can be looked at, once it can.
    fn tell_preview(&mut self) {
        let Some(preview) = &self.plan.deploy.preview else { return };
        if self.share.is_some() && !self.has_told_preview {
            let news = News::Preview(preview.clone());
            self.has_told_preview = true;
            self.tell(news);
        }
    }

    /// Each new instance that is ready serves, and one of the old ones is retired for it.
    fn take_over_one_by_one(&mut self) {
        self.admit();
        let before = self.plan.stable.len() as u64;
        let replicas = u64::from(self.plan.replicas);
        let missing = replicas - u64::from(self.canary.count(|phase| phase == Phase::Serving));
        let kept = (before * missing).div_ceil(replicas) as u32;
        let serving = self.stable.count(|phase| phase == Phase::Serving);
        self.retire(serving.saturating_sub(kept));
        if self.plan.deploy.bake.is_zero() {
            // Nobody will want them back.
            self.stop(Side::Stable, |phase| phase == Phase::Warm);
        }
    }

    /// The steps in which traffic is shifted, if it is.
    fn steps(&self) -> &[Step] {
        match self.plan.deploy.strategy {
            Strategy::Canary => &self.plan.deploy.steps,
            _ => &[],
        }
    }

    fn begin_step(&mut self, index: usize) {
        let step = self.steps()[index];
        self.admit();
        // A hold keeps the share; before the first step there is none.
        let share = step.share().or(self.share).unwrap_or(0.0);
        self.share = Some(share);
        self.stage = Stage::Step { index, since: self.now };
        self.begin_watch();
        self.direct();
        match step {
            Step::Shift { share, watch } => self.tell(News::Step { share, watch }),
            Step::Hold => self.pause(Pause::Step),
        }
        self.tell_preview();
    }

    /// A period of watching begins.
    fn begin_watch(&mut self) {
        (self.has_complained, self.is_excused) = (false, false);
        // A hold lasts until a person ends it.
        let until = match self.stage {
            Stage::Step { index, .. } if self.steps()[index] == Step::Hold => None,
            _ => self.watched_until(),
        };
        self.conditions.begin(self.now, until);
    }

    /// Waits until a canary's step is over. Whether it is.
    pub(super) fn watch_step(&mut self) -> bool {
        let Stage::Step { index, .. } = self.stage else { return false };
        let is_over = match self.steps()[index] {
            // A person has said so: nothing is judged beside it.
            Step::Hold => self.paused.is_none(),
            Step::Shift { .. } => self.may_go_on(),
        };
        if !is_over {
            return false;
        }
        match index + 1 == self.steps().len() || self.is_hurried {
            true => self.shift_all(),
            false => self.begin_step(index + 1),
        }
        true
    }

    /// Gives the new release everything.
    fn shift_all(&mut self) {
        self.share = None;
        self.admit();
        self.retire(u32::MAX);
        self.stage = Stage::Baking { since: self.now };
        self.begin_watch();
        self.direct();
        if !self.bake().is_zero() {
            self.tell(News::Bake(self.bake()));
        }
    }

    /// Waits until the new release has been watched for long enough. Whether it has.
    pub(super) fn watch_bake(&mut self) -> bool {
        if self.is_replacing() || !self.bake().is_zero() && !self.may_go_on() {
            return false;
        }
        self.stage = Stage::Committing { again: None };
        self.has_complained = false;
        self.effects.push(Effect::Commit);
        true
    }

    /// It is written down that the new release stays: the old one may go.
    pub(super) fn committed(&mut self) {
        if let Stage::Committing { .. } = self.stage {
            self.stage = Stage::Finishing;
            self.tell(News::Promoted);
        }
    }

    /// It cannot be written down that the new release stays. An old one that is there whole takes
    /// over; where it is not, none could be started for it, so what runs serves on and it is tried
    /// again.
    pub(super) fn not_committed(&mut self, why: String) {
        let Stage::Committing { .. } = self.stage else { return };
        let could_return = |phase| matches!(phase, Phase::Serving | Phase::Retiring | Phase::Warm);
        let is_whole = self.stable.count(could_return) as usize == self.plan.stable.len();
        if is_whole && !self.stable.is_empty() {
            self.turn_back(Reason::NotRecorded(why));
            return;
        }
        if !std::mem::replace(&mut self.has_complained, true) {
            self.tell(News::NotRecorded(why));
        }
        self.stage = Stage::Committing { again: Some(self.now + COMMIT_AGAIN) };
    }

    /// Tries again to have it written down, if it is time. The stage is never over by that alone.
    pub(super) fn commit_again(&mut self, again: Option<Duration>) -> bool {
        if again.is_some_and(|at| at <= self.now) {
            self.stage = Stage::Committing { again: None };
            self.effects.push(Effect::Commit);
        }
        false
    }

    /// A first release has nothing to go back to, so it is not watched.
    pub(super) fn bake(&self) -> Duration {
        match self.plan.stable.is_empty() {
            true => Duration::ZERO,
            false => self.plan.deploy.bake,
        }
    }

    /// Lets the old instances go. Whether the stage is over.
    pub(super) fn finish(&mut self) -> bool {
        self.stop(Side::Stable, |phase| phase == Phase::Warm);
        let is_over = self.stable.is_empty();
        if is_over {
            match self.begin_hook(HookMoment::After) {
                true => self.stage = Stage::After,
                false => self.end(Outcome::Promoted),
            }
        }
        is_over
    }

    /// Until when it is watched at least, if it is.
    pub(super) fn watched_until(&self) -> Option<Duration> {
        match self.stage {
            Stage::Step { index, since } => Some(since + self.steps()[index].watch()),
            Stage::Baking { since } => Some(since + self.bake()),
            Stage::Comparing { since, .. } => Some(since + COMPARED),
            _ => None,
        }
    }

    /// Whether the time of watching is over, and nothing speaks against going on.
    fn may_go_on(&mut self) -> bool {
        if self.is_replacing() {
            return false;
        }
        if self.is_hurried {
            return true;
        }
        // Without requests there is nothing to judge by.
        let gets_none = self.share == Some(0.0);
        if self.paused.is_some() || self.watched_until().is_some_and(|until| self.now < until) {
            return false;
        }
        if !self.conditions_hold() {
            return false;
        }
        // One that had ended would have led back.
        if self.plan.work != Work::Requests {
            return true;
        }
        let verdict = self.judge.verdict();
        let rule = self.plan.deploy.judge.little_data;
        match (&verdict, rule) {
            (Verdict::NotEnoughData { .. }, LittleData::Wait) if !gets_none => {
                if !std::mem::replace(&mut self.has_complained, true) {
                    self.tell(News::Judged(verdict));
                    self.tell(News::WaitsForData);
                }
                false
            }
            (Verdict::NotEnoughData { .. }, LittleData::Hold) if !self.is_excused && !gets_none => {
                self.tell(News::Judged(verdict));
                self.pause(Pause::LittleData);
                false
            }
            // A first release has none to be compared with.
            (Verdict::NotEnoughData { .. }, _) if self.plan.stable.is_empty() || gets_none => true,
            _ => {
                self.tell(News::Judged(verdict));
                true
            }
        }
    }

    /// Every new instance that is ready serves.
    pub(super) fn admit(&mut self) {
        for name in self.canary.in_phase(|phase| phase == Phase::Ready) {
            self.canary.set(&name, Phase::Serving);
        }
    }

    /// Retires as many of the old instances that serve.
    pub(super) fn retire(&mut self, count: u32) {
        let serving = self.stable.in_phase(|phase| phase == Phase::Serving);
        for name in serving.into_iter().take(count as usize) {
            self.stable.set(&name, Phase::Retiring);
        }
    }
}
