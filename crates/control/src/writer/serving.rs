//! What is served: the edge, the intent that it serves, and what else each publication is made of.
//!
//! Publishes the instances that are there, whole or not at all, and watches what was published. What is wanted
//! of instances, and when, is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge::{Edge, Instance, Keyring, Live, PublishError, ServingConfig, Split};
use model::{AuthName, Intent, Revision, ServiceName};
use rustls::ServerConfig;
use telemetry::{Events, event};
use tokio::sync::{mpsc, oneshot, watch};

use crate::bans::BanList;
use crate::certificates::{self, Common, FilesOf, Looked, Renewals, Tls, TlsUser};
use crate::chain::chain;
use crate::drains::DrainList;
use crate::handle::{InstanceError, Wish};
use crate::instances::{self, Addresses};
use crate::issuers::{Issuers, Kept, KeysArrived, Source, UNKNOWN_KEY_EVERY};
use crate::names::{Names, Resolved};
use crate::ordering::status::{CertificateSource, CertificateStatus, HeldStatus};
use crate::ordering::{Hosts, Ordering};
use crate::prepare::Prepared;
use crate::runs::{Runs, Seen, ServiceRun};
use crate::settling::Settling;
use crate::sharing::{Reached, Sharing};
use crate::status::InstanceStatus;
use crate::watch::{Published, Report, Reports, ServiceWatch};

/// What is served.
pub(super) struct Serving {
    pub(super) edge: Edge,
    pub(super) intent: watch::Sender<Arc<Intent>>,
    pub(super) revision: Revision,
    pub(super) names: Names,
    pub(super) renewals: Renewals,
    /// Has certificates ordered.
    pub(super) ordering: Ordering,
    pub(super) issuers: Issuers,
    /// Where the keys of issuers are kept.
    pub(super) kept: Arc<Kept>,
    /// Takes the word of workers that a token has an unknown key.
    pub(super) unknown: mpsc::UnboundedSender<AuthName>,
    pub(super) drains: DrainList,
    pub(super) bans: BanList,
    /// Carries what limits take to the other edges.
    pub(super) settling: Settling,
    /// What is shared with other edges.
    pub(super) sharing: Sharing,
    pub(super) watches: BTreeMap<ServiceName, ServiceWatch>,
    pub(super) reports: Reports,
    pub(super) tls: Tls,
    /// How the admin API speaks TLS, for its server.
    pub(super) admin_tls: watch::Sender<Option<Arc<ServerConfig>>>,
    /// What was wanted before, while it is watched what is: what that alone has is served on, and its names and certificates are followed.
    pub(super) held: Option<Arc<Intent>>,
    pub(super) events: Events,
}

impl Serving {
    /// Serves `prepared` from now on.
    ///
    /// # Errors
    /// When it cannot be put into effect; then nothing has changed.
    pub(super) fn take_up(
        &mut self,
        prepared: Prepared,
        runs: &mut Runs,
    ) -> Result<Revision, PublishError> {
        let Prepared { intent, warnings: _, certificates, resolved, keys, store } = prepared;
        let certificates::Loaded { tls, told, looked } = certificates;
        let revision = self.revision.next();
        let addresses = self.names.addresses(&resolved);
        let served = self.with_held(&intent);
        let tls = self.going_on(tls, &served, &looked);
        let serving_config = ServingConfig {
            instances: self.instances(runs, &served, &addresses),
            intent: served.clone(),
            revision,
            splits: splits(runs),
            tls: tls.listeners.clone(),
            services_tls: tls.services.clone(),
            store,
            keyring: self.keyring(&intent, &keys),
        };
        // Before the first request.
        self.bans.tick(&mut self.edge);
        self.edge.publish(&serving_config).map_err(name_holder)?;
        if self.sharing.take_up(serving_config.store.clone()) == Reached::Anew {
            self.bans.follow(self.sharing.store());
            self.settling.follow(self.sharing.store());
        }
        told.into_iter().for_each(|event| self.events.emit(event));
        self.drains.keep_wanted(&served);
        self.intent.send_replace(intent.clone());
        self.follow_all(&intent, resolved, looked, keys);
        (self.revision, self.tls) = (revision, tls);
        self.show_admin();
        self.watch(&serving_config, runs);
        Ok(revision)
    }

