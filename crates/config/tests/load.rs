//! Files on the disk: paths that start at them, and files that are none.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use config::{Code, Environment, LoadError, Loaded, NamedFiles, NamedUser, Severity};
use model::AccessLog;

const FILE: &str = "[log]\naccess = \"logs/access.log\"\n\
    [listeners.web]\nbind = \"127.0.0.1:0\"\n\
    tls = { certificates = [{ cert = \"cert.pem\", key = \"key.pem\" }] }\n\
    [services.api]\ntargets = [\"127.0.0.1:9\"]\n";

fn environment() -> Environment {
    Environment { home: Some("/home/user".into()), ..Environment::of_process() }
}

#[test]
fn relative_paths_start_at_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plimsoll.toml");
    for name in ["cert.pem", "key.pem"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    fs::write(&file, FILE).unwrap();
    let intent = config::load(&file, &environment()).unwrap().intent;
    assert_eq!(intent.log.access, AccessLog::File(dir.path().join("logs/access.log")));
    let certificate = &intent.listeners.values().next().unwrap().certificates[0];
    assert_eq!(certificate.cert, dir.path().join("cert.pem"));
}

#[test]
fn missing_certificates_are_faults_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plimsoll.toml");
    fs::write(&file, FILE).unwrap();
    let Err(LoadError::Invalid(found)) = config::load(&file, &environment()) else {
        panic!("the certificates are not there");
    };
    let is_error = |code: &Code| code.severity() == Severity::Error;
    let errors: Vec<Code> = found.iter().map(|fault| fault.code).filter(is_error).collect();
    assert_eq!(errors, [Code::UnreadableFile; 2]);
}

#[test]
fn what_is_not_utf8_is_shown_where_it_ends_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plimsoll.toml");
    fs::write(&file, b"[server]\nstate_dir = \"/\xff\xfe\"\n").unwrap();
    let Err(LoadError::Invalid(found)) = config::load(&file, &environment()) else {
        panic!("that was no UTF-8");
    };
    let fault = found.iter().next().unwrap();
    assert_eq!((fault.code, fault.place.line, fault.place.column), (Code::Encoding, 2, 15));
}

#[test]
fn certificates_are_found_with_their_places_whatever_else_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("more")).unwrap();
    let text = "include = [\"more/*.toml\"]\n[listeners.a]\nbnid = 1\n\
                tls = { certificates = [{ cert = \"a.pem\", key = \"/k\" },\n  \
                { cert = \"c.pem\" }, 3] }\n[admin]\ntls = { cert = \"d.pem\", key = \"d.key\" }\n\
                [services.x\n";
    let included = "[listeners.b]\ntls = { certificates = [{ cert = \"b.pem\", key = \"${K:-b.key}\" }],\n\
         client_auth = { ca = \"ca.pem\", crl = \"ca.crl\" } }\n[services.b]\n\
         tls = { ca = \"in.pem\", client = { cert = \"c.pem\", key = \"c.key\" } }\n";
    fs::write(at("plimsoll.toml"), text).unwrap();
    fs::write(at("more/b.toml"), included).unwrap();
    let found = config::certificates(&at("plimsoll.toml"), &environment());
    let said: Vec<_> = found
        .iter()
        .map(|it| (it.user.clone(), it.files.clone(), it.place.line, it.place.column))
        .collect();
    let shown = |cert, key| NamedFiles::Shown { cert, key };
    let clients = NamedFiles::Clients { ca: at("more/ca.pem"), crl: Some(at("more/ca.crl")) };
    let listener = |name: &str| NamedUser::Listener(name.to_owned());
    let service = || NamedUser::Service("b".to_owned());
    let wanted = [
        (listener("a"), shown(at("a.pem"), "/k".into()), 4, 25),
        (listener("b"), shown(at("more/b.pem"), at("more/b.key")), 2, 25),
        (listener("b"), clients, 3, 15),
        (NamedUser::Admin, shown(at("d.pem"), at("d.key")), 7, 7),
        (service(), NamedFiles::Instances { ca: at("more/in.pem") }, 5, 7),
        (service(), shown(at("more/c.pem"), at("more/c.key")), 5, 33),
    ];
    assert_eq!(said, wanted);
    assert!(found[1].place.file.ends_with("more/b.toml"));
}

