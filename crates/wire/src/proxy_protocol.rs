//! The PROXY protocol's header, versions 1 and 2, as a load balancer before us sends it.
//!
//! Reads a header strictly after HAProxy's `doc/proxy-protocol.txt` and decides nothing: whether
//! a peer may send one is its listener's to know. A header is either whole, still to come, or
//! wrong; no byte beyond it is touched, so that TLS or HTTP can begin right after it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};

const V1_SIGNATURE: &[u8] = b"PROXY ";
/// With its CRLF, for the longest line that version 1 can need.
const V1_BYTES_MAX: usize = 107;
/// `PROXY UNKNOWN` and its CRLF, the shortest header of all.
const V1_BYTES_MIN: usize = 15;

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD_BYTES: usize = 16;
/// Addresses and extensions together. The protocol allows 65,535; in the wild are some hundred.
const V2_BODY_BYTES_MAX: usize = 4096;
const V2_CRC32C: u8 = 0x03;

/// How far a connection's first bytes have come as a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More is to come.
    Incomplete {
        /// At least this many bytes more belong to the header; never 0. Who reads no more than
        /// that at a time reads no byte that comes after it.
        missing: usize,
    },
    /// The header is whole.
    Header {
        /// Its length in bytes. What follows belongs to the connection.
        len: usize,
        /// The client. `None` when the proxy speaks for itself (LOCAL: its health checks), or
        /// does not know, or the client came by a Unix socket: then the peer's own address holds.
        source: Option<SocketAddr>,
        /// The address that the client connected to; there exactly when `source` is.
        destination: Option<SocketAddr>,
    },
}

/// Why bytes are no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first bytes are neither version's.
    #[error("the connection does not begin with a PROXY header")]
    Signature,
    /// No CRLF within 107 bytes, or a body of more than 4 KiB.
    #[error("the PROXY header is too long")]
    TooLong,
    /// A line of version 1 that is not as the grammar has it.
    #[error("the PROXY line is malformed")]
    Line,
    /// Not an address of the announced family.
    #[error("the PROXY header has a malformed address")]
    Address,
    /// Not a port.
    #[error("the PROXY header has a malformed port")]
    Port,
    /// A version that is not 1 or 2.
    #[error("the PROXY header's version is unknown")]
    Version,
    /// Neither LOCAL nor PROXY.
    #[error("the PROXY header's command is unknown")]
    Command,
    /// An unknown address family or transport, or datagrams.
    #[error("the PROXY header's address family or transport is unknown")]
    Family,
    /// Shorter than its addresses, or than an extension in it.
    #[error("the PROXY header is shorter than what it announces")]
    Truncated,
    /// The checksum is not that of the header, or there is more than one.
    #[error("the PROXY header's checksum is wrong")]
    Checksum,
}

/// Reads the header that `data`, a connection's first bytes, begins with.
///
/// # Errors
/// As soon as the bytes can no longer become a header that we take.
pub fn parse(data: &[u8]) -> Result<Parsed, Fault> {
    if data.is_empty() {
        return Ok(Parsed::Incomplete { missing: V1_BYTES_MIN });
    }
    if begins_like(data, V2_SIGNATURE) {
        return parse_v2(data);
    }
    if begins_like(data, V1_SIGNATURE) {
        return parse_v1(data);
    }
    Err(Fault::Signature)
}

/// A connection's ends as its header names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// See [`Parsed::Header`].
    pub source: Option<SocketAddr>,
    /// See [`Parsed::Header`].
    pub destination: Option<SocketAddr>,
}

/// Reads the header that `stream` begins with, and nothing after it. How long that may take is
/// the caller's to bound.
///
/// # Errors
/// Those of the stream, its end ([`io::ErrorKind::UnexpectedEof`]) included, and a [`Fault`] as
/// [`io::ErrorKind::InvalidData`].
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Named> {
    let mut data = Vec::new();
    loop {
        let invalid = |fault| io::Error::new(io::ErrorKind::InvalidData, fault);
        match parse(&data).map_err(invalid)? {
            Parsed::Header { source, destination, .. } => return Ok(Named { source, destination }),
            Parsed::Incomplete { missing } => {
                let before = data.len();
                data.resize(before + missing, 0);
                let read = stream.read(&mut data[before..]).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                data.truncate(before + read);
            }
        }
    }
}

