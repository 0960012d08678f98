//! Has certificates ordered and renewed: carries out what the machine (`certificates`) decides, at the CAs (`acme`), on a task of its own. The CA of
//! our own has a second machine, with rules of its own.
//!
//! The writer says what is wanted; what has come is served by itself, without a publication. When something is due is the machine's to say, what time
//! it is the clock's; nothing here decides either.

mod advice;
mod clock;
mod desk;
pub(crate) mod import;
pub(crate) mod internal;
pub(crate) mod kept;
mod responder;
pub(crate) mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use acme::{is_internal, no_internal_ca};
use certificates::{
    Action, Budget, CertificateId, DirectoryUrl, Failed, FailureKind, Machine, Now, Rules,
    Suggestion,
};
use edge::Challenges;
use model::{Acme, Intent};
use outbound::Client;
use telemetry::{Events, event};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

pub use clock::{Clock, SystemClock};
pub use responder::OpenRecords;

use self::desk::Desk;
use self::kept::{Kept, Known};
use self::responder::Responder;
use self::status::{CertificateSource, CertificateStatus, HeldStatus, Renewal, RenewalTrouble};
use crate::ended::Reply;

/// Orders that are under way at once, over all directories.
const AT_ONCE: usize = 16;
/// Questions that are.
const ASKED_AT_ONCE: usize = 8;
/// The machine is looked at no more often than this where nothing happens: what is due may have to wait for something else.
const LOOK_MIN: Duration = Duration::from_secs(1);

/// Has certificates ordered, until it is dropped.
pub(crate) struct Ordering {
    words: mpsc::UnboundedSender<Word>,
    task: AbortHandle,
}

impl Drop for Ordering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What it is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) kept: Arc<Kept>,
    pub(crate) challenges: Arc<Challenges>,
    pub(crate) records: OpenRecords,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    pub(crate) events: Events,
}

/// What is to be there.
pub(crate) struct Hosts {
    /// All hosts that are to have a certificate.
    pub(crate) all: BTreeSet<String>,
    /// Those of them whose certificates the CA of our own issues.
    pub(crate) internal: BTreeSet<String>,
}

enum Word {
    Want(Arc<Intent>, Hosts),
    Tell(Reply<Vec<CertificateStatus>>),
}

impl Ordering {
    /// One that wants nothing yet. Must be called on a runtime.
    pub(crate) fn start(parts: Parts) -> Self {
        let Parts { client, kept, challenges, records, clock, seed, events } = parts;
        let served = kept.served().clone();
        let responder = Arc::new(Responder::new(challenges, served, records, events.clone()));
        let desk = Arc::new(Desk::new(client, kept, responder, events));
        let (words, received) = mpsc::unbounded_channel();
        let orders = Orders {
            public: Machine::new(public_rules(&[], seed)),
            own: Machine::new(own_rules(no_internal_ca(), seed)),
            desk,
            clock,
            seed,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            questions: Arc::new(Semaphore::new(ASKED_AT_ONCE)),
        };
        let task = tokio::spawn(orders.run(received)).abort_handle();
        Self { words, task }
    }

    /// Wants certificates for `hosts` as `intent` says, and no others.
    pub(crate) fn want(&self, intent: &Arc<Intent>, hosts: Hosts) {
        // It ends only with this.
        let _ = self.words.send(Word::Want(intent.clone(), hosts));
    }

    /// Tells how each certificate stands that is ordered.
    pub(crate) fn tell(&self, reply: Reply<Vec<CertificateStatus>>) {
        let _ = self.words.send(Word::Tell(reply));
    }
}

fn public_rules(directories: &[String], seed: u64) -> Rules {
    let directories = directories.iter().map(|it| DirectoryUrl::new(&**it)).collect();
    Rules { directories, budget: Budget::default(), at_once: AT_ONCE, seed }
}

/// The CA of our own may be asked as often as we like.
fn own_rules(directory: DirectoryUrl, seed: u64) -> Rules {
    let budget = Budget { every: Duration::ZERO, ..Budget::default() };
    Rules { directories: vec![directory], budget, at_once: AT_ONCE, seed }
}

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Order,
    Question,
}

