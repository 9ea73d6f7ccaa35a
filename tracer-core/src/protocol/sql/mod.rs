//! What an SQL statement does to what: `SELECT orders` (ISO/IEC 9075-2; the grammars of PostgreSQL and MySQL).
//!
//! The head of a statement is scanned up to its first table. A common table expression stands for the table that it is
//! made of, and so does a subselect. Invariant: a verb is one that is known, else `?`; the rest are names, never
//! literals; more text never changes what was said. Memory: [`COMMON_TABLES`] names of tables, for one call.

mod grammar;
mod token;

use super::Operation;
use grammar::{KINDS, Shape};
pub(super) use token::Dialect;
use token::{Cut, Token, Tokens};

/// Bytes of a statement that are looked at.
const STATEMENT_BYTES: usize = 2_048;
/// Levels of statements in statements.
const DEPTH: usize = 8;
/// Common table expressions of one statement that are known by name.
const COMMON_TABLES: usize = 8;
/// Parts of a name: of a database, of a schema, of a table.
const PARTS: usize = 3;
/// Bytes of each.
const NAME_BYTES: usize = 64;
/// Words between `CREATE` and what is created.
const MODIFIERS: usize = 16;

/// The operation of a statement; `None` if more text is needed. Of a text with several statements it is that of the first,
/// without the beginning of a transaction and settings before it.
pub(super) fn operation(text: &[u8], is_whole: bool, dialect: Dialect) -> Option<Operation> {
    let is_long = text.len() > STATEMENT_BYTES;
    let head = text.get(..STATEMENT_BYTES).unwrap_or(text);
    let tokens = Tokens::new(head, is_whole && !is_long, dialect);
    let mut scan = Scan { tokens, depth: 0, doubt: false, common: Vec::new() };
    let mut said = Said { verb: "?", about: String::new() };
    match scan.statements(&mut said) {
        Err(Cut) if !is_long => None,
        _ => Some(Operation::new(said.verb, &said.about)),
    }
}

/// Whether a text begins as a statement does, by its first word; `None` if more text is needed.
pub(super) fn begins(text: &[u8], is_whole: bool) -> Option<Option<&'static str>> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_').count();
    if length == text.len() && !is_whole && length <= NAME_BYTES {
        return None;
    }
    Some(grammar::verb(text.get(..length).unwrap_or_default()).map(|(verb, _)| verb))
}

/// What is known of a statement so far.
struct Said {
    verb: &'static str,
    about: String,
}

