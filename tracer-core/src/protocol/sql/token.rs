//! Tokens of SQL (ISO/IEC 9075-2 §5), as PostgreSQL (its documentation, §4.1) and MySQL (its manual, §9) write them.
//!
//! Invariant: more text after it never changes a token, and no word or name comes from within a literal: where settings
//! of the server decide what is one, there is [`Token::Doubt`]. Memory: none.

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Dialect {
    Postgres,
    MySql,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword, or a name without quotes.
    Word(&'a [u8]),
    /// A name in quotes, without them.
    Name(&'a [u8]),
    /// A sign.
    Mark(u8),
    /// A literal or a parameter.
    Value,
    /// A literal that ends here or elsewhere, by the settings of the server.
    Doubt,
    End,
}

/// The text ends before it says which token there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut;

/// The tokens of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
    /// Nothing follows the text.
    is_whole: bool,
    dialect: Dialect,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8], is_whole: bool, dialect: Dialect) -> Self {
        Self { rest: text, is_whole, dialect }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, Cut> {
        self.skip_space()?;
        let Some(first) = self.rest.first().copied() else { return Ok(Token::End) };
        match (first, self.dialect) {
            (b'\'', _) | (b'"', Dialect::MySql) => Ok(self.string(first)?.map_or(Token::Doubt, |_| Token::Value)),
            (b'"', Dialect::Postgres) | (b'`', Dialect::MySql) => {
                Ok(self.string(first)?.map_or(Token::Doubt, Token::Name))
            }
            (b'$', Dialect::Postgres) => self.dollar(),
            (b'@', Dialect::MySql) => self.word(|byte| is_part(byte) || byte == b'@').map(|_| Token::Value),
            (b'0'..=b'9', _) => self.word(|byte| is_part(byte) || byte == b'.').map(|_| Token::Value),
            _ if is_part(first) => self.word(is_part).map(Token::Word),
            _ => {
                self.skip(1);
                Ok(Token::Mark(first))
            }
        }
    }

    /// Whether a point follows, and with it the next part of a name; it is passed over.
    pub(super) fn goes_on(&mut self) -> bool {
        let rest = self.rest.strip_prefix(b".");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Whether the text, of which there may be more, begins so.
    fn begins(&self, with: &[u8]) -> Result<bool, Cut> {
        let is_cut = !self.is_whole && self.rest.len() < with.len() && with.starts_with(self.rest);
        if is_cut { Err(Cut) } else { Ok(self.rest.starts_with(with)) }
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// Passes over blanks and comments.
    fn skip_space(&mut self) -> Result<(), Cut> {
        let is_mysql = self.dialect == Dialect::MySql;
        loop {
            let blanks = self.rest.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
            self.skip(blanks);
            if self.rest.is_empty() {
                return if self.is_whole { Ok(()) } else { Err(Cut) };
            }
            if is_mysql && (self.begins(b"/*!")? || self.begins(b"/*M!")?) {
                // What stands in it is done, by servers of some versions at least.
                let mark = self.rest.iter().position(|byte| *byte == b'!').unwrap_or_default();
                self.skip(mark.saturating_add(1));
                self.word(|byte| byte.is_ascii_digit())?;
            } else if is_mysql && self.begins(b"*/")? {
                self.skip(2);
            } else if self.begins(b"/*")? {
                self.comment()?;
            } else if (is_mysql && self.begins(b"#")?) || self.begins_line_comment()? {
                self.word(|byte| byte != b'\n')?;
            } else {
                return Ok(());
            }
        }
    }

    /// MySQL wants a blank after the two signs.
    fn begins_line_comment(&self) -> Result<bool, Cut> {
        if !self.begins(b"--")? || self.dialect == Dialect::Postgres {
            return self.begins(b"--");
        }
        match self.rest.get(2) {
            Some(byte) => Ok(byte.is_ascii_whitespace() || byte.is_ascii_control()),
            None if self.is_whole => Ok(true),
            None => Err(Cut),
        }
    }

    /// Passes over a comment, in PostgreSQL with those in it.
    fn comment(&mut self) -> Result<(), Cut> {
        let mut depth = 0_usize;
        while !self.rest.is_empty() {
            if self.begins(b"/*")? {
                depth = if self.dialect == Dialect::Postgres { depth.saturating_add(1) } else { 1 };
                self.skip(2);
            } else if self.begins(b"*/")? {
                depth = depth.saturating_sub(1);
                self.skip(2);
                if depth == 0 {
                    return Ok(());
                }
            } else {
                self.skip(1);
            }
        }
        if self.is_whole { Ok(()) } else { Err(Cut) }
    }

    /// As many bytes as are of a word.
    fn word(&mut self, is_of_it: impl Fn(u8) -> bool) -> Result<&'a [u8], Cut> {
        let length = self.rest.iter().take_while(|byte| is_of_it(**byte)).count();
        let (word, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        if rest.is_empty() && !self.is_whole {
            return Err(Cut);
        }
        self.rest = rest;
        Ok(word)
    }

    /// What stands between quotes; `None` if that depends.
    fn string(&mut self, quote: u8) -> Result<Option<&'a [u8]>, Cut> {
        let text = self.rest.get(1..).unwrap_or_default();
        // In a name in quotes, a backslash is like any other.
        let may_escape = quote == b'\'' || (quote == b'"' && self.dialect == Dialect::MySql);
        let mut at = 0_usize;
        loop {
            let pair = (text.get(at).copied(), text.get(at.saturating_add(1)).copied());
            match pair {
                (None, _) | (Some(_), None) if !self.is_whole => return Err(Cut),
                (None, _) => {
                    self.rest = &[];
                    return Ok(None);
                }
                (Some(b'\\'), Some(next)) if may_escape && next == quote => return Ok(None),
                (Some(b'\\'), Some(_)) if may_escape => at = at.saturating_add(2),
                (Some(byte), Some(next)) if byte == quote && next == quote => at = at.saturating_add(2),
                (Some(byte), _) if byte == quote => break,
                (Some(_), _) => at = at.saturating_add(1),
            }
        }
        self.skip(at.saturating_add(2));
        Ok(text.get(..at))
    }

    /// A parameter such as `$1`, or a literal between tags such as `$body$`.
    fn dollar(&mut self) -> Result<Token<'a>, Cut> {
        let mut ahead = *self;
        ahead.skip(1);
        let name = ahead.word(|byte| is_part(byte) && byte != b'$')?;
        if ahead.rest.first() != Some(&b'$') || name.first().is_some_and(u8::is_ascii_digit) {
            *self = ahead;
            return Ok(Token::Value);
        }
        let tag = self.rest.get(..name.len().saturating_add(2)).unwrap_or_default();
        self.skip(tag.len());
        while !self.rest.is_empty() {
            if self.begins(tag)? {
                self.skip(tag.len());
                return Ok(Token::Value);
            }
            self.skip(1);
        }
        if self.is_whole { Ok(Token::Value) } else { Err(Cut) }
    }
}

