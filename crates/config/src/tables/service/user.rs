//! `user` of a service: as whom its instances run.

use model::{Account, NoAccount};

use crate::faults::Flaw;
use crate::schema::{Absent, Format, Key, Shape};
use crate::value::shown;

use super::WE_RUN;

const ACCOUNT: Format = Format {
    noun: "a user such as \"app\" or \"1000:1000\"",
    pattern: Some("^[A-Za-z0-9_][A-Za-z0-9_.@-]*[$]?(:[A-Za-z0-9_][A-Za-z0-9_.@-]*[$]?)?$"),
};

pub(crate) const KEY: Key = Key::new(
    "user",
    Shape::Text(&ACCOUNT),
    Absent::Means("the user that Plimsoll runs as, or the image's own"),
    "\"app:www-data\"",
    "The user that the instances run as: a name or a number, and optionally a group. With `command`, Plimsoll has \
     to run as root; \
     `HOME`, `USER` and `LOGNAME` are that user's, and its other groups are the instance's, too. With `image`, the user \
     is one within, and its image's own where nothing is said.",
)
.aka(&["uid", "run_as", "runas", "username", "group"])
.needs(WE_RUN);

pub(crate) fn parse(text: &str) -> Result<Account, Flaw> {
    text.parse().map_err(|error: NoAccount| {
        Flaw::invalid(
            format!("\"{}\" is no user", shown(text)),
            error.why(),
            "write a name or a number, and perhaps a group: \"app\", \"app:www-data\", \"1000:1000\"",
        )
    })
}