    /// Shows clients of the admin API the certificate that there is now. Where its TLS was taken out of the file, that goes with a restart.
    fn show_admin(&self) {
        if self.tls.admin.is_some() {
            self.admin_tls.send_replace(self.tls.admin.clone());
        }
    }

    /// What is served of `intent`: it, and the services that what was wanted before alone has, which no route leads to any more.
    fn with_held(&self, intent: &Arc<Intent>) -> Arc<Intent> {
        let Some(held) = &self.held else { return intent.clone() };
        let is_gone = |name: &&ServiceName| !intent.services.contains_key(*name);
        let gone = held.services.keys().filter(is_gone);
        let gone: Vec<_> = gone.map(|name| (name.clone(), held.services[name].clone())).collect();
        let mut served = Intent::clone(intent);
        served.services.extend(gone);
        Arc::new(served)
    }

    /// `tls`, for `served`, going on with what is spoken with instances now where nothing of that has changed: so their sessions
    /// are taken up again.
    fn going_on(&self, mut tls: Tls, served: &Intent, looked: &[Looked]) -> Tls {
        let before = self.intent.borrow();
        for (name, plan) in &self.tls.services {
            let Some(service) = served.services.get(name) else { continue };
            let Some(files) = FilesOf::of_service(service) else { continue };
            let is_said_again = before.services.get(name).is_some_and(|before| {
                (&before.tls, before.protocol) == (&service.tls, service.protocol)
            });
            let found = looked.iter().find(|it| it.key == files).and_then(|it| it.value());
            let holds_the_same = found.is_none() || found == self.renewals.value(&files);
            // What is only served on is not read again.
            if (is_said_again && holds_the_same) || !tls.services.contains_key(name) {
                tls.services.insert(name.clone(), plan.clone());
            }
        }
        tls
    }

    /// Follows the names, certificates and issuers of `intent`, and of what was wanted before as long as it is held.
    pub(super) fn follow_all(
        &mut self,
        intent: &Intent,
        resolved: Vec<Resolved>,
        looked: Vec<Looked>,
        keys: Vec<KeysArrived>,
    ) {
        let (mut names, mut files) = (instances::names(intent), FilesOf::of_all(intent));
        let mut issuers = Source::of_all(intent);
        if let Some(held) = &self.held {
            names.extend(instances::names(held));
            files.extend(FilesOf::of_all(held));
            issuers.extend(Source::of_all(held));
        }
        self.names.follow(&names, resolved);
        self.renewals.follow(&files, looked);
        self.follow_issuers(&issuers, keys);
        self.want_certificates();
    }

    /// Has certificates ordered for the hosts of what is wanted, and of what was wanted before as long as it is held: for those that no
    /// certificate from a file is for.
    fn want_certificates(&self) {
        let intent = self.intent.borrow().clone();
        let listeners = |intent: &Intent| intent.listeners.values().cloned().collect::<Vec<_>>();
        let mut hosts = BTreeSet::new();
        for listener in
            [Some(&intent), self.held.as_ref()].into_iter().flatten().flat_map(|it| listeners(it))
        {
            let pairs =
                FilesOf::of(&listener).and_then(|files| self.renewals.value(&files).cloned());
            let is_for = |host: &&String| !pairs.as_ref().is_some_and(|it| it.are_for(host));
            hosts.extend(listener.ordered.iter().flatten().filter(is_for).cloned());
        }
        hosts.extend(intent.admin.ordered().iter().cloned());
        let mut internal = intent.internal.clone();
        if let Some(held) = &self.held {
            // What both have is as the new one says.
            let ordered: BTreeSet<_> = intent.ordered_hosts().collect();
            internal.extend(held.internal.iter().filter(|it| !ordered.contains(it)).cloned());
        }
        internal.retain(|host| hosts.contains(host));
        let hosts = Hosts { all: hosts, internal };
        self.ordering.want(&intent, hosts, self.sharing.store());
    }

