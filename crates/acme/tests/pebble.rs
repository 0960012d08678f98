//! Orders of a real CA: Let's Encrypt's Pebble, with its refusals of nonces, and its server of names. Skipped with a word where it is not installed.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod world;

use acme::{Authority, ChallengeKind, Credentials, Enrolment, KeyKind, Refused, Wanted};
use certificates::FailureKind;
use world::{Pebble, Putting};

fn wanted(names: &[String]) -> Wanted<'_> {
    Wanted { names, key: KeyKind::P256, profile: None, replaces: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_ordered_by_each_kind_of_challenge_and_its_answers_are_withdrawn() {
    let Some(pebble) = Pebble::start() else { return };
    let (authority, _) = pebble.enrol(&Enrolment::default()).await.unwrap();
    for kind in [ChallengeKind::Http01, ChallengeKind::Dns01] {
        let names = vec!["shop.example".to_owned(), "www.shop.example".to_owned()];
        let solver = pebble.solver(&[kind]);
        let issued = authority.order(wanted(&names), &solver).await.unwrap();
        assert!(issued.chain.matches("BEGIN CERTIFICATE").count() >= 2, "{}", issued.chain);
        assert!(issued.key.contains("PRIVATE KEY"));
        assert!(issued.held.lifetime().as_secs() > 86_400);
        assert!(solver.left().is_empty(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_is_proven_by_dns_with_every_kind_of_key() {
    let Some(pebble) = Pebble::start() else { return };
    let (authority, _) = pebble.enrol(&Enrolment::default()).await.unwrap();
    let names = vec!["shop.example".to_owned(), "*.shop.example".to_owned()];
    for key in [KeyKind::P384, KeyKind::Rsa2048] {
        let solver = pebble.solver(&[ChallengeKind::Http01, ChallengeKind::Dns01]);
        let wanted = Wanted { key, ..wanted(&names) };
        let issued = authority.order(wanted, &solver).await.unwrap();
        assert_eq!(issued.held.directory.as_ref().map(|it| it.as_str()), Some(pebble.directory()));
        // Pebble has no renewal information.
        assert_eq!(authority.suggestion(&issued.chain).await, None);
        // And no use for what is replaced.
        let again = Wanted { replaces: Some(&issued.chain), ..wanted };
        authority.order(again, &solver).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_wrong_is_told_in_the_words_of_the_ca() {
    let Some(pebble) = Pebble::start() else { return };
    let (authority, _) = pebble.enrol(&Enrolment::default()).await.unwrap();
    let names = vec!["shop.example".to_owned()];
    let solver = pebble.solver(&[ChallengeKind::Dns01]).putting(Putting::Nonsense);
    let Err(Refused::Failed(failed)) = authority.order(wanted(&names), &solver).await else {
        panic!("the CA believes nonsense")
    };
    assert_eq!(failed.kind, FailureKind::Refused);
    assert!(failed.problem.starts_with("shop.example: "), "{failed:?}");
    assert!(failed.problem.contains("(unauthorized)"), "{failed:?}");
    assert!(solver.left().is_empty(), "it is withdrawn all the same");
    let solver = pebble.solver(&[ChallengeKind::Dns01]).putting(Putting::Nothing);
    let Err(Refused::Failed(failed)) = authority.order(wanted(&names), &solver).await else {
        panic!("the CA believes nothing")
    };
    assert_eq!((failed.kind, failed.problem.as_str()), (FailureKind::Own, "the disk is full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_here_can_prove_is_refused_before_the_ca_looks() {
    let Some(pebble) = Pebble::start() else { return };
    let (authority, _) = pebble.enrol(&Enrolment::default()).await.unwrap();
    let names = vec!["*.shop.example".to_owned()];
    let solver = pebble.solver(&[ChallengeKind::Http01]);
    let Err(Refused::Failed(failed)) = authority.order(wanted(&names), &solver).await else {
        panic!("a wildcard was proven by HTTP")
    };
    assert!(failed.problem.contains("can be met here (http-01)"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_kept_its_key_changes_and_one_that_the_ca_lost_is_told() {
    let Some(pebble) = Pebble::start() else { return };
    let by = Enrolment { email: Some("ops@shop.example".to_owned()), external: None };
    let (_, kept) = pebble.enrol(&by).await.unwrap();
    let mut authority = pebble.open(&kept).await.unwrap();
    let rolled = authority.roll_key().await.unwrap();
    assert!(rolled != kept);
    let names = vec!["shop.example".to_owned()];
    let solver = pebble.solver(&[ChallengeKind::Dns01]);
    pebble.open(&rolled).await.unwrap().order(wanted(&names), &solver).await.unwrap();
    let Err(refused) = pebble.open(&kept).await.unwrap().order(wanted(&names), &solver).await
    else {
        panic!("the old key is still good")
    };
    assert!(matches!(refused, Refused::NoAccount(_) | Refused::Failed(_)), "{refused:?}");
    authority.deactivate().await.unwrap();
    let ended = pebble.open(&rolled).await.unwrap().order(wanted(&names), &solver).await;
    assert!(ended.is_err(), "an account that has ended orders");
    // Another CA does not know it.
    let Some(other) = Pebble::start() else { return };
    let lost = kept.expose().replace(pebble.directory(), other.directory());
    let lost = lost.replace(&pebble.base(), &other.base());
    let opened = other.open(&Credentials::new(lost)).await.unwrap();
    let ordered = opened.order(wanted(&names), &other.solver(&[ChallengeKind::Dns01])).await;
    assert!(matches!(ordered, Err(Refused::NoAccount(_))), "{ordered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_not_there_or_is_none_is_out_of_reach() {
    let Some(pebble) = Pebble::start() else { return };
    for directory in [pebble.nowhere(), pebble.no_acme()] {
        let opened = pebble.enrol_at(&directory, &Enrolment::default()).await;
        let Err(Refused::Failed(failed)) = opened else { panic!("{directory} is a CA") };
        assert_eq!(failed.kind, FailureKind::Unreachable, "{directory}: {failed:?}");
    }
    let nobody = Enrolment::default();
    let untrusted = Authority::enrol(
        pebble.client(),
        outbound::Trust::of_pem(&world::stranger()).unwrap(),
        certificates::DirectoryUrl::new(pebble.directory()),
        &nobody,
    );
    let Err(Refused::Failed(failed)) = untrusted.await else { panic!("a stranger is believed") };
    assert!(failed.problem.contains("is not trusted"), "{failed:?}");
}
