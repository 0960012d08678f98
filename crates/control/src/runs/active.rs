//! A rollout on its way: the machine, what was told of it, what became of requests meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use edge::live::ServiceShard;
use edge::live::judged::Hearing;
use edge::{Edge, PreviewRule, ServiceLive, Split};
use model::{Condition, Drain, InstanceName, Preview, RouteId, ServiceName, Strategy};
use rollout::{
    Block, Change, Count, Fate, Fates, Latencies, News, Outcome, Past, Place, Rollout, Side, Tally,
    Timed,
};
use telemetry::{Counter, Events, event};
use tokio::sync::{oneshot, watch};

use super::Line;
use super::account::{Account, Routes, observed};
use super::bars::Bars;
use super::past::Recollection;
use super::receipt::{DeployEnding, Receipt, ReleaseTally};
use crate::evidence::Evidence;
use crate::finding::{Finding, Found, Moment, OutputLine, Wanted};
use crate::release::Release;
use crate::runs::{Purpose, Running, ServiceRun};

/// What was told of a deploy so far, and its receipt once it is over.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// What came of it.
    pub receipt: Option<Receipt>,
}

/// Follows a deploy.
#[derive(Clone, Debug)]
pub struct Progressing {
    /// Its number, over all services.
    pub id: i64,
    /// All that was told so far, and each time that there is more.
    pub progress: watch::Receiver<Progress>,
}

/// A rollout on its way.
pub(crate) struct Active {
    pub(crate) id: i64,
    service: ServiceName,
    events: Events,
    pub(crate) rollout: Rollout,
    pub(crate) stable: Option<Arc<Release>>,
    pub(crate) canary: Arc<Release>,
    pub(crate) who: String,
    pub(crate) purpose: Purpose,
    attempt: Attempt,
    /// The deploy whose release is brought back, if one is.
    pub(crate) restores: Option<i64>,
    pub(crate) strategy: &'static str,
    pub(crate) drain: Drain,
    pub(crate) began_at: SystemTime,
    began: Instant,
    /// Which release each of its instances is of.
    pub(crate) sides: BTreeMap<InstanceName, Side>,
    /// Who gets the share of the requests that is set, if one is.
    pub(crate) split: Option<Split>,
    /// How a request asks for the new release, if it may.
    pub(crate) preview: Option<PreviewRule>,
    /// Whether it has a step or a bake.
    is_watched: bool,
    /// What has to hold outside, as the rollout knows them by their places.
    pub(crate) conditions: Vec<Condition>,
    progress: watch::Sender<Progress>,
    /// What became of the requests of instances that are gone since the last sample.
    owed: Block,
    /// What entitles it to the attempts that workers hand over.
    hearing: Option<Hearing>,
    /// Which instances something kept from requests the last time.
    bars: Bars,
    canary_did: Did,
    stable_did: Did,
    /// What the new release has done so far, which is its past once it stays.
    pub(crate) past: Recollection,
    /// Routes that the judge knows by name.
    named: BTreeSet<RouteId>,
    /// Within this much of its usual time no release is slow.
    slowdown_floor: Duration,
    /// What it is judged by.
    evidence: Evidence,
    /// Held as long as the hook that runs is wanted.
    pub(crate) hook: Option<oneshot::Sender<Infallible>>,
    /// How it ends, once it is over.
    pub(crate) ending: Option<Ending>,
    /// What is being read for it, which it does not end without.
    pub(crate) readings: u32,
    /// What clients had asked before it began.
    before: Seen,
}

/// How a deploy ends that waits for what is read.
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) evidence: Arc<Evidence>,
}

/// What became of a release's attempts while it is deployed, or replaced.
#[derive(Default)]
struct Did {
    tally: Tally,
    fates: Fates,
    /// Of requests that asked for it.
    asked: Fates,
}

/// So many responses have to be known before it is said how long they usually take.
const USUAL_MIN: u64 = 50;

/// Which attempt at its release a deploy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The first, and mostly the only one.
    First,
    /// One of a first release that has failed before. In the log it would be a flood.
    Further,
}

