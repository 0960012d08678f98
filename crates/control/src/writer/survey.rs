//! What the writer tells of everything: to people, and to whoever counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use edge::{Live, ServiceView};
use model::{InstanceName, ServiceName};
use telemetry::Scrape;
use telemetry::scrape::{ConfigSample, FeedKind, FeedSample};

use super::Writer;
use crate::certificates::FilesOf;
use crate::chain::chain;
use crate::ended::Reply;
use crate::handle::InstanceError;
use crate::issuers::Source;
use crate::ordering::status::CertificateStatus;
use crate::status::{
    AuthServerFault, AuthServerStatus, InstanceStatus, IssuerStatus, ListenerStatus, ServiceStatus,
    Status,
};
use crate::{instances, scrape};

impl Writer {
    /// Tells how everything stands, once the workers have told what is open: beside the loop,
    /// which waits for no worker.
    pub(super) fn tell_status(&self, reply: Reply<Status>) {
        let (mut status, opens) = (self.status(), self.serving.edge.open());
        let certificates = self.serving.certificates();
        tokio::spawn(async move {
            status.tell_open(&opens.await);
            let mut certificates = certificates.await;
            certificates.retain(|it| it.held.is_none() || it.trouble().is_some());
            status.certificates = certificates;
            // Whoever asked may be gone.
            let _ = reply.send(status);
        });
    }

    /// Tells how each certificate stands, likewise.
    pub(super) fn tell_certificates(&self, reply: Reply<Vec<CertificateStatus>>) {
        let certificates = self.serving.certificates();
        tokio::spawn(async move {
            let _ = reply.send(certificates.await);
        });
    }

    /// Tells everything that is counted, but for the process, likewise.
    pub(super) fn tell_scrape(&self, reply: Reply<Scrape>) {
        let (mut scrape, certificates) = (self.scrape(), self.serving.certificates());
        tokio::spawn(async move {
            scrape.certificates = scrape::certificates(&certificates.await, SystemTime::now());
            let _ = reply.send(scrape);
        });
    }

    /// Tells how one instance of `service` stands, likewise.
    pub(super) fn tell_instance(
        &self,
        service: ServiceName,
        stands: Result<InstanceStatus, InstanceError>,
        reply: Reply<Result<InstanceStatus, InstanceError>>,
    ) {
        let opens = self.serving.edge.open();
        tokio::spawn(async move {
            let mut stands = stands;
            if let Ok(instance) = &mut stands {
                instance.tell_open(&service, &opens.await);
            }
            let _ = reply.send(stands);
        });
    }

    /// How everything stands.
    fn status(&self) -> Status {
        let file = &self.reloads.preparation.file;
        Status {
            file: std::path::absolute(file).unwrap_or_else(|_| file.clone()),
            revision: self.serving.revision,
            generation: self.serving.edge.generation(),
            uptime: self.serving.edge.now(),
            connections: self.serving.edge.connections(),
            descriptors: self.serving.edge.descriptors(),
            last_reload: self.reloads.last.clone(),
            store: self.serving.sharing.status(),
            watched: self.watched.progress(),
            rolled_back: self.watched.rolled_back(),
            listeners: self.listeners(),
            issuers: self.issuers(),
            auth_servers: self.auth_servers(),
            admin_certificate_fault: self.admin_certificate_fault(),
            certificates: Vec::new(),
            services: self.services(),
        }
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let intent = self.serving.intent.borrow();
        let listeners = self.serving.edge.listeners().map(|(name, live)| {
            let files = intent.listeners.get(name).and_then(|listener| FilesOf::of(listener));
            let fault = files.as_ref().and_then(|files| self.serving.renewals.fault(files));
            ListenerStatus {
                name: name.clone(),
                addresses: self.serving.edge.addresses(name.as_str()).collect(),
                tls: files.is_some(),
                certificate_fault: fault.map(|fault| chain(fault)),
                connections: live.open.load(Relaxed),
                accepted: live.accepted.load(Relaxed),
            }
        });
        let mut listeners: Vec<_> = listeners.collect();
        listeners.sort_by(|one, other| one.name.cmp(&other.name));
        listeners
    }

