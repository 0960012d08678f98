//! What is judged, against what `h2` makes of the same blocks.

use proptest::prelude::*;

use super::*;

const LIST_BYTES_MAX: usize = 128 * 1024;

fn text(block: &mut Vec<u8>, text: &[u8]) {
    write_integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

/// A field without any table, or one that is added to it.
fn field(form: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![form];
    text(&mut block, name);
    text(&mut block, value);
    block
}

fn judge(judge: &mut Judge, block: &[u8]) -> Result<Verdict, Unreadable> {
    judge.judge(block, Section::Head, LIST_BYTES_MAX)
}

fn of_field(name: &str, value: &str) -> Verdict {
    judge(&mut Judge::default(), &field(0, name.as_bytes(), value.as_bytes())).unwrap()
}

#[test]
fn what_rfc_9113_calls_malformed_is_malformed() {
    for (name, value) in [
        ("X-Up", "1"),
        ("x y", "1"),
        ("x:y", "1"),
        ("", "1"),
        ("x\u{e9}", "1"),
        ("x", "a\0b"),
        ("x", "a\r\nb"),
        ("x", "a\nb"),
        ("x", "\u{7f}"),
        (":unknown", "1"),
        (":", "1"),
        (":Path", "/"),
        (":status", "200"),
        (":method", "GET x"),
        (":method", ""),
        (":scheme", ""),
        (":scheme", "1http"),
        (":scheme", "ht tp"),
    ] {
        assert_eq!(of_field(name, value), Verdict::Malformed, "{name:?}: {value:?}");
    }
    let not_utf8 = field(0, b":path", b"/\xff");
    assert_eq!(judge(&mut Judge::default(), &not_utf8), Ok(Verdict::Malformed));
}

#[test]
fn what_it_allows_is_good() {
    for (name, value) in [
        ("x", ""),
        ("x", "a\tb \u{e9}"),
        ("x-_.~!#$%&'*+^`|", "1"),
        (":method", "M-SEARCH"),
        (":path", "/a?b"),
        (":authority", "a:80"),
        (":scheme", "coap+tcp"),
        (":protocol", "websocket"),
        // What else is wrong with these `h2` answers by a reset itself.
        ("connection", "close"),
        ("te", "gzip"),
    ] {
        assert_eq!(of_field(name, value), Verdict::Good, "{name:?}: {value:?}");
    }
    assert_eq!(of_field(":path", "/a#b"), Verdict::Fragment);
}

#[test]
fn a_pseudo_header_among_trailers_is_malformed() {
    let in_trailers =
        |block: &[u8]| Judge::default().judge(block, Section::Trailers, LIST_BYTES_MAX).unwrap();
    assert_eq!(in_trailers(&field(0, b"x", b"1")), Verdict::Good);
    for pseudo in
        [&b"\x84"[..], b"\x82", &field(0, b":authority", b"a"), &field(0, b":path", b"/#")]
    {
        assert_eq!(in_trailers(pseudo), Verdict::Malformed, "{pseudo:x?}");
        let after_others = [&field(0, b"x", b"1"), pseudo, &field(0, b"y", b"1")].concat();
        assert_eq!(in_trailers(&after_others), Verdict::Malformed);
    }
}

#[test]
fn an_entry_of_the_table_stays_what_it_was() {
    let mut it = Judge::default();
    assert_eq!(judge(&mut it, &field(0x40, b"X-Up", b"1")), Ok(Verdict::Malformed));
    assert_eq!(judge(&mut it, &field(0x40, b":path", b"/#")), Ok(Verdict::Fragment));
    assert_eq!(judge(&mut it, &field(0x40, b"x", b"1")), Ok(Verdict::Good));
    assert_eq!(judge(&mut it, &[0x80 | 62]), Ok(Verdict::Good));
    assert_eq!(judge(&mut it, &[0x80 | 63]), Ok(Verdict::Fragment));
    assert_eq!(judge(&mut it, &[0x80 | 64]), Ok(Verdict::Malformed));
    // Its name alone is as bad.
    assert_eq!(judge(&mut it, b"\x0f\x31\x01y"), Ok(Verdict::Malformed));
    assert_eq!(judge(&mut it, &[0x80 | 65]), Err(Unreadable));
}

#[test]
fn a_reference_costs_its_sender_a_byte_and_counts_as_what_it_stands_for() {
    let mut it = Judge::default();
    assert_eq!(judge(&mut it, &field(0x40, b"x", &[b'y'; 3900])), Ok(Verdict::Good));
    let few = [0x80 | 62; 33];
    assert_eq!(judge(&mut it, &few), Ok(Verdict::Good));
    let many = [0x80 | 62; 34];
    assert_eq!(judge(&mut it, &many), Ok(Verdict::Malformed));
}

#[test]
fn what_cannot_be_read_ends_the_connection() {
    for block in [
        &[0x80][..],                           // an index of 0
        &[0x80 | 62],                          // one beyond the table
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // a number without end
        &[0x00, 5, b'a'],                      // a string that is cut
        &[0x00, 0x81, 0xff],                   // no Huffman code
        &[0x82, 0x20],                         // a size after a field
        &[0x3f, 0xe2, 0x1f],                   // a size that was not allowed: 4097
        &[0x40, 0, 0],                         // an entry of nothing
    ] {
        assert_eq!(judge(&mut Judge::default(), block), Err(Unreadable), "{block:x?}");
    }
}

/// A server of `h2` that is shown blocks, and tells what it read.
mod server {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const END: u8 = 0x1 | 0x4;

    /// The fields of each stream that was accepted, and the streams that were reset; `None` where the
    /// connection was ended.
    pub(super) async fn reads(blocks: &[Vec<u8>]) -> Option<(Vec<(u32, Vec<String>)>, Vec<u32>)> {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for (n, block) in blocks.iter().enumerate() {
            bytes.extend_from_slice(&(block.len() as u32).to_be_bytes()[1..]);
            bytes.extend([0x1, END]);
            bytes.extend_from_slice(&(2 * n as u32 + 1).to_be_bytes());
            bytes.extend_from_slice(block);
        }
        near.write_all(&bytes).await.unwrap();
        let mut connection = h2::server::handshake(far).await.unwrap();
        let (mut accepted, mut responds, mut error) = (Vec::new(), Vec::new(), None);
        poll_fn(|cx| {
            loop {
                match connection.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        let fields = request.headers().iter();
                        let fields = fields.map(|(name, value)| format!("{name}: {value:?}"));
                        accepted.push((u32::from(respond.stream_id()), fields.collect()));
                        responds.push(respond);
                    }
                    // It would say so again and again.
                    Poll::Ready(Some(Err(failed))) => {
                        error = Some(failed);
                        return Poll::Ready(());
                    }
                    Poll::Ready(None) | Poll::Pending => return Poll::Ready(()),
                }
            }
        })
        .await;
        if error.is_some() {
            return None;
        }
        let mut resets = Vec::new();
        let mut sent = vec![0; 1 << 20];
        let n = near.read(&mut sent).await.unwrap();
        let mut rest = &sent[..n];
        while rest.len() >= 9 {
            let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
            match rest[3] {
                0x3 => resets.push(u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]])),
                0x7 => return None,
                _ => {}
            }
            rest = &rest[9 + length..];
        }
        Some((accepted, resets))
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

