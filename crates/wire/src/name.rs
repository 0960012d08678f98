//! The header names that a proxy must know, told apart once, when a head is read.

/// A header name that means something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Name {
    /// Any name that means nothing to us.
    Other,
    /// A name that a server may take for one of those below ([`reads_as`]), and `Proxy`, which CGI
    /// turns into the variable `HTTP_PROXY`: never forwarded.
    Shadow,
    /// By this name a proxy tells what became of a request on its way, and there is no need here to
    /// know which it is: all of `X-Forwarded-*` but those below, and the names that servers and
    /// other proxies use for the same. Worth as much as the peer that sends it.
    Claim,
    /// `Accept`
    Accept,
    /// `Authorization`
    Authorization,
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
    /// `X-Forwarded-Port`
    XForwardedPort,
    /// `X-Forwarded-Prefix`
    XForwardedPrefix,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// `X-Real-IP`
    XRealIp,
    /// `X-Request-Id`
    XRequestId,
}

use Name::*;

/// Every name with its text in lower case, grouped by length.
const KNOWN: [(&[u8], Name); 65] = [
    (b"te", Te),
    (b"via", Via),
    (b"date", Date),
    (b"host", Host),
    (b"proxy", Shadow),
    (b"accept", Accept),
    (b"cookie", Cookie),
    (b"expect", Expect),
    (b"x-host", Claim),
    (b"trailer", Trailer),
    (b"upgrade", Upgrade),
    (b"x-scheme", Claim),
    (b"client-ip", Claim),
    (b"forwarded", Forwarded),
    (b"x-real-ip", XRealIp),
    (b"x-arr-ssl", Claim),
    (b"connection", Connection),
    (b"keep-alive", KeepAlive),
    (b"user-agent", UserAgent),
    (b"x-client-ip", Claim),
    (b"x-remote-ip", Claim),
    (b"max-forwards", MaxForwards),
    (b"x-request-id", XRequestId),
    (b"x-url-scheme", Claim),
    (b"authorization", Authorization),
    (b"fly-client-ip", Claim),
    (b"forwarded-for", Claim),
    (b"x-forward-for", Claim),
    (b"x-remote-addr", Claim),
    (b"x-rewrite-url", Claim),
    (b"content-length", ContentLength),
    (b"http2-settings", Http2Settings),
    (b"true-client-ip", Claim),
    (b"x-original-for", Claim),
    (b"x-original-uri", Claim),
    (b"x-original-url", Claim),
    (b"x-proxyuser-ip", Claim),
    (b"x-override-url", Claim),
    (b"front-end-https", Claim),
    (b"x-forwarded-for", XForwardedFor),
    (b"x-original-host", Claim),
    (b"cf-connecting-ip", Claim),
    (b"fastly-client-ip", Claim),
    (b"proxy-connection", ProxyConnection),
    (b"x-azure-clientip", Claim),
    (b"x-forwarded-host", XForwardedHost),
    (b"x-forwarded-port", XForwardedPort),
    (b"x-original-proto", Claim),
    (b"x-originating-ip", Claim),
    (b"do-connecting-ip", Claim),
    (b"transfer-encoding", TransferEncoding),
    (b"x-forwarded-proto", XForwardedProto),
    (b"x-original-method", Claim),
    (b"cf-connecting-ipv6", Claim),
    (b"x-forwarded-prefix", XForwardedPrefix),
    (b"x-cluster-client-ip", Claim),
    (b"x-appengine-user-ip", Claim),
    (b"x-ssl-client-verify", Claim),
    (b"x-http-host-override", Claim),
    (b"x-envoy-original-path", Claim),
    (b"x-envoy-original-host", Claim),
    (b"x-vercel-forwarded-for", Claim),
    (b"x-envoy-external-address", Claim),
    (b"x-original-forwarded-for", Claim),
    (b"x-nf-client-connection-ip", Claim),
];

/// All names that begin with it, alone or with a hyphen behind it, belong together.
const FAMILY: &[u8] = b"x-forwarded";

const LONGEST: usize = 25;

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

/// For each length the first letters of its names, a bit each. The bits beyond letters are no harm: they let a
/// name be looked for in vain.
const FIRST_LETTERS: [u32; LONGEST + 1] = {
    let mut letters = [0; LONGEST + 1];
    let mut index = 0;
    while index < KNOWN.len() {
        letters[KNOWN[index].0.len()] |= letter(KNOWN[index].0[0]);
        index += 1;
    }
    letters
};

/// The bit of a letter, in either case.
const fn letter(byte: u8) -> u32 {
    1 << (byte & 0x1f)
}

/// Several names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names(u32);

impl Names {
    /// Those that speak of one connection only.
    pub const HOP_BY_HOP: Self = Self::of(&[
        Connection,
        KeepAlive,
        ProxyConnection,
        Te,
        Trailer,
        TransferEncoding,
        Upgrade,
        Http2Settings,
    ]);