/// What a deploy is begun with.
pub(crate) struct Beginning<'a> {
    pub(crate) id: i64,
    pub(crate) service: ServiceName,
    pub(crate) events: Events,
    pub(crate) rollout: Rollout,
    pub(crate) stable: Option<Arc<Release>>,
    pub(crate) canary: Arc<Release>,
    pub(crate) who: String,
    pub(crate) purpose: Purpose,
    pub(crate) attempt: Attempt,
    pub(crate) restores: Option<i64>,
    pub(crate) deploy: &'a model::Deploy,
    /// What the old release did before.
    pub(crate) past: Past,
    /// Instances of the old release.
    pub(crate) instances: Vec<InstanceName>,
    pub(crate) seen: Seen,
}

impl Active {
    pub(crate) fn new(beginning: Beginning<'_>) -> Self {
        let Beginning { deploy, instances, seen, .. } = beginning;
        let version = &beginning.canary.version;
        let rule = |by: &Preview| PreviewRule { by: by.clone(), version: version.clone() };
        let preview = deploy.preview.as_ref().map(rule);
        Self {
            id: beginning.id,
            service: beginning.service,
            events: beginning.events,
            rollout: beginning.rollout,
            stable: beginning.stable,
            canary: beginning.canary,
            who: beginning.who,
            purpose: beginning.purpose,
            attempt: beginning.attempt,
            restores: beginning.restores,
            strategy: strategy_word(deploy.strategy),
            drain: deploy.drain,
            began_at: SystemTime::now(),
            began: Instant::now(),
            sides: instances.into_iter().map(|name| (name, Side::Stable)).collect(),
            split: None,
            preview,
            is_watched: deploy.strategy == Strategy::Canary || !deploy.bake.is_zero(),
            conditions: deploy.conditions.clone(),
            progress: watch::Sender::default(),
            owed: Block::default(),
            hearing: None,
            bars: Bars::default(),
            canary_did: Did::default(),
            stable_did: Did::default(),
            past: Recollection::default(),
            named: BTreeSet::new(),
            slowdown_floor: deploy.judge.slowdown_floor,
            evidence: Evidence::new(deploy.judge.clone(), beginning.past),
            before: seen,
            hook: None,
            ending: None,
            readings: 0,
        }
    }

    /// For how long it has been running.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// The release of a side.
    pub(crate) fn release(&self, side: Side) -> Arc<Release> {
        match (side, &self.stable) {
            (Side::Stable, Some(stable)) => stable.clone(),
            _ => self.canary.clone(),
        }
    }

    /// Which attempt at its release it is.
    pub(crate) fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Whether it gives way to another deploy: a first release that has not come to stay.
    pub(crate) fn gives_way(&self) -> bool {
        self.purpose == Purpose::First && !self.rollout.is_decided()
    }

    /// What is known before anything happens: what was taken up for it, which release comes back, which try of
    /// a first release it is.
    pub(crate) fn first_lines(&self, taken_up: Option<String>, tries: u32) -> Vec<Line> {
        let at = self.took();
        let again = (tries > 1).then(|| Line::again(at, tries));
        let restores = self.restores.map(|deploy| Line::restores(at, deploy, &self.canary.version));
        let taken_up = taken_up.map(|text| Line::taken_up(at, text));
        let in_place = self.runs_in_place_of().map(|from| Line::in_place(at, from, &self.canary));
        let anew = self.is_again().then(|| Line::anew(at, &self.canary.version));
        let unasked = self.asks_no_condition().then(|| Line::unasked(at, &self.conditions));
        let image = Line::image(at, &self.canary);
        taken_up
            .into_iter()
            .chain(restores)
            .chain(image)
            .chain(anew)
            .chain(in_place)
            .chain(unasked)
            .chain(again)
            .collect()
    }

    /// Whether it has conditions that are not asked, since it was told to have no bake and has no steps. A rollback by hand and a
    /// first release never ask them.
    fn asks_no_condition(&self) -> bool {
        let would_ask = self.restores.is_none() && self.stable.is_some() && !self.is_again();
        would_ask && !self.is_watched && !self.conditions.is_empty()
    }

    /// Whether the new release is what runs already, so that what runs is started anew.
    pub(crate) fn is_again(&self) -> bool {
        let is_same = |it: &Arc<Release>| {
            it.version == self.canary.version && it.recipe == self.canary.recipe
        };
        self.stable.as_ref().is_some_and(is_same)
    }

    /// The old release's version, where nothing that is known but the version tells the new one from it.
    fn runs_in_place_of(&self) -> Option<&str> {
        let (stable, canary) = (self.stable.as_ref()?, &self.canary);
        let is_alike = stable.version != canary.version
            && stable.recipe == canary.recipe
            && !canary.recipe.names_version();
        is_alike.then_some(stable.version.as_str())
    }

