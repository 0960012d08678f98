//! What is believed: tokens of another implementation, by each algorithm and each way of having keys.

use policy::jwt::{Algorithm, Keys, Provenance, Refusal, unverified_issuer};

use super::support::{NOW, claims, other, set, text, verifier, with_header};

#[test]
fn each_algorithm_believes_what_another_implementation_signed() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let other = other(algorithm);
        let jwks = set(&[other["jwk"].clone()]);
        let keys = Keys::from_jwks(&jwks, Provenance::Own, Algorithm::ALL)
            .expect("what the test has made is good");
        let verified = verifier(Algorithm::ALL)
            .verify(&keys, text(&other["token"]).as_bytes(), NOW)
            .expect("what the test has made is good");
        assert_eq!(verified.algorithm, algorithm);
        assert_eq!(verified.key_id.as_deref(), other["jwk"]["kid"].as_str());
        assert_eq!(verified.subject(), Some("alice"));
        assert_eq!(verified.token_id(), Some("t-1"));
        assert_eq!(verified.issuer(), Some("https://id.example.com"));
        assert_eq!(verified.until.map(|it| it.as_secs()), Some(1_700_003_600));
        assert_eq!(verified.issued_at.map(|it| it.as_secs()), Some(1_700_000_000));
        assert!(verified.claims.at(&["realm_access", "roles"]).is_some());
    }
}

#[test]
fn each_kind_of_pem_is_read() {
    for algorithm in
        Algorithm::ALL.iter().copied().filter(|it| policy::jwt::secret_bytes_min(*it).is_none())
    {
        let other = other(algorithm);
        for kind in ["pem", "certificate"] {
            let Some(pem) = other[kind].as_str() else { continue };
            let keys = Keys::from_pem(pem, &[algorithm]).expect("what the test has made is good");
            let verified =
                verifier(&[algorithm]).verify(&keys, text(&other["token"]).as_bytes(), NOW);
            assert_eq!(verified.map(|it| it.key_id), Ok(None), "{algorithm:?} {kind}");
        }
    }
}

#[test]
fn several_keys_of_one_file_are_all_tried() {
    let kinds = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa];
    let pem: String =
        kinds.iter().map(|it| format!("# a key\n{}", text(&other(*it)["pem"]))).collect();
    let keys = Keys::from_pem(&pem, &kinds).expect("what the test has made is good");
    assert_eq!(keys.count(), kinds.len());
    for algorithm in kinds {
        let token = text(&other(algorithm)["token"]).as_bytes();
        assert!(verifier(&kinds).verify(&keys, token, NOW).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn an_algorithm_must_be_configured_even_where_a_key_fits() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let other = other(algorithm);
        let jwks = set(&[other["jwk"].clone()]);
        let keys = Keys::from_jwks(&jwks, Provenance::Own, &[algorithm])
            .expect("what the test has made is good");
        let rest: Vec<_> = Algorithm::ALL.iter().copied().filter(|it| *it != algorithm).collect();
        let verified = verifier(&rest).verify(&keys, text(&other["token"]).as_bytes(), NOW);
        assert_eq!(verified, Err(Refusal::Algorithm), "{algorithm:?}");
    }
}

#[test]
fn kinds_of_tokens_that_are_for_us_are_believed() {
    for kind in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/jwt", "Application/at+JWT"] {
        let header = format!(r#"{{"alg":"HS256","typ":"{kind}"}}"#);
        assert!(with_header(&header, r#"{"exp":1700000200}"#).is_ok(), "{kind}");
    }
    for kind in
        ["JOSE", "dpop+jwt", "logout+jwt", "secevent+jwt", "", "application/", "JWT ", "x/jwt"]
    {
        let header = format!(r#"{{"alg":"HS256","typ":"{kind}"}}"#);
        assert_eq!(with_header(&header, r#"{"exp":1700000200}"#), Err(Refusal::Type), "{kind}");
    }
}

#[test]
fn issuer_and_audience_are_compared_as_they_are() {
    let other = other(Algorithm::Es256);
    let token = text(&other["token"]).as_bytes();
    let keys =
        Keys::from_jwks(&set(&[other["jwk"].clone()]), Provenance::Published, &[Algorithm::Es256])
            .expect("what the test has made is good");
    let with = |issuers: &[&str], audiences: &[&str]| {
        let mut verifier = verifier(&[Algorithm::Es256]);
        verifier.issuers = issuers.iter().map(|it| (*it).to_owned()).collect();
        verifier.audiences = audiences.iter().map(|it| (*it).to_owned()).collect();
        verifier.verify(&keys, token, NOW).map(|_| ())
    };
    let id = "https://id.example.com";
    assert_eq!(with(&[id], &["shop"]), Ok(()));
    assert_eq!(with(&["https://other", id], &["none", "other"]), Ok(()));
    for issuer in ["https://id.example.com/", "https://ID.example.com", "https://id.example.co", ""]
    {
        assert_eq!(with(&[issuer], &[]), Err(Refusal::Issuer), "{issuer}");
    }
    for audience in ["Shop", "sho", "shop,other", ""] {
        assert_eq!(with(&[id], &[audience]), Err(Refusal::Audience), "{audience}");
    }
}

#[test]
fn claims_of_wrong_kinds_are_refused_even_where_nothing_is_demanded_of_them() {
    for claim in [
        r#""iss":1"#,
        r#""sub":null"#,
        r#""jti":["a"]"#,
        r#""aud":1"#,
        r#""aud":["a",1]"#,
        r#""aud":{}"#,
    ] {
        let refused = claims(&format!(r#"{{"exp":1700000200,{claim}}}"#));
        assert_eq!(refused.map(|_| ()), Err(Refusal::Malformed), "{claim}");
    }
    assert!(claims(r#"{"exp":1700000200,"aud":"shop"}"#).is_ok());
    for not_claims in ["foo", "[]", "1", "", "{}x", "null"] {
        let refused = claims(not_claims).map(|_| ());
        assert_eq!(refused, Err(Refusal::Malformed), "{not_claims}");
    }
}

#[test]
fn the_issuer_can_be_had_before_anything_was_checked() {
    let token = text(&other(Algorithm::Rs256)["token"]).as_bytes();
    assert_eq!(unverified_issuer(token).as_deref(), Some("https://id.example.com"));
    for token in ["", ".", "a.b.c", "e30.e30.e30", "e30.bnVsbA.e30"] {
        assert_eq!(unverified_issuer(token.as_bytes()), None, "{token}");
    }
}
