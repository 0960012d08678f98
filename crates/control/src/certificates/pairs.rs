//! Certificates with their keys as they were read, and how TLS is spoken with them.

use std::sync::Arc;
use std::time::SystemTime;

use edge::{ListenerTls, ServiceTlsPlan};
use model::{AdminTls, Listener, Protocol, Service, UpstreamProtocol};
use rustls::ServerConfig;
use telemetry::{Event, event};
use wire::tls::{
    Alpn, Authorities, Certificate, Certificates, ClientTrust, Ordered, OrderedHosts, Resumption,
    Warning, client_config, server_config,
};

use super::TlsUser;
use super::files::Stamp;

/// Certificates with their keys as they were read, and what their files were like then.
#[derive(Debug)]
pub(crate) struct Pairs {
    pub(super) stamps: Vec<Stamp>,
    pub(super) certificates: Arc<Certificates>,
    /// The hosts that they are for.
    pub(super) names: Arc<[Box<str>]>,
    /// Whose certificates of clients are believed, where they are asked for.
    pub(super) clients: Option<ClientTrust>,
    /// By which authorities instances are believed, where they are asked.
    pub(super) instances: Option<Authorities>,
}

impl Pairs {
    /// How many there are, and when the first of them expires.
    pub(crate) fn extent(&self) -> (usize, Option<SystemTime>) {
        let expires = self.certificates.iter().map(Certificate::expires).min();
        (self.certificates.iter().count(), expires)
    }

    /// What is doubtful about them, which `user` uses.
    pub(crate) fn warnings(&self, user: &TlsUser) -> impl Iterator<Item = Event> {
        let warnings = self.certificates.iter().flat_map(|certificate| certificate.warnings());
        let of_clients = self.clients.iter().flat_map(ClientTrust::warnings);
        let of_instances = self.instances.iter().flat_map(Authorities::warnings);
        // What we show to instances need name no host.
        let is_shown_to_clients = !matches!(user, TlsUser::Service(_));
        let counts =
            move |it: &&Warning| is_shown_to_clients || !matches!(it, Warning::NoNames { .. });
        warnings.filter(counts).chain(of_clients).chain(of_instances).map(|warning| {
            let why = warning.to_string();
            match user.clone() {
                TlsUser::Listener(listener) => event::CertificateWarning { listener, why }.into(),
                TlsUser::Service(service) => event::ServiceTlsWarning { service, why }.into(),
                TlsUser::Admin => event::AdminCertificateWarning { why }.into(),
            }
        })
    }

    /// How TLS is spoken with the instances of `service`; `None` where it is not.
    pub(crate) fn toward(&self, service: &Service) -> Option<Arc<ServiceTlsPlan>> {
        let (tls, authorities) = (service.tls.as_ref()?, self.instances.as_ref()?);
        let alpn = match service.protocol {
            UpstreamProtocol::H1 => Alpn::Http1,
            UpstreamProtocol::H2 => Alpn::Http2,
        };
        let config = client_config(authorities, self.certificates.iter().next(), alpn);
        Some(Arc::new(ServiceTlsPlan { config, server_name: tls.server_name.clone() }))
    }

    /// How `listener` speaks TLS with them, and with those that were `ordered`.
    pub(crate) fn config(&self, listener: &Listener, common: Common<'_>) -> ListenerTls {
        let Common { resumption, ordered } = common;
        let (mut alpn, clients) = (protocols(listener), self.clients.as_ref());
        let Some(hosts) = &listener.ordered else {
            let config = server_config(self.certificates.clone(), &alpn, resumption, clients);
            return ListenerTls { config, clients: clients.cloned(), names: self.names.clone() };
        };
        alpn.push(Alpn::Proof);
        let names = self.names.iter().cloned().chain(hosts.iter().map(|it| it.as_str().into()));
        let names = names.collect();
        let hosts = OrderedHosts::new(hosts.iter().map(|it| &**it), ordered.clone())
            .with_nameless(listener.nameless.as_deref());
        let certificates = Certificates::clone(&self.certificates).with_ordered(hosts);
        let config = server_config(Arc::new(certificates), &alpn, resumption, clients);
        ListenerTls { config, clients: clients.cloned(), names }
    }

    /// How the admin API speaks TLS with them, or with those that were `ordered`, as `tls` says: to clients of HTTP/1.1.
    pub(crate) fn of_admin(&self, tls: &AdminTls, common: Common<'_>) -> Arc<ServerConfig> {
        let Common { resumption, ordered } = common;
        let certificates = match tls {
            AdminTls::File(_) => self.certificates.clone(),
            AdminTls::Ordered(of) => {
                let hosts = OrderedHosts::new(of.hosts.iter().map(|it| &**it), ordered.clone())
                    .with_nameless(of.nameless.as_deref());
                Arc::new(Certificates::clone(&self.certificates).with_ordered(hosts))
            }
        };
        server_config(certificates, &[Alpn::Http1], resumption, None)
    }

    /// Whether one of them is for `host`.
    pub(crate) fn are_for(&self, host: &str) -> bool {
        self.certificates.names(host)
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter()
    }
}

/// What all listeners that speak TLS share.
#[derive(Clone, Copy)]
pub(crate) struct Common<'a> {
    pub(crate) resumption: &'a Resumption,
    /// The certificates that were ordered.
    pub(crate) ordered: &'a Arc<Ordered>,
}

/// The same files, as far as can be seen without reading them; of what is read every hour, the same authorities.
impl PartialEq for Pairs {
    fn eq(&self, other: &Self) -> bool {
        let files = |it: &Self| {
            let seen = it.stamps.iter().filter(|stamp| !matches!(stamp, Stamp::Hour(_)));
            seen.cloned().collect::<Vec<_>>()
        };
        files(self) == files(other) && self.instances == other.instances
    }
}

/// What clients may ask for, best first.
fn protocols(listener: &Listener) -> Vec<Alpn> {
    let both = [(Protocol::H2, Alpn::Http2), (Protocol::H1, Alpn::Http1)];
    let spoken = both.into_iter().filter(|(protocol, _)| listener.speaks(*protocol));
    spoken.map(|(_, alpn)| alpn).collect()
}
