//! Text → tree.

use std::borrow::Cow;

use super::{Error, Limits, Parsed, lex::Lexer};
use crate::{
    Map, Str, Value,
    trail::{Trail, note},
};

/// Reads one JSON document.
///
/// Bytes that are no UTF-8 become U+FFFD, as in Go's decoder.
///
/// # Errors
/// The input is not well-formed or exceeds a limit.
pub fn parse(input: &[u8], limits: &Limits) -> Result<Parsed, Error> {
    let text = text(input, limits)?;
    let mut duplicates = Vec::new();
    let mut parser = Parser { lex: Lexer::new(&text), depth: limits.depth, duplicates: &mut duplicates, trace: None };
    let value = parser.document()?;
    Ok(Parsed { duplicates, ..value.into() })
}

/// Puts paths of members of a document in the order in which the document has them.
///
/// Trees sort their keys; upstream lists strict errors as it meets them. A path that stands several times counts where
/// it first stands, one that is not found goes to the end. Only needed when there is something to report, so it
/// simply reads the document again.
pub fn in_document_order<T>(input: &[u8], items: &mut [T], path: impl Fn(&T) -> &str) {
    let Ok(text) = text(input, &Limits { bytes: usize::MAX, ..Limits::default() }) else { return };
    let wanted = items.iter().map(|item| path(item).to_owned()).collect();
    let mut trace = Trace { wanted, met: Vec::new() };
    let mut ignored = Vec::new();
    let mut parser = Parser {
        lex: Lexer::new(&text),
        depth: Limits::default().depth,
        duplicates: &mut ignored,
        trace: Some(&mut trace),
    };
    // What stands before a syntax error is still in order.
    let _ = parser.document();
    items.sort_by_key(|item| trace.met.iter().position(|met| met == path(item)).unwrap_or(usize::MAX));
}

fn text<'a>(input: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, Error> {
    if input.len() > limits.bytes {
        return Err(Error::TooLarge { limit: limits.bytes });
    }
    Ok(String::from_utf8_lossy(input))
}

struct Trace {
    /// Paths not met so far.
    wanted: Vec<String>,
    met: Vec<String>,
}

impl Trace {
    fn meet(&mut self, here: Trail<'_>) {
        if let Some(at) = self.wanted.iter().position(|path| here.is(path)) {
            self.met.push(self.wanted.swap_remove(at));
        }
    }
}

struct Parser<'a, 'o> {
    lex: Lexer<'a>,
    /// Levels still allowed.
    depth: usize,
    duplicates: &'o mut Vec<String>,
    trace: Option<&'o mut Trace>,
}

impl Parser<'_, '_> {
    fn document(&mut self) -> Result<Value, Error> {
        let value = self.value(Trail::Root)?;
        match self.lex.peek() {
            None => Ok(value),
            Some(_) => Err(self.lex.bad("after top-level value")),
        }
    }

    fn value(&mut self, place: Trail<'_>) -> Result<Value, Error> {
        match self.lex.peek() {
            Some(b'"') => self.lex.string().map(Value::String),
            Some(b'{') => self.nested(|p| p.object(place)),
            Some(b'[') => self.nested(|p| p.array(place)),
            Some(b'-' | b'0'..=b'9') => self.lex.number(),
            Some(b't') => self.lex.word("true", Value::Bool(true)),
            Some(b'f') => self.lex.word("false", Value::Bool(false)),
            Some(b'n') => self.lex.word("null", Value::Null),
            _ => Err(self.lex.bad("looking for beginning of value")),
        }
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        self.depth = self.depth.checked_sub(1).ok_or(Error::TooDeep)?;
        self.lex.bump();
        let value = inner(self)?;
        self.depth += 1;
        Ok(value)
    }

    fn object(&mut self, place: Trail<'_>) -> Result<Value, Error> {
        let mut entries: Vec<(Str, Value)> = Vec::new();
        if self.lex.peek() == Some(b'}') {
            self.lex.bump();
            return Ok(Value::object());
        }
        loop {
            if self.lex.peek() != Some(b'"') {
                return Err(self.lex.bad("looking for beginning of object key string"));
            }
            let key = self.lex.string()?;
            if self.lex.peek() != Some(b':') {
                return Err(self.lex.bad("after object key"));
            }
            self.lex.bump();
            let here = Trail::Key(&place, &key);
            if let Some(trace) = &mut self.trace {
                trace.meet(here);
            }
            let value = self.value(here)?;
            entries.push((key, value));
            match self.lex.peek() {
                Some(b',') => self.lex.bump(),
                Some(b'}') => break,
                _ => return Err(self.lex.bad("after object key:value pair")),
            }
        }
        self.lex.bump();
        let duplicates = &mut *self.duplicates;
        let map = Map::from_entries(entries, |key| note(duplicates, &Trail::Key(&place, key)));
        Ok(Value::Object(map))
    }

    fn array(&mut self, place: Trail<'_>) -> Result<Value, Error> {
        let mut items = Vec::new();
        if self.lex.peek() == Some(b']') {
            self.lex.bump();
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(Trail::Index(&place, items.len()))?);
            match self.lex.peek() {
                Some(b',') => self.lex.bump(),
                Some(b']') => break,
                _ => return Err(self.lex.bad("after array element")),
            }
        }
        self.lex.bump();
        Ok(Value::Array(items))
    }
}
