//! What a page shows that a command prints, held against what it printed: line by line, but for what differs from run to
//! run, which is numbers with their units, who deployed where, and what the judge says of the requests.

/// The lines of an indented block, from the one that has `first` in it; lines of `...` stand for any.
pub(crate) fn shown<'a>(page: &'a str, first: &str) -> Vec<&'a str> {
    let lines = page.lines().skip_while(|line| !(line.starts_with("    ") && line.contains(first)));
    let block = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let block: Vec<&str> = block.map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(!block.is_empty(), "the page shows nothing with {first}");
    block.into_iter().filter(|line| *line != "...").collect()
}

/// Fails if one of these lines was not printed.
pub(crate) fn assert_printed(shown: &[&str], printed: &str) {
    let were: Vec<String> = printed.lines().map(shape).collect();
    let missing: Vec<&&str> = shown.iter().filter(|line| !were.contains(&shape(line))).collect();
    assert!(missing.is_empty(), "{missing:#?} is not in what was printed:\n{printed}");
}

/// Versions of releases (`1.4.2`) are no numbers and stay.
fn shape(line: &str) -> String {
    let line = line.split_once("the judge says").map_or(line, |(before, _)| before);
    let mut shape: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_end_matches([',', ')']);
        let is_number = bare == "-" || bare.replace(',', "").parse::<f64>().is_ok();
        match shape.last() {
            Some(&"#") if matches!(bare, "\u{b5}s" | "ms" | "s" | "%") => {}
            Some(&"by") => shape.push("somebody"),
            _ => shape.push(if is_number { "#" } else { word }),
        }
    }
    shape.join(" ")
}

#[test]
fn numbers_may_differ_and_words_and_releases_may_not() {
    let shown = shown(
        "a page:\n\n     0.2 s  api-3 is ready after 0.2 s\n     ...\n\n    1.4.2   0 of 7 failed, p50 -, by a@b\n\nend",
        "is ready",
    );
    assert_eq!(shown.len(), 2);
    let printed =
        "12.1 s  api-3 is ready after 9 ms\n  1.4.2   3 of 1,047 failed, p50 1.2 ms, by c@d\n";
    assert_printed(&shown, printed);
    for (there, here) in [("api-3", "api-4"), ("1.4.2", "1.4.1"), ("failed", "fell")] {
        let other = printed.replace(there, here);
        assert!(shown.iter().any(|line| !other.lines().any(|it| shape(it) == shape(line))));
    }
}
