//! `plimsoll explain`.

use serde_json::Value;
use testkit::token::{TOKEN_SECRET, token};

use crate::origin::Origin;
use crate::sandbox::Sandbox;

const ROUTES: &str = r#"
[listeners.web]
bind = "127.0.0.1:0"
[services.shop]
targets = ["127.0.0.1:1"]
[services.next]
targets = ["127.0.0.1:2"]
[[routes]]
host = "shop.example.com"
path = "/cart/*"
cookies = { beta = "1" }
to = { shop = 90, next = 10 }
rewrite = { strip_prefix = "/cart", host = "internal" }
request_headers = { set = { authorization = "s3cret" } }
body = "1MiB"
[[routes]]
host = "shop.example.com"
to = "shop"
[[routes]]
path = "/old"
redirect = { to = "https://new.example.com", status = 308 }
"#;

#[test]
fn a_file_that_nobody_serves_is_explained_too() {
    let sandbox = Sandbox::new(ROUTES);
    let ask = |arguments: &[&str]| {
        let ended = sandbox.plimsoll(&[&["explain"], arguments].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        ended.stdout
    };
    let beta = ["GET", "shop.example.com/cart/1?x=2", "-H", "cookie: beta=1"];
    insta::assert_snapshot!("explain-forward", ask(&beta));
    insta::assert_snapshot!("explain-lost", ask(&["GET", "http://Shop.Example.com:80/cart/1"]));
    insta::assert_snapshot!("explain-redirect", ask(&["GET", "/old", "--offline"]));
    insta::assert_snapshot!("explain-no-route", ask(&["GET", "/new", "--from", "10.0.0.1"]));
}

#[test]
fn a_listener_that_redirects_everything_asks_no_route() {
    let secure = "[listeners.secure]\nbind = \"127.0.0.1:0\"\n\
         tls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }] }\n";
    let clear = "[listeners.clear]\nbind = \"127.0.0.1:0\"\nredirect_https = true\n";
    let routes = "[[routes]]\nrespond = { status = 200 }\n";
    let sandbox = Sandbox::new(&format!("{secure}{clear}{routes}"));
    std::fs::write(sandbox.path().join("a.pem"), "").unwrap();
    let ended = sandbox.plimsoll(&["explain", "GET", "http://a.test/x", "--offline"]);
    insta::assert_snapshot!("explain-https", ended.stdout);
}

#[test]
fn no_value_of_a_header_is_told() {
    let sandbox = Sandbox::new(ROUTES);
    let beta = ["explain", "GET", "shop.example.com/cart/1", "-H", "cookie: beta=1", "--json"];
    let ended = sandbox.plimsoll(&beta);
    let explanation: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(explanation["basis"], "file");
    assert!(ended.stdout.contains("authorization") && !ended.stdout.contains("s3cret"));
}

#[test]
fn a_path_that_servers_read_in_two_ways_is_told_to_be_refused() {
    let sandbox = Sandbox::new(ROUTES);
    let ask =
        |url: &str| sandbox.plimsoll(&["explain", "GET", url, "-H", "cookie: beta=1", "--json"]);
    let ended = ask("http://shop.example.com/cart;x/1");
    let explanation: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(explanation["outcome"]["status"], 400, "{}", ended.stdout);
    let why = "some servers read this path as /cart/1";
    assert!(explanation["outcome"]["why"].as_str().unwrap().starts_with(why), "{}", ended.stdout);
    let ended = ask("http://shop.example.com/%00");
    assert!(
        ended.code != Some(0) && ended.stderr.contains("control character"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_is_served_is_explained_with_its_instance() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let _running = sandbox.run();
    let ended = sandbox.plimsoll(&["explain", "GET", "http://test/", "--json"]);
    let explanation: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(explanation["basis"], "running");
    let instance = &explanation["outcome"]["shares"][0]["instance"];
    assert_eq!(instance["address"], origin.address.to_string());
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let sandbox = Sandbox::new(ROUTES);
    let ended = sandbox.plimsoll(&["explain", "GET", "http://[::1"]);
    assert_eq!(ended.code, Some(1), "nobody was asked");
    assert!(ended.stderr.starts_with("error: `http://[::1` is not a URL"), "{}", ended.stderr);
    let ended = sandbox.plimsoll(&["explain", "GET", "/", "-H", "cookie"]);
    assert_eq!(ended.code, Some(2));
}

/// Methods are case-sensitive, and one word may be meant as a host or as a path.
#[test]
fn what_was_hardly_meant_is_refused_with_what_was() {
    let sandbox = Sandbox::new(ROUTES);
    for (asked, meant) in [
        (["get", "/cart"], "methods are case-sensitive; write GET"),
        (["GET", "admin"], "write /admin or http://admin/"),
    ] {
        let ended = sandbox.plimsoll(&[&["explain"], &asked[..]].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(meant), "{}", ended.stderr);
    }
    for asked in [["get-it", "/cart"], ["GET", "localhost"], ["GET", "a.test"]] {
        let ended = sandbox.plimsoll(&[&["explain"], &asked[..]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

#[test]
fn a_method_that_is_never_served_and_a_body_that_is_too_long_are_told() {
    let sandbox = Sandbox::new(ROUTES);
    let ask = |arguments: &[&str]| sandbox.plimsoll(&[&["explain"], arguments].concat()).stdout;
    let told = ask(&["TRACE", "http://shop.example.com/"]);
    assert!(told.contains("the response is 405: "), "{told}");
    let fields = ["-H", "cookie: beta=1", "-H", "content-length: 2000000"];
    let told = ask(&[&["POST", "shop.example.com/cart/1"], &fields[..]].concat());
    assert!(told.contains("the response is 413: "), "{told}");
}

#[test]
fn a_token_is_explained_and_never_shown() {
    let sandbox = Sandbox::new(
        "[listeners.web]\nbind = \"127.0.0.1:0\"\n[services.api]\ntargets = [\"127.0.0.1:1\"]\n\
         [auth.users]\njwt = { secret_env = \"JWT_SECRET\" }\n\
         [abuse.guessing]\nrate = \"20/m\"\nban = \"10m\"\n\
         [[routes]]\nto = \"api\"\nauth = \"users\"\nrequire = { roles = [\"ADMIN\"] }\nabuse = \"guessing\"\n",
    );
    let token = token(r#""sub":"alice","roles":"USER""#);
    let field = format!("authorization: Bearer {token}");
    let mut command = sandbox.command(&["explain", "GET", "/", "-H", &field, "--offline"]);
    let secret = std::str::from_utf8(TOKEN_SECRET).unwrap();
    let output = command.env("JWT_SECRET", secret).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "users believes the token: signed with HS256 by a key without an id, good until ",
        "sub = alice",
        "it requires roles to be ADMIN, which it is not",
        "it bans by ip a client with more than 20 refusals (401, 403), as abuse guessing says: 20 are left",
        "the response is 403",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    for part in token.split('.').chain([secret]) {
        assert!(!said.contains(part), "{said}");
    }
}
