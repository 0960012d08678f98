//! Holds the reader of usual heads against the general readers: for tests, and for fuzzing.

use super::Plain;
use crate::buffer::{Buffer, Pool};
use crate::h1::plain;
use crate::h1::request::{self, HeadLimits};
use crate::h1::response;
use crate::h1::scan::Scan;
use crate::head::Fields;
use crate::name::Name;

/// What a request may have here.
pub(super) const LIMITS: HeadLimits = HeadLimits { bytes: 4096, fields: 20 };

fn buffer(pool: &Pool, data: &[u8]) -> Buffer {
    let mut raw = pool.buffer(data.len());
    raw.extend(data);
    raw
}

fn listed(fields: &Fields) -> Vec<(Name, Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(name, text, value)| (name, text.to_vec(), value.to_vec())).collect()
}

fn lines(fields: &Fields) -> Vec<u8> {
    let mut all = Vec::new();
    fields.lines(|_, _| true, |lines| all.extend_from_slice(lines));
    all
}

/// Reads a request in one pass; false where nothing was said.
///
/// # Panics
/// When what was said is not what the general reader says.
pub fn request_is_plain(data: &[u8]) -> bool {
    let (pool, mut fields) = (Pool::default(), Vec::new());
    let Some(Plain { line, end }) = plain::request(data, &mut fields, LIMITS.fields) else {
        return false;
    };
    assert_eq!(Scan::default().find_end(data), Ok(Some(end)), "{:?}", data.escape_ascii());
    let plain = request::of_plain(line, buffer(&pool, &data[..end]), fields, &pool);
    let general = request::parse(buffer(&pool, &data[..end]), &pool, LIMITS);
    let general = general.unwrap_or_else(|fault| panic!("{fault}: {}", data.escape_ascii()));
    assert_eq!(plain.method(), general.method());
    assert_eq!(plain.method_text(), general.method_text());
    assert_eq!(plain.version(), general.version());
    assert_eq!(plain.path(), general.path());
    assert_eq!(plain.query(), general.query());
    assert_eq!(plain.target(), general.target());
    assert_eq!(plain.authority(), general.authority());
    assert_eq!(listed(&plain.fields), listed(&general.fields));
    assert_eq!(lines(&plain.fields), lines(&general.fields));
    true
}

/// The same of a response.
///
/// # Panics
/// When what was said is not what the general reader says.
pub fn response_is_plain(data: &[u8]) -> bool {
    let (pool, mut fields) = (Pool::default(), Vec::new());
    let Some(Plain { line, end }) = plain::response(data, &mut fields) else { return false };
    assert_eq!(Scan::default().find_end(data), Ok(Some(end)), "{:?}", data.escape_ascii());
    let plain = response::of_plain(line, buffer(&pool, &data[..end]), fields, &pool);
    let general = response::parse(buffer(&pool, &data[..end]), &pool);
    let general = general.unwrap_or_else(|fault| panic!("{fault}: {}", data.escape_ascii()));
    assert_eq!(plain.status(), general.status());
    assert_eq!(plain.reason(), general.reason());
    assert_eq!(plain.version(), general.version());
    assert_eq!(listed(&plain.fields), listed(&general.fields));
    assert_eq!(lines(&plain.fields), lines(&general.fields));
    true
}