/// Whether `data` has `signature` at its start, as far as it goes.
fn begins_like(data: &[u8], signature: &[u8]) -> bool {
    data.iter().zip(signature).all(|(have, want)| have == want)
}

fn parse_v1(data: &[u8]) -> Result<Parsed, Fault> {
    let within = &data[..data.len().min(V1_BYTES_MAX)];
    let Some(lf) = memchr(b'\n', within) else {
        let end_bytes = if within.ends_with(b"\r") { 1 } else { 2 };
        return match within.len() + end_bytes {
            least @ ..=V1_BYTES_MAX => {
                Ok(Parsed::Incomplete { missing: least.max(V1_BYTES_MIN) - within.len() })
            }
            _ => Err(Fault::TooLong),
        };
    };
    let line = within[..lf].strip_suffix(b"\r").ok_or(Fault::Line)?;
    let line = line.strip_prefix(V1_SIGNATURE).ok_or(Fault::Line)?;
    let ends = match line.split_at_checked(5) {
        Some((b"TCP4 ", ends)) => Some(v1_ends::<Ipv4Addr>(ends)?),
        Some((b"TCP6 ", ends)) => Some(v1_ends::<Ipv6Addr>(ends)?),
        // "The receiver must ignore anything presented before the CRLF."
        _ if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") => None,
        _ => return Err(Fault::Line),
    };
    Ok(Parsed::header(lf + 1, ends))
}

type Ends = (SocketAddr, SocketAddr);

fn v1_ends<A: FromStr + Into<IpAddr>>(ends: &[u8]) -> Result<Ends, Fault> {
    let ends = str::from_utf8(ends).map_err(|_| Fault::Line)?;
    let mut words = ends.split(' ');
    let mut word = || words.next().ok_or(Fault::Line);
    let address = |word: &str| word.parse::<A>().map(Into::into).map_err(|_| Fault::Address);
    let (source, destination) = (address(word()?)?, address(word()?)?);
    let (source_port, destination_port) = (v1_port(word()?)?, v1_port(word()?)?);
    match words.next() {
        None => Ok((
            SocketAddr::new(source, source_port),
            SocketAddr::new(destination, destination_port),
        )),
        Some(_) => Err(Fault::Line),
    }
}

/// Digits without sign or leading zeros.
fn v1_port(word: &str) -> Result<u16, Fault> {
    let is_canonical = word == "0" || word.starts_with(|c: char| matches!(c, '1'..='9'));
    word.parse().ok().filter(|_| is_canonical).ok_or(Fault::Port)
}

fn parse_v2(data: &[u8]) -> Result<Parsed, Fault> {
    if data.len() < V2_HEAD_BYTES {
        return Ok(Parsed::Incomplete { missing: V2_HEAD_BYTES - data.len() });
    }
    let body_bytes = usize::from(u16::from_be_bytes([data[14], data[15]]));
    let length = V2_HEAD_BYTES + body_bytes;
    let command = Command::parse(data[12])?;
    let family = Family::parse(data[13]);
    if body_bytes > V2_BODY_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    // A LOCAL header's family and body are not looked at at all, as the protocol has it.
    let family = match command {
        Command::Local => Family::Unspecified,
        Command::Proxy => family?,
    };
    if body_bytes < family.address_bytes() {
        return Err(Fault::Truncated);
    }
    let Some(header) = data.get(..length) else {
        return Ok(Parsed::Incomplete { missing: length - data.len() });
    };
    if family != Family::Unspecified {
        check_extensions(header, V2_HEAD_BYTES + family.address_bytes())?;
    }
    Ok(Parsed::header(length, family.ends(&header[V2_HEAD_BYTES..])))
}

#[derive(Clone, Copy)]
enum Command {
    Local,
    Proxy,
}