    fn admin_certificate_fault(&self) -> Option<String> {
        let files = FilesOf::of_admin(&self.serving.intent.borrow().admin)?;
        self.serving.renewals.fault(&files).map(|fault| chain(fault))
    }

    /// Each authentication whose keys are fetched.
    fn issuers(&self) -> Vec<IssuerStatus> {
        let intent = self.serving.intent.borrow();
        let issuers = intent.auth.iter().filter_map(|(name, authentication)| {
            let source = Source::of(authentication)?;
            Some(IssuerStatus {
                auth: name.clone(),
                url: source.to_string(),
                keys: self.serving.issuers.value(&source).map(|set| set.keys.count()),
                fault: self.serving.issuers.fault(&source).map(|fault| chain(fault)),
            })
        });
        issuers.collect()
    }

    /// Each authentication that asks a server about requests.
    fn auth_servers(&self) -> Vec<AuthServerStatus> {
        let intent = self.serving.intent.borrow();
        let servers = self.serving.edge.inquiries().filter_map(|live| {
            let server = intent.auth.get(live.name())?.proof.server()?;
            let fault = live.fault().map(|fault| AuthServerFault {
                since: SystemTime::UNIX_EPOCH + Duration::from_secs(fault.since),
                why: fault.why,
            });
            Some(AuthServerStatus { auth: live.name().clone(), url: server.url.to_string(), fault })
        });
        servers.collect()
    }

    fn services(&self) -> Vec<ServiceStatus> {
        let now = self.serving.edge.now();
        let unreached = self.runs.driver.unreached();
        let services = self.serving.edge.services().filter_map(|view| {
            let watch = self.serving.watches.get(&view.service.name)?;
            let run = self.runs.services.get(&view.service.name);
            let of = |live: &Arc<Live>| {
                let mut status = watch.status(now, live.name.as_str())?;
                status.release = run.and_then(|run| run.release_of(&live.name));
                Some(status)
            };
            let unresolved = instances::names_of(view.service)
                .filter_map(|name| Some((name.to_owned(), chain(self.serving.names.fault(name)?))));
            let files = FilesOf::of_service(view.service);
            let fault = files.as_ref().and_then(|files| self.serving.renewals.fault(files));
            let is_away = |(name, _): &(&InstanceName, SystemTime)| watch.brief(name).is_none();
            let away = self.serving.drains.of(&view.service.name).filter(is_away);
            Some(ServiceStatus {
                name: view.service.name.clone(),
                balance: view.service.balance.clone(),
                mode: watch.mode(),
                queued: view.live.queued(),
                run: run.map(|run| run.status(now, &unreached)),
                retries: view.live.shards().map(|shard| shard.retries.get()).sum(),
                unresolved: unresolved.collect(),
                certificate_fault: fault.map(|fault| chain(fault)),
                drained_away: away.map(|(name, since)| (name.clone(), since)).collect(),
                instances: view.instances.iter().filter_map(of).collect(),
            })
        });
        services.collect()
    }

    /// Everything that is counted, but for the process and certificates.
    fn scrape(&self) -> Scrape {
        let last = self.reloads.last.as_ref();
        let config = ConfigSample {
            revision: self.serving.revision,
            generation: self.serving.edge.generation(),
            read_at: last.map_or(self.reloads.began_at, |reload| reload.at),
            is_taken_up: last.is_none_or(|reload| reload.outcome.is_ok()),
        };
        let watch_of = |view: &ServiceView<'_>| self.serving.watches.get(&view.service.name);
        let feeds = [
            (FeedKind::Names, self.serving.names.stale()),
            (FeedKind::Certificates, self.serving.renewals.stale()),
            (FeedKind::Keys, self.serving.issuers.stale()),
        ];
        let feeds = feeds.map(|(feed, stale)| FeedSample { feed, stale: stale as u64 }).to_vec();
        let log = self.reloads.log.sample();
        let mut scrape = scrape::gather(&self.serving.edge, watch_of, config, feeds, log);
        scrape.bans = self.serving.bans.len() as u64;
        scrape.store = self.serving.sharing.sample(self.serving.settling.counts());
        scrape
    }
}
