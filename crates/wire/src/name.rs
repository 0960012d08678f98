//! The header names that a proxy must know, told apart once, when a head is read.

/// A header name that means something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Name {
    /// Any name that means nothing to us.
    Other,
    /// Written with underscores, and equal to one of ours if they are read as hyphens, as CGI,
    /// WSGI and PHP do: never forwarded, since a target would take it for ours.
    Shadow,
    /// `Accept`
    Accept,
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Cookie`
    Cookie,
    /// `Date`
    Date,
    /// `Expect`
    Expect,
    /// `Forwarded`
    Forwarded,
    /// `Host`
    Host,
    /// `HTTP2-Settings`
    Http2Settings,
    /// `Keep-Alive`
    KeepAlive,
    /// `Max-Forwards`
    MaxForwards,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Upgrade`
    Upgrade,
    /// `User-Agent`
    UserAgent,
    /// `Via`
    Via,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// `X-Real-IP`
    XRealIp,
    /// `X-Request-Id`
    XRequestId,
}

use Name::*;

/// Every name with its text in lower case, grouped by length.
const KNOWN: [(&[u8], Name); 23] = [
    (b"te", Te),
    (b"via", Via),
    (b"date", Date),
    (b"host", Host),
    (b"accept", Accept),
    (b"cookie", Cookie),
    (b"expect", Expect),
    (b"trailer", Trailer),
    (b"upgrade", Upgrade),
    (b"forwarded", Forwarded),
    (b"x-real-ip", XRealIp),
    (b"connection", Connection),
    (b"keep-alive", KeepAlive),
    (b"user-agent", UserAgent),
    (b"max-forwards", MaxForwards),
    (b"x-request-id", XRequestId),
    (b"content-length", ContentLength),
    (b"http2-settings", Http2Settings),
    (b"x-forwarded-for", XForwardedFor),
    (b"proxy-connection", ProxyConnection),
    (b"x-forwarded-host", XForwardedHost),
    (b"transfer-encoding", TransferEncoding),
    (b"x-forwarded-proto", XForwardedProto),
];

const LONGEST: usize = 17;

/// For each length the part of [`KNOWN`] with names of that length.
const BY_LENGTH: [(u8, u8); LONGEST + 1] = {
    let mut ranges = [(0, 0); LONGEST + 1];
    let mut index = 0;
    while index < KNOWN.len() {
        let length = KNOWN[index].0.len();
        if ranges[length].1 == 0 {
            ranges[length].0 = index as u8;
        }
        ranges[length].1 = index as u8 + 1;
        index += 1;
    }
    ranges
};

impl Name {
    /// Tells which name `text` is, whatever its case. It must be a token (RFC 9110 §5.6.2), as
    /// every name that was read is.
    pub fn of(text: &[u8]) -> Self {
        let Some(&(from, to)) = BY_LENGTH.get(text.len()) else { return Other };
        for (known, name) in &KNOWN[from as usize..to as usize] {
            // Cheap, and enough: no two of one length begin with the same letter.
            if text[0] | 0x20 == known[0] {
                if is_same(text, known) {
                    return *name;
                }
                if reads_as(text, known) {
                    return Shadow;
                }
            }
        }
        Other
    }

    /// Whether the field speaks of one connection only (RFC 9110 §7.6.1 and what is still sent
    /// of older drafts) and so is never forwarded.
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Connection
                | KeepAlive
                | ProxyConnection
                | Te
                | Trailer
                | TransferEncoding
                | Upgrade
                | Http2Settings
        )
    }

    pub(crate) fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// Whether the token `text`, which is as long as `known`, is equal to it but for case. In a token
/// only letters differ by the bit that tells upper from lower case.
#[inline]
fn is_same(text: &[u8], known: &[u8]) -> bool {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    if let (Some((text_head, text_tail)), Some((known_head, known_tail))) =
        (text.split_first_chunk::<8>(), known.split_first_chunk::<8>())
    {
        return u64::from_ne_bytes(*text_head) | LOWER == u64::from_ne_bytes(*known_head)
            && is_same(text_tail, known_tail);
    }
    text.iter().zip(known).all(|(byte, wanted)| *byte | 0x20 == *wanted)
}

/// Whether `text` is `known` with underscores for hyphens.
fn reads_as(text: &[u8], known: &[u8]) -> bool {
    known.contains(&b'-')
        && text.iter().zip(known).all(|(byte, wanted)| match byte {
            b'_' => *wanted == b'-',
            _ => byte.eq_ignore_ascii_case(wanted),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for (text, name) in KNOWN {
            assert_eq!(Name::of(text), name);
            assert_eq!(Name::of(&text.to_ascii_uppercase()), name);
        }
    }

    #[test]
    fn underscores_that_shadow_ours_are_told_from_those_that_do_not() {
        assert_eq!(Name::of(b"X_Forwarded_For"), Shadow);
        assert_eq!(Name::of(b"content_length"), Shadow);
        assert_eq!(Name::of(b"x-forwarded_for"), Shadow);
        assert_eq!(Name::of(b"my_header"), Other);
        assert_eq!(Name::of(b"ho_t"), Other);
    }

    #[test]
    fn table_is_grouped_by_length() {
        assert!(KNOWN.is_sorted_by_key(|(text, _)| text.len()));
        assert!(KNOWN.iter().all(|(text, _)| text.len() <= LONGEST));
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_another() {
        for (text, _) in KNOWN {
            for place in 0..text.len() {
                let mut other = text.to_vec();
                other[place] = if other[place] == b'q' { b'z' } else { b'q' };
                assert_eq!(Name::of(&other), Other, "{}", String::from_utf8_lossy(&other));
            }
        }
    }
}
