//! Bans: whom requests are refused for a while, by what was banned of them, whatever their credentials prove.
//!
//! A set is bounded ([`Bans::MAX`]) and forgets what is over. Time is an argument: since 1970-01-01 UTC.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// The SHA-256 of a token.
pub type TokenDigest = [u8; 32];

/// What is banned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Banned {
    /// Everything of a subject, by whatever it was proven.
    Subject(String),
    /// A token by its id (`jti`), of one issuer or of any.
    TokenId {
        /// Whose token it is; that of any issuer where there is none.
        issuer: Option<String>,
        /// Its id.
        id: String,
    },
    /// A token by itself: for those that have no id.
    Token(TokenDigest),
    /// Tokens that were issued before the time of the ban, of one subject or of all. One that does not say when it was
    /// issued counts as older.
    IssuedBefore(Option<String>),
    /// Clients from a network.
    Address(IpNet),
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// What is banned.
    pub banned: Banned,
    /// Tokens issued before this are refused, where that is what is banned; otherwise when the ban was said.
    pub at: Duration,
    /// Until when.
    pub until: Duration,
    /// Why, for people.
    pub reason: Option<String>,
}

impl Ban {
    /// Whether it is of who asks, by what was proven.
    fn applies_to(&self, who: Presented<'_>) -> bool {
        match &self.banned {
            Banned::Subject(subject) => who.subject == Some(subject),
            Banned::TokenId { issuer, id } => {
                who.token_id == Some(id) && (issuer.is_none() || who.issuer == issuer.as_deref())
            }
            Banned::Token(digest) => who.token == Some(digest),
            Banned::IssuedBefore(subject) => {
                let is_of = subject.is_none() || who.subject == subject.as_deref();
                is_of
                    && match who.issued {
                        Issued::NoToken => false,
                        Issued::Unknown => true,
                        Issued::At(issued) => issued < self.at,
                    }
            }
            Banned::Address(_) => false,
        }
    }
}

/// What was proven of who asks, as far as bans look at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'a> {
    /// Who it is.
    pub subject: Option<&'a str>,
    /// Who issued the token.
    pub issuer: Option<&'a str>,
    /// The token's id.
    pub token_id: Option<&'a str>,
    /// The token's digest.
    pub token: Option<&'a TokenDigest>,
    /// When the token was issued; `None` for a token that does not say, and for what is no token.
    pub issued: Issued,
}

/// When a token was issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Issued {
    /// It is no token, and has no such time.
    #[default]
    NoToken,
    /// It does not say.
    Unknown,
    /// Then.
    At(Duration),
}

/// Why a ban is not taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBanned {
    /// It is over.
    Over,
    /// There are [`Bans::MAX`] already.
    Full,
}

impl fmt::Display for NotBanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over => f.write_str("it would be over already"),
            Self::Full => write!(f, "there are {} bans already: lift some", Bans::MAX),
        }
    }
}

/// Every ban that holds.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    subjects: BTreeMap<String, Held>,
    /// By id; of each the issuers, `None` being any.
    token_ids: BTreeMap<String, BTreeMap<Option<String>, Held>>,
    tokens: BTreeMap<TokenDigest, Held>,
    issued_before: BTreeMap<String, Held>,
    issued_before_of_all: Option<Held>,
    networks: BTreeMap<IpNet, Held>,
    /// How often each length of prefix is among the networks.
    prefixes: BTreeMap<u8, usize>,
    /// When each is over.
    ends: BTreeSet<(Duration, Banned)>,
}

#[derive(Clone, Debug)]
struct Held {
    at: Duration,
    until: Duration,
    reason: Option<String>,
}

impl Bans {
    /// No set has more: some 30 MiB at the most, for all workers together.
    pub const MAX: usize = 100_000;

    /// Whether nothing is banned.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many hold, those included that are over and not forgotten yet.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether any network is banned.
    pub fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Whether anything else than networks is banned: what is proven of who asks matters.
    pub fn has_callers(&self) -> bool {
        self.ends.len() > self.networks.len()
    }

    /// The ban of `banned`, if there is one.
    pub fn find(&self, banned: &Banned) -> Option<Ban> {
        let banned = banned.clone().normal();
        let Held { at, until, reason } = self.held(&banned)?.clone();
        Some(Ban { banned, at, until, reason })
    }

