//! The orders that are under way, and what comes of them: one task, which waits for what is due, for what was ordered, and for words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use acme::{is_internal, no_internal_ca};
use certificates::{
    Action, Budget, CertificateId, DirectoryUrl, Failed, FailureKind, Machine, Now, Rules,
    Suggestion,
};
use model::Intent;
use store::Store;
use telemetry::event;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{Id, JoinError, JoinSet};

use super::clock::Clock;
use super::desk::{Desk, Placed};
use super::edges::{Change, Follow, Left, Told, follow as follow_edges, seconds};
use super::kept::{Kept, Known};
use super::{Hosts, Word, advice};
use crate::task;

/// Orders that are under way at once, over all directories.
const AT_ONCE: usize = 16;
/// Questions that are.
const ASKED_AT_ONCE: usize = 8;
/// The machine is looked at no more often than this where nothing happens: what is due may have to wait for something else.
const LOOK_MIN: Duration = Duration::from_secs(1);
/// What another edge is to order is looked at again after so long: it may have been killed.
const LEFT_FOR: Duration = Duration::from_secs(3);

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Order,
    Question,
}

/// What came of it.
enum Done {
    Ordered(Result<Placed, Failed>),
    Asked(Option<Suggestion>),
}

/// The orders, and what is under way.
pub(super) struct Orders {
    /// What is ordered of CAs.
    pub(super) public: Machine,
    /// What the CA of our own issues.
    pub(super) own: Machine,
    pub(super) desk: Arc<Desk>,
    pub(super) clock: Arc<dyn Clock>,
    seed: u64,
    directories: Vec<DirectoryUrl>,
    /// How many edges share the account.
    edges: u32,
    /// What others are to order, and what they say of it.
    pub(super) left: BTreeMap<CertificateId, Left>,
    tasks: JoinSet<Done>,
    running: BTreeMap<Id, (CertificateId, DirectoryUrl, Task)>,
    questions: Arc<Semaphore>,
    words: mpsc::UnboundedSender<Word>,
    /// Follows the other edges.
    following: Option<task::Task>,
}

fn public_rules(directories: &[DirectoryUrl], edges: u32, seed: u64) -> Rules {
    let (directories, budget) = (directories.to_vec(), Budget::default().among(edges));
    Rules { directories, budget, at_once: AT_ONCE, seed }
}

/// The CA of our own may be asked as often as we like.
fn own_rules(directory: DirectoryUrl, seed: u64) -> Rules {
    let budget = Budget { every: Duration::ZERO, ..Budget::default() };
    Rules { directories: vec![directory], budget, at_once: AT_ONCE, seed }
}

impl Orders {
    /// Those that `desk` places, none yet. What comes from elsewhere is told by `words`.
    pub(super) fn new(
        desk: Arc<Desk>,
        clock: Arc<dyn Clock>,
        seed: u64,
        words: mpsc::UnboundedSender<Word>,
    ) -> Self {
        Self {
            public: Machine::new(public_rules(&[], 1, seed)),
            own: Machine::new(own_rules(no_internal_ca(), seed)),
            desk,
            clock,
            seed,
            directories: Vec::new(),
            edges: 1,
            left: BTreeMap::new(),
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            questions: Arc::new(Semaphore::new(ASKED_AT_ONCE)),
            words,
            following: None,
        }
    }

