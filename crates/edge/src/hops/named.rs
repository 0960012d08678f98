//! The names that a `Connection` header field lists, so that the fields under them go no further
//! (RFC 9110 §7.6.1). Never costs more than one look at each name and one at each field: a client may list
//! as many names as its head has room for.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;
use wire::head::{Fields, list};
use wire::name::Name;

/// Up to so many names are compared one by one; beyond, a table is worth what it costs.
const FEW: usize = 8;

/// Names without regard to case.
pub(crate) enum Named<'a> {
    Few(SmallVec<[&'a [u8]; 4]>),
    /// With the hash that clients cannot foresee.
    Many(HashSet<Folded<'a>>),
}

/// A name whose case does not count.
pub(crate) struct Folded<'a>(&'a [u8]);

impl<'a> Named<'a> {
    /// What `Connection` names, beyond what is dropped or kept in any case. That it cannot take away
    /// what must stay (`host`, the framing, what we write) follows from those being ours to write.
    pub(crate) fn by_connection(fields: &'a Fields) -> Self {
        let mut few = SmallVec::new();
        if !fields.has(Name::Connection) {
            return Self::Few(few);
        }
        let mut names = fields.all(Name::Connection).flat_map(list).filter(|item| {
            !item.eq_ignore_ascii_case(b"keep-alive") && !item.eq_ignore_ascii_case(b"close")
        });
        few.extend(names.by_ref().take(FEW));
        match names.next() {
            None => Self::Few(few),
            Some(one) => {
                Self::Many(few.into_iter().chain([one]).chain(names).map(Folded).collect())
            }
        }
    }

    /// Whether `name` is one of them.
    #[inline]
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        match self {
            Self::Few(names) => names.iter().any(|item| item.eq_ignore_ascii_case(name)),
            Self::Many(names) => names.contains(&Folded(name)),
        }
    }
}

impl PartialEq for Folded<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Folded<'_> {}

impl Hash for Folded<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for piece in self.0.chunks(32) {
            let mut folded = [0; 32];
            let folded = &mut folded[..piece.len()];
            folded.copy_from_slice(piece);
            folded.make_ascii_lowercase();
            state.write(folded);
        }
        state.write_u8(0xff);
    }
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::{HeadBuilder, RequestHead};

    use super::*;

    fn head_with(connection: &[String]) -> RequestHead {
        let mut builder = HeadBuilder::new(&Pool::default());
        connection.iter().for_each(|list| builder.field(b"connection", list.as_bytes()));
        builder.request(b"GET", b"a", b"/")
    }

    #[test]
    fn names_are_found_whatever_their_case_and_number() {
        for count in [0, 1, FEW, FEW + 1, 500] {
            let names: Vec<_> =
                (0..count).map(|n| format!("X-{n}-{}", "Ab".repeat(n % 40))).collect();
            for lists in [&[names.join(", ")][..], &names] {
                let head = head_with(lists);
                let named = Named::by_connection(&head.fields);
                for name in &names {
                    assert!(named.has(name.as_bytes()), "{name}");
                    assert!(named.has(name.to_ascii_lowercase().as_bytes()), "{name}");
                    assert!(!named.has(&name.as_bytes()[1..]), "{name}");
                }
                assert!(!named.has(b"x-other") && !named.has(b""));
            }
        }
    }

    #[test]
    fn what_is_dropped_in_any_case_is_not_kept() {
        let head = head_with(&["close, Keep-Alive".to_owned(), "a,, b".to_owned()]);
        assert!(
            matches!(&Named::by_connection(&head.fields), Named::Few(names) if names.len() == 2)
        );
    }

    #[test]
    fn many_names_stand_in_a_table() {
        let head = head_with(&["a,".repeat(14_000), (0..FEW).map(|n| format!("b{n},")).collect()]);
        let Named::Many(names) = Named::by_connection(&head.fields) else { panic!("a list") };
        assert_eq!(names.len(), 1 + FEW);
    }
}