impl Command {
    fn parse(byte: u8) -> Result<Self, Fault> {
        match byte {
            0x20 => Ok(Self::Local),
            0x21 => Ok(Self::Proxy),
            0x22..=0x2f => Err(Fault::Command),
            _ => Err(Fault::Version),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Unspecified,
    Tcp4,
    Tcp6,
    Unix,
}

impl Family {
    fn parse(byte: u8) -> Result<Self, Fault> {
        match byte {
            0x00 => Ok(Self::Unspecified),
            0x11 => Ok(Self::Tcp4),
            0x21 => Ok(Self::Tcp6),
            0x31 => Ok(Self::Unix),
            _ => Err(Fault::Family),
        }
    }

    fn address_bytes(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::Tcp4 => 12,
            Self::Tcp6 => 36,
            Self::Unix => 216,
        }
    }

    fn ends(self, body: &[u8]) -> Option<Ends> {
        match self {
            Self::Unspecified | Self::Unix => None,
            Self::Tcp4 => v2_ends::<4>(body),
            Self::Tcp6 => v2_ends::<16>(body),
        }
    }
}

/// Source and destination address, then their ports.
fn v2_ends<const N: usize>(body: &[u8]) -> Option<Ends>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = body.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk()?;
    let (destination_port, _) = rest.split_first_chunk()?;
    Some((
        SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*source_port)),
        SocketAddr::new(IpAddr::from(*destination), u16::from_be_bytes(*destination_port)),
    ))
}

/// Walks the extensions, which fill the header from `start` to its end, and checks the checksum
/// where there is one. There is one at the most: each is a pass over the whole header, and two could
/// not both be right about bytes that each other's sum is made of.
fn check_extensions(header: &[u8], start: usize) -> Result<(), Fault> {
    let mut at = start;
    let mut is_summed = false;
    while at < header.len() {
        let Some(&[kind, high, low]) = header[at..].first_chunk() else {
            return Err(Fault::Truncated);
        };
        let value = at + 3;
        at = value + usize::from(u16::from_be_bytes([high, low]));
        let bytes = header.get(value..at).ok_or(Fault::Truncated)?;
        if kind == V2_CRC32C {
            if std::mem::replace(&mut is_summed, true) {
                return Err(Fault::Checksum);
            }
            let sum = <[u8; 4]>::try_from(bytes).map_err(|_| Fault::Checksum)?;
            if crc32c_without(header, value) != u32::from_be_bytes(sum) {
                return Err(Fault::Checksum);
            }
        }
    }
    Ok(())
}