/// Whether a byte may be in a name without quotes.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str, is_whole: bool, dialect: Dialect) -> Vec<Token<'_>> {
        let mut tokens = Tokens::new(text.as_bytes(), is_whole, dialect);
        let mut all = Vec::new();
        while let Ok(token) = tokens.next() {
            if token == Token::End {
                break;
            }
            all.push(token);
            if token == Token::Doubt {
                break;
            }
        }
        all
    }

    #[test]
    fn literals_and_comments_are_passed_over_by_the_rules_of_each_dialect() {
        use Token::{Mark, Name, Value, Word};
        let postgres = |text| tokens(text, true, Dialect::Postgres);
        let mysql = |text| tokens(text, true, Dialect::MySql);
        assert_eq!(postgres("a 'b''c' d"), [Word(b"a"), Value, Word(b"d")]);
        assert_eq!(postgres("/* a /* b */ c */ d -- e\nf"), [Word(b"d"), Word(b"f")]);
        assert_eq!(mysql("/* a /* b */ c"), [Word(b"c")]);
        assert_eq!(postgres("$tag$ 'x $tag$ $1 $$y$$ z"), [Value, Value, Value, Word(b"z")]);
        assert_eq!(postgres("\"a b\" `"), [Name(b"a b"), Mark(b'`')]);
        assert_eq!(mysql("`a b` \"c\" @x @@y # z\n1e3"), [Name(b"a b"), Value, Value, Value, Value]);
        assert_eq!(mysql("1--1 -- a"), [Value, Mark(b'-'), Mark(b'-'), Value]);
        assert_eq!(mysql("/*!40101 SET a */ b /*M!100 c*/"), [Word(b"SET"), Word(b"a"), Word(b"b"), Word(b"c")]);
        assert_eq!(postgres("'a\\' FROM secret'"), [Token::Doubt]);
        assert_eq!(mysql("'a\\\\' b"), [Value, Word(b"b")]);
    }

    proptest! {
        #[test]
        fn more_text_changes_no_token(text in "[ab'\"`$/*!#\\\\ \n.;-]{0,40}", end in 0..40_usize) {
            for dialect in [Dialect::Postgres, Dialect::MySql] {
                let all = tokens(&text, true, dialect);
                let some = tokens(text.get(..end).unwrap_or(&text), false, dialect);
                prop_assert!(all.starts_with(&some), "{some:?} {all:?}");
            }
        }
    }
}