    /// The version of the old release, if there is one.
    fn stable_version(&self) -> Option<&str> {
        self.stable.as_ref().map(|stable| stable.version.as_str())
    }

    /// Lets somebody follow it.
    pub(crate) fn follow(&self) -> Progressing {
        Progressing { id: self.id, progress: self.progress.subscribe() }
    }

    /// What `news` says in words, at `now` by the machine's clock.
    pub(crate) fn line(&self, news: &News, now: Duration) -> Line {
        let took = self.took();
        let now = Moment { machine: now, world: SystemTime::now(), deploy: took };
        let confidence = self.evidence.rule.confidence;
        let finding = news.fault().map(|fault| Finding::of(fault, confidence, now));
        Line {
            finding: finding.map(|finding| Found::Now(Arc::new(finding))),
            ..Line::of(news, took, self.stable_version(), &self.canary.version)
        }
    }

    /// How many lines were told.
    pub(crate) fn told(&self) -> usize {
        self.progress.borrow().lines.len()
    }

    /// Beside which requests what instances wrote is wanted, by the lines from `from` on that have findings.
    pub(crate) fn wanted(&self, from: usize) -> Vec<(usize, Vec<Wanted>)> {
        let progress = self.progress.borrow();
        let lines = progress.lines.iter().enumerate().skip(from);
        let findings = lines.filter_map(|(at, line)| Some((at, finding(line)?)));
        let wanted = |it: &Finding| it.requests.iter().map(Wanted::of).collect();
        findings.map(|(at, finding)| (at, wanted(finding))).collect()
    }

    /// Shows what instances wrote beside the requests of the finding in `line`, where anything was.
    pub(crate) fn show_output(&self, line: usize, output: Vec<Vec<OutputLine>>) {
        self.change_finding(line, |finding| {
            for (shown, output) in finding.requests.iter_mut().zip(output) {
                if !output.is_empty() {
                    shown.output = output;
                }
            }
        });
    }

    /// Shows with which rule the last finding would not have been one.
    pub(crate) fn show_nearby(&self, change: Option<Change>) {
        let last = self.progress.borrow().lines.iter().rposition(|line| finding(line).is_some());
        if let Some(last) = last {
            self.change_finding(last, |finding| finding.passes_with = change);
        }
    }

    fn change_finding(&self, line: usize, change: impl FnOnce(&mut Finding)) {
        self.progress.send_modify(|progress| {
            let line = progress.lines.get_mut(line);
            if let Some(Found::Now(finding)) = line.and_then(|line| line.finding.as_mut()) {
                change(Arc::make_mut(finding));
            }
        });
    }

    /// It is over: what it was judged by is whole.
    pub(crate) fn close(&mut self, outcome: Outcome) {
        let nothing = Evidence::new(self.evidence.rule.clone(), Past::default());
        let evidence = Arc::new(std::mem::replace(&mut self.evidence, nothing));
        self.ending = Some(Ending { outcome, evidence });
    }

    /// Tells whoever follows.
    pub(crate) fn tell(&self, line: Line) {
        let (service, step) = (self.service.clone(), line.event.clone());
        let (instance, what) = (line.instance.clone(), line.text.clone());
        match self.attempt {
            Attempt::First => {
                let deploy = self.id;
                self.events.emit(event::DeployStep { service, deploy, step, instance, what });
            }
            Attempt::Further => {
                self.events.emit(event::FirstReleaseStep { service, step, instance, what });
            }
        }
        self.progress.send_modify(|progress| progress.lines.push(line));
    }

    /// Tells an instance's last words.
    pub(crate) fn tell_output(&self, instance: &InstanceName, words: Vec<String>) {
        self.output_teller().tell(instance, words);
    }

    /// What tells whoever follows what is written, from beside the control loop.
    pub(crate) fn output_teller(&self) -> OutputTeller {
        OutputTeller { progress: self.progress.clone(), began: self.began }
    }

