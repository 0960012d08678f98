//! What an event's fields can be: how each is written into the log, and what it is for those that follow.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use model::{AuthName, InstanceName, JobName, ListenerName, Revision, ServiceName};
use tracing::field::{DisplayValue, display};

/// A field's value, as those that follow see it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Number(i64),
    /// A number with a fraction; of a duration the seconds.
    Fraction(f64),
    /// Whether something is so.
    Flag(bool),
    /// Nothing: the field is left out.
    Absent,
}

impl Value<'_> {
    /// What it takes of the memory that is kept for events, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(_) | Self::Fraction(_) | Self::Flag(_) | Self::Absent => 0,
        }
    }
}

/// A type that a field of an event can have.
pub trait Field {
    /// As the log takes it.
    type Logged<'a>: tracing::Value
    where
        Self: 'a;
    /// The word for its type in the reference.
    const TYPE: &'static str;

    /// As the log takes it.
    fn logged(&self) -> Self::Logged<'_>;

    /// As those that follow see it.
    fn value(&self) -> Value<'_>;

    /// One for tests that go over every kind.
    #[cfg(test)]
    fn example() -> Self;
}

/// Names are written without quotes.
macro_rules! names {
    ($($name:ty = $example:literal,)*) => {$(
        impl Field for $name {
            type Logged<'a> = DisplayValue<&'a Self>;
            const TYPE: &'static str = "text";

            fn logged(&self) -> Self::Logged<'_> {
                display(self)
            }

            fn value(&self) -> Value<'_> {
                Value::Text(Cow::Borrowed(self.as_str()))
            }

            #[cfg(test)]
            fn example() -> Self {
                $example.into()
            }
        }
    )*};
}

names! {
    ServiceName = "api",
    AuthName = "legacy",
    InstanceName = "api-1",
    JobName = "crawl",
    ListenerName = "web",
}

impl Field for String {
    type Logged<'a> = &'a str;
    const TYPE: &'static str = "text";

    fn logged(&self) -> &str {
        self
    }

    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }

    #[cfg(test)]
    fn example() -> Self {
        "a text".to_owned()
    }
}

/// A word, which is written without quotes.
impl Field for Cow<'static, str> {
    type Logged<'a> = DisplayValue<&'a str>;
    const TYPE: &'static str = "word";

    fn logged(&self) -> Self::Logged<'_> {
        display(&**self)
    }

    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }

    #[cfg(test)]
    fn example() -> Self {
        Cow::Borrowed("word")
    }
}

/// Whole numbers. One that is too large for the outside is as large as that can be.
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Field for $number {
            type Logged<'a> = Self;
            const TYPE: &'static str = "number";

            fn logged(&self) -> Self {
                *self
            }

            fn value(&self) -> Value<'_> {
                Value::Number(i64::try_from(*self).unwrap_or(i64::MAX))
            }

            #[cfg(test)]
            fn example() -> Self {
                7
            }
        }
    )*};
}

numbers!(u32, u64, i64, usize);

impl Field for Revision {
    type Logged<'a> = DisplayValue<&'a Self>;
    const TYPE: &'static str = "number";

    fn logged(&self) -> Self::Logged<'_> {
        display(self)
    }

    fn value(&self) -> Value<'_> {
        Value::Number(i64::try_from(self.0).unwrap_or(i64::MAX))
    }

    #[cfg(test)]
    fn example() -> Self {
        Self(3)
    }
}

/// To the millisecond, as people read it.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// In seconds.
impl Field for Duration {
    type Logged<'a> = f64;
    const TYPE: &'static str = "seconds";

    fn logged(&self) -> f64 {
        seconds(*self)
    }

    fn value(&self) -> Value<'_> {
        Value::Fraction(seconds(*self))
    }

    #[cfg(test)]
    fn example() -> Self {
        Self::from_millis(1500)
    }
}

/// As RFC 3339 has it. A clock so wrong that it has no date is shown as the beginning of time.
impl Field for SystemTime {
    type Logged<'a> = DisplayValue<jiff::Timestamp>;
    const TYPE: &'static str = "time";

    fn logged(&self) -> Self::Logged<'_> {
        display(jiff::Timestamp::try_from(*self).unwrap_or_default())
    }

    fn value(&self) -> Value<'_> {
        let time = jiff::Timestamp::try_from(*self).unwrap_or_default();
        Value::Text(Cow::Owned(time.to_string()))
    }

    #[cfg(test)]
    fn example() -> Self {
        Self::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }
}

impl Field for bool {
    type Logged<'a> = Self;
    const TYPE: &'static str = "flag";

    fn logged(&self) -> Self {
        *self
    }

    fn value(&self) -> Value<'_> {
        Value::Flag(*self)
    }

    #[cfg(test)]
    fn example() -> Self {
        true
    }
}

/// Left out where it is absent.
impl<T: Field> Field for Option<T> {
    type Logged<'a>
        = Option<T::Logged<'a>>
    where
        T: 'a;
    const TYPE: &'static str = T::TYPE;

    fn logged(&self) -> Self::Logged<'_> {
        self.as_ref().map(T::logged)
    }

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Absent, T::value)
    }

    #[cfg(test)]
    fn example() -> Self {
        Some(T::example())
    }
}
