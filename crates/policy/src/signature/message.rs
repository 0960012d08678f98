//! A request, as far as a signature can cover it.

use model::Scheme;

/// A request as it came, before anything is rewritten.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// As it was written.
    pub method: &'a [u8],
    /// By which it came to the first server of ours.
    pub scheme: Scheme,
    /// Host and port, as they were written.
    pub authority: &'a [u8],
    /// Nothing decoded. Empty is the same as `/`.
    pub path: &'a [u8],
    /// What follows the `?`, nothing decoded; `None` where there is none.
    pub query: Option<&'a [u8]>,
    /// The headers, in their order; no trailers.
    pub fields: &'a [Field<'a>],
}

impl std::fmt::Debug for Message<'_> {
    /// A request is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

/// One line of a request's headers.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// In any case.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Message<'a> {
    /// The values of the field `name`, in their order, without blanks around them.
    pub(super) fn values(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |field: &&Field<'a>| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|field| field.value.trim_ascii())
    }

    /// The path; `/` where it has none.
    pub(super) fn path(&self) -> &'a [u8] {
        if self.path.is_empty() { b"/" } else { self.path }
    }
}