    pub(super) async fn run(mut self, mut words: mpsc::UnboundedReceiver<Word>) {
        loop {
            self.begin();
            let now = self.clock.now();
            let wake = self.public.wake(now).min(self.own.wake(now)).max(now.elapsed + LOOK_MIN);
            let clock = self.clock.clone();
            tokio::select! {
                word = words.recv() => match word {
                    Some(word) => self.hear(word),
                    None => return,
                },
                Some(joined) = self.tasks.join_next_with_id() => self.joined(joined),
                () = clock.until(wake) => {}
            }
        }
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Want(intent, hosts, store) => self.want(&intent, &hosts, &store),
            Word::Tell(reply) => drop(reply.send(self.statuses())),
            Word::Found(found) => {
                for (host, known) in found {
                    self.found(&CertificateId::new(host), known);
                }
            }
            Word::Edges(edges) if edges != self.edges => {
                self.edges = edges;
                self.public.rule(public_rules(&self.directories, edges, self.seed));
            }
            Word::Edges(_) => {}
        }
    }

    /// Wants certificates for `hosts`, as `intent` says.
    fn want(&mut self, intent: &Intent, hosts: &Hosts, store: &Store) {
        let now = self.clock.now();
        self.desk.responder.follow(intent);
        let is_wanted = |host: &str| hosts.all.contains(host);
        self.desk.kept.retain(is_wanted);
        self.desk.responder.retain(is_wanted);
        let directories = intent.acme.as_ref().map_or(&[][..], |acme| {
            self.desk.accounts.follow(acme);
            &acme.directories
        });
        self.directories = directories.iter().map(|it| DirectoryUrl::new(&**it)).collect();
        let public: BTreeSet<_> = hosts.all.difference(&hosts.internal).cloned().collect();
        self.share(store, public.clone());
        let kept = &self.desk.kept;
        let rules = public_rules(&self.directories, self.edges, self.seed);
        follow(&mut self.public, rules, public.iter(), kept, now);
        let rules = own_rules(kept.internal().directory(), self.seed);
        follow(&mut self.own, rules, hosts.internal.iter(), kept, now);
        self.left.retain(|id, _| public.contains(id.as_str()));
    }

    /// Shares the certificates of these hosts by `store`.
    fn share(&mut self, store: &Store, hosts: BTreeSet<String>) {
        match self.desk.edges.follow(store, &self.directories, hosts) {
            Change::None => {}
            Change::Alone => {
                self.following = None;
                self.left.clear();
                self.edges = 1;
            }
            Change::Bond(bond) => {
                let (kept, responder) = (self.desk.kept.clone(), self.desk.responder.clone());
                let (words, events) = (self.words.clone(), self.desk.events.clone());
                let follow = Follow { bond, kept, responder, words, events };
                // How many there are is told by it.
                self.edges = 1;
                self.following = Some(task::Task::spawn(follow_edges(follow)));
            }
        }
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
                    let issue = async move {
                        let issued = desk.issue(id.as_str(), now.wall).await;
                        Done::Ordered(issued.map(Placed::Issued))
                    };
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
        result: Result<Placed, Failed>,
    ) {
        let now = self.clock.now();
        match result {
            Ok(Placed::Issued(known)) => {
                let (host, url) = (id.to_string(), directory.to_string());
                let expires = Some(known.held.not_after);
                self.left.remove(id);
                self.machine(&directory).ordered(id, Ok(known.held), now);
                self.desk.events.emit(event::CertificateIssued { host, url, expires });
            }
            Ok(Placed::Found(known)) => {
                self.public.left(id, Duration::ZERO, now);
                self.found(id, known);
            }
            Ok(Placed::Left(left)) => {
                self.public.left(id, LEFT_FOR, now);
                self.left.insert(id.clone(), left);
            }
            Err(failed) => self.failed(id, &directory, failed),
        }
    }

    /// Another edge has ordered it, and it is served.
    fn found(&mut self, id: &CertificateId, known: Known) {
        let expires = Some(known.held.not_after);
        self.left.remove(id);
        self.public.found(id, known.held, self.clock.now());
        let host = id.to_string();
        self.desk.events.emit(event::CertificateAdopted { host, expires });
    }

    fn failed(&mut self, id: &CertificateId, directory: &DirectoryUrl, failed: Failed) {
        let now = self.clock.now();
        let (host, url) = (id.to_string(), directory.to_string());
        let (kind, why) = (failed.kind, failed.problem.clone());
        let hint = advice::advice(&host, &url, &why);
        self.left.remove(id);
        let machine = self.machine(directory);
        machine.ordered(id, Err(failed), now);
        let status = machine.status(id, now);
        let again = status.as_ref().and_then(|it| it.next);
        if let Some(bond) = self.desk.edges.bond().filter(|_| !is_internal(directory)) {
            let told = status.and_then(|it| it.trouble).map(|it| Told {
                since: seconds(it.since),
                times: it.times,
                directory: it.directory.to_string(),
                problem: it.problem,
            });
            let of = host.clone();
            tokio::spawn(async move {
                match (kind, told) {
                    // Another edge may see more of it than this one.
                    (FailureKind::Unreachable | FailureKind::Own, _) | (_, None) => {
                        bond.end_turn(&of).await;
                    }
                    // The CA counts what it refuses, whichever edge asks.
                    (_, Some(told)) => bond.tell(&of, &told).await,
                }
            });
        }
        self.desk.events.emit(event::CertificateNotIssued { host, url, why, hint, again });
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
