//! How many instances an operator wants of a service, in place of what the file says.

use std::num::NonZeroU32;

/// A number of instances that was asked for by hand. It holds, over restarts and deploys, until the file says another number than
/// it did then: what somebody wrote there later is news, and what was there before is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByHand {
    pub(crate) replicas: NonZeroU32,
    /// What the file said.
    pub(crate) of_file: NonZeroU32,
}

impl ByHand {
    /// That there are to be so many where the file says `of_file`; `None` where that is the same.
    pub(crate) fn new(replicas: NonZeroU32, of_file: NonZeroU32) -> Option<Self> {
        (replicas != of_file).then_some(Self { replicas, of_file })
    }

    /// Whether it holds still, where the file says `of_file`.
    pub(crate) fn holds(self, of_file: NonZeroU32) -> bool {
        self.of_file == of_file
    }
}

/// How many instances a service has from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// So many.
    pub replicas: NonZeroU32,
    /// So many by the file.
    pub of_file: NonZeroU32,
    /// The deploy after whose end they are started or stopped, if one is on.
    pub after_deploy: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_the_file_says_another_number() {
        let count = |count| NonZeroU32::new(count).unwrap();
        assert_eq!(ByHand::new(count(2), count(2)), None);
        let four = ByHand::new(count(4), count(2)).unwrap();
        assert_eq!([2, 3, 4].map(|of_file| four.holds(count(of_file))), [true, false, false]);
    }
}
