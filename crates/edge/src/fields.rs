//! Where header fields are written, whichever HTTP version carries them.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A head that is being written.
pub(crate) trait FieldSink {
    /// Appends a field. The name is as it should be seen by HTTP/1; HTTP/2 writes it in lower
    /// case.
    fn put(&mut self, name: &[u8], value: &[u8]);
}

impl FieldSink for Vec<u8> {
    #[inline]
    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.reserve(name.len() + value.len() + 4);
        self.extend_from_slice(name);
        self.extend_from_slice(b": ");
        self.extend_from_slice(value);
        self.extend_from_slice(b"\r\n");
    }
}

impl FieldSink for HeaderMap {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        // What cannot be carried was not read by the strict reader either.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            self.append(name, value);
        }
    }
}
