//! How the writer has jobs run: what their machines say is written down, carried out beside the loop, and told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use jobs::{Busy, Claim, Effect, End, Event, Machine, Trigger};
use model::{Intent, Job, JobName};
use telemetry::event;
use tokio::sync::oneshot;

use super::Writer;
use crate::chain::chain;
use crate::ended::Reply;
use crate::jobs::{
    Asked, Attempt, AttemptEnd, AttemptEnded, Claimed, JobError, JobFollowing, JobState, claim,
    rules, written,
};
use crate::journal::JobOutcome;
use crate::runs::first_place;

impl Writer {
    /// Takes up what `intent` says of jobs. What runs goes on, but for that of jobs that are gone.
    pub(super) fn want_jobs(&mut self, intent: &Intent) {
        let now = self.jobs.now();
        for (name, job) in &intent.jobs {
            let before = self.jobs.known.get(name);
            if before.is_some_and(|state| state.job == *job && !state.is_gone) {
                continue;
            }
            let is_same_time = before.is_some_and(|state| state.job.schedule == job.schedule);
            let heeded = match before {
                Some(state) if is_same_time => state.machine.heeded(),
                _ => self.heeded(job, now),
            };
            match self.jobs.known.get_mut(name) {
                Some(state) => {
                    state.machine.adopt(rules(job), heeded);
                    (state.job, state.is_gone) = (job.clone(), false);
                }
                None => {
                    let machine = Machine::new(rules(job), heeded);
                    let (job, asked) = (job.clone(), BTreeMap::new());
                    let state = JobState { job, machine, current: None, asked, is_gone: false };
                    self.jobs.known.insert(name.clone(), state);
                }
            }
        }
        let is_gone = |name: &&JobName| !intent.jobs.contains_key(*name);
        let gone: Vec<_> = self.jobs.known.keys().filter(is_gone).cloned().collect();
        gone.iter().for_each(|name| self.remove_job(name));
    }

    /// Until when what was due of `job` is decided: as it is written down, or until now.
    fn heeded(&self, job: &Job, now: Timestamp) -> Timestamp {
        let schedule = written(job.schedule.as_ref());
        match self.runs.journal.heeded(&job.name, &schedule) {
            Ok(Some(known)) => return Timestamp::try_from(known).unwrap_or(now),
            Ok(None) => self.heed(job, now),
            Err(error) => {
                self.events.emit(event::JournalUnreadable { service: None, why: chain(&error) });
            }
        }
        now
    }

    fn heed(&self, job: &Job, until: Timestamp) {
        let schedule = written(job.schedule.as_ref());
        if let Err(error) = self.runs.journal.heed(&job.name, &schedule, until.into()) {
            self.events.emit(event::JournalReadOnly { why: chain(&error) });
        }
    }

    fn remove_job(&mut self, name: &JobName) {
        let Some(state) = self.jobs.known.get_mut(name).filter(|it| !it.is_gone) else { return };
        state.is_gone = true;
        // Who waits is told that nobody answers.
        state.asked.clear();
        // Between two attempts nothing runs.
        let is_pausing = state.machine.retry_at().is_some();
        match &mut state.current {
            Some(current) if !is_pausing => drop(current.held.take()),
            _ => self.finish_gone(name),
        }
    }

    /// Nothing of a job that is gone runs any more.
    fn finish_gone(&mut self, name: &JobName) {
        if let Some(current) = self.jobs.known.remove(name).and_then(|state| state.current) {
            let why = "the job was taken out of the file";
            self.end_run(name, current, JobOutcome::Interrupted, Some(why));
        }
    }

    /// A second has passed.
    pub(super) fn tick_jobs(&mut self) {
        for name in self.jobs.known.keys().cloned().collect::<Vec<_>>() {
            self.tell_job(&name, Event::Tick);
        }
    }

    /// Somebody asks for a run.
    pub(super) fn ask_for_run(
        &mut self,
        job: &str,
        who: String,
        reply: Reply<Result<JobFollowing, JobError>>,
    ) {
        let name = match self.jobs.named(job) {
            Ok(name) => name,
            // Who asked may be gone.
            Err(error) => return drop(reply.send(Err(error))),
        };
        let number = self.jobs.next_asked();
        let state = self.jobs.known.get_mut(&name).expect("it is named so");
        state.asked.insert(number, Asked { who, reply });
        self.tell_job(&name, Event::Asked(number));
    }