/// `GET / HTTP/2`, then these representations.
fn request(of: &[u8]) -> Vec<u8> {
    [&[0x82, 0x86, 0x84, 0x01, 1, b'a'][..], of].concat()
}

/// What a client may do, in any order: good fields and bad ones, added to the table or not, sizes.
fn representation() -> impl Strategy<Value = Vec<u8>> {
    let good = prop::collection::vec(0x20..0x7fu8, 0..200);
    let name = "[a-z]{1,20}";
    let bad_name = prop::sample::select(vec!["X-Up", "x y", ":no", "x:"]);
    prop_oneof![
        4 => (name, good.clone()).prop_map(|(name, value)| field(0x40, name.as_bytes(), &value)),
        2 => (name, good.clone()).prop_map(|(name, value)| field(0, name.as_bytes(), &value)),
        2 => (bad_name, good).prop_map(|(name, value)| field(0x40, name.as_bytes(), &value)),
        1 => (1..5000usize).prop_map(|bytes| field(0x40, b"x-long", &vec![b'y'; bytes])),
        1 => (1..5000usize).prop_map(|bytes| field(0x40, b"X-Long", &vec![b'y'; bytes])),
        1 => (1..4000usize).prop_map(|bytes| field(0x40, b"", &vec![b'y'; bytes])),
        6 => (62..80u8).prop_map(|index| vec![0x80 | index]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However good and malformed blocks follow each other, `h2` reads of the good ones what it would
    /// have read, resets the streams of the others, and goes on.
    #[test]
    fn h2_goes_on_behind_stand_ins(
        blocks in prop::collection::vec(
            (prop::option::of(0..4097usize), prop::collection::vec(representation(), 0..8)), 1..30,
        ),
    ) {
        let mut it = Judge::default();
        let (mut shown, mut good, mut malformed) = (Vec::new(), Vec::new(), Vec::new());
        for (size, representations) in blocks {
            let mut block = Vec::new();
            if let Some(size) = size {
                write_integer(&mut block, 0x20, 5, size);
            }
            block.extend(request(&representations.concat()));
            // What is longer comes in several frames, which is not what is tried here.
            if block.len() > 16_384 {
                continue;
            }
            match judge(&mut it, &block) {
                Ok(Verdict::Malformed) => {
                    malformed.push(2 * shown.len() as u32 + 1);
                    shown.push(it.stand_in(&block));
                }
                Ok(_) => {
                    good.push(2 * shown.len() as u32 + 1);
                    shown.push(block);
                }
                // A reference to what is not there: that client has lost its own way.
                Err(Unreadable) => break,
            }
        }
        let (accepted, resets) = run(server::reads(&shown)).expect("the connection goes on");
        let accepted: Vec<u32> = accepted.into_iter().map(|(stream, _)| stream).collect();
        prop_assert_eq!(accepted, good);
        prop_assert_eq!(resets, malformed);
    }
}

/// The values that good blocks refer to are the client's, not those of a stand-in.
#[test]
fn what_a_malformed_block_added_can_be_referred_to() {
    let mut it = Judge::default();
    let mut shown = Vec::new();
    let bad = request(&[field(0x40, b"x-good", b"first"), field(0x40, b"X-Bad", b"1")].concat());
    assert_eq!(judge(&mut it, &bad), Ok(Verdict::Malformed));
    shown.push(it.stand_in(&bad));
    let good = request(&field(0x40, b"x-other", b"second"));
    assert_eq!(judge(&mut it, &good), Ok(Verdict::Good));
    shown.push(good);
    let refers = request(&[0x80 | 62, 0x80 | 64]);
    assert_eq!(judge(&mut it, &refers), Ok(Verdict::Good));
    shown.push(refers);
    let (accepted, _) = run(server::reads(&shown)).unwrap();
    assert_eq!(accepted[1].1, ["x-other: \"second\"", "x-good: \"first\""]);
}