/// What came of it.
enum Done {
    Ordered(Result<Known, Failed>),
    Asked(Option<Suggestion>),
}

/// The orders, and what is under way.
struct Orders {
    /// What is ordered of CAs.
    public: Machine,
    /// What the CA of our own issues.
    own: Machine,
    desk: Arc<Desk>,
    clock: Arc<dyn Clock>,
    seed: u64,
    tasks: JoinSet<Done>,
    running: BTreeMap<Id, (CertificateId, DirectoryUrl, Task)>,
    questions: Arc<Semaphore>,
}

impl Orders {
    async fn run(mut self, mut words: mpsc::UnboundedReceiver<Word>) {
        loop {
            self.begin();
            let now = self.clock.now();
            let wake = self.public.wake(now).min(self.own.wake(now)).max(now.elapsed + LOOK_MIN);
            let clock = self.clock.clone();
            tokio::select! {
                word = words.recv() => match word {
                    Some(Word::Want(intent, hosts)) => self.want(&intent, &hosts),
                    Some(Word::Tell(reply)) => drop(reply.send(self.statuses())),
                    None => return,
                },
                Some(joined) = self.tasks.join_next_with_id() => self.joined(joined),
                () = clock.until(wake) => {}
            }
        }
    }

    /// Wants certificates for `hosts`, as `intent` says.
    fn want(&mut self, intent: &Intent, hosts: &Hosts) {
        let now = self.clock.now();
        self.desk.responder.follow(intent);
        let is_wanted = |host: &str| hosts.all.contains(host);
        self.desk.kept.retain(is_wanted);
        self.desk.responder.retain(is_wanted);
        let directories = intent.acme.as_ref().map_or(&[][..], |acme: &Acme| {
            self.desk.follow(acme);
            &acme.directories
        });
        let kept = &self.desk.kept;
        let rules = public_rules(directories, self.seed);
        follow(&mut self.public, rules, hosts.all.difference(&hosts.internal), kept, now);
        let rules = own_rules(kept.internal().directory(), self.seed);
        follow(&mut self.own, rules, hosts.internal.iter(), kept, now);
    }

    /// Begins what is due.
    fn begin(&mut self) {
        let now = self.clock.now();
        let actions = self.public.step(now).into_iter().chain(self.own.step(now));
        for action in actions {
            let desk = self.desk.clone();
            let (handle, running) = match action {
                Action::Order { id, directory, .. } if is_internal(&directory) => {
                    let running = (id.clone(), directory, Task::Order);
                    let issue =
                        async move { Done::Ordered(desk.issue(id.as_str(), now.wall).await) };
                    (self.tasks.spawn(issue), running)
                }
                Action::Order { id, directory, is_replacing } => {
                    let running = (id.clone(), directory.clone(), Task::Order);
                    let order = async move {
                        Done::Ordered(desk.order(id.as_str(), &directory, is_replacing).await)
                    };
                    (self.tasks.spawn(order), running)
                }
                Action::Ask { id, directory } => {
                    let running = (id.clone(), directory.clone(), Task::Question);
                    let questions = self.questions.clone();
                    let question = async move {
                        // It is never closed.
                        let _turn = questions.acquire().await;
                        Done::Asked(desk.suggestion(id.as_str(), &directory).await)
                    };
                    (self.tasks.spawn(question), running)
                }
            };
            self.running.insert(handle.id(), running);
        }
    }

    /// Who decides on what is of `directory`.
    fn machine(&mut self, directory: &DirectoryUrl) -> &mut Machine {
        if is_internal(directory) { &mut self.own } else { &mut self.public }
    }

    /// Takes up what came of a task.
    fn joined(&mut self, joined: Result<(Id, Done), JoinError>) {
        let (task, done) = match joined {
            Ok((task, done)) => (task, Some(done)),
            Err(error) => (error.id(), None),
        };
        let Some((id, directory, kind)) = self.running.remove(&task) else { return };
        let now = self.clock.now();
        match (kind, done) {
            (_, Some(Done::Ordered(result))) => self.ordered(&id, directory, result),
            (Task::Order, _) => {
                let problem = "the order panicked".to_owned();
                let failed = Failed { kind: FailureKind::Own, retry_after: None, problem };
                self.ordered(&id, directory, Err(failed));
            }
            (Task::Question, Some(Done::Asked(said))) => {
                self.machine(&directory).suggested(&id, said, now);
            }
            (Task::Question, None) => self.machine(&directory).suggested(&id, None, now),
        }
    }

