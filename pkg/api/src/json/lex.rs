//! Tokens of JSON: strings, numbers, words.

use super::Error;
use crate::{Str, Value};

/// Reads tokens from a text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no white space, not consumed.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Consumes the byte that was peeked.
    pub(super) fn bump(&mut self) {
        self.at += 1;
    }

    /// The complaint about the character here; `place` says where it stands.
    pub(super) fn bad(&self, place: &str) -> Error {
        match self.text.as_bytes().get(self.at) {
            None => Error::syntax("unexpected end of JSON input"),
            Some(&byte) => Error::syntax(format!("invalid character {} {place}", quoted(byte))),
        }
    }

    /// A string; the opening quote was peeked.
    pub(super) fn string(&mut self) -> Result<Str, Error> {
        self.at += 1;
        let bytes = self.text.as_bytes();
        let start = self.at;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    let plain = Str::from(&self.text[start..self.at]);
                    self.at += 1;
                    return Ok(plain);
                }
                Some(b'\\') => return self.escaped(start),
                Some(0x20..) => self.at += 1,
                _ => return Err(self.bad("in string literal")),
            }
        }
    }

    /// The rest of a string that has escapes; `self.at` is at the first one.
    fn escaped(&mut self, start: usize) -> Result<Str, Error> {
        let bytes = self.text.as_bytes();
        let mut out = String::with_capacity(self.at - start + 32);
        let mut run = start;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    out.push_str(&self.text[run..self.at]);
                    self.at += 1;
                    return Ok(Str::from(out));
                }
                Some(b'\\') => {
                    out.push_str(&self.text[run..self.at]);
                    self.at += 1;
                    out.push(self.escape()?);
                    run = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.bad("in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let Some(&byte) = self.text.as_bytes().get(self.at) else { return Err(self.bad("")) };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.bad("in string escape code")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, Error> {
        let first = self.hex4()?;
        if let 0xd800..0xdc00 = first
            && self.text.as_bytes()[self.at..].starts_with(b"\\u")
        {
            let before = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if let 0xdc00..0xe000 = second {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.text.as_bytes().get(self.at).and_then(|b| char::from(*b).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.bad("in \\u hexadecimal character escape"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// A number; its first byte was peeked.
    pub(super) fn number(&mut self) -> Result<Value, Error> {
        let start = self.at;
        let mut integer = true;
        if self.here() == Some(b'-') {
            self.at += 1;
        }
        match self.here() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.bad("in numeric literal")),
        }
        if self.here() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.here() {
            integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.here() {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let literal = &self.text[start..self.at];
        if integer && let Ok(n) = literal.parse() {
            return Ok(Value::Int(n));
        }
        match literal.parse::<f64>() {
            // A negative zero would print as `-0`, which is read as the integer: zero has no sign.
            Ok(n) if n.is_finite() => Ok(Value::Float(if n == 0.0 { 0.0 } else { n })),
            _ => Err(Error::syntax(format!("json: cannot unmarshal number {literal} into Go value of type float64"))),
        }
    }

    fn here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.here() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, place: &str) -> Result<(), Error> {
        let start = self.at;
        self.digits();
        if self.at == start { Err(self.bad(place)) } else { Ok(()) }
    }

    /// `true`, `false` or `null`; its first byte was peeked.
    pub(super) fn word(&mut self, word: &str, value: Value) -> Result<Value, Error> {
        for byte in word.bytes() {
            if self.here() != Some(byte) {
                return Err(self.bad(&format!("in literal {word} (expecting '{}')", char::from(byte))));
            }
            self.at += 1;
        }
        Ok(value)
    }
}

/// A byte as Go quotes it in a message.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa1 => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}
