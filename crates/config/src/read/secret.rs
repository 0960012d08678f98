//! Secrets that stand in variables of the environment: nothing that is said of one says what it is.

use model::Secret;

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;

/// The secret in `variable`, of which `node` speaks: at least `least` bytes.
pub(crate) fn of_variable(
    node: &Node<'_>,
    variable: &str,
    least: usize,
    origin: &Origin,
) -> Option<Secret> {
    let value = origin.environment.secret(variable);
    let Some(value) = value.filter(|value| !value.expose().is_empty()) else {
        node.report(Flaw::new(
            Code::Variable,
            match origin.environment.secrets.is_empty() {
                true => format!("the environment has no `{variable}`"),
                false => format!("neither the environment nor secrets.age has `{variable}`"),
            },
            "the secret is not set",
            match least {
                // A password that somebody else has set.
                ..=1 => format!("set it: `export {variable}=...`"),
                _ => format!("set it: `export {variable}=$(openssl rand -hex {least})`"),
            },
        ));
        return None;
    };
    let length = value.expose().len();
    if length < least {
        node.report(Flaw::new(
            Code::OutOfRange,
            format!("the secret in `{variable}` is too short"),
            format!("it has {length} bytes, and {least} are the least"),
            format!("draw one: `openssl rand -hex {least}`"),
        ));
        return None;
    }
    Some(value)
}