    /// How each certificate stands, from files and ordered.
    pub(super) fn certificates(
        &self,
    ) -> impl Future<Output = Vec<CertificateStatus>> + Send + use<> {
        let intent = self.intent.borrow();
        let mut files = BTreeMap::new();
        for of in FilesOf::of_all(&intent) {
            let pairs = self.renewals.value(&of).cloned();
            for certificate in pairs.iter().flat_map(|it| it.iter()) {
                let path = certificate.files().cert.clone();
                files.entry(path.clone()).or_insert_with(|| CertificateStatus {
                    hosts: certificate.names().map(str::to_owned).collect(),
                    source: CertificateSource::File(path),
                    held: Some(HeldStatus {
                        issuer: certificate.issuer().to_owned(),
                        key: certificate.public_key().to_owned(),
                        not_after: certificate.expires(),
                    }),
                });
            }
        }
        let (tell, told) = oneshot::channel();
        self.ordering.tell(tell);
        async move {
            let ordered = told.await.unwrap_or_default();
            files.into_values().chain(ordered).collect()
        }
    }

    /// The instances of every service: those that somebody else runs, and those that we do.
    fn instances(
        &self,
        runs: &Runs,
        intent: &Intent,
        addresses: &Addresses,
    ) -> BTreeMap<ServiceName, Vec<Instance>> {
        let mut instances = instances::of_intent(intent, addresses, &self.drains);
        for (service, run) in &runs.services {
            let Some(of_service) = instances.get_mut(service) else { continue };
            of_service.extend(run.published().map(|mut instance| {
                let drained = self.drains.since(service.as_str(), instance.name.as_str());
                instance.is_drained |= drained.is_some();
                instance
            }));
        }
        instances
    }

    /// Watches what was published, and nothing else.
    fn watch(&mut self, serving_config: &ServingConfig, runs: &mut Runs) {
        let now = self.edge.now();
        self.watches.retain(|name, _| serving_config.intent.services.contains_key(name));
        for view in self.edge.services() {
            let name = &view.service.name;
            let new = || ServiceWatch::new(view.service.clone(), self.events.clone());
            let watch = self.watches.entry(name.clone()).or_insert_with(new);
            let published = Published {
                instances: serving_config.instances.get(name).map_or(&[][..], Vec::as_slice),
                lives: view.instances,
                tls: serving_config.services_tls.get(name).map(|plan| &**plan),
                cohorts: runs.services.get(name).map(ServiceRun::cohorts).unwrap_or_default(),
            };
            watch.want(now, view.service, published, &self.drains, &self.reports);
            if let Some(run) = runs.services.get_mut(name) {
                run.live = Some(view.live.clone());
                view.instances.iter().for_each(|live| run.observe(live));
            }
        }
    }

    /// Serves the same intent with the instances that there are now.
    pub(super) fn readdress(&mut self, runs: &mut Runs) {
        let served = self.with_held(&self.intent.borrow().clone());
        let serving_config = ServingConfig {
            instances: self.instances(runs, &served, &self.names.addresses(&[])),
            keyring: self.keyring(&served, &[]),
            intent: served,
            revision: self.revision,
            splits: splits(runs),
            tls: self.tls.listeners.clone(),
            services_tls: self.tls.services.clone(),
            store: self.sharing.store().clone(),
        };
        match self.edge.publish(&serving_config) {
            Ok(generation) => {
                tracing::debug!(%generation, "instances have changed");
                self.watch(&serving_config, runs);
            }
            // What was published before can be published again; if not, its addresses serve on.
            Err(error) => {
                self.events.emit(event::AddressesNotApplied { why: chain(&error) });
            }
        }
    }