    /// Takes up what became of the last requests of an instance, and keeps it in mind: of the old release, in `past`.
    pub(crate) fn owe(
        &mut self,
        instance: &InstanceName,
        account: Account,
        past: &mut Recollection,
    ) {
        let side = self.side_of(instance);
        let (past, did) = match side {
            Side::Stable => (past, &mut self.stable_did),
            Side::Canary => (&mut self.past, &mut self.canary_did),
        };
        past.note(&account);
        did.asked.add(&account.asked);
        let counts = account.counts.into_iter().map(|(route, assignment, fates)| {
            let place = Place { route, instance: instance.clone(), side, assignment };
            Count { place, fates }
        });
        self.owed.counts.extend(counts);
        if account.latencies.count() > 0 {
            let (instance, latencies) = (instance.clone(), account.latencies);
            self.owed.latencies.push(Timed { instance, side, latencies });
        }
    }

    fn side_of(&self, instance: &InstanceName) -> Side {
        self.sides.get(instance).copied().unwrap_or(Side::Stable)
    }

    /// What became of the requests of `instances`, and of those that are gone, since the last time; with what the workers
    /// handed over, which they do from the first time on. `past` is the old release's.
    pub(crate) fn sample(
        &mut self,
        edge: &Edge,
        instances: &mut BTreeMap<InstanceName, Running>,
        live: Option<&Arc<ServiceLive>>,
        past: &mut Recollection,
    ) -> Block {
        let routes = Routes::of(live);
        for (name, running) in &mut *instances {
            self.owe(name, running.take_account(&routes), past);
        }
        let now = edge.now();
        past.turn(now);
        self.past.turn(now);
        let mut block = std::mem::take(&mut self.owed);
        block.share = self.split.as_ref().map(|split| split.share);
        block.barred = self.bars.look(instances, &self.sides);
        for (id, name) in routes.names() {
            if self.named.insert(id.clone()) {
                block.routes.insert(id.clone(), name.clone());
            }
        }
        if let Some(live) = live {
            self.take_samples(edge, live, &routes, past, &mut block);
        }
        self.canary_did.add(&block, Side::Canary);
        self.stable_did.add(&block, Side::Stable);
        self.evidence.add(now, self.rollout.serving(), &block);
        block
    }

    /// Takes up what the workers handed over, and keeps in mind how long it took by route.
    fn take_samples(
        &mut self,
        edge: &Edge,
        live: &ServiceLive,
        routes: &Routes,
        past: &mut Recollection,
        block: &mut Block,
    ) {
        let patience = self.patience(&past.recent_latencies());
        let Some(hearing) = self.hearing.as_ref().filter(|it| live.judged.hears(it)) else {
            self.hearing = Some(live.judged.begin(patience));
            return;
        };
        if let Some(patience) = patience {
            live.judged.expect(patience);
        }
        let others = |count: &Count| count.fates.requests() - count.fates.of(Fate::Failed);
        let samples = live.judged.take(hearing, block.counts.iter().map(others).sum());
        block.lost = samples.lost;
        block.observed = samples
            .all
            .into_iter()
            .filter_map(|sample| {
                let (at, side) = (edge.time_of(sample.at), self.side_of(&sample.instance.name));
                observed(sample, at, side, routes)
            })
            .collect();
        block.observed.sort_by_key(|observed| observed.at);
        for attempt in block.observed.iter().filter(|it| it.fate != Fate::Failed) {
            let of_side = match attempt.place.side {
                Side::Stable => &mut *past,
                Side::Canary => &mut self.past,
            };
            of_side.hear(attempt.place.route.clone(), attempt.latency);
        }
    }

    /// Nothing more is handed over to it.
    pub(crate) fn hush(&mut self, live: Option<&Arc<ServiceLive>>) {
        if let (Some(hearing), Some(live)) = (self.hearing.take(), live) {
            live.judged.end(hearing);
        }
    }

    /// How long a client need wait before its giving up counts as a failure: twice as long as 99 % of the old release's responses
    /// take, where that is known, and longer by what is never slow.
    fn patience(&self, usual: &Latencies) -> Option<Duration> {
        let p99 = usual.quantile(0.99).filter(|_| usual.count() >= USUAL_MIN)?;
        Some((p99 * 2).max(p99 + self.slowdown_floor))
    }

