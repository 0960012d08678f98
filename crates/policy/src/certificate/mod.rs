//! Clients' certificates: which of those that a listener believes are enough, and what they say of who asks.
//!
//! That a certificate is believed at all was decided in the handshake. Names are compared part by part, never as whole texts: a client that may
//! choose a part of a name must not get beyond it (decision 0108).

mod places;
mod san;
mod subject;

pub use san::SanPattern;
pub use subject::{ATTRIBUTES, SubjectPattern};

use crate::claims::Claims;
use crate::json::Json;

/// What a certificate says of whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// Whose it is, as RFC 4514 writes it, everything but printable ASCII escaped; may be empty.
    pub subject: &'a str,
    /// Who issued it, written as the subject is.
    pub issuer: &'a str,
    /// Its serial number.
    pub serial: &'a str,
    /// Its other names: the kind of each can be seen from it.
    pub sans: &'a [Box<str>],
    /// Its fingerprint, in hexadecimal digits.
    pub fingerprint: &'a str,
}

/// What is no pattern, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is empty, or a part of it is.
    #[error("a part of it is empty")]
    Empty,
    /// An attribute has no `=`.
    #[error(
        "an attribute is a type, `=` and a value, as in `CN=ci`, or `*` for any number of them"
    )]
    NoType,
    /// Of an attribute of this type certificates are never written.
    #[error("there is no such type of attribute")]
    UnknownType,
    /// `\` stands before nothing that it could escape.
    #[error("`\\` stands before one of `\"+,;<>\\*# =`, or before two hexadecimal digits")]
    Escape,
    /// A value in its bytes.
    #[error("a value in its bytes (`#04...`) cannot be compared")]
    Bytes,
    /// No name has such a character.
    #[error("no certificate's name has such a character")]
    Character,
}

/// Which certificates are enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// What the subject must be: one of these; anything where there is none.
    pub subjects: Vec<SubjectPattern>,
    /// What one of the other names must be: one of these; anything where there is none.
    pub sans: Vec<SanPattern>,
}

impl Accepted {
    /// Reads patterns.
    ///
    /// # Errors
    /// Where one of them is none.
    pub fn parse(subjects: &[String], sans: &[String]) -> Result<Self, BadPattern> {
        Ok(Self {
            subjects: subjects
                .iter()
                .map(|it| SubjectPattern::parse(it))
                .collect::<Result<_, _>>()?,
            sans: sans.iter().map(|it| SanPattern::parse(it)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether `leaf` is enough: by its subject and by one of its other names, as far as each is asked for.
    pub fn has(&self, leaf: Leaf<'_>) -> bool {
        let is_subject = || self.subjects.iter().any(|it| it.matches(leaf.subject));
        let is_san = || self.sans.iter().any(|it| leaf.sans.iter().any(|san| it.matches(san)));
        (self.subjects.is_empty() || is_subject()) && (self.sans.is_empty() || is_san())
    }
}

/// What `leaf` says: `subject`, `issuer`, `serial`, `sans`, `fingerprint`, and as `sub` whose it is, which is the first of its other names
/// where the subject is empty, and the fingerprint where there is none either.
pub fn claims(leaf: Leaf<'_>) -> Claims {
    let text = |text: &str| Json::Text(text.into());
    let subject = Some(leaf.subject).filter(|it| !it.is_empty());
    let name = subject.or(leaf.sans.first().map(|it| &**it)).unwrap_or(leaf.fingerprint);
    let sans = leaf.sans.iter().map(|it| text(it)).collect();
    let always = [
        ("sub", text(name)),
        ("issuer", text(leaf.issuer)),
        ("serial", text(leaf.serial)),
        ("sans", Json::List(sans)),
        ("fingerprint", text(leaf.fingerprint)),
    ];
    Claims::of_members(always.into_iter().chain(subject.map(|it| ("subject", text(it)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(sans: &[&str]) -> Vec<Box<str>> {
        sans.iter().map(|it| Box::from(*it)).collect()
    }

    fn leaf<'a>(subject: &'a str, sans: &'a [Box<str>]) -> Leaf<'a> {
        Leaf { subject, issuer: "CN=authority", serial: "01", sans, fingerprint: "ab" }
    }

    fn accepted(subjects: &[&str], sans: &[&str]) -> Accepted {
        let owned = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        Accepted::parse(&owned(subjects), &owned(sans)).unwrap()
    }

    #[test]
    fn both_must_hold_where_both_are_asked_for_and_one_of_each_is_enough() {
        let sans = boxed(&["a.svc", "b.example"]);
        let (right, wrong) = (&["CN=x", "CN=ci"][..], &["CN=x"][..]);
        for (subjects, names, is_enough) in [
            (&[][..], &[][..], true),
            (right, &[], true),
            (wrong, &[], false),
            (&[], &["c.svc", "*.example"], true),
            (&[], &["c.svc"], false),
            (right, &["*.svc"], true),
            (right, &["c.svc"], false),
            (wrong, &["*.svc"], false),
        ] {
            let has = accepted(subjects, names).has(leaf("CN=ci", &sans));
            assert_eq!(has, is_enough, "{subjects:?} {names:?}");
        }
        assert!(!accepted(&[], &["*.svc"]).has(leaf("CN=a.svc", &[])), "a subject is no such name");
    }

    #[test]
    fn who_it_is_is_the_subject_or_the_first_other_name_or_the_fingerprint() {
        let word = |claims: &Claims, name: &str| {
            claims.get(name).and_then(Json::as_word).map(std::borrow::Cow::into_owned)
        };
        let sans = boxed(&["spiffe://cluster/a", "a.svc"]);
        let whole = claims(leaf("CN=ci", &sans));
        for (name, value) in [
            ("sub", Some("CN=ci")),
            ("subject", Some("CN=ci")),
            ("issuer", Some("CN=authority")),
            ("serial", Some("01")),
            ("fingerprint", Some("ab")),
            ("iss", None),
        ] {
            assert_eq!(word(&whole, name).as_deref(), value, "{name}");
        }
        let is_san = |name: &str| whole.meets(&["sans"], &[model::ValueMatch::Exact(name.into())]);
        assert!(is_san("a.svc") && is_san("spiffe://cluster/a") && !is_san("svc"));
        let nameless = claims(leaf("", &sans));
        assert_eq!(word(&nameless, "sub").as_deref(), Some("spiffe://cluster/a"));
        assert_eq!(word(&nameless, "subject"), None);
        assert_eq!(word(&claims(leaf("", &[])), "sub").as_deref(), Some("ab"));
    }
}