    /// The certificates in `files` are others than before: new connections are accepted and opened with them.
    pub(super) fn renew(&mut self, files: &FilesOf, common: Common<'_>, runs: &mut Runs) {
        let intent = self.intent.borrow().clone();
        let Some(pairs) = self.renewals.value(files).cloned() else { return };
        for (name, listener) in &intent.listeners {
            if FilesOf::of(listener).as_ref() == Some(files) {
                let config = pairs.config(listener, common);
                self.tls.listeners.insert(name.clone(), config);
                let (listener, (certificates, expires)) = (name.clone(), pairs.extent());
                self.events.emit(event::CertificatesRenewed { listener, certificates, expires });
                let user = TlsUser::Listener(name.clone());
                pairs.warnings(&user).for_each(|warning| self.events.emit(warning));
            }
        }
        for (name, service) in &self.with_held(&intent).services {
            if FilesOf::of_service(service).as_ref() == Some(files)
                && let Some(plan) = pairs.toward(service)
            {
                self.tls.services.insert(name.clone(), plan);
                self.events.emit(event::ServiceTlsRenewed { service: name.clone() });
                let user = TlsUser::Service(name.clone());
                pairs.warnings(&user).for_each(|warning| self.events.emit(warning));
            }
        }
        if FilesOf::of_admin(&intent.admin).as_ref() == Some(files)
            && let Some(of) = &intent.admin.tls
        {
            self.tls.admin = Some(pairs.of_admin(of, common));
            let (_, expires) = pairs.extent();
            self.events.emit(event::AdminCertificateRenewed { expires });
            pairs.warnings(&TlsUser::Admin).for_each(|warning| self.events.emit(warning));
            self.show_admin();
        }
        self.want_certificates();
        self.readdress(runs);
    }

    /// The keys that authentications of `intent` go by, with those that were `found` for it.
    fn keyring(&self, intent: &Intent, found: &[KeysArrived]) -> Keyring {
        Keyring { keys: self.issuers.keys(intent, found), unknown: Some(self.unknown.clone()) }
    }

    /// Follows `wanted` from now on, of which these keys were found.
    fn follow_issuers(&mut self, wanted: &BTreeSet<Source>, found: Vec<KeysArrived>) {
        let before = self.issuers.documents();
        for arrival in &found {
            let value = arrival.value();
            if value.is_some() && value != self.issuers.value(&arrival.key) {
                let told = value.into_iter().flat_map(|set| set.told(&arrival.key));
                told.for_each(|event| self.events.emit(event));
            }
        }
        self.issuers.follow(wanted, found);
        let after = self.issuers.documents();
        if before != after {
            self.kept.keep(after, &self.events);
        }
    }

    /// Takes up keys of an issuer that have arrived: where they are others than before, requests are checked with them from now on.
    pub(super) fn keys_arrived(&mut self, arrival: KeysArrived, runs: &mut Runs) {
        let source = arrival.key.clone();
        if self.issuers.take_up(arrival) {
            let told = self.issuers.value(&source).into_iter().flat_map(|set| set.told(&source));
            told.for_each(|event| self.events.emit(event));
            self.kept.keep(self.issuers.documents(), &self.events);
            self.readdress(runs);
        }
    }

    /// A token for `name` came with a key that is not among the issuer's: they may have changed.
    pub(super) fn lacks_key(&mut self, name: &AuthName) {
        let intent = self.intent.borrow();
        if let Some(source) = intent.auth.get(name).and_then(|it| Source::of(it)) {
            self.issuers.hurry(&source, UNKNOWN_KEY_EVERY);
        }
    }

