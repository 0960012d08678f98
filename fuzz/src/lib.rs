//! What the fuzz targets share: heads as a connection would read them, however they are cut.

use wire::buffer::{Buffer, Pool};
use wire::h1::Fault;
use wire::h1::scan::Scan;
use wire::head::Fields;

/// Where the head ends that `data` begins with.
///
/// # Panics
/// When that depends on how the bytes were cut into reads.
pub fn end_of_head(data: &[u8], cut: usize) -> Result<Option<usize>, Fault> {
    let whole = Scan::default().find_end(data);
    let mut scan = Scan::default();
    let mut piecewise = Ok(None);
    for end in (1..data.len()).step_by(cut.max(1)).chain([data.len()]) {
        piecewise = scan.find_end(&data[..end]);
        if piecewise != Ok(None) {
            break;
        }
    }
    assert_eq!(whole, piecewise, "a head ends elsewhere when it is cut every {cut} bytes");
    whole
}

/// A buffer that holds `data`.
pub fn buffer(pool: &Pool, data: &[u8]) -> Buffer {
    let mut buffer = pool.buffer(data.len());
    buffer.extend(data);
    buffer
}

/// Names and values, for comparison.
pub fn listed(fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(_, name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// Asserts what holds of all fields that were read.
///
/// # Panics
/// When it does not.
pub fn assert_plain(fields: &Fields) {
    for (_, name, value) in fields.iter() {
        let is_token = |byte: &u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(byte);
        assert!(!name.is_empty() && name.iter().all(is_token), "no token for a name");
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "a line in a value");
        assert_eq!(value.trim_ascii(), value, "blanks around a value");
    }
}
