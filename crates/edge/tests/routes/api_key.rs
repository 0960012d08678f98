//! API keys: whose they are, and that one whose line is gone is worth nothing.

use model::{ClaimHeader, ClaimPath, Credential, CredentialPlace, Document, Proof};
use testkit::password::partners;
use testkit::{Protocol, Talk};

use crate::Stage;

fn asking() -> Stage {
    Stage::with(|wanted| {
        let header = CredentialPlace::Header("x-api-key".into());
        let mut partners = partners(vec![header, CredentialPlace::Query("key".into())]);
        partners.claims =
            vec![ClaimHeader { header: "x-partner".into(), claim: ClaimPath(vec!["sub".into()]) }];
        partners.credential = Credential::Removed;
        wanted.routes[0].policies.auth = vec![partners.name.clone()];
        wanted.auth.push(partners);
    })
}

#[test]
fn a_key_is_its_name_s_and_instances_see_that_and_not_the_key() {
    let stage = asking();
    for protocol in Protocol::ALL {
        for talk in [
            Talk::get("/x?a=1").field("X-Api-Key", "one"),
            Talk::get("/x?key=two&a=1"),
            // The second time it is remembered.
            Talk::get("/x?a=1").field("x_api_key", "one").field("X-Partner", "root"),
        ] {
            let seen = stage.seen(protocol, talk);
            assert_eq!(seen.fields("x-partner").collect::<Vec<_>>(), ["acme"], "{protocol:?}");
            assert_eq!(seen.target, "/x?a=1", "{protocol:?}");
            assert_eq!(seen.fields("x-api-key").count() + seen.fields("x_api_key").count(), 0);
        }
    }
}

#[test]
fn what_is_no_key_is_401_and_the_instance_is_not_asked() {
    let stage = asking();
    // The digest of a key is none.
    let digest = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    for protocol in Protocol::ALL {
        for talk in [
            Talk::get("/"),
            Talk::get("/").field("X-Api-Key", ""),
            Talk::get("/").field("X-Api-Key", "three"),
            Talk::get("/").field("X-Api-Key", "One"),
            Talk::get("/").field("X-Api-Key", digest),
            Talk::get("/").field("Authorization", "Bearer one"),
            Talk::get("/?key=two").field("X-Api-Key", "one"),
        ] {
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.status, 401, "{protocol:?}");
            assert_eq!(reply.fields("www-authenticate"), ["ApiKey realm=\"partners\""]);
        }
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn a_key_whose_line_is_gone_is_believed_no_more() {
    let mut stage = asking();
    let ask = |stage: &Stage, key: &str, protocol| {
        stage.ask(protocol, Talk::get("/").field("X-Api-Key", key)).status
    };
    for protocol in Protocol::ALL {
        assert_eq!((ask(&stage, "one", protocol), ask(&stage, "two", protocol)), (200, 200));
    }
    stage.edge.republish(|intent| {
        let mut changed = intent.auth["partners"].as_ref().clone();
        let Proof::ApiKey(api_key) = &mut changed.proof else { panic!("{changed:?}") };
        let rest = api_key.keys.text.lines().nth(1).expect("there are two").into();
        api_key.keys = Document { name: "partners.keys".to_owned(), text: rest };
        intent.auth.insert("partners".into(), changed.into());
    });
    stage.edge.settle();
    for protocol in Protocol::ALL {
        assert_eq!((ask(&stage, "one", protocol), ask(&stage, "two", protocol)), (401, 200));
    }
}
