//! The bytes that are signed: the examples of RFC 9421 section 2, line by line.

use model::Scheme;
use policy::signature::Refusal;

use super::support::Request;

/// The lines for `input`'s components, without that of the parameters.
fn lines(request: &Request, components: &str) -> Result<String, Refusal> {
    let base = request.base(&format!("({components})"))?;
    let end = format!("\"@signature-params\": ({components})");
    Ok(base.strip_suffix(&end).unwrap_or_else(|| panic!("{base}")).to_owned())
}

fn request(target: &str, fields: &[(&str, &str)]) -> Request {
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    Request {
        method: "POST".to_owned(),
        scheme: Scheme::Https,
        authority: "www.example.com".to_owned(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        fields: fields.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect(),
        body: Vec::new(),
    }
}

#[test]
fn derived_components_are_as_the_rfc_has_them() {
    let with_query = request("/path?param=value&foo=bar&baz=bat%2Dman", &[]);
    for (component, expected) in [
        ("\"@method\"", "POST"),
        ("\"@target-uri\"", "https://www.example.com/path?param=value&foo=bar&baz=bat%2Dman"),
        ("\"@authority\"", "www.example.com"),
        ("\"@scheme\"", "https"),
        ("\"@request-target\"", "/path?param=value&foo=bar&baz=bat%2Dman"),
        ("\"@path\"", "/path"),
        ("\"@query\"", "?param=value&foo=bar&baz=bat%2Dman"),
        ("\"@query-param\";name=\"baz\"", "bat-man"),
    ] {
        assert_eq!(lines(&with_query, component).unwrap(), format!("{component}: {expected}\n"));
    }
    let plain = request("", &[]);
    assert_eq!(lines(&plain, "\"@query\"").unwrap(), "\"@query\": ?\n");
    assert_eq!(lines(&plain, "\"@path\"").unwrap(), "\"@path\": /\n");
    assert_eq!(
        lines(&plain, "\"@target-uri\"").unwrap(),
        "\"@target-uri\": https://www.example.com/\n"
    );
    let star = request("*", &[]);
    assert_eq!(
        lines(&star, "\"@target-uri\"").unwrap(),
        "\"@target-uri\": https://www.example.com\n"
    );
    assert_eq!(lines(&star, "\"@request-target\"").unwrap(), "\"@request-target\": *\n");
}

#[test]
fn an_authority_has_one_spelling() {
    for (scheme, text, expected) in [
        (Scheme::Https, "WWW.Example.com:443", "www.example.com"),
        (Scheme::Https, "www.example.com:80", "www.example.com:80"),
        (Scheme::Http, "www.example.com:80", "www.example.com"),
        (Scheme::Http, "www.example.com:443", "www.example.com:443"),
        (Scheme::Http, "www.example.com:", "www.example.com"),
        (Scheme::Https, "[2001:DB8::1]:443", "[2001:db8::1]"),
        (Scheme::Https, "[2001:db8::443]", "[2001:db8::443]"),
        (Scheme::Https, "[::1]:8443", "[::1]:8443"),
    ] {
        let request = Request { scheme, authority: text.to_owned(), ..request("/", &[]) };
        let expected = format!("\"@authority\": {expected}\n");
        assert_eq!(lines(&request, "\"@authority\"").unwrap(), expected, "{text}");
    }
}

#[test]
fn fields_are_as_the_rfc_has_them() {
    let request = request(
        "/",
        &[
            ("Host", "www.example.com"),
            ("X-OWS-Header", "  Leading and trailing whitespace. \t"),
            ("X-Obs-Fold-Header", "Obsolete\r\n    line folding."),
            ("Cache-Control", "max-age=60"),
            ("Cache-control", "   must-revalidate"),
            ("Example-Dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
            ("X-Empty-Header", ""),
            ("Example-Header", "value, with, lots"),
            ("Example-Header", "of, commas"),
            ("Priority", "u=1"),
            ("Priority", "i"),
        ],
    );
    for (component, expected) in [
        ("\"host\"", "www.example.com"),
        ("\"x-ows-header\"", "Leading and trailing whitespace."),
        ("\"x-obs-fold-header\"", "Obsolete line folding."),
        ("\"cache-control\"", "max-age=60, must-revalidate"),
        ("\"example-dict\"", "a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("\"x-empty-header\"", ""),
        ("\"example-dict\";key=\"a\"", "1"),
        ("\"example-dict\";key=\"d\"", "?1"),
        ("\"example-dict\";key=\"b\"", "2;x=1;y=2"),
        ("\"example-dict\";key=\"c\"", "(a b c)"),
        ("\"example-dict\";sf;key=\"c\"", "(a b c)"),
        ("\"example-header\"", "value, with, lots, of, commas"),
        ("\"example-header\";bs", ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"),
        ("\"priority\";sf", "u=1, i"),
    ] {
        assert_eq!(lines(&request, component).unwrap(), format!("{component}: {expected}\n"));
    }
}

#[test]
fn what_cannot_be_written_in_one_way_is_not_covered() {
    let request = request(
        "/p%0Aq?a=1&a=2",
        &[
            ("x-bytes", "Grüße"),
            ("x-line", "a\r\nb"),
            ("x-dict", "a=1, a=2"),
            ("x-twice", "a=1"),
            ("x-twice", "a=2"),
            ("x-list", "a, b"),
            ("content-digest", "sha-256=:AAAA:, sha-256=:AAAA:"),
        ],
    );
    assert!(lines(&request, "\"x-bytes\";bs").is_ok());
    assert!(lines(&request, "\"x-dict\"").is_ok() && lines(&request, "\"x-dict\";bs").is_ok());
    for component in [
        "\"x-none\"",
        "\"x-none\";bs",
        "\"x-bytes\"",
        "\"x-line\"",
        "\"x-dict\";key=\"a\"",
        "\"x-twice\";key=\"a\"",
        "\"x-dict\";key=\"b\"",
        "\"x-list\";sf",
        "\"x-dict\";sf",
        "\"content-digest\";sf",
        "\"@query-param\";name=\"a\"",
        "\"@query-param\";name=\"b\"",
        "\"@query-param\"",
        "\"@query-param\";name",
        "\"@query-param\";key=\"a\"",
        "\"@query-params\";name=\"a\"",
        "\"@status\"",
        "\"@method\";req",
        "\"@method\";bs",
        "\"@signature-params\"",
        "\"@unknown\"",
        "\"@Method\"",
        "\"X-List\"",
        "\"x-list\";tr",
        "\"x-list\";req",
        "\"x-list\";bs;sf",
        "\"x-list\";bs;key=\"a\"",
        "\"x-list\";bs=?0",
        "\"x-list\";sf=1",
        "\"x-dict\";key=a",
        "\"x-list\";other",
        "\"\"",
        "\"x list\"",
        "x-list",
        "1",
        ":AAAA:",
    ] {
        assert_eq!(lines(&request, component), Err(Refusal::Component), "{component}");
    }
}

/// Parameters are signed in the order in which they came, and written strictly.
#[test]
fn parameters_are_signed_as_they_came() {
    let request = request("/", &[("a", "1")]);
    let input = "(  \"a\";bs   \"@method\" );  keyid=\"k\\\"\";created=1;x=1.50;y;z=tok;b=:aGk:";
    let expected = "\"a\";bs: :MQ==:\n\"@method\": POST\n\"@signature-params\": (\"a\";bs \"@method\");keyid=\"k\\\"\";created=1;x=1.5;y;z=tok;b=:aGk=:";
    assert_eq!(request.base(input).unwrap(), expected);
}