    /// These.
    pub const fn of(names: &[Name]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < names.len() {
            bits |= names[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// These and `others`.
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether `name` is one of them.
    #[inline]
    pub const fn has(self, name: Name) -> bool {
        self.0 & name.bit() != 0
    }
}

impl Name {
    /// Tells which name `text` is, whatever its case. It must be a token (RFC 9110 §5.6.2), as
    /// every name that was read is.
    pub fn of(text: &[u8]) -> Self {
        let Some(first) = text.first() else { return Other };
        match FIRST_LETTERS.get(text.len()) {
            Some(letters) if letters & letter(*first) != 0 => Self::of_likely(text),
            _ if *first | 0x20 == b'x' => of_family(text),
            _ => Other,
        }
    }

    /// The same for a name that begins as one of its length.
    fn of_likely(text: &[u8]) -> Self {
        let (from, to) = BY_LENGTH[text.len()];
        for (known, name) in &KNOWN[from as usize..to as usize] {
            if text[0] | 0x20 == known[0] {
                if is_same(text, known) {
                    return *name;
                }
                if reads_as(text, known) {
                    return Shadow;
                }
            }
        }
        match text[0] {
            b'x' | b'X' => of_family(text),
            _ => Other,
        }
    }

    /// Whether the field speaks of one connection only (RFC 9110 §7.6.1 and what is still sent
    /// of older drafts) and so is never forwarded.
    #[inline]
    pub fn is_hop_by_hop(self) -> bool {
        Names::HOP_BY_HOP.has(self)
    }

    #[inline]
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// Whether the token `text`, which is as long as `known`, is equal to it but for case. In a token
/// only letters differ by the bit that tells upper from lower case.
#[inline]
fn is_same(text: &[u8], known: &[u8]) -> bool {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let is_same_word = |text: &[u8; 8], known: &[u8; 8]| {
        u64::from_ne_bytes(*text) | LOWER == u64::from_ne_bytes(*known)
    };
    let is_same_half = |text: &[u8; 4], known: &[u8; 4]| {
        u32::from_ne_bytes(*text) | LOWER as u32 == u32::from_ne_bytes(*known)
    };
    // The last word may lie over the one before it.
    if let (Some(text_end), Some(known_end)) = (text.last_chunk(), known.last_chunk()) {
        return is_same_word(text_end, known_end)
            && text.as_chunks().0.iter().zip(known.as_chunks().0).all(|(a, b)| is_same_word(a, b));
    }
    if let (Some(text_end), Some(known_end)) = (text.last_chunk(), known.last_chunk()) {
        let is_begin = text.first_chunk().zip(known.first_chunk());
        return is_same_half(text_end, known_end)
            && is_begin.is_some_and(|(text, known)| is_same_half(text, known));
    }
    text.iter().zip(known).all(|(byte, wanted)| *byte | 0x20 == *wanted)
}

/// Whether a server may read the name `text` as `known`. CGI, WSGI and PHP make variables of names,
/// for which `-` becomes `_`, as with some of them every other sign does: so whatever is neither a
/// letter nor a digit counts as the same.
#[inline]
pub fn reads_as(text: &[u8], known: &[u8]) -> bool {
    let is_sign = |byte: &u8| !byte.is_ascii_alphanumeric();
    text.len() == known.len()
        && text.iter().zip(known).all(|(byte, wanted)| {
            byte.eq_ignore_ascii_case(wanted) || (is_sign(byte) && is_sign(wanted))
        })
}

/// What a name is that is none of [`KNOWN`], and perhaps one of [`FAMILY`].
fn of_family(text: &[u8]) -> Name {
    let Some((head, tail)) = text.split_at_checked(FAMILY.len()) else { return Other };
    let is_member = tail.first().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    match is_member && reads_as(head, FAMILY) {
        false => Other,
        true if text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') => Claim,
        true => Shadow,
    }
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
        assert_eq!(Name::of(b"X_Original.URL"), Shadow);
        assert_eq!(Name::of(b"my_header"), Other);
        assert_eq!(Name::of(b"ho_t"), Other);
    }

    #[test]
    fn all_of_x_forwarded_is_one_family() {
        for member in ["X-Forwarded", "x-forwarded-ssl", "X-Forwarded-Client-Cert", "x-forwarded-"]
        {
            assert_eq!(Name::of(member.as_bytes()), Claim, "{member}");
        }
        for shadow in ["X_Forwarded", "x-forwarded_ssl", "X_FORWARDED_PREFIX", "x-forwarded.uri"] {
            assert_eq!(Name::of(shadow.as_bytes()), Shadow, "{shadow}");
        }
        for other in ["x-forwardedssl", "x-forward", "y-forwarded-ssl", "x-forwarde_-ssl"] {
            assert_eq!(Name::of(other.as_bytes()), Other, "{other}");
        }
    }

    #[test]
    fn table_is_grouped_by_length() {
        assert!(KNOWN.is_sorted_by_key(|(text, _)| text.len()));
        assert!(KNOWN.iter().all(|(text, _)| text.len() <= LONGEST));
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_another() {
        for (text, name) in KNOWN {
            for place in 0..text.len() {
                let mut other = text.to_vec();
                other[place] = if other[place] == b'q' { b'z' } else { b'q' };
                let found = Name::of(&other);
                let is_of_family = text.starts_with(FAMILY) && place > FAMILY.len();
                let wanted = if is_of_family { Claim } else { Other };
                assert_eq!(found, wanted, "{} {name:?}", String::from_utf8_lossy(&other));
            }
        }
    }

    #[test]
    fn what_other_proxies_tell_of_a_client_is_a_claim() {
        for name in [
            "DO-Connecting-IP",
            "X-NF-Client-Connection-IP",
            "X-Appengine-User-Ip",
            "X-Vercel-Forwarded-For",
            "X-Envoy-Original-Path",
            "X-Envoy-Original-Host",
            "X-ARR-SSL",
            "X-SSL-Client-Verify",
            "X-Override-URL",
        ] {
            assert_eq!(Name::of(name.as_bytes()), Claim, "{name}");
        }
    }
}
