//! The plimsoll.toml that the options of `plimsoll proxy` are. Pure: text in, text out.
//!
//! It decides nothing that the reader of files decides: what makes no sense goes on to it, and is told by it.

use super::Options;

/// Whether the machine has IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ipv6 {
    Present,
    Absent,
}

/// The file that says what `options` say.
pub(super) fn document(options: &Options, ipv6: Ipv6) -> String {
    let bind = options.listen.iter().flat_map(|listen| listened(listen, ipv6));
    let bind = listed(bind.collect());
    let targets: Vec<_> = options.targets.iter().map(|target| dialled(target)).collect();
    let targets: Vec<_> = targets.iter().map(|target| quoted(target)).collect();
    let access = if options.access_log { "stdout" } else { "off" };
    let mut text = format!(
        "[server]\ndrain = \"5s\"\n\n[log]\naccess = \"{access}\"\n\n[listeners.web]\nbind = {bind}\n"
    );
    if let Some(body) = &options.body {
        text.push_str(&format!("limits = {{ body = {} }}\n", quoted(body)));
    }
    text.push_str(&format!("\n[services.app]\ntargets = [{}]\n", targets.join(", ")));
    if let Some(balance) = &options.balance {
        text.push_str(&format!("balance = {}\n", balanced(balance)));
    }
    if options.sticky {
        text.push_str("sticky = {}\n");
    }
    text.push_str(&match &options.health {
        Some(path) => format!("health = {{ path = {} }}\n", quoted(path)),
        None => "health = { tcp = true }\n".to_owned(),
    });
    text.push_str("\n[[routes]]\nto = \"app\"\n");
    text
}

/// Where is listened for what was typed: a port alone is every address.
fn listened(typed: &str, ipv6: Ipv6) -> Vec<String> {
    let typed = typed.strip_prefix("http://").unwrap_or(typed).trim_end_matches('/');
    match port(typed) {
        Some(port) => match ipv6 {
            Ipv6::Present => vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
            Ipv6::Absent => vec![format!("0.0.0.0:{port}")],
        },
        None => match typed.strip_prefix("localhost:") {
            Some(port) => vec![format!("127.0.0.1:{port}")],
            None => vec![typed.to_owned()],
        },
    }
}

/// The server that was typed: a port alone is on this machine.
fn dialled(typed: &str) -> String {
    let typed = typed.strip_prefix("http://").unwrap_or(typed);
    let typed = typed.strip_suffix('/').unwrap_or(typed);
    match port(typed) {
        Some(port) => format!("127.0.0.1:{port}"),
        None => typed.to_owned(),
    }
}

/// The port, where nothing else was typed.
fn port(typed: &str) -> Option<&str> {
    let digits = typed.strip_prefix(':').unwrap_or(typed);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// How a server is chosen, as the file has it.
fn balanced(typed: &str) -> String {
    let is_hash = typed.contains(':') || ["path", "ip"].contains(&typed);
    if is_hash { format!("{{ hash = {} }}", quoted(typed)) } else { quoted(typed) }
}

fn listed(texts: Vec<String>) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    match texts.as_slice() {
        [text] => text.clone(),
        texts => format!("[{}]", texts.join(", ")),
    }
}

/// `text` as TOML has it. What stands on a command line is meant as it is: the shell has put its variables in.
fn quoted(text: &str) -> String {
    toml::Value::String(text.replace("${", "$${")).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use config::{Environment, Origin};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    /// The file for these words.
    fn made(words: &str, ipv6: Ipv6) -> String {
        let words = ["proxy"].into_iter().chain(words.split_whitespace());
        document(&Line::parse_from(words).options, ipv6)
    }

    #[test]
    fn the_options_are_a_file_that_the_reader_takes() {
        let text = made(
            ":9001 localhost:9002 http://10.0.0.1:80/ -l :8080 -l localhost:81 --health /up --balance cookie:id \
             --sticky --body 1GiB --access-log",
            Ipv6::Present,
        );
        insta::assert_snapshot!(text, @r#"
        [server]
        drain = "5s"

        [log]
        access = "stdout"

        [listeners.web]
        bind = ["0.0.0.0:8080", "[::]:8080", "127.0.0.1:81"]
        limits = { body = "1GiB" }

        [services.app]
        targets = ["127.0.0.1:9001", "localhost:9002", "10.0.0.1:80"]
        balance = { hash = "cookie:id" }
        sticky = {}
        health = { path = "/up" }

        [[routes]]
        to = "app"
        "#);
        for words in [
            "9001",
            ":9001 --listen 8080 --balance round_robin",
            "a:1 b:2 --balance path",
            "a:1 --balance p2c --listen [::1]:0",
            "https://a:1",
        ] {
            let text = made(words, Ipv6::Absent);
            let (name, environment) = (words.to_owned(), Environment::fixed());
            let read = config::parse(&text, &Origin { name, dir: "/srv".into(), environment });
            assert!(read.is_ok_and(|loaded| loaded.warnings.is_empty()), "{words}:\n{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_stays_what_was_typed_and_is_refused() {
        for words in ["a", "a:1 --balance fastest", "a:1 --health up", "a:1\"]\n -l here:1"] {
            let text = made(words, Ipv6::Absent);
            let (name, environment) = (words.to_owned(), Environment::fixed());
            let read = config::parse(&text, &Origin { name, dir: "/srv".into(), environment });
            assert!(read.is_err(), "{words}:\n{text}");
        }
    }
}