    /// Nothing is left of an attempt.
    pub(super) fn attempt_ended(&mut self, ended: AttemptEnded) {
        let AttemptEnded { job, run, end } = ended;
        let Some(state) = self.jobs.known.get_mut(&job) else { return };
        let service = state.job.service.clone();
        let Some(current) = state.current.as_mut().filter(|it| it.id == run) else { return };
        let event = if end.fault.is_none() { End::Done } else { End::Failed };
        (current.held, current.last) = (None, Some(end));
        match state.is_gone {
            true => self.finish_gone(&job),
            false => self.tell_job(&job, Event::Ended(event)),
        }
        if self.runs.services.contains_key(&service) {
            self.sweep_logs(&service);
        }
    }

    /// Tells the machine of a job what happened, and does what it says.
    fn tell_job(&mut self, name: &JobName, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.jobs.now();
            let Some(state) = self.jobs.known.get_mut(name).filter(|it| !it.is_gone) else {
                return;
            };
            let job = state.job.clone();
            for effect in state.machine.step(now, event) {
                events.extend(self.do_for_job(&job, effect));
            }
        }
    }

    /// Does it, and says what comes of it at once, if something does.
    fn do_for_job(&mut self, job: &Arc<Job>, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Heed(until) => self.heed(job, until),
            Effect::Claim(trigger) => return self.claim_job(job, trigger),
            Effect::Start { trigger, attempt } => return self.start_job(job, trigger, attempt),
            Effect::Stop => {
                let state = self.jobs.known.get_mut(&job.name);
                drop(state.and_then(|it| it.current.as_mut()?.held.take()));
            }
            Effect::Finish(finish) => self.finish_run(job, finish),
            Effect::Skip(due, why) => self.skip(job, due, why),
            Effect::Miss(missed) => self.miss(job, missed),
            Effect::Refuse(number, why) => self.refuse(job, number, why),
        }
        None
    }

    /// Finds out whether this edge is the one to run it. What is asked for by hand is asked of this one.
    fn claim_job(&mut self, job: &Job, trigger: Trigger) -> Option<Event> {
        let shared = self.serving.sharing.store().shared();
        let (Some(shared), Trigger::Due(due)) = (shared, trigger) else {
            return Some(Event::Claimed(Claim::Ours));
        };
        self.jobs.claims.spawn(claim(shared.clone(), job.name.clone(), due));
        None
    }

    /// It is known whether this edge is the one to run a job.
    pub(super) fn job_claimed(&mut self, claimed: Claimed) {
        self.tell_job(&claimed.job, Event::Claimed(claimed.claim));
    }

    fn start_job(&mut self, job: &Arc<Job>, trigger: Trigger, attempt: u32) -> Option<Event> {
        let run = self.runs.services.get(&job.service);
        let release = run.and_then(|run| run.release.clone());
        if attempt == 1
            && let Err(error) =
                self.begin_run(job, trigger, release.as_ref().map(|it| &*it.version))
        {
            let why = chain(&error);
            self.events.emit(event::JobNotRecorded { job: job.name.clone(), why });
            return Some(Event::Ended(End::Failed));
        }
        let state = self.jobs.known.get_mut(&job.name)?;
        let current = state.current.as_mut()?;
        current.attempts = attempt;
        if attempt > 1 {
            let line = format!("--- attempt {attempt} of {} ---", job.retry.attempts);
            current.progress.send_modify(|progress| progress.extend(vec![line]));
        }
        let (id, progress) = (current.id, current.progress.clone());
        let (held, wanted) = oneshot::channel();
        let Some(release) = release else {
            let why = format!("no release of `{}` is live", job.service);
            current.last = Some(AttemptEnd::not_started(why));
            return Some(Event::Ended(End::Failed));
        };
        current.held = Some(held);
        let (registries, sealed) = {
            let intent = self.serving.intent.borrow();
            (intent.registries.clone(), intent.secrets.clone())
        };
        let attempt = Attempt {
            job: job.clone(),
            run: id,
            name: job.run_name(id),
            release,
            placement: first_place(self.run_of(&job.service).run()),
            withheld: self.withheld(&job.service),
            registries,
            sealed,
            stop: self.run_of(&job.service).run().stop,
            driver: self.runs.driver.clone(),
            journal: self.runs.journal.clone(),
            progress,
            wanted,
        };
        self.jobs.attempts.spawn(attempt.run());
        None
    }

    fn refuse(&mut self, job: &Job, number: u64, why: Busy) {
        let state = self.jobs.known.get_mut(&job.name);
        let Some(asked) = state.and_then(|state| state.asked.remove(&number)) else { return };
        let name = &job.name;
        let why = match why {
            Busy::Running => format!("`{name}` runs already: `plimsoll jobs {name}`"),
            Busy::Elsewhere => format!("`{name}` runs on another edge"),
            Busy::Overtaken => format!("another run of `{name}` came first"),
        };
        // Who asked may be gone.
        drop(asked.reply.send(Err(JobError::Busy(why))));
    }
}
