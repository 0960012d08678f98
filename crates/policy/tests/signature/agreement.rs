//! What is signed, written a second time in the simplest way: ours must be the same bytes, or refuse what cannot be written.
//! The tests run it by chance, the fuzz target `signatures` by coverage.

use model::Scheme;
use policy::hmac::{BodyDigest, Signed, canonical};
use policy::signature::{ContentDigest, Field, Message, Refusal, base, inputs};

/// What the components of a case are picked from.
const COMPONENTS: [&str; 9] = [
    "@method",
    "@authority",
    "@path",
    "@query",
    "@request-target",
    "@target-uri",
    "@scheme",
    "x-a",
    "x-b",
];

/// A request, and what its signature says.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    /// Its method.
    pub(crate) method: &'a str,
    /// Its authority.
    pub(crate) authority: &'a str,
    /// Its path.
    pub(crate) path: &'a str,
    /// Its query.
    pub(crate) query: Option<&'a str>,
    /// Values of `x-a` (even places) and `x-b` (odd ones).
    pub(crate) values: &'a [&'a [u8]],
    /// Places in [`COMPONENTS`].
    pub(crate) covered: &'a [u8],
    /// A whole `Signature-Input`.
    pub(crate) raw: &'a str,
    /// A whole `Content-Digest`.
    pub(crate) digest: &'a [u8],
}

impl Case<'_> {
    /// Asserts all that holds of every case.
    pub(crate) fn check(&self) {
        self.is_as_the_naive_one();
        self.is_canonical();
        self.is_read_back();
        let mut fields = self.fields();
        fields.push(Field { name: b"content-digest", value: self.digest });
        if let Ok(digest) = ContentDigest::of(&self.message(&fields)) {
            assert!(!digest.is_of([self.digest].into_iter()), "a digest of itself");
        }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        let field =
            |(at, value)| Field { name: if at % 2 == 0 { &b"X-A"[..] } else { b"x-b" }, value };
        self.values.iter().copied().enumerate().map(field).collect()
    }

    fn message<'a>(&'a self, fields: &'a [Field<'a>]) -> Message<'a> {
        Message {
            method: self.method.as_bytes(),
            scheme: Scheme::Https,
            authority: self.authority.as_bytes(),
            path: self.path.as_bytes(),
            query: self.query.map(str::as_bytes),
            fields,
        }
    }

    /// What is signed where `Signature-Input` is `input` under the label `s`.
    fn base(&self, input: &str) -> Result<Vec<u8>, Refusal> {
        let mut fields = self.fields();
        fields.push(Field { name: b"Signature-Input", value: input.as_bytes() });
        fields.push(Field { name: b"Signature", value: b"s=:AA==:" });
        let message = self.message(&fields);
        let inputs = inputs(&message)?;
        base(&message, &inputs[0])
    }

    fn is_as_the_naive_one(&self) {
        let mut covered: Vec<&str> =
            self.covered.iter().map(|at| COMPONENTS[usize::from(*at) % COMPONENTS.len()]).collect();
        covered.sort_unstable();
        covered.dedup();
        let names: Vec<String> = covered.iter().map(|name| format!("\"{name}\"")).collect();
        let parameters = format!("({});created=1", names.join(" "));
        let mut naive = Some(String::new());
        for name in &covered {
            let line = self.naive(name).map(|value| format!("\"{name}\": {value}\n"));
            naive = naive.zip(line).map(|(text, line)| text + &line);
        }
        let naive = naive.map(|text| text + "\"@signature-params\": " + &parameters);
        match (self.base(&format!("s={parameters}")), naive) {
            (Ok(base), Some(naive)) => assert_eq!(String::from_utf8_lossy(&base), naive),
            (Err(Refusal::Component), None) => {}
            (base, naive) => panic!("{base:?} and {naive:?}"),
        }
    }

    fn naive(&self, name: &str) -> Option<String> {
        let path = if self.path.is_empty() { "/" } else { self.path };
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        let authority = self.authority.to_ascii_lowercase();
        let authority =
            authority.strip_suffix(":443").or(authority.strip_suffix(':')).unwrap_or(&authority);
        let value = match name {
            "@method" => self.method.to_owned(),
            "@scheme" => "https".to_owned(),
            "@authority" => authority.to_owned(),
            "@path" => path.to_owned(),
            "@query" if query.is_empty() => "?".to_owned(),
            "@query" => query,
            "@request-target" => path.to_owned() + &query,
            "@target-uri" if self.path == "*" => format!("https://{authority}"),
            "@target-uri" => format!("https://{authority}{path}{query}"),
            _ => return self.naive_field(usize::from(name == "x-b")),
        };
        let is_plain = value.bytes().all(|byte| matches!(byte, 32..=126));
        (is_plain && value == value.trim_matches(' ')).then_some(value)
    }

    fn naive_field(&self, first: usize) -> Option<String> {
        let lines = self.values.iter().skip(first).step_by(2);
        let lines = lines.map(|line| {
            let line = String::from_utf8(line.to_vec()).ok()?;
            let line = unfolded(line.trim_ascii());
            line.bytes().all(|byte| matches!(byte, 9 | 32..=126)).then_some(line)
        });
        let lines = lines.collect::<Option<Vec<_>>>()?;
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// Whatever a signature says, what is signed has a line for each component and one for the parameters; read again, it is the same.
    fn is_canonical(&self) {
        let Ok(bytes) = self.base(self.raw) else { return };
        let text = String::from_utf8(bytes).expect("it is ASCII");
        assert!(text.bytes().all(|byte| matches!(byte, 9 | 10 | 32..=126)), "{text:?}");
        let (lines, last) = text.rsplit_once('\n').unwrap_or(("", &text));
        let parameters = last.strip_prefix("\"@signature-params\": ").expect("it is the last line");
        assert!(
            lines
                .lines()
                .all(|line| line.starts_with('"') && line.contains("\": ") || line.contains("\";"))
        );
        let again = self.base(&format!("s={parameters}")).expect("it is still a signature");
        assert_eq!(text.as_bytes(), again, "what was written is not read as it was");
    }

    /// The five lines of a request that is signed with a secret are the five that were written.
    fn is_read_back(&self) {
        let parts = [self.method, self.path, "1700000000", self.authority];
        if parts.iter().any(|part| part.contains('\n')) {
            return;
        }
        let body = BodyDigest::of([self.digest]);
        let signed = Signed { method: parts[0].as_bytes(), target: parts[1].as_bytes(), body };
        let mut out = Vec::new();
        canonical(&signed, parts[2].as_bytes(), parts[3].as_bytes(), &mut out);
        let text = String::from_utf8(out).expect("all of it was text");
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[..4], parts);
        assert_eq!((lines.len(), lines[4].len()), (5, 64));
    }
}

/// A fold is one blank; what is no fold keeps its line.
fn unfolded(line: &str) -> String {
    if !line.contains('\n') {
        return line.to_owned();
    }
    let mut lines = line.split('\n');
    let mut out = lines.next().unwrap_or_default().trim_ascii_end().to_owned();
    for line in lines {
        out.push_str(if line.starts_with([' ', '\t']) { " " } else { "\n" });
        out.push_str(line.trim_ascii());
    }
    out
}
