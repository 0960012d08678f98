//! A chunked body is the same bytes, with the same end or the same fault, however it is cut into
//! reads; what is written anew is read as what it was.

#![no_main]

use fuzz::{assert_plain, buffer, listed};
use libfuzzer_sys::fuzz_target;
use wire::buffer::Pool;
use wire::h1::Fault;
use wire::h1::chunked::{Decoder, Next, write_size};

/// What came of reading a body.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    end: Result<Option<End>, Fault>,
}

#[derive(Debug, PartialEq, Eq)]
struct End {
    /// Where the next message begins.
    at: usize,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, body) = input;
    let whole = read(body, body.len().max(1));
    for cut in [1, usize::from(cut).max(1)] {
        assert_eq!(read(body, cut), whole, "cut every {cut} bytes");
    }
    if let Ok(Some(end)) = &whole.end {
        let mut again = Vec::new();
        if !whole.data.is_empty() {
            write_size(whole.data.len(), &mut again);
            again.extend_from_slice(&whole.data);
            again.extend_from_slice(b"\r\n");
        }
        again.extend_from_slice(b"0\r\n");
        for (name, value) in &end.trailers {
            again.extend_from_slice(&[name, &b": "[..], value, b"\r\n"].concat());
        }
        again.extend_from_slice(b"\r\n");
        let second = read(&again, again.len());
        assert_eq!(second.data, whole.data);
        let second = second.end.expect("it is well formed").expect("it is whole");
        assert_eq!((second.at, &second.trailers), (again.len(), &end.trailers));
    }
});

fn read(body: &[u8], cut: usize) -> Read {
    let pool = Pool::default();
    let mut decoder = Decoder::default();
    let mut data = Vec::new();
    let mut input = buffer(&pool, &[]);
    let mut given = 0;
    loop {
        match decoder.advance(&mut input, &pool) {
            Err(fault) => return Read { data, end: Err(fault) },
            Ok(Next::Data(n)) => {
                data.extend_from_slice(&input.data()[..n]);
                input.consume(n);
                decoder.used(n);
            }
            Ok(Next::More) if given == body.len() => return Read { data, end: Ok(None) },
            Ok(Next::More) => {
                let more = &body[given..body.len().min(given + cut)];
                input.extend(more);
                given += more.len();
            }
            Ok(Next::End) => {
                let at = given - input.data().len();
                let trailers = decoder.take_trailers(&pool).map(|trailers| {
                    let listed = trailers.as_ref().map(|trailers| {
                        assert_plain(trailers);
                        listed(trailers)
                    });
                    Some(End { at, trailers: listed.unwrap_or_default() })
                });
                return Read { data, end: trailers };
            }
        }
    }
}
