//! A token that was changed anywhere is not believed: by chance, for each algorithm.

use std::sync::LazyLock;

use policy::jwt::{Algorithm, Keys, Provenance};
use proptest::prelude::*;

use super::support::{NOW, other, set, text, verifier};

static KEYS: LazyLock<Vec<(Keys, &'static str)>> = LazyLock::new(|| {
    let of = |algorithm| {
        let other = other(algorithm);
        let keys = Keys::from_jwks(&set(&[other["jwk"].clone()]), Provenance::Own, Algorithm::ALL);
        (keys.expect("what the test has made is good"), text(&other["token"]))
    };
    Algorithm::ALL.iter().copied().map(of).collect()
});

/// A change of a token.
#[derive(Clone, Debug)]
enum Change {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
}

impl Change {
    fn apply(&self, token: &mut Vec<u8>) {
        if token.is_empty() {
            return;
        }
        let length = token.len();
        match self {
            Self::Replace(at, byte) => *at.get_mut(token) = *byte,
            Self::Insert(at, byte) => token.insert(at.index(length), *byte),
            Self::Remove(at) => drop(token.remove(at.index(length))),
            Self::Cut(at) => token.truncate(at.index(length)),
            Self::Swap(one, other) => token.swap(one.index(length), other.index(length)),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let letter = prop_oneof![
        4 => prop::sample::select(b"ABCDEFGHabcdefgh0123456789-_".to_vec()),
        1 => any::<u8>(),
        1 => Just(b'.'),
    ];
    prop_oneof![
        4 => (at(), letter.clone()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        2 => (at(), letter).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => at().prop_map(Change::Remove),
        1 => at().prop_map(Change::Cut),
        2 => (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_token_that_was_changed_is_not_believed(which in 0..Algorithm::ALL.len(), changes in prop::collection::vec(change(), 1..4)) {
        let (keys, token) = &KEYS[which];
        let mut changed = token.as_bytes().to_vec();
        changes.iter().for_each(|it| it.apply(&mut changed));
        let verified = verifier(Algorithm::ALL).verify(keys, &changed, NOW);
        prop_assert_eq!(verified.is_ok(), changed == token.as_bytes());
    }

    #[test]
    fn anything_else_is_not_believed(which in 0..Algorithm::ALL.len(), token in prop::collection::vec(any::<u8>(), 0..300)) {
        let (keys, _) = &KEYS[which];
        prop_assert!(verifier(Algorithm::ALL).verify(keys, &token, NOW).is_err());
    }
}
