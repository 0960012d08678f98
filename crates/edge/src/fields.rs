//! Where header fields are written, whichever HTTP version carries them.

use http::header::{DATE, InvalidHeaderName, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};
use wire::head::Fields;
use wire::name::Name;

/// A head that is being written.
pub(crate) trait FieldSink {
    /// Appends a field. The name is as it should be seen by HTTP/1; HTTP/2 writes it in lower
    /// case.
    fn put(&mut self, name: &[u8], value: &[u8]);

    /// Appends a field with a value that no other message has: there is no sense in remembering it.
    fn put_unique(&mut self, name: &[u8], value: &[u8]) {
        self.put(name, value);
    }

    /// Appends a field whose value is put together of `parts`.
    fn put_parts(&mut self, name: &[u8], parts: &[&[u8]]);

    /// Appends those of `fields` that `keep` chooses.
    fn put_kept(&mut self, fields: &Fields, keep: impl FnMut(Name, &[u8]) -> bool);

    /// The text that is written, where a head is text: lines that are ready go there in one piece.
    fn as_text(&mut self) -> Option<&mut Vec<u8>> {
        None
    }
}

impl FieldSink for Vec<u8> {
    // Names are mostly constants: left to itself the compiler copies them by a call that finds out their length.
    #[inline(always)]
    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.reserve(name.len() + value.len() + 4);
        self.extend_from_slice(name);
        self.extend_from_slice(b": ");
        self.extend_from_slice(value);
        self.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn put_parts(&mut self, name: &[u8], parts: &[&[u8]]) {
        self.reserve(name.len() + parts.iter().map(|part| part.len()).sum::<usize>() + 4);
        self.extend_from_slice(name);
        self.extend_from_slice(b": ");
        parts.iter().for_each(|part| self.extend_from_slice(part));
        self.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn put_kept(&mut self, fields: &Fields, keep: impl FnMut(Name, &[u8]) -> bool) {
        fields.lines(keep, |lines| self.extend_from_slice(lines));
    }

    #[inline]
    fn as_text(&mut self) -> Option<&mut Vec<u8>> {
        Some(self)
    }
}

/// What almost every response of ours has needs no look-up.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn name_of(name: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    match name {
        b"X-Request-Id" => Ok(X_REQUEST_ID),
        b"Via" => Ok(VIA),
        b"Date" => Ok(DATE),
        other => HeaderName::from_bytes(other),
    }
}

impl FieldSink for HeaderMap {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        // What cannot be carried was not read by the strict reader either.
        if let (Ok(name), Ok(value)) = (name_of(name), HeaderValue::from_bytes(value)) {
            self.append(name, value);
        }
    }

    /// As one that is never indexed (RFC 7541 §6.2.3), so that it takes no other's place in the table that
    /// both sides keep.
    fn put_unique(&mut self, name: &[u8], value: &[u8]) {
        if let (Ok(name), Ok(mut value)) = (name_of(name), HeaderValue::from_bytes(value)) {
            value.set_sensitive(true);
            self.append(name, value);
        }
    }

    fn put_parts(&mut self, name: &[u8], parts: &[&[u8]]) {
        self.put(name, &parts.concat());
    }

    fn put_kept(&mut self, fields: &Fields, mut keep: impl FnMut(Name, &[u8]) -> bool) {
        for (name, text, value) in fields.iter() {
            if keep(name, text) {
                self.put(text, value);
            }
        }
    }
}