    /// Its receipt, now that it ends.
    pub(crate) fn receipt(&self, service: &ServiceRun, outcome: Outcome, seen: Seen) -> Receipt {
        let stable = self.stable_version().map(|version| (version, &self.stable_did));
        let canary = (self.canary.version.as_str(), &self.canary_did);
        let releases = stable.into_iter().chain([canary]);
        let tally = |(version, did): (&str, &Did)| did.of_release(version);
        Receipt {
            id: self.id,
            service: service.service.name.clone(),
            previous: self.stable_version().map(str::to_owned),
            release: self.canary.version.clone(),
            who: self.who.clone(),
            strategy: self.strategy.into(),
            restores: self.restores,
            began_at: self.began_at,
            took: self.took(),
            ending: DeployEnding::Over(outcome),
            lines: self.progress.borrow().lines.clone(),
            releases: releases.map(tally).collect(),
            requests: seen.requests.saturating_sub(self.before.requests),
            failed: seen.failed.saturating_sub(self.before.failed),
        }
    }

    /// Ends it: whoever follows it sees the receipt, which is the last that is told.
    pub(crate) fn end(self, receipt: Receipt) {
        self.progress.send_modify(|progress| progress.receipt = Some(receipt));
    }
}

/// Tells whoever follows a deploy what is written in it.
#[derive(Clone, Debug)]
pub(crate) struct OutputTeller {
    progress: watch::Sender<Progress>,
    began: Instant,
}

impl OutputTeller {
    /// Tells what `instance` wrote.
    pub(crate) fn tell(&self, instance: &InstanceName, words: Vec<String>) {
        let at = self.began.elapsed();
        let lines = words.into_iter().map(|text| Line::output(at, instance, text));
        self.progress.send_modify(|progress| progress.lines.extend(lines));
    }
}

fn finding(line: &Line) -> Option<&Finding> {
    match &line.finding {
        Some(Found::Now(finding)) => Some(finding),
        _ => None,
    }
}

impl Did {
    /// For the receipt: with what asked for the release.
    fn of_release(&self, version: &str) -> ReleaseTally {
        let (mut tally, mut fates) = (self.tally.clone(), self.fates);
        tally.requests += self.asked.requests();
        tally.errors += self.asked.failed;
        fates.add(&self.asked);
        ReleaseTally { version: version.to_owned(), tally, fates, asked: self.asked.requests() }
    }

    fn add(&mut self, block: &Block, side: Side) {
        self.tally.add(&block.tally(side));
        let counts = block.counts.iter().filter(|count| count.place.side == side);
        counts.for_each(|count| self.fates.add(&count.fates));
    }
}

/// What clients asked of a service so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    requests: u64,
    /// Those of them that failed.
    failed: u64,
}

impl Seen {
    /// By what is observed of the service.
    pub(crate) fn of(live: &ServiceLive) -> Self {
        let requests = |shard: &ServiceShard| shard.by_class.iter().map(Counter::get).sum::<u64>();
        Self {
            requests: live.shards().map(requests).sum(),
            failed: live.shards().map(|shard| shard.failed.get()).sum(),
        }
    }
}

/// The strategy's name, as the file has it.
pub(crate) fn strategy_word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Rolling => "rolling",
        Strategy::BlueGreen => "blue-green",
        Strategy::Canary => "canary",
        Strategy::Replace => "replace",
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use model::{Asks, Deploy, Host, Scheme, Unknown, Url};

    use super::super::fixtures::deploy_of;
    use super::*;

    fn condition() -> Condition {
        let (scheme, host) = (Scheme::Http, Host::Address([127, 0, 0, 1].into()));
        let url = Url { scheme, host, port: 9, target: "/".to_owned() };
        Condition {
            name: "ci".to_owned(),
            asks: Asks::Webhook { url },
            ca: None,
            every: Duration::from_secs(8),
            timeout: Duration::from_secs(2),
            failures: NonZeroU32::MIN,
            token_env: None,
            unknown: Unknown::Hold,
        }
    }

    #[test]
    fn conditions_that_are_not_asked_are_named_before_anything_happens() {
        for (strategy, bake, is_told) in [
            (Strategy::Rolling, 0, true),
            (Strategy::BlueGreen, 0, true),
            (Strategy::Rolling, 1, false),
            (Strategy::Canary, 0, false),
        ] {
            let conditions = vec![condition()];
            let bake = Duration::from_secs(bake);
            let deploy = Deploy { strategy, bake, conditions, ..Deploy::default() };
            let lines = deploy_of(&deploy, &"api-1".into()).first_lines(None, 1);
            let told = lines.iter().find(|line| line.event == "unasked");
            let told = told.map(|line| &*line.text);
            let expected = is_told.then_some("without a bake no condition is asked: ci");
            assert_eq!(told, expected, "{deploy:?}");
        }
    }
}
