//! Structured fields (RFC 9651), strictly: what is there twice is refused, where the RFC would take the last.

use sfv::visitor::{DictionaryVisitor, EntryVisitor};
use sfv::{Dictionary, FieldType, InnerList, KeyRef, ListEntry, ListSerializer, Parser};

use super::Refusal;

/// Something that could be read in two ways.
#[derive(Debug, thiserror::Error)]
#[error("it is there twice, or there is too much of it")]
pub(super) struct Ambiguous;

/// A dictionary without a key that is there twice.
struct Unique(Dictionary);

impl<'de> DictionaryVisitor<'de> for Unique {
    type Out = Dictionary;
    type Error = Ambiguous;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Ambiguous> {
        if self.0.contains_key(key) {
            return Err(Ambiguous);
        }
        DictionaryVisitor::entry(&mut self.0, key).map_err(|never| match never {})
    }

    fn finish(self) -> Result<Dictionary, Ambiguous> {
        Ok(self.0)
    }
}

/// The dictionary that all lines of a field make together (RFC 9651 section 4.2).
pub(super) fn dictionary<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Dictionary, Refusal> {
    let mut dictionary = Dictionary::new();
    for line in lines {
        let parsed = Parser::new(line).parse_dictionary_with_visitor(Unique(dictionary));
        dictionary = parsed.map_err(|_| Refusal::Malformed)?;
    }
    Ok(dictionary)
}

/// A dictionary's or list's member, as it is written strictly.
pub(super) fn member_text(member: &ListEntry) -> String {
    match member {
        ListEntry::Item(item) => item.serialize(),
        ListEntry::InnerList(list) => inner_list_text(list),
    }
}

/// An inner list with its parameters, as it is written strictly.
pub(super) fn inner_list_text(list: &InnerList) -> String {
    let mut serializer = ListSerializer::new();
    let mut inner = serializer.inner_list();
    inner.items(&list.items);
    inner.finish().parameters(&list.params);
    // One member was written.
    serializer.finish().unwrap_or_default()
}
