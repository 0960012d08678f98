//! What passes and what is replaced, however the bytes are cut.

use proptest::prelude::*;

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET / HTTP/2` to `a`, without a dynamic table.
const GET: &[u8] = &[0x82, 0x84, 0x86, 0x01, 1, b'a'];
/// `X-Up: 1`, added to the table.
const UPPER: &[u8] = b"\x40\x04X-Up\x011";
/// `x-good: 1`, added to the table.
const GOOD: &[u8] = b"\x40\x06x-good\x011";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = Head { length: payload.len() as u32, kind, flags, stream };
    [&head.write()[..], payload].concat()
}

/// What comes out of `bytes`, which come in pieces of these sizes, and how many frames were booked.
fn passed(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, usize) {
    let mut gate = Gate::new(32 * 1024);
    let (mut out, mut booked) = (Vec::new(), 0);
    let mut room = vec![0; 50];
    let mut rest = bytes;
    for cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min(*cut));
        let n = gate
            .pass(piece, |_| {
                booked += 1;
                Ok(())
            })
            .unwrap();
        out.extend_from_slice(&piece[..n]);
        loop {
            let mut buf = ReadBuf::new(&mut room);
            if !gate.hand_on(&mut buf) {
                break;
            }
            out.extend_from_slice(buf.filled());
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    (out, booked)
}

fn reset_of(stream: u32) -> Vec<u8> {
    reset(Head { length: 0, kind: 0, flags: 0, stream })
}

fn end() -> u8 {
    END_HEADERS | END_STREAM
}

/// A block that adds these, and is malformed.
fn stand_in(stream: u32, additions: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, end(), stream, &[additions, b"\0\x0aconnection\0"].concat())
}

/// What a client sends, what of it comes out, and in how many frames it was sent.
fn conversation() -> (Vec<u8>, Vec<u8>, usize) {
    let bad = [GET, GOOD, UPPER].concat();
    let filler = [GOOD, b"\x40\x04xxxx\x01x"].concat();
    let good = |stream| frame(kind::HEADERS, end(), stream, GET);
    let data = frame(kind::DATA, 0, 1, &[0xff; 100]);
    let window = |stream, by: u32| frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    let priority = frame(kind::PRIORITY, 0, 5, &[0, 0, 0, 1, 7]);
    let padded = [&[4][..], GET, &[0; 4]].concat();
    let padded = frame(kind::HEADERS, end() | PADDED, 13, &padded);
    let in_parts = |stream: u32, block: &[u8]| {
        let (one, rest) = block.split_at(3);
        let (two, three) = rest.split_at(5);
        [
            frame(kind::HEADERS, END_STREAM, stream, one),
            frame(kind::CONTINUATION, 0, stream, two),
            frame(kind::CONTINUATION, END_HEADERS, stream, three),
        ]
        .concat()
    };
    let on_itself = [&[0x80, 0, 0, 17, 3][..], GET, GOOD].concat();
    let turns: [(Vec<u8>, Option<Vec<u8>>, usize); 17] = [
        (good(1), None, 1),
        (data, None, 1),
        (frame(kind::HEADERS, end(), 3, &bad), Some(stand_in(3, &filler)), 1),
        (good(5), None, 1),
        (window(5, 0), Some(reset_of(5)), 1),
        (window(5, 0x8000_0000), Some(reset_of(5)), 1),
        (window(5, 9), None, 1),
        (window(0, 0), None, 1),
        (priority, None, 1),
        (frame(kind::PRIORITY, 0, 5, &[0; 4]), Some(reset_of(5)), 1),
        (in_parts(9, &bad), Some(stand_in(9, &filler)), 3),
        (in_parts(11, &[GET, GOOD].concat()), None, 3),
        (padded, None, 1),
        (frame(kind::HEADERS, end() | PRIORITIZED, 17, &on_itself), Some(stand_in(17, GOOD)), 1),
        // Trailers, with and without a pseudo-header.
        (frame(kind::HEADERS, END_HEADERS, 19, GET), None, 1),
        (frame(kind::HEADERS, end(), 19, &[GOOD, &[0x84]].concat()), Some(stand_in(19, GOOD)), 1),
        (frame(kind::HEADERS, end(), 1, GOOD), None, 1),
    ];
    let (mut sent, mut wanted, mut count) = (PREFACE.to_vec(), PREFACE.to_vec(), 0);
    for (bytes, other, frames) in turns {
        wanted.extend(other.as_ref().unwrap_or(&bytes));
        sent.extend(bytes);
        count += frames;
    }
    (sent, wanted, count)
}

proptest! {
    #[test]
    fn what_comes_out_is_the_same_however_the_bytes_are_cut(
        cuts in prop::collection::vec(1..60usize, 1..40),
    ) {
        let (sent, wanted, frames) = conversation();
        prop_assert_eq!(passed(&sent, &cuts), (wanted, frames));
    }
}

#[test]
fn bytes_that_come_in_one_piece_are_the_same() {
    let (sent, wanted, frames) = conversation();
    assert_eq!(passed(&sent, &[sent.len()]), (wanted, frames));
}

#[test]
fn what_ends_the_connection_is_left_to_h2() {
    let headers = frame(kind::HEADERS, 0, 1, GET);
    let other = frame(kind::HEADERS, end(), 3, &[GET, UPPER].concat());
    let continued = frame(kind::CONTINUATION, 0, 1, &[]);
    let too_much_padding = frame(kind::HEADERS, end() | PADDED, 1, &[200, 0x82]);
    for broken in [
        // Something else within a block.
        headers.clone(),
        [&headers[..], &frame(kind::CONTINUATION, END_HEADERS, 3, GET)].concat(),
        [&headers[..], &continued.repeat(6)].concat(),
        too_much_padding,
        frame(kind::HEADERS, end(), 1, &[0; 16_385]),
    ] {
        let bytes = [PREFACE, &broken, &other].concat();
        assert_eq!(passed(&bytes, &[bytes.len()]).0, bytes);
        assert_eq!(passed(&bytes, &[7]).0, bytes);
    }
}

#[test]
fn a_block_that_cannot_be_read_ends_the_connection_and_nothing_after_it_is_judged() {
    let broken = frame(kind::HEADERS, end(), 1, &[0x80 | 70]);
    let other = frame(kind::HEADERS, end(), 3, UPPER);
    let bytes = [PREFACE, &broken, &other].concat();
    let wanted = [PREFACE, &frame(kind::HEADERS, end(), 1, &UNREADABLE), &other].concat();
    assert_eq!(passed(&bytes, &[bytes.len()]).0, wanted);
}

#[test]
fn a_target_with_a_fragment_is_remembered_once() {
    let mut gate = Gate::new(32 * 1024);
    let block = [&[0x82, 0x86, 0x04, 4][..], b"/a#b"].concat();
    let bytes = [PREFACE, &frame(kind::HEADERS, end(), 1, &block)].concat();
    assert_eq!(gate.pass(&bytes, |_| Ok(())), Ok(bytes.len()));
    assert!(!gate.take_fragment(3));
    assert!(gate.take_fragment(1));
    assert!(!gate.take_fragment(1));
}
