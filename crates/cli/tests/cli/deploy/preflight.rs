//! What stands in the way of a deploy.

use super::{begin, deploy, is_begun, run, sandbox};
use crate::sandbox::Sandbox;

#[test]
fn what_stands_in_the_way_is_told_at_once_and_nothing_is_touched() {
    let sandbox = sandbox("");
    let _running = begin(&sandbox);
    say_more(&sandbox, SECRETS);
    let refused = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    for part in
        ["`SMS_ACCESS` is not set", "sms_access", "`SMS_KEY` is not set", "nothing was touched"]
    {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(run(&sandbox)["run"]["release"], "1");
    let unknown = sandbox.plimsoll(&["deploy", "apy", "2"]);
    assert_eq!(unknown.code, Some(3));
    assert!(unknown.stderr.contains("did you mean `api`?"), "{}", unknown.stderr);
    let none = sandbox.plimsoll(&["rollback", "api"]);
    assert_eq!(none.code, Some(3));
    assert!(none.stderr.contains("no release before"), "{}", none.stderr);
    let never = sandbox.plimsoll(&["rollback", "api", "11"]);
    assert_eq!(never.code, Some(3), "{never:#?}");
    assert!(never.stderr.contains("`api` never ran `11`; there is `1`"), "{}", never.stderr);
    let stranger = sandbox.plimsoll(&["rollback", "api", "zzz"]).stderr;
    assert!(stranger.contains("`api` never ran `zzz`; it ran 1"), "{stranger}");
    let idle = sandbox.plimsoll(&["abort", "api"]);
    assert_eq!(idle.code, Some(3));
    assert!(idle.stderr.contains("no deploy of `api` is running"), "{}", idle.stderr);
}

/// What stands in the way of a deploy where nobody sets these variables.
const SECRETS: &str = "env = { sms_access = \"x\" }\nsecrets = [\"SMS_ACCESS\", \"SMS_KEY\"]\n";

/// Says more of the service, and takes that up.
fn say_more(sandbox: &Sandbox, more: &str) {
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{more}")).unwrap();
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
}

#[test]
fn a_first_release_is_looked_at_as_every_other() {
    let sandbox = sandbox(SECRETS);
    let _running = sandbox.run();
    let refused = sandbox.plimsoll(&["deploy", "api", "1"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let history = sandbox.plimsoll(&["history", "api"]);
    assert_eq!(history.stdout, "api was never deployed\n", "nothing was begun");
    assert_eq!(sandbox.instances(), [0; 0]);
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace(SECRETS, "");
    std::fs::write(&file, text).unwrap();
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    is_begun(&sandbox);
}

#[test]
fn what_the_running_release_was_given_is_not_lost_unseen() {
    let sandbox = sandbox("env = { DB_URL = \"x\", OLD = \"x\" }\ndeploy = { bake = \"0s\" }\n");
    let _running = begin(&sandbox);
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = "env = { DB_URI = \"x\" }";
    std::fs::write(&file, text.replace("env = { DB_URL = \"x\", OLD = \"x\" }", changed)).unwrap();
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    let refused = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    for part in ["was given `DB_URL`, and the new one is not; there is `DB_URI`", "`OLD`"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let meant = ["2", "--without", "DB_URL", "--without", "OLD"];
    assert_eq!(deploy(&sandbox, &meant).0, Some(0));
    assert_eq!(deploy(&sandbox, &["3"]).0, Some(0), "the next is compared with that");
}
