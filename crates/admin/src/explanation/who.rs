//! Who asks, in words: how each way of proving it fares with the request, exactly why it is not believed, and what bans it. What a
//! credential says is told, and the credential never is.

use std::time::{Duration, UNIX_EPOCH};

use control::Banned;
use edge::explain::{
    AuthAccount, AuthStanding, Explanation, TOKEN_BYTES_MAX, TokenAccount, TokenReason as Reason,
    TokenRefusal as Refusal, UnixTime,
};

use super::Basis;
use crate::handle::rfc3339;

/// No text that a token chose is told beyond this, in characters.
const TEXT_CHARS_MAX: usize = 120;

/// A line for each way that was tried, and one for a ban.
pub(super) fn told(found: &Explanation, basis: Basis) -> Vec<String> {
    let mut lines: Vec<_> = found.auth.iter().flat_map(|it| way(it, basis)).collect();
    lines.extend(found.ban.iter().map(|ban| {
        let reason = ban.reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let what = match &ban.banned {
            // It is in its client's hands, and is told nobody.
            Banned::Token(_) => "this token".to_owned(),
            other => other.to_string(),
        };
        format!("banned until {}: {what}{reason}", rfc3339(UNIX_EPOCH + ban.until))
    }));
    lines
}

fn way(AuthStanding { auth, account }: &AuthStanding, basis: Basis) -> Vec<String> {
    let line = match account {
        AuthAccount::Token(token) => return believed(auth.as_str(), token),
        AuthAccount::ApiKey(name) => format!("believes the API key, which is {name}'s"),
        AuthAccount::Missing => "finds no credential".to_owned(),
        AuthAccount::Malformed => {
            "finds several credentials that differ, or one that cannot be read".to_owned()
        }
        AuthAccount::KeyUnknown => "knows no such API key".to_owned(),
        AuthAccount::Refused(reason) => format!("does not believe the token: {}", why(reason)),
        AuthAccount::NotBelieved(ending) => {
            format!("does not believe it: {}", ending.meaning().trim_end_matches('.'))
        }
        AuthAccount::NoKeys => match basis {
            Basis::Running => "has no keys yet: they could not be fetched so far".to_owned(),
            Basis::File => {
                "cannot tell: its keys are fetched, which is not done for a file that is not served"
                    .to_owned()
            }
        },
        AuthAccount::CertificateNeeded => {
            "needs a certificate that the client shows in its handshake".to_owned()
        }
        AuthAccount::Depends => "checks the credential for real requests only".to_owned(),
    };
    vec![format!("{auth} {line}")]
}

fn believed(auth: &str, token: &TokenAccount) -> Vec<String> {
    let TokenAccount { algorithm, key_id, until, claims, more } = token;
    let key = match key_id {
        Some(id) => format!("the key {}", quoted(id)),
        None => "a key without an id".to_owned(),
    };
    let until = until.map_or("for ever".to_owned(), |it| format!("until {}", date(it)));
    let claims: Vec<_> = claims.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let more = if *more > 0 { format!(", and {more} more") } else { String::new() };
    vec![
        format!(
            "{auth} believes the token: signed with {} by {key}, good {until}",
            algorithm.as_str()
        ),
        format!("its claims: {}{more}", claims.join(", ")),
    ]
}

