//! A line for a person at a terminal: what was asked, how it ended, how long it took, who answered. Not
//! for programs: fields are left out, and what is long is cut.

use std::io::Write as _;

use super::line::is_invisible;
use super::{AccessRecord, without_query};
use crate::access::stamp::Time;
use crate::ending::Ending;
use crate::grpc::GrpcStatus;

/// So many characters of a path are shown, so that a line fits 80 columns.
const PATH_CHARS_MAX: usize = 36;
const METHOD_CHARS_MAX: usize = 8;
/// Where the time of day stands in a stamp.
const TIME_OF_DAY: std::ops::Range<usize> = 11..19;

/// Appends the line of `record`, as in `12:48:07Z 200 GET / 9 ms → api-5`.
pub(super) fn write(record: &AccessRecord<'_>, time: &Time, out: &mut Vec<u8>) {
    out.extend_from_slice(&time[TIME_OF_DAY]);
    out.extend_from_slice(b"Z ");
    match record.status {
        // The client saw none.
        0 => out.extend_from_slice(b"---"),
        status => put(out, format_args!("{status}")),
    }
    out.push(b' ');
    shown(record.method, METHOD_CHARS_MAX, out);
    out.push(b' ');
    shown(without_query(record.path), PATH_CHARS_MAX, out);
    let millis = record.total.as_secs_f64() * 1000.0;
    match millis {
        ..9.95 => put(out, format_args!(" {millis:.1} ms")),
        ..9999.5 => put(out, format_args!(" {millis:.0} ms")),
        _ => put(out, format_args!(" {:.0} s", millis / 1000.0)),
    }
    if let Some(instance) = record.instance {
        out.extend_from_slice(" → ".as_bytes());
        shown(instance.as_bytes(), PATH_CHARS_MAX, out);
    }
    if record.attempts > 1 {
        put(out, format_args!(", {} attempts", record.attempts));
    }
    if let Some(status) = record.grpc_status.filter(|status| *status != GrpcStatus::Ok) {
        put(out, format_args!(", {}", status.as_str()));
    }
    if record.ending != Ending::Ok {
        put(out, format_args!(", {}", record.ending.as_str()));
    }
    out.push(b'\n');
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory cannot fail");
}

/// Text of others, on one line and within `chars_max` characters; what was cut ends with `…`.
fn shown(value: &[u8], chars_max: usize, out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(&value[..value.len().min(4 * chars_max + 4)]);
    for (index, char) in text.chars().enumerate() {
        if index == chars_max {
            out.extend_from_slice("…".as_bytes());
            return;
        }
        match is_invisible(char) {
            true => put(out, format_args!("\\u{:04x}", u32::from(char))),
            false => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
