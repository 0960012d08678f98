//! A Plimsoll elsewhere, which commands ask by `--url` with the token of their environment.

use serde_json::Value;
use testkit::eventually;

use crate::origin::Origin;
use crate::sandbox::{Ended, Running, Sandbox};

const ACTS: &str = "a-token-that-may-do-everything";
const LOOKS: &str = "another-that-only-looks-around";

/// One that is asked over TLS, with a certificate of its own CA.
struct Edge {
    sandbox: Sandbox,
    _running: Running,
    _origin: Origin,
    url: String,
}

impl Edge {
    fn start(tls: &str) -> Self {
        let origin = Origin::start();
        let sandbox = Sandbox::new(&format!(
            "[admin]\nbind = \"127.0.0.1:0\"\ntoken_env = \"ACTS\"\nread_token_env = \"LOOKS\"\n{tls}\n\
             [listeners.web]\nbind = \"127.0.0.1:0\"\n[services.api]\ntargets = [\"{}\"]\n\
             [[routes]]\nhost = \"shop.example.com\"\nto = \"api\"\n",
            origin.address
        ));
        let mut command = sandbox.command(&["run"]);
        command.env("ACTS", ACTS).env("LOOKS", LOOKS);
        let mut running = sandbox.start(command);
        let line = running.wait_for("admin API on http");
        let url = line.split("admin API on ").nth(1).unwrap().trim().to_owned();
        Self { sandbox, _running: running, _origin: origin, url }
    }

    /// The root of its CA, in a file.
    fn root(&self) -> String {
        eventually("all certificates are there", || {
            let printed = self.sandbox.plimsoll(&["certificates", "--json"]).stdout;
            let printed: Value = serde_json::from_str(&printed).unwrap();
            let all = printed["certificates"].as_array().unwrap();
            all.len() == 3 && all.iter().all(|it| it["expires"].is_string())
        });
        let printed = self.sandbox.plimsoll(&["certificates", "--ca"]);
        let path = self.sandbox.path().join("root.pem");
        std::fs::write(&path, printed.stdout).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Runs `plimsoll` in an empty directory, as on another machine.
fn elsewhere(arguments: &[&str], token: Option<&str>) -> Ended {
    let room = Sandbox::new("");
    std::fs::remove_file(room.path().join("plimsoll.toml")).unwrap();
    let mut command = room.command(arguments);
    command.envs(token.map(|token| ("PLIMSOLL_TOKEN", token)));
    room.ended(command.output().unwrap())
}

#[test]
fn commands_ask_one_elsewhere_over_tls_and_say_what_stands_in_the_way() {
    let edge = Edge::start("tls = { internal = true, hosts = [\"127.0.0.1\", \"edge.internal\"] }");
    let (url, root) = (edge.url.as_str(), edge.root());
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let with = |words: &[&str], token| {
        elsewhere(&[words, &["--url", url, "--cacert", &root]].concat(), token)
    };
    let status = with(&["status", "--json"], Some(LOOKS));
    let status: Value = serde_json::from_str(&status.stdout).expect(&status.stderr);
    let instance = status["services"][0]["instances"][0]["name"].as_str().unwrap();
    for words in [
        &["status"][..],
        &["certificates"],
        &["bans"],
        &["events"],
        &["explain", "GET", "http://shop.example.com/"],
    ] {
        let ended = with(words, Some(LOOKS));
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.stderr);
    }
    for words in [
        &["drain", "api", instance][..],
        &["enable", "api", instance],
        &["ban", "--subject", "alice", "--for", "1m"],
        &["unban", "--subject", "alice"],
        &["reload"],
    ] {
        let refused = with(words, Some(LOOKS));
        assert_eq!(refused.code, Some(3), "{words:?}: {refused:?}");
        assert!(refused.stderr.contains("the read token may only read"), "{refused:?}");
        assert!(refused.stderr.contains("hint: PLIMSOLL_TOKEN holds"), "{refused:?}");
        let ended = with(words, Some(ACTS));
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.stderr);
    }
    // A deploy of what somebody else runs gets as far as the other side.
    let deploy = with(&["deploy", "api", "2"], Some(ACTS));
    assert!(deploy.stderr.contains("does not run"), "{deploy:?}");

    let without = with(&["status"], None);
    assert_eq!(without.code, Some(3));
    assert!(without.stderr.contains("hint: set PLIMSOLL_TOKEN to the token"), "{without:?}");
    let unknown = elsewhere(&["status", "--url", url], Some(ACTS));
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("no authority that is trusted here has issued"), "{unknown:?}");
    assert!(unknown.stderr.contains("`--cacert FILE` names its CA"), "{unknown:?}");
    let other = url.replace("127.0.0.1", "localhost");
    let wrong = elsewhere(&["status", "--url", &other, "--cacert", &root], Some(ACTS));
    assert_eq!((wrong.code, &*wrong.stderr), (Some(0), ""), "it has one for each name");
}

#[test]
fn one_elsewhere_that_cannot_be_meant_is_refused_before_anything_is_sent() {
    for (words, part) in [
        (&["status", "--url", "http://192.0.2.1:7070"][..], "in the clear"),
        (&["status", "--url", "edge.example.com"], "it is no URL"),
        (&["status", "--url", "https://a", "--cacert", "gone.pem"], "cannot read the CA"),
        (&["logs", "api", "--url", "https://a"], "on that machine"),
        (&["-c", "a.toml", "status", "--url", "https://a"], "--url alone"),
        (&["status", "-c", "a.toml", "--url", "https://a"], "--url alone"),
        (&["status", "--cacert", "a.pem"], "--url"),
        (&["explain", "GET", "/", "--offline", "--url", "https://a"], "on this machine"),
    ] {
        let ended = elsewhere(words, Some(ACTS));
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
    }
    let short = elsewhere(&["status", "--url", "https://127.0.0.1:1"], Some("short"));
    assert_eq!(short.code, Some(2));
    assert!(short.stderr.contains("shorter than 16 bytes"), "{short:?}");
    let refused = elsewhere(&["status", "--url", "https://127.0.0.1:1"], Some(ACTS));
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("connection refused"), "{refused:?}");
    assert!(refused.stderr.contains("hint: does it run there"), "{refused:?}");
}