    /// Takes an instance out, or lets it serve again, as a person wishes.
    ///
    /// # Errors
    /// When it is not known.
    pub(super) fn wish(
        &mut self,
        runs: &mut Runs,
        service: &str,
        instance: &str,
        wish: Wish,
    ) -> Result<InstanceStatus, InstanceError> {
        let now = self.edge.now();
        let Some(watch) = self.watches.get_mut(service) else {
            let names = self.watches.keys().map(ServiceName::as_str);
            let near = suggest::near(service, names);
            return Err(InstanceError::UnknownService { service: service.to_owned(), near });
        };
        if !watch.names().any(|name| name == instance) {
            return Err(InstanceError::UnknownInstance {
                service: service.to_owned(),
                instance: instance.to_owned(),
                near: suggest::near(instance, watch.names()),
            });
        }
        // Written down first: what was answered with yes holds over a crash.
        match wish {
            Wish::Drain => self.drains.put(&service.into(), &instance.into(), SystemTime::now()),
            Wish::Enable => self.drains.remove(service, instance),
        }
        let is_retired = |run: &ServiceRun| {
            run.instances.get(instance).is_some_and(|running| !running.lifecycle.serves())
        };
        match runs.services.get(service).is_some_and(is_retired) {
            // A deploy, too, gives it nothing, and may be about to stop it.
            true => self.readdress(runs),
            false => watch.look_for_drain(now, instance, &self.drains),
        }
        let status = self.watches.get(service).and_then(|watch| watch.status(now, instance));
        Ok(status.expect("the instance was there"))
    }

    pub(super) fn suspected(&mut self, live: &Live) {
        let now = self.edge.now();
        match self.watches.get_mut(&live.service) {
            Some(watch) => watch.suspected(now, live),
            None => drop(live.take_suspicion()),
        }
    }

    /// Takes up what a check found. Says why, where it made the instance unhealthy.
    pub(super) fn checked(&mut self, report: Report) -> Option<String> {
        let now = self.edge.now();
        let watch = self.watches.get_mut(&report.live.service)?;
        watch.checked(now, report)
    }

    pub(super) fn sample(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.sample(now));
        self.bans.sample();
    }

    pub(super) fn tick(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.tick(now));
        self.bans.tick(&mut self.edge);
    }

    /// When the next ejection is over, or a change of bans is to be published.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let ejections = self.watches.values().filter_map(ServiceWatch::next_deadline);
        ejections.chain(self.bans.next_deadline()).min()
    }

    /// What clients asked of a service so far, and how much of it failed.
    pub(super) fn seen(&self, service: &ServiceName) -> Seen {
        let mut views = self.edge.services().filter(|view| view.service.name == *service);
        views.next().map_or_else(Seen::default, |view| Seen::of(view.live))
    }

    /// Whether the intent does not want the service to be run any more, nor what was wanted before as long as it is held.
    pub(super) fn is_unwanted(&self, service: &ServiceName) -> bool {
        let intent = self.intent.borrow();
        let runs = |intent: &Intent| {
            intent.services.get(service).is_some_and(|service| service.run.is_some())
        };
        !runs(&intent) && !self.held.as_deref().is_some_and(runs)
    }
}

/// Services of which two releases share the requests.
fn splits(runs: &Runs) -> BTreeMap<ServiceName, Split> {
    let split = |run: &ServiceRun| run.active.as_ref()?.split.clone();
    let runs = runs.services.iter();
    runs.filter_map(|(name, run)| Some((name.clone(), split(run)?))).collect()
}

/// Says of a port that somebody else has who that is.
fn name_holder(error: PublishError) -> PublishError {
    match error {
        PublishError::Bind { listener, address, source }
            if source.kind() == io::ErrorKind::AddrInUse =>
        {
            let holder = driver::Holder::of(address.port());
            let told = holder.map(|holder| io::Error::new(source.kind(), holder.to_string()));
            PublishError::Bind { listener, address, source: told.unwrap_or(source) }
        }
        other => other,
    }
}
