//! Events → tree.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::resolve;
use crate::{
    Map, Str, Value,
    json::{Error, Limits, Parsed},
    trail::note,
};

/// Reads the first document of a text; one that is empty is `null`. What follows it is not looked at, as upstream's
/// decoder does not.
///
/// # Errors
/// The text is not well-formed, holds what JSON cannot, or exceeds a limit.
pub fn parse(input: &[u8], limits: &Limits) -> Result<Parsed, Error> {
    Ok(read(input, limits, 1)?.pop().unwrap_or_default())
}

/// Reads all documents of a manifest; empty ones are left out.
///
/// # Errors
/// See [`parse`]. The limits hold for the whole.
pub fn parse_all(input: &[u8], limits: &Limits) -> Result<Vec<Parsed>, Error> {
    let mut all = read(input, limits, usize::MAX)?;
    all.retain(|parsed| !parsed.value.is_null());
    Ok(all)
}

fn read(input: &[u8], limits: &Limits, documents: usize) -> Result<Vec<Parsed>, Error> {
    if input.len() > limits.bytes {
        return Err(Error::TooLarge { limit: limits.bytes });
    }
    let text = std::str::from_utf8(input).map_err(|_| Error::syntax("yaml: invalid leading UTF-8 octet"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        depth: limits.depth,
        budget: limits.bytes,
        limit: limits.bytes,
        duplicate_lines: Vec::new(),
        line: 0,
    };
    let mut out = Vec::new();
    while out.len() < documents {
        match reader.next()? {
            Event::StreamEnd => break,
            Event::DocumentStart(_) => {
                let event = reader.next()?;
                let value = reader.value(event)?;
                out.push(Parsed { duplicate_lines: std::mem::take(&mut reader.duplicate_lines), ..value.into() });
                reader.anchors.clear();
            }
            _ => {}
        }
    }
    Ok(out)
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Values of anchors by id, with their size.
    anchors: HashMap<usize, (Value, usize)>,
    /// Levels still allowed.
    depth: usize,
    /// Bytes of tree that aliases may still bring.
    budget: usize,
    limit: usize,
    duplicate_lines: Vec<String>,
    /// Where the last event began.
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Error> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(e)) => Err(scan_error(&e)),
            None => Ok(Event::StreamEnd),
        }
    }

    fn value(&mut self, event: Event<'a>) -> Result<Value, Error> {
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(anchor, _) => (self.nested(Self::sequence)?, anchor),
            Event::MappingStart(anchor, _) => (self.nested(Self::mapping)?, anchor),
            Event::Alias(id) => return self.alias(id),
            _ => return Err(Error::syntax("yaml: unexpected end of document")),
        };
        if anchor != 0 {
            let size = size(&value);
            self.spend(size)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(value)
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        self.depth = self.depth.checked_sub(1).ok_or(Error::TooDeep)?;
        let value = inner(self)?;
        self.depth += 1;
        Ok(value)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        self.budget = self.budget.checked_sub(bytes).ok_or(Error::TooLarge { limit: self.limit })?;
        Ok(())
    }

    fn alias(&mut self, id: usize) -> Result<Value, Error> {
        let Some((value, size)) = self.anchors.get(&id) else {
            return Err(Error::syntax("yaml: unknown anchor referenced"));
        };
        if depth(value) > self.depth {
            return Err(Error::TooDeep);
        }
        let (value, size) = (value.clone(), *size);
        self.spend(size)?;
        Ok(value)
    }

    fn sequence(&mut self) -> Result<Value, Error> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                event => items.push(self.value(event)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, Error> {
        let mut entries: Vec<(Str, Value)> = Vec::new();
        let mut merged: Vec<Value> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let event = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let key = self.value(event)?;
            // As YAML has it: the number 1 and the string "1" become one key, but do not stand twice.
            let quoted = matches!(key, Value::String(_));
            let key = resolve::key(key)?;
            let shown = if quoted { format!("{:?}", &*key) } else { key.to_string() };
            let event = self.next()?;
            let line = self.line;
            let value = self.value(event)?;
            if merge {
                merged.push(value);
            } else {
                if let Some(shown) = seen.replace(shown) {
                    note(&mut self.duplicate_lines, &format_args!("line {line}: key {shown} already set in map"));
                }
                entries.push((key, value));
            }
        }
        let mut map = Map::from_entries(entries, |_| {});
        for value in merged {
            merge_into(&mut map, value)?;
        }
        Ok(Value::Object(map))
    }
}

/// `<<`: members of the merged maps that are not there already; of several maps the first wins.
fn merge_into(map: &mut Map, value: Value) -> Result<(), Error> {
    match value {
        Value::Object(from) => {
            let entries = from.into_iter().filter(|(key, _)| !map.contains(key)).collect::<Vec<_>>();
            let own = std::mem::take(map);
            *map = entries.into_iter().chain(own).collect();
            Ok(())
        }
        Value::Array(items) if items.iter().all(|v| v.as_object().is_some()) => {
            items.into_iter().try_for_each(|v| merge_into(map, v))
        }
        _ => Err(Error::syntax("yaml: map merge requires map or sequence of maps as the value")),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Error> {
    let core = tag.filter(|t| t.is_yaml_core_schema()).map(|t| t.suffix.as_str());
    match (core, style) {
        (Some("str" | "binary"), _) => Ok(Value::from(text)),
        (Some("int" | "float" | "bool" | "null"), _) | (_, ScalarStyle::Plain) => resolve::plain(text),
        _ => Ok(Value::from(text)),
    }
}

/// What a tree weighs in memory, roughly.
fn size(value: &Value) -> usize {
    const NODE: usize = size_of::<Value>();
    NODE + match value {
        Value::String(s) => s.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| size_of::<Str>() + key.len() + size(value)).sum(),
        _ => 0,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        _ => 0,
    }
}

fn scan_error(e: &ScanError) -> Error {
    Error::syntax(format!("yaml: line {}: {}", e.marker().line(), e.info()))
}
