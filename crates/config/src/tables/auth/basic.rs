//! `basic` of an authentication: which names and passwords are believed.

use model::Basic;

use super::listed;
use crate::read::{Context, file};
use crate::schema::{Absent, FILE, Key, Shape, Table};
use crate::section::Section;

pub(super) const KEY: Key = Key::new(
    "basic",
    Shape::Table(&BASIC),
    Absent::Means("no passwords"),
    "{ users = \"staff.htpasswd\" }",
    "Names and passwords (RFC 7617), which browsers ask for by themselves.",
)
.aka(&["basic_auth", "auth_basic", "basicauth", "htpasswd", "password"]);

static BASIC: Table = Table {
    header: "[auth.NAME.basic]",
    noun: "names and passwords",
    doc: "Which names and passwords are believed. The subject is the name, which is the claim `sub`, too; there are no other claims. Only over TLS: \
          passwords are sent with every request.",
    keys: &[
        Key::new(
            "users",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"staff.htpasswd\"",
            "A file with a name, a colon and a hash on each line: bcrypt, as `htpasswd -B` writes it, or Argon2 as a PHC string \
             (`$argon2id$...`). Other hashes are refused. Read again on each reload: who is gone from it, or has another password, is believed no more by the old one.",
        )
        .aka(&["file", "user_file", "users_file", "auth_basic_user_file", "htpasswd"]),
    ],
    later: &[],
};

pub(super) fn read(section: &Section<'_>, context: &Context<'_>) -> Option<Basic> {
    let node = section.require("users")?;
    let users = file::document(&node, "the users", context.origin)?;
    match policy::password::Users::parse(&users.text) {
        Ok(known) if known.is_empty() => listed::warn_of_nobody(section, "users", &users),
        Ok(_) => {}
        Err(faults) => listed::refuse(section, "users", &users, &faults),
    }
    Some(Basic { users })
}
