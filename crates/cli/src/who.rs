//! Who gives an order, as a colleague would say it months later: the person behind `sudo`, the job of a
//! CI, the user of a cron job, who has no `$USER`.

use std::fs;

use admin::WHO_BYTES_MAX;

use crate::foreign::shown;

/// Variables in which a CI says who or what began a job, in the order in which they are asked.
const CI: [&str; 5] = [
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILDKITE_BUILD_CREATOR",
    "CIRCLE_USERNAME",
    "BUILD_USER_ID",
];

/// The user and the host.
pub(crate) fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    printable(&told(variable, rustix::process::getuid().as_raw(), &users, host.trim()))
}

/// What the API takes for a name, of whatever the environment says.
fn printable(name: &str) -> String {
    let mut name = shown(name).into_owned();
    name.truncate(name.floor_char_boundary(WHO_BYTES_MAX));
    name
}

fn told(variable: impl Fn(&str) -> Option<String>, uid: u32, users: &str, host: &str) -> String {
    let set =
        |name: &str| variable(name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
    if let Some(actor) = CI.iter().find_map(|name| set(name)) {
        return format!("{actor} by CI");
    }
    let is_ci = set("CI").is_some_and(|value| value != "false" && value != "0");
    let user = set("SUDO_USER")
        .or_else(|| set("DOAS_USER"))
        .or_else(|| name_of(uid, users))
        .or_else(|| set("USER"))
        .or_else(|| set("LOGNAME"))
        .unwrap_or_else(|| format!("uid {uid}"));
    let at = if host.is_empty() { String::new() } else { format!("@{host}") };
    format!("{user}{at}{}", if is_ci { " by CI" } else { "" })
}

/// The name of a user in the text of /etc/passwd.
fn name_of(uid: u32, users: &str) -> Option<String> {
    let mut entries = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|entry| entry.get(2).is_some_and(|it| it.parse() == Ok(uid)))?;
    Some(entry[0].to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1000::/:/bin/sh\n";

    #[test]
    fn people_are_named_however_little_the_environment_says() {
        for (set, uid, expected) in [
            (&[][..], 0, "root@edge"),
            (&[("USER", "eve")], 0, "root@edge"),
            (&[("USER", "eve"), ("SUDO_USER", "ann")], 0, "ann@edge"),
            (&[("SUDO_USER", " ")], 1000, "app@edge"),
            (&[("USER", "ldap")], 4711, "ldap@edge"),
            (&[], 4711, "uid 4711@edge"),
            (&[("CI", "true"), ("GITHUB_ACTOR", "octocat")], 0, "octocat by CI"),
            (&[("CI", "true")], 0, "root@edge by CI"),
            (&[("CI", "false")], 0, "root@edge"),
        ] {
            let variable = |name: &str| {
                set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(told(variable, uid, USERS, "edge"), expected, "{set:?}");
        }
        assert_eq!(told(|_| None, 0, USERS, ""), "root");
    }

    #[test]
    fn a_name_is_one_printable_line_that_the_api_takes() {
        assert_eq!(printable("ann\u{1b}[2J\n"), "ann\\u001b[2J\\u000a");
        assert_eq!(printable(&"\u{e9}".repeat(100)).len(), WHO_BYTES_MAX);
        assert_eq!(printable(&"a".repeat(300)).len(), WHO_BYTES_MAX);
    }
}
