//! `abuse`: refusals are counted by client or subject, and one with too many is banned for a while. What is too many is the crate
//! `policy`'s to say; here it is said which refusals count, and who is to blame.
//!
//! It is asked once an exchange has ended, of those alone whose client was refused, and changes nothing of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use model::{Abuse, AbuseKey, AbuseMode, AbuseName};
use policy::abuse::{Count, Verdict};
use policy::bans::{Ban, Banned};
use policy::limit::{Bucket, Clock, Fingerprint, Grains, KeyHasher, Secret, Unit};
use telemetry::{AbuseOutcome, Ending};

use crate::live::abuse::AbuseLive;
use crate::peer::{ClientKey, is_within};

/// How long nothing more is said of a client that is banned: until every worker knows of the ban.
const BAN_UNDER_WAY: Duration = Duration::from_secs(1);

/// One rule, compiled: shared by all routes that name it.
#[derive(Debug)]
pub(crate) struct AbusePlan {
    abuse: Arc<Abuse>,
    live: Arc<AbuseLive>,
    /// Has begun with what all of its keys have in common.
    hasher: KeyHasher,
    clock: Clock,
    capacity: Grains,
}

/// An exchange whose client was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'a> {
    /// What the client was told, by an instance or by us.
    pub(crate) status: u16,
    pub(crate) ending: Ending,
    pub(crate) client: IpAddr,
    /// Who asked, where that was proven.
    pub(crate) subject: Option<&'a str>,
    /// The proxies that the listener trusts: none of them is to blame for what its clients do.
    pub(crate) proxies: &'a [IpNet],
}

/// When and where a refusal is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Time since the edge began.
    pub(crate) now: Duration,
    /// Time since 1970.
    pub(crate) date: Duration,
    /// The worker.
    pub(crate) worker: usize,
}

/// What follows from a refusal that was one too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// The rule.
    pub(crate) abuse: AbuseName,
    /// The ban, or the one that would be.
    pub(crate) ban: Ban,
    /// Whether it is carried out.
    pub(crate) mode: AbuseMode,
}

/// How a client stands with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbuseStanding {
    /// The rule.
    pub abuse: Arc<Abuse>,
    /// How many more refusals lead to nothing; `None` where its refusals do not count.
    pub left: Option<u64>,
}

impl AbusePlan {
    /// `abuse`, of which `live` is kept, as of `now`.
    pub(crate) fn compile(
        abuse: &Arc<Abuse>,
        live: Arc<AbuseLive>,
        secret: Secret,
        now: Duration,
    ) -> Self {
        let clock = live.clock.at_rate(Unit::Requests, abuse.rate, now);
        let hasher = KeyHasher::new(secret, abuse.name.as_str().as_bytes());
        let capacity = Unit::Requests.grains(abuse.burst.get());
        Self { abuse: abuse.clone(), live, hasher, clock, capacity }
    }

    /// It is served from now on, and no other publication's.
    pub(crate) fn commit(&self) {
        self.live.clock.serves(self.clock);
    }

    /// Its name.
    pub(crate) fn name(&self) -> &AbuseName {
        &self.abuse.name
    }

    /// What is observed of it.
    pub(crate) fn live(&self) -> &AbuseLive {
        &self.live
    }

    /// Counts `refusal`, and says what follows if it is one too many.
    pub(crate) fn refused(&self, refusal: Refusal<'_>, moment: Moment) -> Option<Sentence> {
        if !self.abuse.statuses.contains(&refusal.status) || is_no_attempt(refusal.ending) {
            return None;
        }
        let culprit = self.culprit(refusal)?;
        let key = self.fingerprint(&culprit);
        let silence = match self.abuse.mode {
            AbuseMode::Enforce => BAN_UNDER_WAY,
            // As long as it would have been silent.
            AbuseMode::Observe => self.abuse.ban,
        };
        let count = Count { bucket: self.bucket(moment.now), now: moment.now, silence };
        let verdict = self.live.refusals.refused(key, count);
        let outcome = match (verdict, self.abuse.mode) {
            (Verdict::Counted | Verdict::SaidAlready, _) => AbuseOutcome::Counted,
            (Verdict::TooMany, AbuseMode::Enforce) => AbuseOutcome::Banned,
            (Verdict::TooMany, AbuseMode::Observe) => AbuseOutcome::Observed,
        };
        self.live.count(moment.worker, outcome);
        (verdict == Verdict::TooMany).then(|| self.sentence(culprit, moment.date))
    }

    /// How a client would stand with it.
    pub(crate) fn standing(
        &self,
        client: IpAddr,
        subject: Option<&str>,
        proxies: &[IpNet],
        now: Duration,
    ) -> AbuseStanding {
        let (status, ending) = (0, Ending::Ok);
        let culprit = self.culprit(Refusal { status, ending, client, subject, proxies });
        let left =
            culprit.map(|it| self.live.refusals.left(self.fingerprint(&it), self.bucket(now)));
        AbuseStanding { abuse: self.abuse.clone(), left }
    }

    /// Who is to blame, and would be banned; nobody of whom a ban would hurt who is exempt, or a proxy with all of its clients.
    fn culprit(&self, refusal: Refusal<'_>) -> Option<Banned> {
        let Refusal { client, subject, proxies, .. } = refusal;
        let spared = || self.abuse.exempt.iter().chain(proxies);
        match self.abuse.key {
            AbuseKey::Ip => {
                let address = ClientKey::of(client).address();
                let length = if address.is_ipv4() { 32 } else { 64 };
                let network = IpNet::new(address, length).ok()?;
                let meets = |it: &IpNet| it.contains(&network) || network.contains(it);
                (!spared().any(meets)).then_some(Banned::Address(network))
            }
            AbuseKey::Subject => {
                let subject = subject.filter(|it| it.len() <= Banned::TEXT_BYTES_MAX)?;
                (!is_within(client, &self.abuse.exempt))
                    .then(|| Banned::Subject(subject.to_owned()))
            }
        }
    }

    fn fingerprint(&self, culprit: &Banned) -> Fingerprint {
        let mut hasher = self.hasher;
        match culprit {
            Banned::Address(network) => match network.addr() {
                IpAddr::V4(address) => hasher.part(Some(&address.octets())),
                IpAddr::V6(address) => hasher.part(Some(&address.octets())),
            },
            Banned::Subject(subject) => hasher.part(Some(subject.as_bytes())),
            // Nobody is banned so by a rule.
            Banned::TokenId { .. } | Banned::Token(_) | Banned::IssuedBefore(_) => {}
        }
        hasher.finish()
    }

    fn bucket(&self, now: Duration) -> Bucket {
        Bucket { now: self.clock.show(now), capacity: self.capacity }
    }

    fn sentence(&self, banned: Banned, date: Duration) -> Sentence {
        let Abuse { name, statuses, burst, ban, mode, .. } = &*self.abuse;
        let statuses: Vec<_> = statuses.iter().map(u16::to_string).collect();
        let reason = format!("abuse {name}: more than {burst} refusals ({})", statuses.join(", "));
        let ban = Ban { banned, at: date, until: date + *ban, reason: Some(reason) };
        Sentence { abuse: name.clone(), ban, mode: *mode }
    }
}

/// Whether a refusal that ended so is none of a client that tries what it may not: browsers ask without a credential first and learn so
/// which one is wanted, tokens expire under their owners, a page of somebody else makes preflights, and who is banned is refused already.
fn is_no_attempt(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::AuthMissing
            | Ending::AuthExpired
            | Ending::AuthNotYet
            | Ending::PreflightRefused
            | Ending::Banned
    )
}
