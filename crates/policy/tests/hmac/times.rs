//! The window, at its edges and where clocks jump, and how long a nonce must be remembered.

use std::time::Duration;

use policy::hmac::{Header, Refusal, Verifier};
use proptest::prelude::*;

use super::support::{NOW, Request, SECRET, WINDOW, verifier};

#[test]
fn both_ends_of_the_window_are_in_it() {
    let request = Request::signed(SECRET, NOW);
    let window = WINDOW.as_secs();
    for (now, expected) in [
        (NOW - window - 1, Err(Refusal::Early)),
        (NOW - window, Ok(())),
        (NOW, Ok(())),
        (NOW + window, Ok(())),
        (NOW + window + 1, Err(Refusal::Stale)),
        (0, Err(Refusal::Early)),
        (u64::MAX, Err(Refusal::Stale)),
    ] {
        let verdict = request.held_against(&verifier(), now).map(|_| ());
        assert_eq!(verdict, expected, "at {now}");
    }
}

#[test]
fn a_window_without_length_holds_one_second() {
    let verifier = Verifier { window: Duration::ZERO, ..verifier() };
    let request = Request::signed(SECRET, NOW);
    assert!(request.held_against(&verifier, NOW).is_ok());
    assert_eq!(request.held_against(&verifier, NOW + 1), Err(Refusal::Stale));
    assert_eq!(request.held_against(&verifier, NOW - 1), Err(Refusal::Early));
}

#[test]
fn a_time_has_one_spelling() {
    for text in [
        "",
        "0",
        "01700000000",
        "+1700000000",
        "-1700000000",
        " 1700000000",
        "1700000000 ",
        "1700000000.0",
        "1.7e9",
        "0x6553f100",
        "1700000000\0",
        "17000000000",
        "18446744073709551616",
        "١٧٠٠٠٠٠٠٠٠",
        "1,700,000,000",
        "now",
    ] {
        let request = Request::signed(SECRET, NOW).with(Header::Timestamp, text);
        let signed = request.sign_again(SECRET);
        assert_eq!(signed.verdict(), Err(Refusal::Malformed), "{text:?}");
    }
    let millis = Request::signed(SECRET, NOW).with(Header::Timestamp, "1700000000000");
    assert_eq!(millis.sign_again(SECRET).verdict(), Err(Refusal::Malformed));
}

proptest! {
    /// While any edge whose clock is at most a window away from this one's could believe a request, its nonce is remembered.
    #[test]
    fn a_nonce_outlives_its_request_on_every_edge(
        window in 0u64..=3_600, ahead in -3_600i64..=3_600, later in 0u64..20_000, skew in -3_600i64..=3_600,
    ) {
        let verifier = Verifier { window: Duration::from_secs(window), ..verifier() };
        let signed_at = NOW.saturating_add_signed(ahead);
        let request = Request::signed(SECRET, signed_at);
        let Ok(believed) = request.held_against(&verifier, NOW) else { return Ok(()) };
        let skew = skew.clamp(-(window as i64), window as i64);
        let elsewhere = (NOW + later).saturating_add_signed(skew);
        if request.held_against(&verifier, elsewhere).is_ok() {
            prop_assert!(Duration::from_secs(later) < believed.lifetime, "{later} s later it is good and its nonce forgotten");
        }
        prop_assert!(believed.lifetime <= Duration::from_secs(3 * window + 1));
    }
}
