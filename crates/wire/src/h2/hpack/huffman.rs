//! The Huffman code of HPACK (RFC 7541 appendix B), decoded.
//!
//! The code is canonical, so that the lengths of its codes say all of it. Codes of up to ten bits,
//! which is everything that a header usually holds, are looked up; longer ones are counted out.

/// The bits of each symbol's code, that of the end of the string last.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30,
];
const BITS_MAX: usize = 30;
const END: u16 = 256;
/// Codes of so many bits are looked up.
const SHORT_BITS: u32 = 10;

/// The canonical code: for each length where its codes begin, and its symbols.
struct Code {
    /// The first code of this many bits.
    first: [u32; BITS_MAX + 1],
    /// Where its symbol stands in `symbols`.
    place: [u16; BITS_MAX + 1],
    /// How many codes have this many bits.
    count: [u16; BITS_MAX + 1],
    /// By length, then by value.
    symbols: [u16; 257],
}

static CODE: Code = code();
/// Symbol and length of the code that so many bits begin with; a length of 0 where it is longer.
static SHORT: [(u8, u8); 1 << SHORT_BITS] = short();

const fn code() -> Code {
    let mut code = Code {
        first: [0; BITS_MAX + 1],
        place: [0; BITS_MAX + 1],
        count: [0; BITS_MAX + 1],
        symbols: [0; 257],
    };
    let (mut bits, mut next, mut place) = (1, 0u32, 0);
    while bits <= BITS_MAX {
        code.first[bits] = next;
        code.place[bits] = place as u16;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == bits {
                code.symbols[place] = symbol as u16;
                place += 1;
                next += 1;
            }
            symbol += 1;
        }
        code.count[bits] = place as u16 - code.place[bits];
        next <<= 1;
        bits += 1;
    }
    code
}

const fn short() -> [(u8, u8); 1 << SHORT_BITS] {
    let code = code();
    let mut short = [(0, 0); 1 << SHORT_BITS];
    let mut bits = 1;
    while bits <= SHORT_BITS as usize {
        let mut n = 0;
        while n < code.count[bits] {
            let symbol = code.symbols[(code.place[bits] + n) as usize] as u8;
            let free = SHORT_BITS as usize - bits;
            let from = ((code.first[bits] + n as u32) as usize) << free;
            let mut rest = 0;
            while rest < 1 << free {
                short[from + rest] = (symbol, bits as u8);
                rest += 1;
            }
            n += 1;
        }
        bits += 1;
    }
    short
}

/// What cannot be decoded: the end of the string as a symbol, or padding that is not its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Appends what `coded` stands for to `text`.
///
/// # Errors
/// When it is no Huffman code.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> Result<(), Malformed> {
    // The bits that are not used yet, at the top.
    let (mut bits, mut held) = (0u64, 0u32);
    let mut coded = coded.iter();
    loop {
        while held <= 56
            && let Some(byte) = coded.next()
        {
            bits |= u64::from(*byte) << (56 - held);
            held += 8;
        }
        let (symbol, length) = SHORT[(bits >> (64 - SHORT_BITS)) as usize];
        let (symbol, length) = match length {
            0 => long(bits)?,
            length => (symbol, u32::from(length)),
        };
        if length > held {
            // Less than a symbol is left: up to seven ones.
            let is_padding = held < 8 && bits == !(u64::MAX.checked_shr(held).unwrap_or(0));
            return if is_padding { Ok(()) } else { Err(Malformed) };
        }
        text.push(symbol);
        bits <<= length;
        held -= length;
    }
}

/// The symbol of a code that is not short, and its length. Where nothing but ones is left, which may
/// be padding, it is one longer than can be held.
#[cold]
fn long(bits: u64) -> Result<(u8, u32), Malformed> {
    for length in SHORT_BITS as usize + 1..=BITS_MAX {
        let n = (bits >> (64 - length)) as u32;
        let Some(n) = n.checked_sub(CODE.first[length]) else { continue };
        if n < u32::from(CODE.count[length]) {
            let symbol = CODE.symbols[usize::from(CODE.place[length]) + n as usize];
            return match symbol {
                END => Err(Malformed),
                symbol => Ok((symbol as u8, length as u32)),
            };
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        for symbol in text {
            let length = usize::from(LENGTHS[usize::from(*symbol)]);
            let rank = CODE.symbols.iter().position(|it| *it == u16::from(*symbol)).unwrap();
            let code = CODE.first[length] + (rank as u32 - u32::from(CODE.place[length]));
            bits += &format!("{code:0length$b}");
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap();
        bits.as_bytes().chunks(8).map(byte).collect()
    }

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut text = Vec::new();
        decode(coded, &mut text).map(|()| text)
    }

    /// RFC 7541 appendix C.4 and C.6.
    #[test]
    fn examples_of_the_rfc_are_read() {
        let www = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&www).unwrap(), b"www.example.com");
        assert_eq!(decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(), b"no-cache");
        assert_eq!(decoded(&[0x64, 0x02]).unwrap(), b"302");
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b,
            0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(decoded(&date).unwrap(), b"Mon, 21 Oct 2013 20:13:21 GMT");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for coded in [
            &[0xff, 0xff, 0xff, 0xff][..], // the end of the string, and padding
            &[0xff][..],                   // eight ones
            &[0xf8, 0xff],                 // of padding a whole byte
            &[0x18],                       // padding of zeros
            &[0xfe],                       // padding with a zero
        ] {
            assert_eq!(decoded(coded), Err(Malformed), "{coded:x?}");
        }
        assert_eq!(decoded(&[]).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decoded(&encode(&text)).unwrap(), text);
        }
    }
}