struct Scan<'a> {
    tokens: Tokens<'a>,
    /// Parentheses that are open.
    depth: usize,
    /// What follows may be part of a literal.
    doubt: bool,
    /// Common table expressions, and the tables that they are made of.
    common: Vec<(String, String)>,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> Result<Token<'a>, Cut> {
        if self.doubt {
            return Ok(Token::End);
        }
        let token = self.tokens.next()?;
        match token {
            Token::Mark(b'(') => self.depth = self.depth.saturating_add(1),
            Token::Mark(b')') => self.depth = self.depth.saturating_sub(1),
            Token::Doubt => {
                self.doubt = true;
                return Ok(Token::End);
            }
            _ => {}
        }
        Ok(token)
    }

    /// The first statement, or the one after what only prepares it.
    fn statements(&mut self, said: &mut Said) -> Result<(), Cut> {
        let first = self.next()?;
        if first == Token::End && !self.doubt {
            said.verb = "EMPTY";
            return Ok(());
        }
        self.statement(first, said, 0)?;
        while matches!(said.verb, "BEGIN" | "START" | "SET") {
            if !self.skip_to(|token| token == Token::Mark(b';'))? {
                return Ok(());
            }
            let next = self.next()?;
            if next == Token::End {
                return Ok(());
            }
            self.statement(next, said, 0)?;
        }
        Ok(())
    }

    /// A statement that begins with this token.
    fn statement(&mut self, first: Token<'a>, said: &mut Said, level: usize) -> Result<(), Cut> {
        let mut token = first;
        while let Token::Mark(b'(' | b';') = token {
            token = self.next()?;
        }
        (said.verb, said.about) = ("?", String::new());
        let Token::Word(word) = token else {
            said.verb = if token == Token::End && !self.doubt { "EMPTY" } else { "?" };
            return Ok(());
        };
        let Some((verb, shape)) = grammar::verb(word) else { return Ok(()) };
        said.verb = verb;
        if level >= DEPTH {
            return Ok(());
        }
        match shape {
            Shape::Alone => {}
            Shape::From => self.select(said, level)?,
            Shape::After(passed) => {
                let next = self.next_but(passed)?;
                self.source(next, said, level)?;
            }
            Shape::Behind(word) => {
                if self.skip_to(|token| is_word(token, word))? {
                    let next = self.next_but(&["TABLE"])?;
                    self.source(next, said, level)?;
                }
            }
            Shape::Kind => self.kind(said)?,
            Shape::Statement(before) => {
                if let Some(word) = before
                    && !self.skip_to(|token| is_word(token, word))?
                {
                    return Ok(());
                }
                self.inner(said, level)?;
            }
            Shape::With => self.with(said, level)?,
        }
        self.resolve(&mut said.about);
        Ok(())
    }

    /// Passes over tokens up to one: whether there is such a one.
    fn skip_to(&mut self, is_it: impl Fn(Token<'a>) -> bool) -> Result<bool, Cut> {
        loop {
            let token = self.next()?;
            if is_it(token) {
                return Ok(true);
            }
            if token == Token::End {
                return Ok(false);
            }
        }
    }

    /// Passes over what stands in parentheses, up to their end: whether there is one.
    fn leave(&mut self, depth: usize) -> Result<bool, Cut> {
        while self.depth >= depth {
            if self.next()? == Token::End {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next token that is none of these words.
    fn next_but(&mut self, passed: &[&str]) -> Result<Token<'a>, Cut> {
        loop {
            let token = self.next()?;
            if !passed.iter().any(|word| is_word(token, word)) {
                return Ok(token);
            }
        }
    }

    /// The table after the first `FROM` that belongs to the statement itself.
    fn select(&mut self, said: &mut Said, level: usize) -> Result<(), Cut> {
        let depth = self.depth;
        let mut before = Token::End;
        loop {
            let token = self.next()?;
            let is_over = match token {
                Token::End => true,
                Token::Mark(b';') => self.depth <= depth,
                _ => self.depth < depth,
            };
            if is_over {
                return Ok(());
            }
            // `a IS DISTINCT FROM b` compares.
            if self.depth == depth && is_word(token, "FROM") && !is_word(before, "DISTINCT") {
                let next = self.next()?;
                return self.source(next, said, level);
            }
            before = token;
        }
    }

    /// A table, or what stands for one, from this token on.
    fn source(&mut self, first: Token<'a>, said: &mut Said, level: usize) -> Result<(), Cut> {
        let mut token = first;
        while token == Token::Mark(b'(') || is_word(token, "ONLY") || is_word(token, "LATERAL") {
            token = self.next()?;
        }
        if let Token::Word(word) = token
            && let Some((_, Shape::From | Shape::With)) = grammar::verb(word)
        {
            let mut inner = Said { verb: "?", about: String::new() };
            self.statement(token, &mut inner, level.saturating_add(1))?;
            said.about = inner.about;
            return Ok(());
        }
        said.about = self.name(token)?;
        Ok(())
    }

    /// A name of one part or more; empty if there is none.
    fn name(&mut self, first: Token<'a>) -> Result<String, Cut> {
        let mut name = String::new();
        let mut token = first;
        for part in 1..=PARTS {
            let (text, is_quoted) = match token {
                Token::Word(text) => (text, false),
                Token::Name(text) => (text, true),
                _ => break,
            };
            if part > 1 {
                name.push('.');
            }
            let text = String::from_utf8_lossy(text.get(..NAME_BYTES).unwrap_or(text));
            // To PostgreSQL, names without quotes are the same in small letters and in capitals.
            let is_folded = !is_quoted && self.tokens.dialect() == Dialect::Postgres;
            name.push_str(&if is_folded { text.to_ascii_lowercase().into() } else { text });
            if part == PARTS || !self.tokens.goes_on() {
                break;
            }
            token = self.next()?;
        }
        Ok(name)
    }

    /// What is created, altered or dropped, and its name, but for those who may log in.
    fn kind(&mut self, said: &mut Said) -> Result<(), Cut> {
        for _ in 0..MODIFIERS {
            let token = self.next()?;
            let Some((kind, has_name)) = KINDS.iter().find(|(kind, _)| is_word(token, kind)) else {
                if token == Token::End {
                    break;
                }
                continue;
            };
            (*kind).clone_into(&mut said.about);
            if *has_name {
                let next = self.next_but(&["IF", "NOT", "EXISTS", "ONLY", "CONCURRENTLY", "ON", "FOR"])?;
                let name = self.name(next)?;
                if !name.is_empty() {
                    said.about = format!("{kind} {name}");
                }
            }
            break;
        }
        Ok(())
    }

    /// A statement that another one, such as `EXPLAIN`, is about.
    fn inner(&mut self, said: &mut Said, level: usize) -> Result<(), Cut> {
        loop {
            let token = self.next()?;
            let Token::Word(word) = token else {
                if token == Token::End {
                    return Ok(());
                }
                continue;
            };
            // Options, such as `ANALYZE`, are verbs too, but not of these.
            if let Some((_, Shape::From | Shape::With | Shape::After(_))) = grammar::verb(word)
                && !["ANALYZE", "VERBOSE", "TABLE"].iter().any(|option| is_word(token, option))
            {
                let mut inner = Said { verb: "?", about: String::new() };
                self.statement(token, &mut inner, level.saturating_add(1))?;
                let space = if inner.about.is_empty() { "" } else { " " };
                said.about = format!("{}{space}{}", inner.verb, inner.about);
                return Ok(());
            }
        }
    }

    /// Common table expressions, and the statement after them.
    fn with(&mut self, said: &mut Said, level: usize) -> Result<(), Cut> {
        loop {
            let first = self.next_but(&["RECURSIVE"])?;
            let name = self.name(first)?;
            let mut token = self.next()?;
            if token == Token::Mark(b'(') {
                // Its columns.
                let depth = self.depth;
                self.leave(depth)?;
                token = self.next()?;
            }
            while ["AS", "NOT", "MATERIALIZED"].iter().any(|word| is_word(token, word)) {
                token = self.next()?;
            }
            if name.is_empty() || token != Token::Mark(b'(') {
                return Ok(());
            }
            let depth = self.depth;
            let first = self.next()?;
            let mut inner = Said { verb: "?", about: String::new() };
            self.statement(first, &mut inner, level.saturating_add(1))?;
            if !self.leave(depth)? {
                return Ok(());
            }
            if self.common.len() < COMMON_TABLES {
                self.common.push((name, inner.about));
            }
            let next = self.next()?;
            if next != Token::Mark(b',') {
                return self.statement(next, said, level.saturating_add(1));
            }
        }
    }

    /// The table that a common table expression is made of.
    fn resolve(&self, about: &mut String) {
        if let Some((_, table)) = self.common.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(about)) {
            about.clone_from(table);
        }
    }
}

fn is_word(token: Token<'_>, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests;
