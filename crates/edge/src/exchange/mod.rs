//! One exchange: what is recorded of it, and how it failed. Its way is [`serve`](crate::serve)'s.

pub(crate) mod reading;
pub(crate) mod record;
pub(crate) mod recording;
pub(crate) mod refusal;
pub(crate) mod verdict;
