//! `plimsoll init`: what it writes is truly run. Which file is written for what stands in `tests/init`.

use std::fs;

use crate::sandbox::Sandbox;

/// A directory without a configuration, with these files.
fn holding(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new("");
    fs::remove_file(sandbox.path().join("plimsoll.toml")).unwrap();
    for (path, text) in files {
        let path = sandbox.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    sandbox
}

const PACKAGE: &str =
    r#"{ "name": "a", "version": "1.2.0", "scripts": { "start": "node server.js" } }"#;
const NODE: &str = "require('http').createServer((request, response) => response.end('from node\\n'))\n  \
                    .listen(process.env.PORT, '127.0.0.1')\n// '/health'\n";
const PYTHON: &str = "import http.server, os\n\n\nclass Hello(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        \
                      self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'from python\\n')\n\n\n\
                      http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Hello).serve_forever()\n";

#[test]
fn what_it_writes_is_checked_run_and_served() {
    for (program, files, expected) in [
        ("python3", &[("public/index.html", "<h1>pages</h1>\n")][..], "<h1>pages</h1>\n"),
        (
            "python3",
            &[("Procfile", "web: python3 server.py\n"), ("server.py", PYTHON)],
            "from python\n",
        ),
        ("node", &[("package.json", PACKAGE), ("server.js", NODE)], "from node\n"),
    ] {
        if !testkit::has(&[program]) {
            continue;
        }
        let sandbox = holding(files);
        let ended = sandbox.plimsoll(&["init", "--yes", "--listen", "127.0.0.1:0"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
        let checked = sandbox.plimsoll(&["check"]);
        assert_eq!(checked.code, Some(0), "{}", checked.stdout);
        assert!(checked.stdout.contains("plimsoll.toml is fine"), "{}", checked.stdout);
        let running = sandbox.run();
        testkit::eventually("an instance serves", || running.get("/").contains(expected));
    }
}

#[test]
fn what_is_there_is_left_alone_unless_it_may_be_overwritten() {
    let sandbox = holding(&[("index.html", "hi"), ("plimsoll.toml", "# mine\n")]);
    let path = sandbox.path().join("plimsoll.toml");
    let refused = sandbox.plimsoll(&["init", "--yes"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\n");
    let printed = sandbox.plimsoll(&["init", "--print"]);
    assert!(printed.stdout.starts_with("#:schema ./plimsoll.schema.json\n"), "{}", printed.stdout);
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\n");
    assert_eq!(sandbox.plimsoll(&["init", "--yes", "--force"]).code, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), printed.stdout);
    assert!(sandbox.path().join("plimsoll.schema.json").exists());
}

#[test]
fn options_say_what_nothing_in_the_directory_says() {
    let sandbox = holding(&[]);
    let words = ["init", "--command", "./serve --port $PORT && true", "--health", "/up", "--json"];
    let ended = sandbox.plimsoll(&words);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let text = fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    assert!(text.contains("command = { shell = \"./serve --port $PORT && true\" }"), "{text}");
    let wrong = sandbox.plimsoll(&["init", "--force", "--health", "up"]);
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
    let said = "\"up\" is not a path: a path begins with a slash; write \"/up\"";
    assert!(wrong.stderr.contains(said) && !wrong.stderr.contains(" --> "), "{}", wrong.stderr);
    let after = fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    assert_eq!(after, text, "nothing was written");
}

#[test]
fn nothing_is_written_through_a_link() {
    let (sandbox, outside) = (holding(&[]), tempfile::tempdir().unwrap());
    let (link, target) = (sandbox.path().join("plimsoll.toml"), outside.path().join("keys"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let refused = sandbox.plimsoll(&["init", "--yes"]);
    assert_ne!(refused.code, Some(0), "{refused:#?}");
    assert!(!target.exists());
    let forced = sandbox.plimsoll(&["init", "--yes", "--force"]);
    assert_eq!(forced.code, Some(0), "{forced:#?}");
    assert!(!target.exists() && link.symlink_metadata().unwrap().is_file());
}

#[test]
fn ports_alone_will_do_and_a_directory_that_is_not_there_is_named() {
    let sandbox = holding(&[]);
    let ended = sandbox.plimsoll(&["init", "--target", ":3000", "--listen", ":8080"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let text = fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    assert!(text.contains("targets = [\"127.0.0.1:3000\"]"), "{text}");
    assert!(text.contains("bind = \"0.0.0.0:8080\""), "{text}");
    let missing = sandbox.plimsoll(&["init", "shop"]);
    assert_eq!(missing.code, Some(3), "{missing:#?}");
    assert!(missing.stderr.contains("there is no directory shop"), "{}", missing.stderr);
    assert!(missing.stderr.contains("mkdir -p shop"), "{}", missing.stderr);
}

#[test]
fn what_lies_there_and_says_nothing_is_named() {
    for (path, text, said) in [
        ("package.json", "{ \"name\": ", "package.json cannot be read"),
        ("Procfile", "worker: run\n", "the Procfile has worker, and no `web`"),
        ("compose.yaml", "services:\n  web:\n    image: a\n", "compose.yaml publishes no port"),
    ] {
        let sandbox = holding(&[(path, text)]);
        let printed = sandbox.plimsoll(&["init", "--print"]);
        assert!(printed.stderr.contains(said), "{}", printed.stderr);
        let ended = sandbox.plimsoll(&["init", "--yes"]);
        assert!(ended.stdout.starts_with("found: nothing that says how"), "{}", ended.stdout);
        assert!(ended.stdout.contains(said), "{}", ended.stdout);
    }
}
