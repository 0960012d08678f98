//! Each request of RFC 9421 (sections 3.2 and 4.3, appendix B), with the keys that it is signed by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use policy::signature::{Algorithm, Refusal, keys};

use super::support::{NOW, PEM, Request, rfc, secret_keys, verifier};

#[test]
fn the_requests_of_the_rfc_are_as_it_says() {
    let public = keys(PEM, Algorithm::ALL).unwrap();
    let secret = STANDARD.decode(rfc()["secret"].as_str().unwrap()).unwrap();
    let secret = secret_keys("test-shared-secret", &secret);
    let requests = rfc()["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 16);
    for value in requests {
        let name = value["name"].as_str().unwrap();
        let keys = if value["key"] == "test-shared-secret" { &secret } else { &public };
        let verdict = Request::of(value).held_against(&verifier(), keys, NOW);
        match value["refused"].as_str() {
            Some(word) => assert_eq!(verdict.map_err(Refusal::word).err(), Some(word), "{name}"),
            None => {
                let believed = verdict.unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
                assert_eq!(believed.key_id.as_deref(), value["key"].as_str(), "{name}");
                assert_eq!(
                    Some(believed.algorithm.as_str()),
                    value["algorithm"].as_str(),
                    "{name}"
                );
            }
        }
    }
}

/// Whatever key signed it, another of the file did not.
#[test]
fn a_signature_is_of_the_key_that_it_names() {
    let public = keys(PEM, Algorithm::ALL).unwrap();
    let ids = ["test-key-rsa", "test-key-rsa-pss", "test-key-ecc-p256", "test-key-ed25519"];
    for value in rfc()["requests"].as_array().unwrap().iter().take(6) {
        let request = Request::of(value);
        for id in ids.iter().filter(|id| value["key"] != **id) {
            let mut request = request.clone();
            for (_, text) in request.fields.iter_mut().filter(|(name, _)| name == "Signature-Input")
            {
                let old = String::from_utf8(text.clone()).unwrap();
                let (start, rest) = old.split_once("keyid=\"").unwrap();
                *text =
                    format!("{start}keyid=\"{id}{}", &rest[rest.find('"').unwrap()..]).into_bytes();
            }
            let verdict = request.held_against(&verifier(), &public, NOW);
            assert!(verdict.is_err(), "{} by {id}", value["name"]);
        }
    }
}

#[test]
fn keys_are_told_apart() {
    let unnamed = PEM.replace("Key-Id: test-key-rsa\n", "");
    assert!(keys(&unnamed, Algorithm::ALL).unwrap_err().to_string().contains("Key-Id: NAME"));
    assert!(keys(&PEM.replace("test-key-ed25519", ""), Algorithm::ALL).is_err(), "an empty name");
    let twice = PEM.replace("Key-Id: test-key-rsa\n", "Key-Id: a\nkey-id: b\n");
    assert!(keys(&twice, Algorithm::ALL).is_err());
    // One key need not be told from others, and is good for whatever a signature calls it.
    let from = PEM.rfind("-----BEGIN").unwrap();
    let only = keys(&PEM[from..], Algorithm::ALL).unwrap();
    let request = Request::of(&rfc()["requests"][5]);
    assert_eq!(request.held_against(&verifier(), &only, NOW).unwrap().key_id, None);
}
