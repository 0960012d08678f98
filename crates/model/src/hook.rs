//! What is run once in a deploy, beside its instances: `before` and `after` of `[services.NAME.deploy]`.

use std::fmt;
use std::time::Duration;

use crate::id::{InstanceName, ServiceName};
use crate::run::Command;

/// A program that a deploy runs once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What is run.
    pub command: Command,
    /// It may take so long, above zero.
    pub timeout: Duration,
}

/// When a deploy runs a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookMoment {
    /// Before an instance of the new release starts, or one of the old release stops.
    Before,
    /// When the new release has come to stay, and the old one is gone.
    After,
}

impl HookMoment {
    /// Both, in the order in which they come.
    pub const ALL: [Self; 2] = [Self::Before, Self::After];

    /// The key of the file that says what is run then.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// What a hook of `service` is called, beside its instances. They share one sequence of numbers, so no other
    /// has this name.
    pub fn name(self, service: &ServiceName, number: u64) -> InstanceName {
        format!("{service}-{self}-{number}").into()
    }

    /// The moment of the hook of `service` that is called this; `None` for an instance.
    pub fn of(service: &ServiceName, name: &InstanceName) -> Option<Self> {
        let rest = name.as_str().strip_prefix(service.as_str())?.strip_prefix('-')?;
        let (word, _) = rest.rsplit_once('-')?;
        Self::ALL.into_iter().find(|moment| moment.as_str() == word)
    }
}

impl fmt::Display for HookMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_told_from_an_instance_by_its_name() {
        // Names of services may end as a hook's does.
        for service in ["api", "api-before", "before-1"].map(ServiceName::from) {
            for moment in HookMoment::ALL {
                assert_eq!(HookMoment::of(&service, &moment.name(&service, 7)), Some(moment));
            }
            let instance = InstanceName::from(format!("{service}-7"));
            assert_eq!(HookMoment::of(&service, &instance), None);
        }
    }
}