/// The Castagnoli CRC (RFC 9260 appendix A), with the four bytes at `hole` taken as zero. A bit
/// at a time is enough for what comes once a connection.
fn crc32c_without(header: &[u8], hole: usize) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = !0u32;
    for (at, byte) in header.iter().enumerate() {
        if !(hole..hole + 4).contains(&at) {
            crc ^= u32::from(*byte);
        }
        for _ in 0..8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

impl Parsed {
    fn header(len: usize, ends: Option<Ends>) -> Self {
        let (source, destination) = ends.unzip();
        Self::Header { len, source, destination }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v1(line: &str) -> Result<Parsed, Fault> {
        parse(line.as_bytes())
    }

    fn is_incomplete(parsed: Result<Parsed, Fault>) -> bool {
        matches!(parsed, Ok(Parsed::Incomplete { missing: 1.. }))
    }

    fn source(parsed: Result<Parsed, Fault>) -> Option<String> {
        let Ok(Parsed::Header { source, .. }) = parsed else { panic!("{parsed:?}") };
        source.map(|source| source.to_string())
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = V2_SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend((body.len() as u16).to_be_bytes());
        header.extend(body);
        header
    }

    fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(value);
        bytes
    }

    const TCP4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];

    fn tcp4(len: usize) -> Result<Parsed, Fault> {
        let source = Some("192.0.2.1:56324".parse().unwrap());
        let destination = Some("198.51.100.2:443".parse().unwrap());
        Ok(Parsed::Header { len, source, destination })
    }

    fn nobody(len: usize) -> Result<Parsed, Fault> {
        Ok(Parsed::header(len, None))
    }

    #[test]
    fn lines_of_version_1_are_read() {
        let line = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
        assert_eq!(v1(line), tcp4(line.len()));
        assert_eq!(v1(&format!("{line}GET / HTTP/1.1\r\n")), tcp4(line.len()));

        let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let longest = format!("PROXY TCP6 {full} {full} 65535 65535\r\n");
        assert_eq!(source(v1(&longest)), Some(format!("[{full}]:65535")));

        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ::1 what ever\r\n"] {
            assert_eq!(v1(line), nobody(line.len()));
        }
    }

    #[test]
    fn version_1_is_read_strictly() {
        let cases = [
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n", Fault::Line),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n", Fault::Line),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", Fault::Line),
            ("PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n", Fault::Line),
            ("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n", Fault::Address),
            ("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n", Fault::Line),
            ("PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n", Fault::Line),
            ("PROXY UNKNOWNS\r\n", Fault::Line),
            ("PROXY \r\n", Fault::Line),
            ("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n", Fault::Address),
            ("PROXY TCP4 ::1 ::2 1 2\r\n", Fault::Address),
            ("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", Fault::Address),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n", Fault::Port),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n", Fault::Port),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n", Fault::Port),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1 \r\n", Fault::Port),
        ];
        for (line, fault) in cases {
            assert_eq!(v1(line), Err(fault), "{line:?}");
        }
    }

    #[test]
    fn lines_longer_than_the_protocol_has_them_are_refused_unread() {
        let line = format!("PROXY UNKNOWN {}", "x".repeat(92));
        assert_eq!(v1(&line), Err(Fault::TooLong));
        assert_eq!(v1(&line[..105]), Ok(Parsed::Incomplete { missing: 2 }));
        assert_eq!(v1(&format!("{}\r", &line[..105])), Ok(Parsed::Incomplete { missing: 1 }));
        assert_eq!(v1(&format!("{}\r\n", &line[..105])), nobody(107));
    }

    #[test]
    fn headers_of_version_2_are_read() {
        let header = v2(0x21, 0x11, &TCP4);
        assert_eq!(parse(&header), tcp4(28));

        let mut body = [0; 36];
        body[15] = 1;
        body[31] = 2;
        body[33] = 80;
        let ends = ("[::1]:80".parse().unwrap(), "[::2]:0".parse().unwrap());
        assert_eq!(parse(&v2(0x21, 0x21, &body)), Ok(Parsed::header(52, Some(ends))));

        assert_eq!(parse(&v2(0x20, 0x00, &[])), nobody(16));
        assert_eq!(parse(&v2(0x20, 0xff, &[1, 2, 3])), nobody(19));
        assert_eq!(parse(&v2(0x21, 0x00, &[1, 2, 3])), nobody(19));
        assert_eq!(parse(&v2(0x21, 0x31, &[0; 216])), nobody(232));
    }

    #[test]
    fn version_2_is_read_strictly() {
        let cases = [
            (v2(0x11, 0x11, &TCP4), Fault::Version),
            (v2(0x31, 0x11, &TCP4), Fault::Version),
            (v2(0x22, 0x11, &TCP4), Fault::Command),
            (v2(0x21, 0x12, &TCP4), Fault::Family),
            (v2(0x21, 0x41, &TCP4), Fault::Family),
            (v2(0x21, 0x11, &TCP4[..11]), Fault::Truncated),
            (v2(0x21, 0x21, &TCP4), Fault::Truncated),
            (v2(0x21, 0x11, &[&TCP4[..], &[1, 0]].concat()), Fault::Truncated),
            (v2(0x21, 0x11, &[&TCP4[..], &[1, 0, 2, 0]].concat()), Fault::Truncated),
            (v2(0x21, 0x11, &[0; 4097]), Fault::TooLong),
        ];
        for (header, fault) in cases {
            assert_eq!(parse(&header), Err(fault), "{header:x?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_with_the_head() {
        let header = v2(0x20, 0x00, &[0; 4097]);
        assert_eq!(parse(&header[..16]), Err(Fault::TooLong));
        assert_eq!(parse(&v2(0x20, 0x00, &[0; 4096])), nobody(4112));
    }

    #[test]
    fn extensions_are_stepped_over_and_the_checksum_holds() {
        let alpn = extension(0x01, b"h2");
        let body = [&TCP4[..], &alpn, &extension(V2_CRC32C, &[0; 4])].concat();
        let mut header = v2(0x21, 0x11, &body);
        let hole = header.len() - 4;
        let sum = crc32c_without(&header, hole);
        header[hole..].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(parse(&header), tcp4(header.len()));
        header[16] ^= 1;
        assert_eq!(parse(&header), Err(Fault::Checksum));
    }

    #[test]
    fn a_second_checksum_is_refused_even_if_both_are_right() {
        let sums = [0x321f_3a58_u32, 0x4171_5b27].map(u32::to_be_bytes);
        let [first, second] = sums.map(|sum| extension(V2_CRC32C, &sum));
        let header = v2(0x21, 0x11, &[&TCP4[..], &first, &second].concat());
        let right =
            |hole: usize| crc32c_without(&header, hole).to_be_bytes() == header[hole..][..4];
        assert!(right(header.len() - 4) && right(header.len() - 11));
        assert_eq!(parse(&header), Err(Fault::Checksum));
    }

    #[test]
    fn crc_is_castagnolis() {
        // The check value of the CRC catalogue.
        assert_eq!(crc32c_without(b"123456789", usize::MAX - 4), 0xe306_9283);
    }

    #[test]
    fn anything_else_is_refused_with_the_first_byte_that_tells() {
        for data in [&b""[..], b"P", b"\r\n"] {
            assert!(is_incomplete(parse(data)));
        }
        for data in [&b"G"[..], b"PRI * HTTP/2.0", b"\x16\x03\x01", b"\r\n\r\n\r", b"PROXX"] {
            assert_eq!(parse(data), Err(Fault::Signature), "{data:x?}");
        }
    }

    fn any_header() -> impl Strategy<Value = (Vec<u8>, Parsed)> {
        let port = any::<u16>();
        let ends4 = (any::<Ipv4Addr>(), any::<Ipv4Addr>()).prop_map(|(s, d)| (s.into(), d.into()));
        let ends6 = (any::<Ipv6Addr>(), any::<Ipv6Addr>()).prop_map(|(s, d)| (s.into(), d.into()));
        let extensions =
            prop::collection::vec((4u8.., prop::collection::vec(any::<u8>(), 0..40)), 0..5);
        let ends = prop_oneof![ends4, ends6];
        (any::<bool>(), ends, port, port, extensions).prop_map(encoded)
    }

    type Parts = (bool, (IpAddr, IpAddr), u16, u16, Vec<(u8, Vec<u8>)>);

    fn encoded((text, (source, destination), from, to, extensions): Parts) -> (Vec<u8>, Parsed) {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let bytes = if text {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            format!("PROXY {family} {source} {destination} {from} {to}\r\n").into_bytes()
        } else {
            let mut body = [octets(source), octets(destination)].concat();
            body.extend(from.to_be_bytes());
            body.extend(to.to_be_bytes());
            extensions.iter().for_each(|(kind, value)| body.extend(extension(*kind, value)));
            v2(0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, &body)
        };
        let ends = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
        let header = Parsed::header(bytes.len(), Some(ends));
        (bytes, header)
    }

    proptest! {
        #[test]
        fn header_is_incomplete_until_whole_and_never_more((bytes, header) in any_header()) {
            for cut in 0..bytes.len() {
                let Ok(Parsed::Incomplete { missing }) = parse(&bytes[..cut]) else {
                    panic!("cut at {cut}")
                };
                prop_assert!((1..=bytes.len() - cut).contains(&missing), "cut at {}", cut);
            }
            prop_assert_eq!(parse(&bytes), Ok(header));
            let longer = [&bytes[..], b"\r\n GET"].concat();
            prop_assert_eq!(parse(&longer), Ok(header));
        }

        #[test]
        fn no_bytes_panic(
            start in prop::sample::select(vec![
                &b""[..], V1_SIGNATURE, b"PROXY TCP4 ", V2_SIGNATURE,
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start, &rest].concat();
            if let Ok(Parsed::Header { len, source, destination }) = parse(&bytes) {
                prop_assert!(len <= bytes.len());
                prop_assert_eq!(source.is_some(), destination.is_some());
            }
        }
    }

    #[tokio::test]
    async fn reading_takes_the_header_and_no_byte_more() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n".to_vec();
        for header in [line, v2(0x21, 0x11, &TCP4)] {
            let sent = [&header[..], b"GET /"].concat();
            let mut stream = &sent[..];
            let named = read(&mut stream).await.unwrap();
            assert_eq!(named.source, Some("192.0.2.1:56324".parse().unwrap()));
            assert_eq!(named.destination, Some("198.51.100.2:443".parse().unwrap()));
            assert_eq!(stream, b"GET /");

            let error = read(&mut &header[..header.len() - 1]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        let error = read(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