    /// Takes a ban up; it replaces one of the same.
    ///
    /// # Errors
    /// When it is over, or there is no room for it: none of the others gives way.
    pub fn put(&mut self, ban: Ban, now: Duration) -> Result<(), NotBanned> {
        self.forget(now);
        let Ban { banned, at, until, reason } = ban;
        if until <= now {
            return Err(NotBanned::Over);
        }
        self.lift(&banned);
        if self.ends.len() >= Self::MAX {
            return Err(NotBanned::Full);
        }
        self.ends.insert((until, banned.clone()));
        let held = Held { at, until, reason };
        match banned {
            Banned::Subject(subject) => drop(self.subjects.insert(subject, held)),
            Banned::TokenId { issuer, id } => {
                self.token_ids.entry(id).or_default().insert(issuer, held);
            }
            Banned::Token(digest) => drop(self.tokens.insert(digest, held)),
            Banned::IssuedBefore(Some(subject)) => drop(self.issued_before.insert(subject, held)),
            Banned::IssuedBefore(None) => self.issued_before_of_all = Some(held),
            Banned::Address(network) => {
                *self.prefixes.entry(network.prefix_len()).or_default() += 1;
                self.networks.insert(network.trunc(), held);
            }
        }
        Ok(())
    }

    /// Lifts a ban, and says whether there was one.
    pub fn lift(&mut self, banned: &Banned) -> bool {
        let held = match banned {
            Banned::Subject(subject) => self.subjects.remove(subject),
            Banned::TokenId { issuer, id } => {
                let issuers = self.token_ids.get_mut(id);
                let held = issuers.and_then(|issuers| issuers.remove(issuer));
                if self.token_ids.get(id).is_some_and(BTreeMap::is_empty) {
                    self.token_ids.remove(id);
                }
                held
            }
            Banned::Token(digest) => self.tokens.remove(digest),
            Banned::IssuedBefore(Some(subject)) => self.issued_before.remove(subject),
            Banned::IssuedBefore(None) => self.issued_before_of_all.take(),
            Banned::Address(network) => {
                let held = self.networks.remove(&network.trunc());
                if held.is_some() {
                    self.forget_prefix(network.prefix_len());
                }
                held
            }
        };
        let Some(held) = held else { return false };
        self.ends.remove(&(held.until, banned.clone().normal()));
        true
    }

    fn forget_prefix(&mut self, length: u8) {
        if let Some(count) = self.prefixes.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.prefixes.remove(&length);
            }
        }
    }

    /// Forgets what is over, and says whether anything was.
    pub fn forget(&mut self, now: Duration) -> bool {
        let mut forgot = false;
        while let Some((until, banned)) = self.ends.first().cloned()
            && until <= now
        {
            self.lift(&banned);
            forgot = true;
        }
        forgot
    }

    /// Whether who asks is banned, by what it has proven.
    pub fn refuses(&self, who: Presented<'_>, now: Duration) -> bool {
        if self.is_empty() {
            return false;
        }
        let holds = |held: Option<&Held>| held.is_some_and(|held| held.until > now);
        if holds(who.subject.and_then(|subject| self.subjects.get(subject)))
            || holds(who.token.and_then(|digest| self.tokens.get(digest)))
        {
            return true;
        }
        let issuers = who.token_id.and_then(|id| self.token_ids.get(id)).into_iter().flatten();
        let is_of =
            |issuer: &Option<String>| issuer.as_deref().is_none_or(|it| who.issuer == Some(it));
        if issuers.into_iter().any(|(issuer, held)| is_of(issuer) && holds(Some(held))) {
            return true;
        }
        let of_subject = who.subject.and_then(|subject| self.issued_before.get(subject));
        let before = of_subject.into_iter().chain(&self.issued_before_of_all);
        before.filter(|held| held.until > now).any(|held| match who.issued {
            Issued::NoToken => false,
            Issued::Unknown => true,
            Issued::At(issued) => issued < held.at,
        })
    }

    /// Whether a client at `address` is banned.
    pub fn refuses_address(&self, address: IpAddr, now: Duration) -> bool {
        self.prefixes.keys().any(|length| {
            let network = IpNet::new(address, *length).ok().map(|network| network.trunc());
            network.and_then(|it| self.networks.get(&it)).is_some_and(|held| held.until > now)
        })
    }

    /// The ban that refuses who asks, for people: looks at one after the other.
    pub fn which(&self, who: Presented<'_>, now: Duration) -> Option<Ban> {
        self.all().find(|ban| ban.until > now && ban.applies_to(who))
    }

    /// The ban that refuses a client at `address`, for people: looks at one after the other.
    pub fn which_of_address(&self, address: IpAddr, now: Duration) -> Option<Ban> {
        let is_it = |ban: &Ban| match &ban.banned {
            Banned::Address(network) => ban.until > now && network.contains(&address),
            _ => false,
        };
        self.all().find(is_it)
    }

    /// Each of them, the one that is over first before the others.
    pub fn all(&self) -> impl Iterator<Item = Ban> {
        self.ends.iter().filter_map(|(until, banned)| {
            let held = self.held(banned)?;
            let (at, reason) = (held.at, held.reason.clone());
            Some(Ban { banned: banned.clone(), at, until: *until, reason })
        })
    }

    fn held(&self, banned: &Banned) -> Option<&Held> {
        match banned {
            Banned::Subject(subject) => self.subjects.get(subject),
            Banned::TokenId { issuer, id } => self.token_ids.get(id)?.get(issuer),
            Banned::Token(digest) => self.tokens.get(digest),
            Banned::IssuedBefore(Some(subject)) => self.issued_before.get(subject),
            Banned::IssuedBefore(None) => self.issued_before_of_all.as_ref(),
            Banned::Address(network) => self.networks.get(network),
        }
    }
}

