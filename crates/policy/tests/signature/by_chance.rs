//! What is signed, beside a naive rendering of it: by chance.

use proptest::prelude::*;

use super::agreement::Case;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zA-Z0-9/:?&=%.,;*_-]{0,12}",
        1 => prop::sample::select(vec!["", "*", "a:443", "A.b:", "[::1]:443", " a", "a ", "a\tb", "\u{7f}", "ä"]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ -~\t]{0,16}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec!["a\r\n b", "a\n\tb", "a\nb", "\r\n a", "a \n"]).prop_map(|it| it.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

fn raw() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "\"x-a\"",
        "\"x-b\"",
        "\"@method\"",
        "\"@path\"",
        "\"@query-param\"",
        ";name=\"a\"",
        ";bs",
        ";sf",
        ";key=\"a\"",
        " ",
        " ",
        "(",
        ")",
        "s=",
        "=",
        ";created=1",
        ";keyid=\"k\"",
        ";nonce=\"\\\"\"",
        ";x=1.50",
        ";y=tok",
        ";z=:aGk=:",
        ";d=@1",
        ";f=?0",
        ",",
        ";tr",
        "\"",
    ]);
    let chaos = prop::collection::vec(part.clone(), 0..12).prop_map(|it| it.concat());
    let likely = (prop::collection::vec(part.clone(), 0..5), prop::collection::vec(part, 0..4))
        .prop_map(|(covered, parameters)| {
            format!("s=({}){}", covered.concat(), parameters.concat())
        });
    prop_oneof![1 => chaos, 3 => likely]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_is_what_a_naive_reader_writes(
        method in text(), authority in text(), path in text(), query in prop::option::of(text()),
        values in prop::collection::vec(value(), 0..5), covered in prop::collection::vec(any::<u8>(), 0..6),
        raw in raw(), digest in value(),
    ) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        Case {
            method: &method, authority: &authority, path: &path, query: query.as_deref(), values: &values, covered: &covered,
            raw: &raw, digest: &digest,
        }.check();
    }
}
