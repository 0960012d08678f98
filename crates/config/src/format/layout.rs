//! How a text of TOML is laid out, token by token: one blank around `=`, one behind each comma, none
//! at the ends of lines; no indentation but four blanks within lists of several lines; one empty line
//! at most, and one before each header. A comment behind a value stays as far from it as it is. Lines
//! are neither broken nor joined, and what stands in quotes is not touched.
//!
//! The text must be TOML, which is checked before; of another the result means nothing.

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// How far a line within a bracket is indented.
const INDENT: &str = "    ";

/// Lays out `text`, which is TOML.
pub(super) fn lay_out(text: &str) -> String {
    let mut layout = Layout::default();
    for token in Source::new(text).lex() {
        let span = token.span();
        layout.take(token.kind(), text.get(span.start()..span.end()).unwrap_or_default());
    }
    layout.text
}

#[derive(Default)]
struct Layout {
    text: String,
    /// What was last written on this line; `None` at its beginning.
    last: Option<TokenKind>,
    /// Whether white space stood behind it.
    was_spaced: bool,
    /// How many blanks stood there.
    gap: usize,
    /// Line ends since anything was written.
    newlines: usize,
    part: Part,
    /// The brackets that are open in a value.
    open: Vec<TokenKind>,
    /// Where the comments begin that stand right above, each on a line of its own.
    comments: Option<usize>,
    /// Where the last token that is no comment ends, and which it was.
    significant: (usize, Option<TokenKind>),
}

/// Where in its line a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BeginsLine,
    InLine,
}

/// Which part of a line is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Key,
    Header,
    Value,
}

impl Layout {
    fn take(&mut self, kind: TokenKind, token: &str) {
        match kind {
            TokenKind::Eof => {}
            TokenKind::Whitespace => {
                self.was_spaced = true;
                self.gap = if token.contains('\t') { 1 } else { token.len() };
            }
            TokenKind::Newline => self.end_line(),
            TokenKind::Comment => {
                self.begin(kind);
                self.text.push_str(token.trim_end());
                self.last = Some(kind);
            }
            TokenKind::Comma if self.last.is_none() && self.part == Part::Value => {
                self.join_comma()
            }
            _ => self.token(kind, token),
        }
        if kind == TokenKind::Eof && self.last.is_some() {
            self.text.push('\n');
        }
    }

    fn end_line(&mut self) {
        if self.last.is_some() {
            self.text.push('\n');
        }
        self.last = None;
        self.was_spaced = false;
        self.newlines += 1;
        if self.open.is_empty() {
            self.part = Part::Key;
        }
    }

    fn token(&mut self, kind: TokenKind, token: &str) {
        let place = if self.last.is_none() { Place::BeginsLine } else { Place::InLine };
        if place == Place::BeginsLine
            && self.open.is_empty()
            && kind == TokenKind::LeftSquareBracket
        {
            self.part = Part::Header;
        }
        let closes = matches!(kind, TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket);
        if closes && self.part == Part::Value {
            self.open.pop();
            self.settle_comma(kind, place);
        }
        self.begin(kind);
        self.text.push_str(token);
        self.last = Some(kind);
        self.was_spaced = false;
        self.significant = (self.text.len(), Some(kind));
        let opens = matches!(kind, TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket);
        match (self.part, kind) {
            (Part::Value, _) if opens => self.open.push(kind),
            (Part::Key, TokenKind::Equals) => self.part = Part::Value,
            _ => {}
        }
    }

    /// A list whose bracket closes on a line of its own ends with a comma, any other without.
    fn settle_comma(&mut self, kind: TokenKind, place: Place) {
        let (end, last) = self.significant;
        if kind != TokenKind::RightSquareBracket {
            return;
        }
        match last {
            Some(TokenKind::Comma) if place == Place::InLine => {
                self.text.truncate(end - 1);
                self.last = Some(TokenKind::Atom);
            }
            Some(TokenKind::Comma | TokenKind::LeftSquareBracket) => {}
            _ if place == Place::BeginsLine => self.text.insert(end, ','),
            _ => {}
        }
    }

    /// A comma that begins a line stands behind its item.
    fn join_comma(&mut self) {
        let (end, _) = self.significant;
        self.text.insert(end, ',');
        self.significant = (end + 1, Some(TokenKind::Comma));
        self.was_spaced = false;
        // Its line is no empty one.
        self.newlines = self.newlines.saturating_sub(1);
    }

    /// Writes what belongs before a token: line ends, indentation, a blank.
    fn begin(&mut self, kind: TokenKind) {
        match self.last {
            None => self.begin_line(kind),
            // Comments of several lines may stand below each other.
            Some(_) if kind == TokenKind::Comment => {
                let gap = if self.was_spaced { self.gap } else { 1 };
                self.text.extend(std::iter::repeat_n(' ', gap));
            }
            Some(last) if self.is_apart(last, kind) => self.text.push(' '),
            Some(_) => {}
        }
        self.newlines = 0;
    }

    fn begin_line(&mut self, kind: TokenKind) {
        let closes = matches!(kind, TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket);
        let is_inside = !self.open.is_empty() || closes;
        let opened = matches!(
            self.significant.1,
            Some(TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket)
        ) && self.significant.0 + 1 == self.text.len();
        let is_edge = is_inside && (opened || closes);
        if self.newlines > 1 && !self.text.is_empty() && !is_edge {
            self.text.push('\n');
            self.comments = None;
        }
        match kind {
            TokenKind::Comment if self.open.is_empty() => {
                self.comments.get_or_insert(self.text.len());
            }
            _ if self.part == Part::Header => self.set_header_apart(),
            _ => self.comments = None,
        }
        for _ in 0..self.open.len() {
            self.text.push_str(INDENT);
        }
    }

    /// Puts an empty line before a header, and before the comments that stand right above it.
    fn set_header_apart(&mut self) {
        let begin = self.comments.take().unwrap_or(self.text.len());
        if begin > 0 && !self.text[..begin].ends_with("\n\n") {
            self.text.insert(begin, '\n');
        }
    }

    /// Whether a blank stands between two tokens of a line.
    fn is_apart(&self, last: TokenKind, kind: TokenKind) -> bool {
        use TokenKind as Kind;
        match (self.part, last, kind) {
            (_, Kind::Dot, _) | (_, _, Kind::Dot) | (Part::Header, ..) => false,
            (_, Kind::Equals, _) | (_, _, Kind::Equals) => true,
            (_, _, Kind::Comma) => false,
            (_, Kind::Comma, _) => true,
            (_, Kind::LeftCurlyBracket, Kind::RightCurlyBracket) => false,
            (_, Kind::LeftCurlyBracket, _) | (_, _, Kind::RightCurlyBracket) => true,
            (_, Kind::LeftSquareBracket, _) | (_, _, Kind::RightSquareBracket) => false,
            // A date and its time.
            _ => self.was_spaced,
        }
    }
}