/// Exactly why.
fn why(reason: &Reason) -> String {
    match reason {
        Reason::Plain(refusal) => plain(*refusal),
        Reason::Algorithm { is, wanted } if wanted.contains(is) => {
            format!("it is signed with {}, and no key that it could be for is", is.as_str())
        }
        Reason::Algorithm { is, wanted } => {
            let wanted: Vec<_> = wanted.iter().map(|it| it.as_str()).collect();
            format!("it is signed with {}, and wanted is {}", is.as_str(), wanted.join(" or "))
        }
        Reason::KeyUnknown(Some(id)) => format!("no key has the id {}", quoted(id)),
        Reason::KeyUnknown(None) => "it names no key, and there are more than are tried".to_owned(),
        Reason::Signature(Some(id)) => {
            format!("it was not signed, or was changed since: it names the key {}", quoted(id))
        }
        Reason::Signature(None) => "no key has signed it, or it was changed since".to_owned(),
        Reason::Expired(at) => format!("it has expired at {}", date(*at)),
        Reason::NotYet(at) => format!("it is good from {} on", date(*at)),
        Reason::Issuer { is, wanted } => {
            let is = is.as_deref().map_or("it names no issuer".to_owned(), |is| {
                format!("its issuer is {}", quoted(is))
            });
            format!("{is}, and wanted is {}", listed(wanted))
        }
        Reason::Audience { is, wanted } if is.is_empty() => {
            format!("it does not say for whom it is, and wanted is {}", listed(wanted))
        }
        Reason::Audience { is, wanted } => {
            format!("it is for {}, and wanted is {}", listed(is), listed(wanted))
        }
    }
}

fn plain(refusal: Refusal) -> String {
    match refusal {
        Refusal::Missing => "there is none".to_owned(),
        Refusal::TooLarge => format!("it is longer than {TOKEN_BYTES_MAX} bytes"),
        Refusal::Type => "its `typ` says that it is for something else".to_owned(),
        Refusal::Critical => "its `crit` or `b64` demands what is not done here".to_owned(),
        Refusal::NoExpiry => "it has no `exp`".to_owned(),
        Refusal::Malformed => {
            "it is no signed token, or its header or its claims are not what they must be"
                .to_owned()
        }
        // They have reasons of their own.
        other => other.word().to_owned(),
    }
}

fn listed(texts: &[impl AsRef<str>]) -> String {
    texts.iter().map(|it| quoted(it.as_ref())).collect::<Vec<_>>().join(" or ")
}

/// A text that somebody else chose, or the file.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("\"{}...\"", text[..at].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

fn date(time: UnixTime) -> String {
    rfc3339(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use model::JwtAlgorithm;

    use super::*;

    #[test]
    fn each_reason_says_what_is_and_what_was_wanted() {
        let wanted = vec!["shop".to_owned()];
        let time = UnixTime::from_secs(1_700_000_000);
        for (reason, words) in [
            (
                Reason::Algorithm {
                    is: JwtAlgorithm::Es256,
                    wanted: vec![JwtAlgorithm::Rs256, JwtAlgorithm::Ps256],
                },
                "it is signed with ES256, and wanted is RS256 or PS256",
            ),
            (
                Reason::Algorithm { is: JwtAlgorithm::Es256, wanted: vec![JwtAlgorithm::Es256] },
                "it is signed with ES256, and no key that it could be for is",
            ),
            (Reason::KeyUnknown(Some("a\"\n".into())), "no key has the id \"a\\\"\\n\""),
            (Reason::Expired(time), "it has expired at 2023-11-14T22:13:20Z"),
            (Reason::NotYet(time), "it is good from 2023-11-14T22:13:20Z on"),
            (
                Reason::Issuer { is: Some("evil".into()), wanted: wanted.clone() },
                "its issuer is \"evil\", and wanted is \"shop\"",
            ),
            (
                Reason::Audience { is: vec!["a".into(), "b".into()], wanted: wanted.clone() },
                "it is for \"a\" or \"b\", and wanted is \"shop\"",
            ),
            (
                Reason::Audience { is: Vec::new(), wanted },
                "it does not say for whom it is, and wanted is \"shop\"",
            ),
            (Reason::Plain(Refusal::NoExpiry), "it has no `exp`"),
        ] {
            assert_eq!(why(&reason), words);
        }
        // What has a reason of its own has words, too.
        for refusal in Refusal::ALL {
            assert!(!plain(refusal).is_empty());
        }
        let long = Reason::KeyUnknown(Some("x".repeat(5_000).into()));
        assert!(why(&long).len() < 200, "what a token chose is cut");
    }
}