/// Makes a directory of these files.
fn room(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

const LISTENER: &str = "[listeners.web]\nbind = \"127.0.0.1:0\"\n";

/// What is wrong with the configuration in `dir`: code and file of each.
fn faults(dir: &Path) -> Vec<(Code, String)> {
    let (Err(LoadError::Invalid(found)) | Ok(Loaded { warnings: found, .. })) =
        config::load(&dir.join("plimsoll.toml"), &environment())
    else {
        panic!("it can be read");
    };
    let name = |fault: &config::Diagnostic| {
        Path::new(&*fault.place.file).file_name().unwrap().to_str().unwrap().to_owned()
    };
    found.iter().map(|fault| (fault.code, name(fault))).collect()
}

#[test]
fn relative_paths_in_an_included_file_start_there() {
    let app = "[services.app]\ncommand = \"./app\"\nversion = \"1\"\nenv_file = \"app.env\"\n";
    let main = format!("include = [\"apps/*/*.toml\"]\n{LISTENER}");
    let dir = room(&[("plimsoll.toml", &main), ("apps/one/app.toml", app)]);
    let intent = config::load(&dir.path().join("plimsoll.toml"), &environment()).unwrap().intent;
    let service = intent.services.values().next().unwrap();
    let recipe = &service.run.as_ref().unwrap().recipe;
    assert_eq!(recipe.env_file, Some(dir.path().join("apps/one/app.env")));
    let model::Workload::Process(process) = &recipe.workload else { panic!("it is a process") };
    assert_eq!(process.directory, dir.path().join("apps/one"));
}

#[test]
fn certificates_that_an_included_file_names_lie_beside_it() {
    let secure = "[listeners.secure]\nbind = \"127.0.0.1:0\"\n\
        tls = { certificates = [{ cert = \"own/cert.pem\", key = \"../key.pem\" }] }\n\
        [[routes]]\nrespond = { status = 200 }\n";
    let main = "include = [\"sites/shop/site.toml\"]\n";
    let files = [
        ("plimsoll.toml", main),
        ("sites/shop/site.toml", secure),
        ("sites/shop/own/cert.pem", ""),
        ("sites/key.pem", ""),
    ];
    let dir = room(&files);
    let intent = config::load(&dir.path().join("plimsoll.toml"), &environment()).unwrap().intent;
    let certificate = &intent.listeners.values().next().unwrap().certificates[0];
    assert_eq!(certificate.cert, dir.path().join("sites/shop/own/cert.pem"));
    assert!(certificate.key.canonicalize().unwrap().ends_with("sites/key.pem"));
    // Beside the file that includes it they are not looked for, and the hint names where they were.
    fs::rename(dir.path().join("sites/shop/own"), dir.path().join("own")).unwrap();
    let error = config::load(&dir.path().join("plimsoll.toml"), &environment()).unwrap_err();
    let LoadError::Invalid(diagnostics) = error else { panic!("{error:?}") };
    let told = diagnostics.to_string();
    let place = dir.path().join("sites/shop/own/cert.pem");
    assert!(told.contains(place.to_str().unwrap()), "{told}");
    assert!(told.contains("the directory of the file in which they stand"), "{told}");
}

#[test]
fn neither_a_device_nor_a_fifo_nor_a_circle_of_links_is_included() {
    let main = format!(
        "include = [\"/dev/zero\", \"fifo\", \"circle.toml\", \"circle/*.toml\"]\n{LISTENER}\
         [[routes]]\nrespond = {{ status = 200 }}\n"
    );
    let dir = room(&[("plimsoll.toml", &main)]);
    let at = |name: &str| dir.path().join(name);
    rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    std::os::unix::fs::symlink("circle.toml", at("circle.toml")).unwrap();
    std::os::unix::fs::symlink("circle", at("circle")).unwrap();
    let expected = (Code::UnreadableFile, "plimsoll.toml".to_owned());
    assert_eq!(faults(dir.path()), vec![expected; 4]);
}

#[test]
fn a_file_is_read_once_however_it_is_named_and_by_a_pattern_of_its_own() {
    let main = format!("include = [\"*.toml\", \"b.toml\", \"./link\"]\n{LISTENER}");
    let route = "[[routes]]\nrespond = { status = 200 }\n";
    let dir = room(&[("plimsoll.toml", &main), ("b.toml", route)]);
    std::os::unix::fs::symlink("b.toml", dir.path().join("link")).unwrap();
    assert_eq!(faults(dir.path()), []);
}

#[test]
fn names_that_are_no_text_are_read_too() {
    let main = format!("include = [\"*.toml\"]\n{LISTENER}");
    let dir = room(&[("plimsoll.toml", &main)]);
    let name = std::ffi::OsStr::from_bytes(b"\xff.toml");
    fs::write(dir.path().join(name), "[[routes]]\nto = \"x\"\n").unwrap();
    let found = faults(dir.path());
    assert_eq!(found, [(Code::UndefinedService, "\u{fffd}.toml".to_owned())]);
}

#[test]
fn how_deep_and_how_many_files_are_included_is_bounded() {
    let files: Vec<(String, String)> = (0..12)
        .map(|n| (format!("{n}.toml"), format!("include = [\"{}.toml\"]\n", n + 1)))
        .collect();
    let main =
        format!("include = [\"0.toml\"]\n{LISTENER}[[routes]]\nrespond = {{ status = 200 }}\n");
    let mut all = vec![("plimsoll.toml", &*main)];
    all.extend(files.iter().map(|(name, text)| (&**name, &**text)));
    assert_eq!(faults(room(&all).path()), [(Code::OutOfRange, "7.toml".to_owned())]);

    let files: Vec<String> = (0..1001).map(|n| format!("many/{n}.toml")).collect();
    let main = main.replace("0.toml", "many/*.toml");
    let mut all = vec![("plimsoll.toml", &*main)];
    all.extend(files.iter().map(|name| (&**name, "")));
    assert_eq!(faults(room(&all).path()), [(Code::OutOfRange, "plimsoll.toml".to_owned())]);
}

#[test]
fn a_file_that_every_user_may_write_is_doubtful() {
    let main = format!("include = [\"a.toml\", \"b.toml\"]\n{LISTENER}");
    let route = "[[routes]]\nrespond = { status = 200 }\n";
    let dir = room(&[("plimsoll.toml", &main), ("a.toml", route), ("b.toml", "")]);
    let rights = |name: &str, mode| {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    rights("a.toml", 0o666);
    rights("b.toml", 0o664);
    assert_eq!(faults(dir.path()), [(Code::Risky, "plimsoll.toml".to_owned())]);
}

#[test]
fn how_many_patterns_there_are_is_bounded() {
    let patterns = vec!["\"none/*.toml\""; 1_002].join(", ");
    let main =
        format!("include = [{patterns}]\n{LISTENER}[[routes]]\nrespond = {{ status = 200 }}\n");
    let found = faults(room(&[("plimsoll.toml", &main)]).path());
    let is_bound = |fault: &&(Code, String)| fault.0 == Code::OutOfRange;
    assert_eq!(found.iter().filter(is_bound).count(), 2);
}

#[test]
fn what_is_included_is_no_larger_in_all_than_one_file_may_be() {
    let main = format!("include = [\"a\"]\n{LISTENER}[[routes]]\nrespond = {{ status = 200 }}\n");
    let dir = room(&[("plimsoll.toml", &main)]);
    fs::File::create(dir.path().join("a")).unwrap().set_len(64 << 20).unwrap();
    assert_eq!(faults(dir.path()), [(Code::OutOfRange, "plimsoll.toml".to_owned())]);
}

/// Each of a line's mistakes costs time linear in the line: were all of them looked at, these would take minutes.
#[test]
fn a_line_of_nothing_but_mistakes_is_told_once_and_spoils_what_follows() {
    for pattern in ["a=[", "a.b=[", "-*true1\\"] {
        let main = format!("{}\nno = key\n", pattern.repeat(600_000 / pattern.len()));
        let found = faults(room(&[("plimsoll.toml", &main)]).path());
        assert_eq!(found, [(Code::Syntax, "plimsoll.toml".to_owned())], "{pattern}");
    }
}

#[test]
fn defaults_for_very_many_are_bounded() {
    // Of the wrong type, which is said once.
    let value = vec!["1"; 20_000].join(", ");
    let services: String =
        (0..60).map(|n| format!("[services.s{n}]\ntargets = [\"127.0.0.1:9\"]\n")).collect();
    let main = format!(
        "[defaults.services]\nslow_start = [{value}]\n{LISTENER}{services}\
         [[routes]]\nrespond = {{ status = 200 }}\n"
    );
    let found = faults(room(&[("plimsoll.toml", &main)]).path());
    assert!(found.contains(&(Code::OutOfRange, "plimsoll.toml".to_owned())));
}

#[test]
fn a_file_as_it_is_read_means_the_same_and_shows_no_secret() {
    let main = format!(
        "include = [\"more.toml\"]\n[defaults.services]\nslow_start = \"5s\"\n{LISTENER}\
         [services.api]\ntargets = [\"${{HOST_THAT_IS_NOT_SET:-10.0.0.1}}:80\"]\n"
    );
    let more = "[[routes]]\npath = \"/$${x}\"\nto = { api = 1, app = 2 }\n\
                [services.app]\ncommand = { shell = \"a\\n'b' \\\"c\\\"\" }\nversion = \"1\"\n\
                health = { path = \"/\", headers = { x = \"s3cr3t\" } }\n";
    let dir = room(&[("plimsoll.toml", &main), ("more.toml", more)]);
    let file = dir.path().join("plimsoll.toml");
    let resolved = config::resolve(&file, &environment()).unwrap();
    assert!(!resolved.text.contains("s3cr3t"), "{}", resolved.text);
    for part in ["# defaults, ", "more.toml:1", "\"10.0.0.1:80\"", "${HOST_THAT_IS_NOT_SET}"] {
        assert!(resolved.text.contains(part), "{part}\n{}", resolved.text);
    }
    // Only what was starred out is put back.
    fs::write(&file, resolved.text.replace("***", "s3cr3t")).unwrap();
    fs::remove_file(dir.path().join("more.toml")).unwrap();
    assert_eq!(config::load(&file, &environment()).unwrap().intent, resolved.loaded.intent);
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let missing = config::load(Path::new("/nonexistent/plimsoll.toml"), &environment());
    let error = missing.unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/plimsoll.toml");
    assert!(std::error::Error::source(&error).is_some());
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(config::load(dir.path(), &environment()), Err(LoadError::Read { .. })));
}

#[test]
fn an_endless_file_is_refused() {
    let endless = config::load(Path::new("/dev/zero"), &environment());
    assert!(matches!(endless, Err(LoadError::TooLarge { .. })));
}

#[test]
fn a_fifo_that_nothing_writes_is_empty_and_not_waited_for() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plimsoll.toml");
    mknodat(CWD, &file, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(matches!(config::load(&file, &environment()), Err(LoadError::Invalid(_))));
}

const RIGHT: &str = "[listeners.web]\nbind = \"127.0.0.1:0\"\n[services.b]\ntargets = [\"127.0.0.1:9\"]\n\
    [[routes]]\nto = \"b\"\n";

fn parse(text: &str) -> Result<Loaded, config::Diagnostics> {
    let origin = config::Origin {
        name: "a.toml".to_owned(),
        dir: "/".into(),
        environment: Environment::fixed(),
    };
    config::parse(text, &origin)
}

#[test]
fn a_file_with_a_great_many_faults_tells_the_first_and_how_many_more_there_are() {
    const FAULTS: usize = 20_000;
    let variables: String = (0..FAULTS).map(|n| format!("${{NONE_{n}}}")).collect();
    let items: String = (0..FAULTS).map(|n| format!("\"${{NONE_{n}}}\",")).collect();
    let keys: String = (0..FAULTS).map(|n| format!("unknown_{n} = 1\n")).collect();
    for text in [
        format!("[services.a]\ntargets = [\"{variables}\"]\n"),
        format!("[services.a]\ntargets = [{items}]\n"),
        format!("{keys}{RIGHT}"),
    ] {
        let faults = parse(&text).unwrap_err();
        assert_eq!(faults.iter().count(), 200);
        assert!(faults.has_errors());
        let errors = faults.count(Severity::Error);
        assert!(errors >= FAULTS, "{errors}");
        let drawing = faults.to_string();
        assert!(drawing.len() < 500_000, "{} bytes", drawing.len());
        let rest = format!("and more that is not shown: {} errors", errors - 200);
        assert!(drawing.contains(&rest), "{}", &drawing[drawing.len() - 200..]);
    }
}

#[test]
fn a_fault_far_out_on_a_line_is_drawn_with_what_stands_around_it_and_has_its_column() {
    let many = |from: u16| -> String {
        (from..from + 300).map(|port| format!("\"10.0.0.1:{port}\", ")).collect()
    };
    let text = format!("[services.a]\ntargets = [{}true, {}]\n{RIGHT}", many(1000), many(2000));
    let faults = parse(&text).unwrap_err();
    let fault = faults.iter().find(|fault| fault.code == Code::WrongType).unwrap();
    assert!(fault.place.column > 4_000, "{:?}", fault.place);
    let drawing = faults.to_string();
    assert!(drawing.contains(&format!("a.toml:2:{}", fault.place.column)), "{drawing}");
    let longest = drawing.lines().map(str::len).max().unwrap();
    assert!(longest < 400, "{longest}: {drawing}");
}
