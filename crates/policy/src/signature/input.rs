//! `Signature-Input` and `Signature`: which signatures a request has, and what each says of itself (RFC 9421 section 4).

use std::collections::BTreeSet;

use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor,
};
use sfv::{BareItem, BareItemFromInput, InnerList, Item, KeyRef, ListEntry, Parameters, Parser};

use crate::time::UnixTime;

use super::component::Component;
use super::structured::{Ambiguous, dictionary, inner_list_text};
use super::{Message, Refusal};

/// How many bytes `Signature-Input` may have, and how many `Signature`, all lines together.
pub const FIELD_BYTES_MAX: usize = 8 << 10;

/// How many signatures a request may have.
pub const SIGNATURES_MAX: usize = 8;

/// How many components one may cover.
pub const COMPONENTS_MAX: usize = 64;

/// How many parameters one may have, or one of its components.
const PARAMETERS_MAX: usize = 16;

/// One signature, in its parts. Nothing of it is believed yet.
pub struct Input {
    /// What it covers, each once.
    pub components: Vec<Component>,
    pub(super) list: InnerList,
    /// All that it says of itself, as it is signed.
    pub(super) parameters: String,
    pub(super) signature: Vec<u8>,
    pub(super) created: Option<UnixTime>,
    pub(super) expires: Option<UnixTime>,
    pub(super) nonce: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) tag: Option<String>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").finish_non_exhaustive()
    }
}

/// The signatures of `message`, in the order of `Signature-Input`.
///
/// # Errors
/// [`Refusal::Missing`] when it has none, [`Refusal::Malformed`] when the two fields are not what they must be, and [`Refusal::Component`] when one covers
/// what no request has.
pub fn inputs(message: &Message<'_>) -> Result<Vec<Input>, Refusal> {
    let size = |name| message.values(name).map(<[u8]>::len).sum::<usize>();
    let has = |name| message.values(name).next().is_some();
    match (has("signature-input"), has("signature")) {
        (false, false) => return Err(Refusal::Missing),
        (true, true) => {}
        _ => return Err(Refusal::Malformed),
    }
    if size("signature-input") > FIELD_BYTES_MAX || size("signature") > FIELD_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let mut lists = Lists::default();
    for line in message.values("signature-input") {
        let read = Parser::new(line).parse_dictionary_with_visitor(lists);
        lists = read.map_err(|_| Refusal::Malformed)?;
    }
    let mut signatures = dictionary(message.values("signature"))?;
    // Section 4: both fields have the same labels.
    if lists.0.is_empty() || lists.0.len() != signatures.len() {
        return Err(Refusal::Malformed);
    }
    let of = |Labelled { label, list }: Labelled| {
        let Some(ListEntry::Item(Item { bare_item: BareItem::ByteSequence(signature), .. })) =
            signatures.swap_remove(label.as_str())
        else {
            return Err(Refusal::Malformed);
        };
        input(list, signature)
    };
    lists.0.into_iter().map(of).collect()
}

fn input(list: InnerList, signature: Vec<u8>) -> Result<Input, Refusal> {
    let component = |item| Component::of(item).map_err(|_| Refusal::Component);
    let components = list.items.iter().map(component).collect::<Result<Vec<_>, _>>()?;
    if components.iter().collect::<BTreeSet<_>>().len() < components.len() {
        return Err(Refusal::Malformed);
    }
    let parameters = inner_list_text(&list);
    let (created, expires) = (date(&list.params, "created")?, date(&list.params, "expires")?);
    let text = |name| text(&list.params, name);
    let (nonce, algorithm, key_id, tag) =
        (text("nonce")?, text("alg")?, text("keyid")?, text("tag")?);
    Ok(Input {
        components,
        list,
        parameters,
        signature,
        created,
        expires,
        nonce,
        algorithm,
        key_id,
        tag,
    })
}

fn date(parameters: &Parameters, name: &str) -> Result<Option<UnixTime>, Refusal> {
    match parameters.get(name) {
        None => Ok(None),
        Some(BareItem::Integer(seconds)) => {
            let seconds = u64::try_from(i64::from(*seconds)).map_err(|_| Refusal::Malformed)?;
            let date = UnixTime::from_secs(seconds);
            if date > UnixTime::LAST { Err(Refusal::Malformed) } else { Ok(Some(date)) }
        }
        Some(_) => Err(Refusal::Malformed),
    }
}

fn text(parameters: &Parameters, name: &str) -> Result<Option<String>, Refusal> {
    match parameters.get(name) {
        None => Ok(None),
        Some(BareItem::String(text)) => Ok(Some(text.as_str().to_owned())),
        Some(_) => Err(Refusal::Malformed),
    }
}

struct Labelled {
    label: String,
    list: InnerList,
}

/// What `Signature-Input` has: a list for each label, and nothing twice.
#[derive(Default)]
struct Lists(Vec<Labelled>);

impl<'de> DictionaryVisitor<'de> for Lists {
    type Out = Self;
    type Error = Ambiguous;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Ambiguous> {
        let is_known = self.0.iter().any(|it| it.label == key.as_str());
        if is_known || self.0.len() == SIGNATURES_MAX {
            return Err(Ambiguous);
        }
        self.0.push(Labelled { label: key.as_str().to_owned(), list: InnerList::default() });
        let list = self.0.last_mut().map(|it| &mut it.list);
        list.map(OneList).ok_or(Ambiguous)
    }

    fn finish(self) -> Result<Self, Ambiguous> {
        Ok(self)
    }
}

struct OneList<'a>(&'a mut InnerList);

impl<'de> EntryVisitor<'de> for OneList<'_> {
    type Error = Ambiguous;

    fn item(self) -> Result<impl ItemVisitor<'de>, Ambiguous> {
        Err::<Ignored, _>(Ambiguous)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Ambiguous> {
        Ok(self)
    }
}

impl<'de> InnerListVisitor<'de> for OneList<'_> {
    type Error = Ambiguous;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Ambiguous> {
        if self.0.items.len() == COMPONENTS_MAX {
            return Err(Ambiguous);
        }
        Ok(OneItem(&mut self.0.items))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Ambiguous> {
        Ok(EachOnce(&mut self.0.params))
    }
}

struct OneItem<'a>(&'a mut Vec<Item>);

impl<'de> ItemVisitor<'de> for OneItem<'_> {
    type Out = ();
    type Error = Ambiguous;

    fn bare_item(
        self,
        bare_item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Ambiguous> {
        self.0.push(Item::new(bare_item));
        self.0.last_mut().map(|item| EachOnce(&mut item.params)).ok_or(Ambiguous)
    }
}

/// Parameters, none of them twice.
struct EachOnce<'a>(&'a mut Parameters);

impl<'de> ParameterVisitor<'de> for EachOnce<'_> {
    type Out = ();
    type Error = Ambiguous;

    fn parameter(
        &mut self,
        key: &'de KeyRef,
        value: BareItemFromInput<'de>,
    ) -> Result<(), Ambiguous> {
        if self.0.len() == PARAMETERS_MAX || self.0.insert(key.to_owned(), value.into()).is_some() {
            return Err(Ambiguous);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Ambiguous> {
        Ok(())
    }
}