    fn ordered(
        &mut self,
        id: &CertificateId,
        directory: DirectoryUrl,
        result: Result<Known, Failed>,
    ) {
        let (now, events) = (self.clock.now(), self.desk.events.clone());
        let (host, url) = (id.to_string(), directory.to_string());
        let machine = self.machine(&directory);
        match result {
            Ok(known) => {
                let expires = Some(known.held.not_after);
                machine.ordered(id, Ok(known.held), now);
                events.emit(event::CertificateIssued { host, url, expires });
            }
            Err(failed) => {
                let (why, hint) =
                    (failed.problem.clone(), advice::advice(&host, &url, &failed.problem));
                machine.ordered(id, Err(failed), now);
                let again = machine.status(id, now).and_then(|it| it.next);
                events.emit(event::CertificateNotIssued { host, url, why, hint, again });
            }
        }
    }

    fn statuses(&self) -> Vec<CertificateStatus> {
        let all = [&self.public, &self.own].into_iter();
        let all = all.flat_map(|machine| machine.ids().map(move |id| (machine, id)));
        let mut all: Vec<_> = all.filter_map(|(machine, id)| self.status(machine, id)).collect();
        all.sort_by(|a, b| a.hosts.cmp(&b.hosts));
        all
    }

    fn status(&self, machine: &Machine, id: &CertificateId) -> Option<CertificateStatus> {
        let status = machine.status(id, self.clock.now())?;
        let host = id.to_string();
        // It is kept a moment before its order has ended.
        let known = status.held.and_then(|_| self.desk.kept.known(&host));
        let trouble = status.trouble.map(|it| RenewalTrouble {
            since: it.since,
            times: it.times,
            advice: advice::advice(&host, it.directory.as_str(), &it.problem),
            directory: it.directory.to_string(),
            problem: it.problem,
        });
        let renewal = Renewal { next: status.next, why: status.why.into(), trouble };
        Some(CertificateStatus {
            hosts: vec![host],
            source: CertificateSource::Ordered(renewal),
            held: known.map(|it| HeldStatus {
                issuer: it.issuer,
                key: it.key,
                not_after: it.held.not_after,
            }),
        })
    }
}

/// Has `machine` want `hosts` by `rules`, and says what there is of them.
fn follow<'a>(
    machine: &mut Machine,
    rules: Rules,
    hosts: impl Iterator<Item = &'a String>,
    kept: &Kept,
    now: Now,
) {
    let is_named = |known: &Known| {
        known.held.directory.as_ref().is_none_or(|it| rules.directories.contains(it))
    };
    let ids: Vec<_> = hosts.map(|host| CertificateId::new(&**host)).collect();
    let known = ids.iter().map(|id| kept.known(id.as_str())).collect::<Vec<_>>();
    // What a directory has issued that is not named any more is replaced, as if it were not there; it is served until then.
    let current = ids.iter().zip(&known);
    let current = current.filter(|(_, known)| known.as_ref().is_none_or(is_named));
    machine.want(current.map(|(id, _)| id.clone()));
    machine.rule(rules.clone());
    machine.want(ids.iter().cloned());
    for (id, known) in ids.iter().zip(known) {
        let is_new = machine.status(id, now).is_some_and(|it| it.held.is_none());
        if let Some(known) = known.filter(|known| is_new && is_named(known)) {
            machine.found(id, known.held, now);
        }
    }
}

/// What makes the moments of this machine's orders differ from another's: of its identity, so that a restart draws nothing anew.
pub(crate) fn seed_of_machine() -> u64 {
    let read = |path| std::fs::read(path).ok();
    let name = read("/etc/machine-id").or_else(|| read("/proc/sys/kernel/hostname"));
    kept::hash(&name.unwrap_or_default())
}
