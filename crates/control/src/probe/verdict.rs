//! Whether a response is what a check wants.

use memchr::memmem;
use model::HttpProbe;

use super::{Passed, ProbeFault};

/// How much of a response's body is read, and looked through.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// With these frameworks refuse hosts that they do not know: Django and Tomcat with 400, Rails with 403, others with 421.
const REFUSES_HOSTS: [u16; 3] = [400, 403, 421];

/// Judges a response by its status, and by the beginning of its body.
pub(super) fn judge(probe: &HttpProbe, status: u16, body: &[u8]) -> Result<Passed, ProbeFault> {
    if !probe.status.iter().any(|range| range.contains(status)) {
        return Err(match REFUSES_HOSTS.contains(&status) && probe.host.is_none() {
            true => ProbeFault::UnknownHost(status),
            false => ProbeFault::Status(status),
        });
    }
    let is_found = |wanted: &String| memmem::find(body, wanted.as_bytes()).is_some();
    match probe.body.as_ref().is_none_or(is_found) {
        true => Ok(Passed(format!("status {status}"))),
        false => Err(ProbeFault::Body),
    }
}

#[cfg(test)]
mod tests {
    use model::{ProbeHeaders, ProbeMethod, StatusRange};

    use super::*;

    fn probe(body: Option<&str>) -> HttpProbe {
        HttpProbe {
            method: ProbeMethod::Get,
            path: "/".to_owned(),
            host: None,
            headers: ProbeHeaders::default(),
            status: vec![
                StatusRange { first: 200, last: 299 },
                StatusRange { first: 401, last: 401 },
            ],
            body: body.map(str::to_owned),
        }
    }

    #[test]
    fn a_status_outside_all_ranges_fails() {
        let probe = probe(None);
        assert_eq!(judge(&probe, 204, b"").unwrap(), Passed("status 204".to_owned()));
        assert!(judge(&probe, 401, b"").is_ok());
        assert!(matches!(judge(&probe, 302, b""), Err(ProbeFault::Status(302))));
    }

    #[test]
    fn a_host_that_may_be_unknown_to_the_server_is_said_so() {
        let named = HttpProbe { host: Some("shop.example.com".to_owned()), ..probe(None) };
        for status in REFUSES_HOSTS {
            let unnamed = judge(&probe(None), status, b"").unwrap_err();
            assert!(unnamed.to_string().contains("health.host"), "{unnamed}");
            let fault = judge(&named, status, b"").unwrap_err();
            assert_eq!(fault.to_string(), format!("status {status}"));
        }
        assert_eq!(judge(&probe(None), 404, b"").unwrap_err().to_string(), "status 404");
    }

    #[test]
    fn the_text_must_be_in_the_body() {
        let probe = probe(Some("ready"));
        assert!(judge(&probe, 200, b"it is ready now").is_ok());
        assert!(matches!(judge(&probe, 200, b"it is read"), Err(ProbeFault::Body)));
        assert!(matches!(judge(&probe, 500, b"ready"), Err(ProbeFault::Status(500))));
    }
}
