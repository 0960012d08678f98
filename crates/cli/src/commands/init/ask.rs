//! The few questions on a terminal. Each has a proposal, which an empty line takes.

use std::io::{self, BufRead, Write};

/// How often a question is put before what is proposed is taken.
const TRIES: usize = 10;

/// Somebody who is asked.
pub(super) struct Person<R, W> {
    pub(super) reads: R,
    pub(super) writes: W,
}

impl<R: BufRead, W: Write> Person<R, W> {
    /// What is answered; `proposed` for an empty line, or where nobody answers any more.
    pub(super) fn ask(&mut self, question: &str, proposed: &str) -> io::Result<String> {
        write!(self.writes, "{question} [{proposed}]: ")?;
        self.writes.flush()?;
        let mut line = String::new();
        if self.reads.read_line(&mut line)? == 0 {
            // The prompt's line is not ended by anybody else.
            writeln!(self.writes)?;
        }
        let line = line.trim();
        Ok(if line.is_empty() { proposed.to_owned() } else { line.to_owned() })
    }

    /// The same until the answer can be read; so often only, as the end of the input proposes for ever.
    pub(super) fn ask_until(
        &mut self,
        question: &str,
        proposed: &str,
        read: impl Fn(&str) -> Result<String, &'static str>,
    ) -> io::Result<String> {
        for _ in 0..TRIES {
            match read(&self.ask(question, proposed)?) {
                Ok(answer) => return Ok(answer),
                Err(why) => writeln!(self.writes, "! {why}")?,
            }
        }
        Ok(proposed.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_asked_again() {
        let mut shown = Vec::new();
        let mut person = Person { reads: "x\n/up\nx\n".as_bytes(), writes: &mut shown };
        let read = |text: &str| match text.starts_with('/') {
            true => Ok(text.to_owned()),
            false => Err("no path"),
        };
        assert_eq!(person.ask_until("Q", "/", read).unwrap(), "/up");
        assert_eq!(
            person.ask_until("Q", "/", read).unwrap(),
            "/",
            "the end takes what is proposed"
        );
        assert!(String::from_utf8(shown).unwrap().starts_with("Q [/]: ! no path\nQ [/]: "));
    }

    #[test]
    fn an_empty_line_takes_what_is_proposed_and_so_does_the_end() {
        let mut shown = Vec::new();
        let mut person = Person { reads: "\n  /up \n".as_bytes(), writes: &mut shown };
        let answers = ["a", "b", "c"].map(|it| person.ask("Q", it).unwrap());
        assert_eq!(answers, ["a", "/up", "c"]);
        assert_eq!(String::from_utf8(shown).unwrap(), "Q [a]: Q [b]: Q [c]: \n");
    }
}
