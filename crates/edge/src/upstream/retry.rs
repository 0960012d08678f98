//! Whether a failed attempt is followed by another.
//!
//! A request is sent again only if it certainly did not run, or may run twice, and all of it can
//! be sent again; only to another instance; only as often as configured, and within the budget.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use model::{RetryCondition, UpstreamProtocol};
use wire::head::Method;

use crate::choice::select::eligibility;
use crate::choice::{Claim, Tried};
use crate::instance::WorkerInstance;
use crate::live::fate::Fate;
use crate::snapshot::WorkerService;
use crate::upstream::failed::{Failed, Reached, Then};
use crate::upstream::relay::{Replay, Upload};
use crate::worker::Worker;

/// The attempts at one request.
pub(crate) struct Retries<'a> {
    worker: &'a Worker,
    service: &'a Rc<WorkerService>,
    method: Method,
    tried: RefCell<Tried>,
    turn: Cell<Turn>,
}

/// Why the attempt is made that runs, or comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It is the first.
    First,
    /// The kept connection of the one before turned out to be closed: the same over a new one, which is no
    /// retry.
    Fresh,
    /// The one before failed, or its response was withheld.
    Retry,
}

/// What is known of an instance by how it was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It is there.
    Answered,
    /// It may have ended: that breaks its connections before anybody can say so.
    MayBeLost,
}

impl Asked {
    /// As an attempt tells that failed so.
    fn of(condition: RetryCondition) -> Self {
        match condition {
            RetryCondition::Connect | RetryCondition::Reset => Self::MayBeLost,
            _ => Self::Answered,
        }
    }
}

/// Who could be asked next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Nobody,
    /// An instance that is there.
    Somebody,
    /// One that is to come.
    Newcomer,
}

impl<'a> Retries<'a> {
    pub(crate) fn new(worker: &'a Worker, service: &'a Rc<WorkerService>, method: Method) -> Self {
        Self { worker, service, method, tried: RefCell::default(), turn: Cell::new(Turn::First) }
    }

    /// Whether a request that was sent may be sent again at all: its method allows it, or the
    /// instance has a way to say that it did nothing with it. Then its body is kept.
    pub(crate) fn replay(&self) -> Replay {
        let may_be_sent_again =
            self.method.is_idempotent() || self.service.service.protocol == UpstreamProtocol::H2;
        if may_be_sent_again { Replay::Kept } else { Replay::Dropped }
    }

    /// Where the request failed.
    pub(crate) fn tried(&self) -> Tried {
        let tried = self.tried.borrow();
        if tried.is_empty() { Tried::new() } else { tried.clone() }
    }

    /// Whether the next attempt must not use a kept connection.
    pub(crate) fn wants_fresh(&self) -> bool {
        self.turn.get() == Turn::Fresh
    }

    /// Whether a response with `status` is withheld, since another instance will be asked: where that is
    /// wanted, and where a new release fails that is only being tried.
    pub(crate) fn withhold(&self, status: u16, claim: &Claim, upload: &Upload) -> bool {
        let condition = RetryCondition::Status(status);
        let on = &self.service.service.retry.on;
        let is_meant = on.contains(&condition)
            || claim.is_canary && Fate::of_status(status) == Fate::ServerError;
        let is_withheld = is_meant
            && self.method.is_idempotent()
            && upload.is_repeatable()
            && self.next(&claim.member, Asked::Answered) != Next::Nobody
            && self.withdraw();
        if is_withheld {
            self.goes_on(&claim.member);
        }
        is_withheld
    }

    /// Whether another attempt follows the one that failed on `member`; notes that it does.
    pub(crate) fn follow(
        &self,
        failed: &Failed,
        member: &Rc<WorkerInstance>,
        upload: &Upload,
    ) -> Then {
        if !self.is_safe(failed.reached, upload) {
            return Then::End;
        }
        if failed.was_stale && self.turn.replace(Turn::Fresh) != Turn::Fresh {
            return Then::Retry;
        }
        let Some(condition) = failed.condition else { return Then::End };
        let on = &self.service.service.retry.on;
        let follows = on.contains(&condition)
            && match self.next(member, Asked::of(condition)) {
                Next::Nobody => false,
                Next::Somebody => self.withdraw(),
                // The budget keeps retries off instances in trouble. This one is gone, and the next gets
                // all that wait for it, be it their first attempt or not.
                Next::Newcomer => true,
            };
        if !follows {
            return Then::End;
        }
        self.goes_on(member);
        Then::Retry
    }

    /// An attempt is made: a retry counts once there is somebody who is asked.
    pub(crate) fn attempted(&self) {
        if self.turn.get() == Turn::Retry {
            self.service.live.shard(self.worker.index).retries.add(1);
        }
    }

    /// `member` was tried, and another is next.
    fn goes_on(&self, member: &Rc<WorkerInstance>) {
        self.tried.borrow_mut().push(member.clone());
        self.turn.set(Turn::Retry);
    }

    fn is_safe(&self, reached: Reached, upload: &Upload) -> bool {
        match reached {
            Reached::Nothing => upload.is_repeatable(),
            Reached::Sent => self.method.is_idempotent() && upload.is_repeatable(),
            Reached::Response => false,
        }
    }

    /// Who could be asked, if an attempt is left: an instance other than `member` that was not tried.
    /// One that came after the request did counts too: by now it may have taken the others' place. So
    /// does one that is to come, where Plimsoll runs the instances and nobody is up, or soon may not
    /// be.
    fn next(&self, member: &Rc<WorkerInstance>, asked: Asked) -> Next {
        let tried = self.tried.borrow();
        let attempts = tried.len() as u32 + 1;
        let is_new = |other: &Rc<WorkerInstance>| {
            !Rc::ptr_eq(other, member) && !tried.iter().any(|it| Rc::ptr_eq(other, it))
        };
        if attempts >= self.service.service.retry.attempts {
            return Next::Nobody;
        }
        let newest = self.worker.newest(self.service);
        let is_absent = !newest.members.iter().any(|it| it.live.is_eligible());
        // Whom the balancing would take: in need also those that are not well.
        let may_serve = |it: &&Rc<WorkerInstance>| match is_absent {
            true => eligibility(&it.live).serves_in_panic(),
            false => it.live.is_eligible(),
        };
        if newest.members.iter().filter(may_serve).any(is_new) {
            return Next::Somebody;
        }
        match self.worker.may_come(&newest) && (is_absent || asked == Asked::MayBeLost) {
            true => Next::Newcomer,
            false => Next::Nobody,
        }
    }

    fn withdraw(&self) -> bool {
        let allowed = self.service.budget.borrow_mut().withdraw(self.worker.wheel.now());
        if !allowed {
            self.service.live.shard(self.worker.index).budget_exhausted.add(1);
        }
        allowed
    }
}
