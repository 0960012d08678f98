//! How each certificate stands that is ordered, here or by another edge.

use certificates::{CertificateId, Machine};

use super::advice::advice;
use super::edges::Left;
use super::orders::Orders;
use super::status::{
    CertificateSource, CertificateStatus, HeldStatus, Renewal, RenewalReason, RenewalTrouble,
};

impl Orders {
    pub(super) fn statuses(&self) -> Vec<CertificateStatus> {
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
            advice: advice(&host, it.directory.as_str(), &it.problem),
            directory: it.directory.to_string(),
            problem: it.problem,
        });
        let mut renewal =
            Renewal { next: status.next, why: status.why.into(), edge: None, trouble };
        if let Some(left) = self.left.get(id) {
            renewal = left_to(left, renewal, &host);
        }
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

/// A renewal that is another edge's to order, or waits for the store.
fn left_to(left: &Left, renewal: Renewal, host: &str) -> Renewal {
    match left {
        Left::Edge { name, told } => {
            let trouble = told.as_ref().map(|it| RenewalTrouble {
                since: it.since(),
                times: it.times,
                advice: advice(host, &it.directory, &it.problem),
                directory: it.directory.clone(),
                problem: it.problem.clone(),
            });
            let trouble = trouble.or(renewal.trouble);
            Renewal { why: RenewalReason::Elsewhere, edge: Some(name.clone()), trouble, ..renewal }
        }
        Left::Store => Renewal { why: RenewalReason::Store, ..renewal },
    }
}
