//! Addresses as people type them: a port alone will do, as `plimsoll proxy` takes it, too. Pure.

/// Where is listened for what was typed: a port alone is this machine, `:8080` every address of it.
pub(super) fn listen(typed: &str) -> String {
    match port(typed) {
        Some(port) if typed.starts_with(':') => format!("0.0.0.0:{port}"),
        Some(port) => format!("127.0.0.1:{port}"),
        None => named(typed),
    }
}

/// The server that was typed: a port alone is on this machine.
pub(super) fn target(typed: &str) -> String {
    match port(typed) {
        Some(port) => format!("127.0.0.1:{port}"),
        None => named(typed),
    }
}

fn named(typed: &str) -> String {
    let typed = typed.strip_prefix("http://").unwrap_or(typed).trim_end_matches('/');
    match typed.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => typed.to_owned(),
    }
}

/// The port, where nothing else was typed.
fn port(typed: &str) -> Option<&str> {
    let digits = typed.strip_prefix(':').unwrap_or(typed);
    let is_one = digits.len() <= 5 && digits.parse::<u16>().is_ok();
    is_one.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_an_address() {
        for (typed, listened, dialled) in [
            ("8081", "127.0.0.1:8081", "127.0.0.1:8081"),
            (":8081", "0.0.0.0:8081", "127.0.0.1:8081"),
            ("localhost:80", "127.0.0.1:80", "127.0.0.1:80"),
            ("http://10.0.0.1:80/", "10.0.0.1:80", "10.0.0.1:80"),
            ("[::1]:80", "[::1]:80", "[::1]:80"),
            ("99999", "99999", "99999"),
            ("serve", "serve", "serve"),
        ] {
            assert_eq!(
                (listen(typed), target(typed)),
                (listened.to_owned(), dialled.to_owned()),
                "{typed}"
            );
        }
    }
}
