//! An edge whose access log is kept, and what it says in the end.

use std::any::Any;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use edge::ListenerTls;
use model::{ClientAuth, ClientDemand};
use telemetry::{Ending, EndingTotals};
use testkit::edge::Wanted;
use testkit::{
    AccessLine, AccessLines, Origin, Protocol, RawClient, Request, Seen, Step, Talk, TestEdge, ask,
    eventually,
};

/// One edge over at most one instance.
pub(crate) struct Scene {
    pub(crate) edge: Option<TestEdge>,
    lines: AccessLines,
    /// What lasts as long as the scene.
    _kept: Box<dyn Any>,
}

impl Scene {
    /// Over an instance that answers as `script` says.
    pub(crate) fn over(
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
        change: impl FnOnce(&mut Wanted),
    ) -> Self {
        let origin = Origin::start(script);
        Self { _kept: Box::new(()), ..Self::at(&[origin.address()], change) }.keeping(origin)
    }

    /// Over an instance that answers everything with 200.
    pub(crate) fn polite(change: impl FnOnce(&mut Wanted)) -> Self {
        Self::over(|_| vec![Step::answer(200, "fine")], change)
    }

    /// Over these targets.
    pub(crate) fn at(targets: &[SocketAddr], change: impl FnOnce(&mut Wanted)) -> Self {
        let lines = AccessLines::default();
        let edge = TestEdge::with(targets, |wanted| {
            wanted.access_log = Some(lines.clone());
            wanted.service.retry.attempts = 1;
            change(wanted);
        });
        Self { edge: Some(edge), lines, _kept: Box::new(()) }
    }

    /// With something more that lasts as long as it does.
    pub(crate) fn keeping(self, more: impl Any) -> Self {
        Self { _kept: Box::new((self._kept, more)), ..self }
    }

    /// The edge, which runs.
    pub(crate) fn edge(&self) -> &TestEdge {
        self.edge.as_ref().expect("it runs")
    }

    /// These are banned from now on, for every worker.
    pub(crate) fn ban(&mut self, bans: policy::Bans) {
        let edge = self.edge.as_mut().expect("it runs");
        edge.edge.ban(&bans.into());
        edge.settle();
    }

    /// There is one more listener from now on, for every worker: one where clients need a certificate.
    pub(crate) fn also_asking(&mut self, tls: ListenerTls) {
        let edge = self.edge.as_mut().expect("it runs");
        let demand = ClientDemand::Required;
        let client_auth = ClientAuth { ca: "clients.pem".into(), crl: None, demand };
        edge.also_at("closed", tls, Some(client_auth));
        edge.settle();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.edge().address()
    }

    /// Asks for `/`, and is answered with this status.
    pub(crate) fn answers(self, protocol: Protocol, status: u16) -> Self {
        self.answers_to(Talk::get("/"), protocol, status)
    }

    /// Asks so, and is answered with this status.
    pub(crate) fn answers_to(self, talk: Talk, protocol: Protocol, status: u16) -> Self {
        assert_eq!(talk.over(protocol, self.address()).status, status, "{protocol:?}");
        self
    }

    /// Asks for `/`, and gets no whole response.
    pub(crate) fn cuts(self, protocol: Protocol) -> Self {
        assert_eq!(ask(protocol, self.address(), "GET", "/"), Seen::Cut, "{protocol:?}");
        self
    }

    /// A request that is in flight at the only instance.
    pub(crate) fn busy(&self) -> RawClient {
        let mut client = RawClient::connect(self.address());
        client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("it is in flight", || self.in_flight() == 1);
        client
    }

    /// What is in flight at the only instance.
    pub(crate) fn in_flight(&self) -> u32 {
        let services: Vec<_> = self.edge().edge.services().collect();
        services[0].instances[0].in_flight()
    }

    fn totals(&self) -> EndingTotals {
        let mut totals = EndingTotals::default();
        self.edge().edge.counters().for_each(|it| totals.merge(&it.exchanges.totals()));
        totals
    }

    /// The lines of the log, once the edge has ended. Where it still runs, it has counted one that ended
    /// as `ending` by then.
    pub(crate) fn lines(&mut self, ending: Ending) -> Vec<AccessLine> {
        if self.edge.is_some() {
            eventually(ending.as_str(), || self.totals().of(ending) == 1);
        }
        self.edge = None;
        self.lines.all()
    }

    /// Exactly one exchange came to this end, by what was counted and by what was logged.
    pub(crate) fn has_one_line(mut self, ending: Ending, protocol: Protocol) {
        let lines = self.lines(ending);
        let said: Vec<_> =
            lines.iter().filter(|line| line.field("ending") == ending.as_str()).collect();
        assert_eq!(said.len(), 1, "{ending} over {protocol:?}: {lines:#?}");
        let ids: BTreeSet<_> = lines.iter().map(|line| line.field("request_id")).collect();
        assert_eq!(ids.len(), lines.len(), "no exchange has two: {lines:#?}");
        let spoken = if protocol == Protocol::H1 { "HTTP/1.1" } else { "HTTP/2" };
        // What ends in a circle came back over HTTP/1.
        assert!(ending == Ending::Loop || said[0].field("protocol") == spoken, "{lines:#?}");
    }
}