impl fmt::Display for Banned {
    /// As events have it: texts that somebody else chose are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => write!(f, "subject {}", subject.escape_debug()),
            Self::TokenId { id, .. } => write!(f, "token {}", id.escape_debug()),
            Self::Token(_) => f.write_str("token"),
            Self::IssuedBefore(None) => f.write_str("tokens of all"),
            Self::IssuedBefore(Some(subject)) => {
                write!(f, "tokens of {}", subject.escape_debug())
            }
            Self::Address(network) if network.prefix_len() == network.max_prefix_len() => {
                write!(f, "address {}", network.addr())
            }
            Self::Address(network) => write!(f, "network {network}"),
        }
    }
}

impl Banned {
    /// No text in one is longer, in bytes: what is longer is refused where bans are taken in.
    pub const TEXT_BYTES_MAX: usize = 1_024;

    /// The one form of the same: a network without the bits that do not count.
    #[must_use]
    pub fn normal(self) -> Self {
        match self {
            Self::Address(network) => Self::Address(network.trunc()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn ban(banned: Banned) -> Ban {
        Ban { banned: banned.normal(), at: NOW, until: NOW + Duration::from_secs(60), reason: None }
    }

    fn bans(all: impl IntoIterator<Item = Banned>) -> Bans {
        let mut bans = Bans::default();
        all.into_iter().for_each(|it| bans.put(ban(it), NOW).unwrap());
        bans
    }

    fn subject(name: &str) -> Banned {
        Banned::Subject(name.to_owned())
    }

    #[test]
    fn a_ban_goes_by_what_the_clock_says_now_and_a_jump_prolongs_none() {
        let bans = bans([subject("alice"), Banned::Address("203.0.113.0/24".parse().unwrap())]);
        let alice = Presented { subject: Some("alice"), ..Presented::default() };
        let client = "203.0.113.7".parse().unwrap();
        let second = Duration::from_secs(1);
        for (now, holds) in [
            (NOW, true),
            // Back, ahead, and back again: nothing was forgotten by looking.
            (Duration::ZERO, true),
            (NOW + second * 60, false),
            (Duration::MAX, false),
            (NOW + second * 59, true),
        ] {
            assert_eq!(bans.refuses(alice, now), holds, "{now:?}");
            assert_eq!(bans.refuses_address(client, now), holds, "{now:?}");
            assert_eq!(bans.which(alice, now).is_some(), holds, "{now:?}");
            assert_eq!(bans.which_of_address(client, now).is_some(), holds, "{now:?}");
        }
    }

    #[test]
    fn each_kind_refuses_what_it_names_and_nothing_else() {
        let id = |issuer: Option<&str>, id: &str| Banned::TokenId {
            issuer: issuer.map(str::to_owned),
            id: id.to_owned(),
        };
        let alice = Presented { subject: Some("alice"), ..Presented::default() };
        let token = Presented { issuer: Some("i"), token_id: Some("7"), ..Presented::default() };
        let digest = Presented { token: Some(&[7; 32]), ..Presented::default() };
        for (banned, who, refuses) in [
            (subject("alice"), alice, true),
            (subject("bob"), alice, false),
            (id(None, "7"), token, true),
            (id(Some("i"), "7"), token, true),
            (id(Some("other"), "7"), token, false),
            (id(Some("i"), "8"), token, false),
            (id(Some("i"), "7"), Presented { issuer: None, ..token }, false),
            (Banned::Token([7; 32]), digest, true),
            (Banned::Token([8; 32]), digest, false),
        ] {
            assert_eq!(bans([banned.clone()]).refuses(who, NOW), refuses, "{banned:?} {who:?}");
            assert!(!Bans::default().refuses(who, NOW));
        }
    }

    #[test]
    fn tokens_that_were_issued_before_are_refused_and_one_that_does_not_say_is_as_old() {
        let issued = |subject: Option<&'static str>, issued| Presented {
            subject,
            issued,
            ..Presented::default()
        };
        let (before, after) = (NOW - Duration::from_secs(1), NOW);
        for (of, who, refuses) in [
            (None, issued(None, Issued::At(before)), true),
            (None, issued(Some("bob"), Issued::At(before)), true),
            (None, issued(None, Issued::At(after)), false),
            (None, issued(None, Issued::Unknown), true),
            (None, issued(None, Issued::NoToken), false),
            (Some("alice"), issued(Some("alice"), Issued::At(before)), true),
            (Some("alice"), issued(Some("alice"), Issued::At(after)), false),
            (Some("alice"), issued(Some("bob"), Issued::At(before)), false),
            (Some("alice"), issued(None, Issued::At(before)), false),
        ] {
            let bans = bans([Banned::IssuedBefore(of.map(str::to_owned))]);
            assert_eq!(bans.refuses(who, NOW), refuses, "{of:?} {who:?}");
        }
    }

    #[test]
    fn networks_of_any_length_are_found() {
        let bans = bans(
            ["203.0.113.7/32", "10.9.8.7/8", "2001:db8::1/64"]
                .map(|network| Banned::Address(network.parse().unwrap())),
        );
        for (address, refuses) in [
            ("203.0.113.7", true),
            ("203.0.113.8", false),
            ("10.1.2.3", true),
            ("2001:db8::ffff", true),
            ("2001:db8:0:1::1", false),
        ] {
            assert_eq!(bans.refuses_address(address.parse().unwrap(), NOW), refuses, "{address}");
        }
        assert!(bans.has_networks());
    }

    #[test]
    fn a_full_set_refuses_what_is_new_and_takes_what_it_has_again() {
        let mut bans = Bans::default();
        for number in 0..Bans::MAX {
            bans.put(ban(subject(&number.to_string())), NOW).unwrap();
        }
        assert_eq!(bans.put(ban(subject("new")), NOW), Err(NotBanned::Full));
        assert_eq!(bans.put(ban(subject("7")), NOW), Ok(()));
        assert!(bans.lift(&subject("8")));
        assert_eq!(bans.put(ban(subject("new")), NOW), Ok(()));
        assert_eq!(bans.len(), Bans::MAX);
    }

    #[test]
    fn what_is_over_refuses_nothing_and_is_forgotten() {
        let all = [subject("a"), Banned::Token([1; 32]), Banned::IssuedBefore(None)];
        let mut bans = bans(all);
        let end = NOW + Duration::from_secs(60);
        let alice = Presented { subject: Some("a"), ..Presented::default() };
        assert!(bans.refuses(alice, end - Duration::from_millis(1)));
        assert!(!bans.refuses(alice, end), "also before it is forgotten");
        assert!(bans.forget(end) && bans.is_empty() && !bans.forget(end));
        let over = Ban { until: end, ..ban(subject("late")) };
        assert_eq!(bans.put(over, end), Err(NotBanned::Over));
    }

    fn any_banned() -> impl Strategy<Value = Banned> {
        let name = || (0..4u8).prop_map(|it| it.to_string());
        prop_oneof![
            name().prop_map(Banned::Subject),
            (proptest::option::of(name()), name())
                .prop_map(|(issuer, id)| Banned::TokenId { issuer, id }),
            (0..4u8).prop_map(|it| Banned::Token([it; 32])),
            proptest::option::of(name()).prop_map(Banned::IssuedBefore),
            (0..4u8, 24..=32u8).prop_map(|(it, length)| {
                Banned::Address(IpNet::new([10, 0, 0, it].into(), length).unwrap())
            }),
        ]
    }

    proptest! {
        /// Whatever is put and lifted in whatever order, the set has what a plain list has, and its indexes agree.
        #[test]
        fn a_set_is_what_was_put_and_not_lifted(
            steps in proptest::collection::vec((any_banned(), 0..3u64, any::<bool>()), 0..60),
        ) {
            let mut bans = Bans::default();
            let mut list = BTreeMap::new();
            for (step, (banned, lifetime, is_lifted)) in (0u64..).zip(steps) {
                let now = NOW + Duration::from_secs(step);
                list.retain(|_, until| *until > now);
                bans.forget(now);
                if is_lifted {
                    let was = list.remove(&banned.clone().normal()).is_some();
                    prop_assert_eq!(bans.lift(&banned), was);
                    continue;
                }
                let until = now + Duration::from_secs(lifetime * 20);
                let put = bans.put(Ban { until, ..ban(banned.clone()) }, now);
                if put.is_ok() {
                    list.insert(banned.normal(), until);
                }
                prop_assert_eq!(put.is_ok(), lifetime > 0);
            }
            let mut all: Vec<_> = bans.all().map(|it| (it.banned, it.until)).collect();
            all.sort();
            prop_assert_eq!(all, list.into_iter().collect::<Vec<_>>());
            let lengths: usize = bans.prefixes.values().sum();
            prop_assert_eq!(lengths, bans.networks.len());
        }
    }
}
