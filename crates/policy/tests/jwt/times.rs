//! `exp`, `nbf` and `iat`: what they may be, and clocks that are apart or jump.

use std::time::Duration;

use policy::UnixTime;
use policy::jwt::{Algorithm, Expiry, Keys, Refusal};

use super::support::{HEADER, SECRET, claims, signed, verifier};

fn at(json: &str, now: u64, leeway: u64) -> Result<Option<u64>, Refusal> {
    let keys =
        Keys::from_secret(SECRET, &[Algorithm::Hs256]).expect("what the test has made is good");
    let mut verifier = verifier(&[Algorithm::Hs256]);
    verifier.leeway = Duration::from_secs(leeway);
    let verified =
        verifier.verify(&keys, signed(HEADER, json).as_bytes(), UnixTime::from_secs(now))?;
    Ok(verified.until.map(UnixTime::as_secs))
}

#[test]
fn a_token_is_good_before_its_end_and_no_longer() {
    let token = r#"{"exp":1000}"#;
    assert_eq!(at(token, 999, 0), Ok(Some(1000)));
    assert_eq!(at(token, 1000, 0), Err(Refusal::Expired));
    assert_eq!(at(token, 1029, 30), Ok(Some(1030)));
    assert_eq!(at(token, 1030, 30), Err(Refusal::Expired));
    // A clock that jumps is only what it says now: there is nothing to remember.
    assert_eq!(at(token, u64::MAX, 30), Err(Refusal::Expired));
    assert_eq!(at(token, 0, 0), Ok(Some(1000)));
}

#[test]
fn a_token_is_good_from_its_beginning_on() {
    for claim in ["nbf", "iat"] {
        let token = format!(r#"{{"exp":5000,"{claim}":1000}}"#);
        assert_eq!(at(&token, 1000, 0), Ok(Some(5000)), "{claim}");
        assert_eq!(at(&token, 999, 0), Err(Refusal::NotYet), "{claim}");
        assert_eq!(at(&token, 970, 30), Ok(Some(5030)), "{claim}");
        assert_eq!(at(&token, 969, 30), Err(Refusal::NotYet), "{claim}");
        let far = format!(r#"{{"exp":253402300799,"{claim}":253402300798}}"#);
        assert_eq!(at(&far, 1000, 30), Err(Refusal::NotYet), "{claim} far in the future");
    }
}

#[test]
fn a_fraction_of_a_second_is_never_in_favour_of_the_token() {
    assert_eq!(at(r#"{"exp":1000.9}"#, 999, 0), Ok(Some(1000)));
    assert_eq!(at(r#"{"exp":1000.9}"#, 1000, 0), Err(Refusal::Expired));
    assert_eq!(at(r#"{"exp":1e3}"#, 999, 0), Ok(Some(1000)));
    assert_eq!(at(r#"{"exp":5000,"nbf":1000.1}"#, 1000, 0), Err(Refusal::NotYet));
    assert_eq!(at(r#"{"exp":5000,"nbf":1000.1}"#, 1001, 0), Ok(Some(5000)));
}

#[test]
fn what_is_no_date_is_refused() {
    let dates = [
        r#""1700000200""#,
        "null",
        "true",
        "[1700000200]",
        "{}",
        // Milliseconds; more than any clock; more than any integer.
        "1700000200000",
        "18446744073709551615",
        "18446744073709551616",
        "1e308",
    ];
    for claim in ["exp", "nbf", "iat"] {
        for date in dates {
            let others = if claim == "exp" { "" } else { r#","exp":1700000200"# };
            let refused = claims(&format!(r#"{{"{claim}":{date}{others}}}"#)).map(|_| ());
            assert_eq!(refused, Err(Refusal::Malformed), "{claim} {date}");
        }
    }
    assert_eq!(claims(r#"{"exp":1e400}"#).map(|_| ()), Err(Refusal::Malformed));
    for past in ["-1", "-1e308", "-9223372036854775808", "0", "-0.0"] {
        let refused = claims(&format!(r#"{{"exp":{past}}}"#)).map(|_| ());
        assert_eq!(refused, Err(Refusal::Expired), "{past}");
    }
}

#[test]
fn an_end_is_demanded_unless_the_configuration_says_otherwise() {
    assert_eq!(claims(r#"{"sub":"a"}"#).map(|_| ()), Err(Refusal::NoExpiry));
    let keys =
        Keys::from_secret(SECRET, &[Algorithm::Hs256]).expect("what the test has made is good");
    let mut verifier = verifier(&[Algorithm::Hs256]);
    verifier.expiry = Expiry::Optional;
    let ask = |json: &str| {
        let now = UnixTime::from_secs(1_000);
        verifier.verify(&keys, signed(HEADER, json).as_bytes(), now).map(|it| it.until)
    };
    assert_eq!(ask(r#"{"sub":"a"}"#), Ok(None));
    assert_eq!(ask(r#"{"exp":1000}"#), Err(Refusal::Expired));
    assert_eq!(ask(r#"{"exp":"1"}"#), Err(Refusal::Malformed));
}
