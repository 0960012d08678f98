//! What a route asks of who asks (`auth`, `require`), and how a request is asked: way after way, until one believes it.

use std::rc::Rc;
use std::sync::Arc;

use model::{AuthName, Authentication, Policies, Requirement};
use policy::time::UnixTime;
use telemetry::Ending;
use wire::head::RequestHead;

use super::account::AuthStanding;
use super::caller::Caller;
use super::inquiry::{Finding, Heard, Inquiry, Look, Sharing};
use super::prover::{Prover, Refused};
use super::signed::{Sealed, Signable};
use super::{Asked, AuthContext, AuthTable, Unproven};
use crate::bans::BanBoard;

/// Whether a route asks who it is that asks, and whether the answer may take a while.
#[derive(Debug)]
pub(crate) enum Who {
    NotAsked,
    /// It is known without waiting for anybody.
    AtOnce(Demand),
    /// Somebody else may have to be asked.
    Awaited(Demand),
}

/// What a route asks of who asks.
#[derive(Debug)]
pub(crate) struct Demand {
    /// In the order in which they are tried.
    ways: Box<[Way]>,
    require: Box<[Requirement]>,
}

/// A way of proving it.
#[derive(Debug)]
struct Way {
    /// Its place among the snapshot's authentications.
    place: usize,
    by: Arc<Authentication>,
}

impl Way {
    /// The one with this name, if it is there.
    fn new(name: &AuthName, auths: &AuthTable) -> Option<Self> {
        let place = auths.plans.iter().position(|it| it.authentication.name == *name)?;
        Some(Self { place, by: auths.plans[place].authentication.clone() })
    }
}

impl Who {
    /// What a route with `policies` asks. One whose authentications are none of `auths` lets nobody in.
    pub(crate) fn new(policies: &Policies, auths: &AuthTable) -> Self {
        let Policies { auth, require, .. } = policies;
        if auth.is_empty() && require.is_empty() {
            return Self::NotAsked;
        }
        let ways = auth.iter().filter_map(|name| Way::new(name, auths)).collect();
        let demand = Demand { ways, require: require.as_slice().into() };
        let is_slow = |way: &Way| {
            matches!(auths.plans[way.place].prover, Prover::Slow(..) | Prover::Signed(_))
        };
        match demand.ways.iter().any(is_slow) {
            true => Self::Awaited(demand),
            false => Self::AtOnce(demand),
        }
    }

    /// What it demands, if anything.
    pub(crate) fn demand(&self) -> Option<&Demand> {
        match self {
            Self::NotAsked => None,
            Self::AtOnce(demand) | Self::Awaited(demand) => Some(demand),
        }
    }
}

/// What becomes of a request that was asked.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) asked: Asked,
    pub(crate) verdict: Result<(), Ending>,
}

impl Answered {
    /// The same, unless who asks, or the token that has proven it, is banned.
    pub(crate) fn unless_banned(self, bans: &BanBoard, now: UnixTime) -> Self {
        match self.asked {
            Asked::Proven(caller) if bans.refuses(now, |bans, now| caller.is_banned(bans, now)) => {
                Self { asked: Asked::Banned(caller), verdict: Err(Ending::Banned) }
            }
            asked => Self { asked, ..self },
        }
    }
}

/// Asks who `head` is from, and whether that may be.
pub(crate) fn request(demand: &Demand, head: &RequestHead, context: AuthContext<'_>) -> Answered {
    let mut tally = Tally::default();
    for (at, way) in demand.ways.iter().enumerate() {
        match context.auths[way.place].prove(head, context) {
            Ok(caller) => return demand.admit(caller),
            Err(why) => tally.refuse(why, at),
        }
    }
    demand.refuse(&tally)
}

/// Why the ways that were tried have proven nothing.
#[derive(Debug, Default)]
struct Tally(Option<(Refused, usize)>);

impl Tally {
    /// The way at `at` has not, for this reason.
    fn refuse(&mut self, why: Refused, at: usize) {
        // The first that is of a credential says more than that there was none for another way, and where it could merely not be
        // checked, nothing is known against it.
        let says_more = |before: &Refused| {
            *before == Refused::Missing && why != *before || !why.is_of_credential()
        };
        if self.0.as_ref().is_none_or(|(before, _)| says_more(before)) {
            self.0 = Some((why, at));
        }
    }
}

impl Demand {
    /// The ways of meeting it.
    pub(super) fn ways(&self) -> impl Iterator<Item = &Authentication> {
        self.ways.iter().map(|way| &*way.by)
    }

