//! Words and signs of a label selector, and its grammar.

use super::{
    Error, Requirement,
    labels::{Operator, check_key},
};
use crate::{Str, field::Path};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    End,
    Closed,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Word,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

fn keyword(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Closed,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::Greater,
        "in" => Token::In,
        "<" => Token::Less,
        "!=" => Token::NotEquals,
        "notin" => Token::NotIn,
        "(" => Token::Open,
        _ => return None,
    })
}

const SIGNS: [char; 7] = ['=', '!', '(', ')', ',', '>', '<'];
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn tokens(text: &str) -> Vec<(Token, &str)> {
    let mut out = Vec::new();
    let mut rest = text.trim_start_matches(SPACES);
    while !rest.is_empty() {
        let word = rest.find(|c| SIGNS.contains(&c) || SPACES.contains(&c)).unwrap_or(rest.len());
        let (token, len) = if word > 0 {
            (keyword(&rest[..word]).unwrap_or(Token::Word), word)
        } else {
            // The longest sign that is known; signs are one byte each.
            let two = rest.get(..2).and_then(keyword).map(|t| (t, 2));
            two.or_else(|| keyword(&rest[..1]).map(|t| (t, 1))).expect("each sign is a token by itself")
        };
        out.push((token, &rest[..len]));
        rest = rest[len..].trim_start_matches(SPACES);
    }
    out
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<(Token, &'a str)>>,
}

/// Where values may stand, `in` and `notin` are words.
fn as_value(token: Token) -> Token {
    if matches!(token, Token::In | Token::NotIn) { Token::Word } else { token }
}

pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, Error> {
    let mut parser = Parser { tokens: tokens(text).into_iter().peekable() };
    let mut out = Vec::new();
    loop {
        match parser.peek() {
            (Token::Word | Token::Not, _) => {
                out.push(parser.requirement().map_err(|e| Error::new(format!("unable to parse requirement: {e}")))?);
                match parser.next() {
                    (Token::End, _) => return Ok(out),
                    (Token::Comma, _) => match parser.peek() {
                        (Token::Word | Token::Not, _) => {}
                        (_, other) => {
                            return Err(Error::new(format!("found '{other}', expected: identifier after ','")));
                        }
                    },
                    (_, other) => {
                        return Err(Error::new(format!("found '{other}', expected: ',' or 'end of string'")));
                    }
                }
            }
            (Token::End, _) => return Ok(out),
            (_, other) => {
                return Err(Error::new(format!("found '{other}', expected: !, identifier, or 'end of string'")));
            }
        }
    }
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> (Token, &'a str) {
        self.tokens.peek().map_or((Token::End, ""), |(token, text)| (as_value(*token), text))
    }

    fn next(&mut self) -> (Token, &'a str) {
        self.tokens.next().map_or((Token::End, ""), |(token, text)| (as_value(token), text))
    }

    fn requirement(&mut self) -> Result<Requirement, Error> {
        let (mut token, mut key) = self.next();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.next();
        }
        if token != Token::Word {
            return Err(Error::new(format!("found '{key}', expected: identifier")));
        }
        check_key(&Path::root(), key)?;
        if matches!(self.peek().0, Token::End | Token::Comma) {
            let operator = if negated { Operator::DoesNotExist } else { Operator::Exists };
            return Requirement::new(key, operator, Vec::new());
        }
        if negated {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        let operator = self.operator()?;
        let mut values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.value()?],
        };
        values.sort_unstable();
        values.dedup();
        Requirement::new(key, operator, values)
    }

    fn operator(&mut self) -> Result<Operator, Error> {
        let (token, text) = self.tokens.next().unwrap_or((Token::End, ""));
        Ok(match token {
            Token::In => Operator::In,
            Token::NotIn => Operator::NotIn,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::NotEquals => Operator::NotEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            _ => {
                return Err(Error::new(format!("found '{text}', expected: in, notin, =, ==, !=, gt, lt")));
            }
        })
    }

    fn value(&mut self) -> Result<Str, Error> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(Str::default());
        }
        match self.next() {
            (Token::Word, text) => Ok(text.into()),
            (_, other) => Err(Error::new(format!("found '{other}', expected: identifier"))),
        }
    }

    fn values(&mut self) -> Result<Vec<Str>, Error> {
        let (token, text) = self.next();
        if token != Token::Open {
            return Err(Error::new(format!("found '{text}' expected: '('")));
        }
        match self.peek() {
            (Token::Word | Token::Comma, _) => self.list(),
            (Token::Closed, _) => {
                self.next();
                Ok(vec![Str::default()])
            }
            (_, other) => Err(Error::new(format!("found '{other}', expected: ',', ')' or identifier"))),
        }
    }

    /// The inside of the parentheses, the closing one included. Nothing between commas is the empty value.
    fn list(&mut self) -> Result<Vec<Str>, Error> {
        let mut out = Vec::new();
        loop {
            match self.next() {
                (Token::Word, text) => {
                    out.push(text.into());
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Closed, _) => break,
                        (_, other) => return Err(Error::new(format!("found '{other}', expected: ',' or ')'"))),
                    }
                }
                (Token::Comma, _) => {
                    if out.is_empty() {
                        out.push(Str::default());
                    }
                    match self.peek().0 {
                        Token::Closed => {
                            out.push(Str::default());
                            break;
                        }
                        Token::Comma => out.push(Str::default()),
                        _ => {}
                    }
                }
                (_, other) => return Err(Error::new(format!("found '{other}', expected: ',', or identifier"))),
            }
        }
        self.next();
        Ok(out)
    }
}
