//! What one declaration of an event makes: its struct, its kind, its line in the log, its part of the reference.

/// Declares the kinds of events, in the order in which they are shown.
macro_rules! events {
    ($($(#[doc = $doc:literal])+
       $name:ident = $word:literal $level:ident $message:literal {$($field:ident: $type:ty),*};)*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $name {
                $(#[doc = concat!("See `", stringify!($field), "` in [`FIELDS`].")] pub $field: $type,)*
            }

            impl From<$name> for Event {
                fn from(event: $name) -> Self {
                    Self::$name(event)
                }
            }
        )*

        /// What happened.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $($(#[doc = $doc])+ $name($name),)*
        }

        /// A kind of event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Kind {
            /// Every kind, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// The name of its struct.
            pub const fn struct_name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// How grave it is.
            pub const fn level(self) -> Level {
                match self {
                    $(Self::$name => Level::$level,)*
                }
            }

            /// What its line in the log says, before the fields.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)*
                }
            }

            /// What it means, in a sentence or more.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }

            /// The names of its fields, each with the word for its type.
            pub const fn fields(self) -> &'static [(&'static str, &'static str)] {
                match self {
                    $(Self::$name => &[$((stringify!($field), <$type as Field>::TYPE)),*],)*
                }
            }
        }

        impl Event {
            /// Of which kind it is.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$name(_) => Kind::$name,)*
                }
            }

            /// Each field by its name, but for those that are absent.
            pub fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
                let mut fields: Vec<(&'static str, Value<'_>)> = match self {
                    $(Self::$name(_event) => vec![$((stringify!($field), _event.$field.value())),*],)*
                };
                fields.retain(|(_, value)| *value != Value::Absent);
                fields
            }

            /// Writes its line into the log.
            pub(super) fn log(&self) {
                match self {
                    $(Self::$name(_event) => tracing::event!(
                        Level::$level, $($field = _event.$field.logged(),)* $message
                    ),)*
                }
            }

            /// What it takes of the memory that is kept for events, in bytes of text.
            pub(super) fn text_bytes(&self) -> usize {
                self.fields().iter().map(|(_, value)| value.bytes()).sum()
            }

            /// One of each kind.
            #[cfg(test)]
            pub(super) fn examples() -> Vec<Self> {
                vec![$($name { $($field: Field::example(),)* }.into()),*]
            }
        }
    };
}

pub(super) use events;