    /// How its ways fare with a request, up to the first that believes it: for people.
    pub(crate) fn accounts(
        &self,
        signable: Signable<'_>,
        context: AuthContext<'_>,
    ) -> Vec<AuthStanding> {
        let mut accounts = Vec::new();
        for way in &self.ways {
            let standing = context.auths[way.place].account(signable, context);
            let is_last = standing.account.is_belief();
            accounts.push(standing);
            if is_last {
                break;
            }
        }
        accounts
    }

    /// What it requires that `caller` does not meet.
    pub(crate) fn unmet(&self, caller: &Caller) -> Vec<Requirement> {
        let meets = |it: &&Requirement| caller.claims.meets(&it.claim.0, &it.one_of);
        self.require.iter().filter(|it| !meets(it)).cloned().collect()
    }

    /// It is from `caller`.
    fn admit(&self, caller: Rc<Caller>) -> Answered {
        let meets = |it: &Requirement| caller.claims.meets(&it.claim.0, &it.one_of);
        let may = self.require.iter().all(meets);
        let verdict = if may { Ok(()) } else { Err(Ending::NotPermitted) };
        Answered { asked: Asked::Proven(caller), verdict }
    }

    /// All ways were tried.
    fn refuse(&self, tally: &Tally) -> Answered {
        let Some((why, at)) = &tally.0 else {
            return Answered { asked: Asked::Nobody, verdict: Err(Ending::AuthUnready) };
        };
        let (by, ending) = (self.ways[*at].by.clone(), why.ending());
        let unproven = Unproven { by, ending, denial: why.denial().cloned() };
        Answered { asked: Asked::Unproven(unproven), verdict: Err(ending) }
    }
}

/// A request that is being asked who it is from, way after way, where that may take a while.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    demand: &'a Demand,
    /// How many ways were tried.
    tried: usize,
    /// How the way that is tried now is asked.
    sharing: Sharing,
    tally: Tally,
}

/// How far it has got.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It is over.
    Answered(Answered),
    /// The way that is tried now has to ask somebody.
    Wait(Inquiry),
    /// It has to see the request's body: [`Asking::open`] goes on.
    Body(Sealed),
}

impl<'a> Asking<'a> {
    /// Nothing was asked yet.
    pub(crate) fn begin(demand: &'a Demand) -> Self {
        Self { demand, tried: 0, sharing: Sharing::WithOthers, tally: Tally::default() }
    }

    /// Tries one way after another, as far as nobody has to be waited for.
    pub(crate) fn go_on(&mut self, signable: Signable<'_>, context: AuthContext<'_>) -> Progress {
        while let Some(way) = self.demand.ways.get(self.tried) {
            match context.auths[way.place].look(signable, self.sharing, context) {
                Look::Wait(inquiry) => return Progress::Wait(inquiry),
                Look::Body(sealed) => return Progress::Body(sealed),
                Look::Known(finding) => {
                    if let Some(answered) = self.found(finding) {
                        return Progress::Answered(answered);
                    }
                }
            }
        }
        Progress::Answered(self.demand.refuse(&self.tally))
    }

    /// What the way that is tried now asks of the request that it has `sealed`, whose whole body is here.
    ///
    /// # Errors
    /// Why it asks nothing: that is to be heard.
    pub(crate) fn open(
        &self,
        sealed: Sealed,
        signable: Signable<'_>,
        body: &[u8],
        context: AuthContext<'_>,
    ) -> Result<Inquiry, Refused> {
        let way = self.demand.ways.get(self.tried).ok_or(Refused::Unready)?;
        context.auths[way.place].open(sealed, signable, body, context)
    }

    /// What came of asking by the way that is tried now. It may be the end.
    pub(crate) fn hear(&mut self, heard: Heard) -> Option<Answered> {
        match heard {
            Heard::Found(finding) => self.found(finding),
            Heard::ForAnother => {
                self.sharing = Sharing::Alone;
                None
            }
        }
    }

    fn found(&mut self, finding: Finding) -> Option<Answered> {
        self.sharing = Sharing::WithOthers;
        match finding {
            Ok(caller) => return Some(self.demand.admit(caller)),
            Err(why) => self.tally.refuse(why, self.tried),
        }
        self.tried += 1;
        None
    }

    /// By what it is tried now, if by anything.
    pub(crate) fn way(&self) -> Option<&'a Authentication> {
        self.demand.ways.get(self.tried).map(|way| &*way.by)
    }
}
