//! JSON patch, RFC 6902, with the habits of the library upstream uses: negative positions count from the end, and
//! `replace` of a member that is not there adds it.

use super::Error;
use crate::{Map, Str, Value, json};

/// Upstream's limit.
const MAX_OPERATIONS: usize = 10_000;
/// What all `copy` operations of a patch may add, in bytes of JSON.
const MAX_COPIED: usize = 3 << 20;
/// What all operations of a patch may look at or push aside, in values: well under a second of work.
const MAX_WORK: usize = 1 << 27;

/// Applies `operations`, the patch document, to `doc`.
///
/// # Errors
/// The document is no patch, has too many operations, or one of them does not apply.
pub fn json_patch(doc: &mut Value, operations: &Value) -> Result<(), Error> {
    let unmarshal = |what: &Value, into: &str| {
        Error::Malformed(format!("json: cannot unmarshal {} into Go value of type jsonpatch.{into}", what.type_name()))
    };
    let operations = operations.as_array().ok_or_else(|| unmarshal(operations, "Patch"))?;
    if let Some(odd) = operations.iter().find(|op| !matches!(op, Value::Object(_))) {
        return Err(unmarshal(odd, "Operation"));
    }
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut budget = Budget { copied: 0, worked: 0, deepest: depth(doc, &mut 0) };
    for operation in operations.iter().filter_map(Value::as_object) {
        let applied = apply(doc, operation, &mut budget).and_then(|()| budget.check(doc));
        applied.map_err(Error::Unprocessable)?;
    }
    Ok(())
}

fn apply(doc: &mut Value, operation: &Map, budget: &mut Budget) -> Result<(), String> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let value = || operation.get("value").cloned().unwrap_or_default();
    let kind = text("op").unwrap_or("unknown");
    let decode = |part: &str| match part {
        "from" => format!("{kind} operation failed to decode from: operation, missing from field: missing value"),
        _ if matches!(kind, "add" | "remove" | "copy") => {
            format!("{kind} operation failed to decode path: missing value")
        }
        _ => format!("{kind} operation failed to decode path: operation missing path field: missing value"),
    };
    let path = || text("path").ok_or_else(|| decode("path"));
    match kind {
        "add" => {
            let path = path()?;
            let (at, key) = find(doc, path).ok_or_else(|| missing("add", "path", &format!("{path:?}")))?;
            let value = value();
            budget.place(path, depth(&value, &mut 0));
            budget.shift(at, &key)?;
            add(at, &key, value).map_err(|e| format!("error in add for path: '{path}': {e}"))
        }
        "remove" => {
            let path = path()?;
            let (at, key) = find(doc, path).ok_or_else(|| missing("remove", "path", &format!("{path:?}")))?;
            budget.shift(at, &key)?;
            remove(at, &key).map(drop).map_err(|e| format!("error in remove for path: '{path}': {e}"))
        }
        "replace" => {
            let (path, value) = (path()?, value());
            budget.place(path, depth(&value, &mut 0));
            replace(doc, path, value)
        }
        "move" => {
            let from = text("from").ok_or_else(|| decode("from"))?;
            let (at, key) = find(doc, from).ok_or_else(|| missing("move", "from path", from))?;
            budget.shift(at, &key)?;
            let value = remove(at, &key).map_err(|e| format!("error in move for path: '{key}': {e}"))?;
            let path = path()?;
            let (at, key) = find(doc, path).ok_or_else(|| missing("move", "destination path", path))?;
            budget.carry(from, path);
            budget.shift(at, &key)?;
            add(at, &key, value).map_err(|e| format!("error in move for path: '{path}': {e}"))
        }
        "copy" => {
            let from = text("from").ok_or_else(|| decode("from"))?;
            let (at, key) = find(doc, from).ok_or_else(|| missing("copy", "from path", from))?;
            let value = get(at, &key).map_err(|e| format!("error in copy for from: '{from}': {e}"))?;
            let value = value.cloned().unwrap_or_default();
            let path = path()?;
            let (at, key) = find(doc, path).ok_or_else(|| missing("copy", "destination path", path))?;
            budget.carry(from, path);
            budget.copied += size(&value);
            let copied = budget.copied;
            if copied > MAX_COPIED {
                return Err(format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, \
                     exceeding the limit {MAX_COPIED}"
                ));
            }
            budget.shift(at, &key)?;
            add(at, &key, value).map_err(|e| format!("error while adding value during copy: {e}"))
        }
        "test" => test(doc, path()?, &value()),
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn missing(kind: &str, part: &str, path: &str) -> String {
    format!("{kind} operation does not apply: doc is missing {part}: {path}: missing value")
}

/// What a patch has used up. Operations build on each other: without this a short patch makes a huge or endlessly deep
/// document.
struct Budget {
    copied: usize,
    /// Values looked at or pushed aside, see [`MAX_WORK`].
    worked: usize,
    /// No value of the document is nested deeper than this.
    deepest: usize,
}

impl Budget {
    /// Something at most `depth` deep comes to stand at `path`.
    fn place(&mut self, path: &str, depth: usize) {
        self.deepest = self.deepest.max(steps(path) + depth);
    }

    /// Something from elsewhere in the document comes to stand at `path`.
    fn carry(&mut self, from: &str, path: &str) {
        self.place(path, self.deepest.saturating_sub(steps(from)));
    }

    /// Something comes to or goes from a place in a container: what lies behind it moves.
    fn shift(&mut self, at: &Value, key: &str) -> Result<(), String> {
        let values = match at {
            Value::Array(_) if key == "-" => 0,
            Value::Array(items) => items.len() - place(key, items.len()).map_or(0, |(i, _)| i.min(items.len())),
            Value::Object(map) => map.len(),
            _ => 0,
        };
        self.work(values)
    }

    fn work(&mut self, values: usize) -> Result<(), String> {
        self.worked += values;
        if self.worked > MAX_WORK { Err("the operations together take too much work".into()) } else { Ok(()) }
    }

    /// The bound is cheap and grows too fast: looks at the document when it is reached.
    fn check(&mut self, doc: &Value) -> Result<(), String> {
        let max = json::Limits::default().depth;
        if self.deepest > max {
            let mut values = 0;
            self.deepest = depth(doc, &mut values);
            self.work(values)?;
        }
        if self.deepest > max { Err(format!("the document would be nested deeper than {max}")) } else { Ok(()) }
    }
}

fn steps(path: &str) -> usize {
    path.bytes().filter(|b| *b == b'/').count()
}

/// How deep a value is nested; counts the values that had to be looked at.
fn depth(value: &Value, values: &mut usize) -> usize {
    *values += 1;
    match value {
        Value::Array(items) => 1 + items.iter().map(|v| depth(v, values)).max().unwrap_or(0),
        Value::Object(map) => 1 + map.iter().map(|(_, v)| depth(v, values)).max().unwrap_or(0),
        _ => 0,
    }
}

fn size(value: &Value) -> usize {
    let mut out = Vec::new();
    json::write(value, &mut out);
    out.len()
}

fn replace(doc: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        if !matches!(value, Value::Object(_) | Value::Array(_)) {
            return Err("replace operation value must be object or array".into());
        }
        *doc = value;
        return Ok(());
    }
    let (at, key) = find(doc, path).ok_or_else(|| missing("replace", "path", path))?;
    if get(at, &key).is_err() {
        return Err(missing("replace", "key", path));
    }
    match at {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) => {
            let i = index(&key, items.len())?;
            items[i] = value;
        }
        _ => {}
    }
    Ok(())
}

fn test(doc: &mut Value, path: &str, wanted: &Value) -> Result<(), String> {
    let failed = || format!("testing value {path} failed: test failed");
    if path.is_empty() {
        return if doc == wanted { Ok(()) } else { Err(failed()) };
    }
    let (at, key) = find(doc, path)
        .ok_or_else(|| format!("test operation does not apply: is missing path: {path}: missing value"))?;
    let found = get(at, &key).map_err(|e| format!("error in test for path: '{path}': {e}"))?;
    if found.unwrap_or(&Value::Null) == wanted { Ok(()) } else { Err(failed()) }
}

/// The container a pointer leads to, and the key in it.
fn find<'a>(doc: &'a mut Value, path: &str) -> Option<(&'a mut Value, Str)> {
    let (_, steps) = path.split_once('/')?;
    let (way, key) = steps.rsplit_once('/').map_or((None, steps), |(way, key)| (Some(way), key));
    let mut here = doc;
    for step in way.into_iter().flat_map(|way| way.split('/')) {
        let step = unescape(step);
        here = match here {
            Value::Object(map) => map.get_mut(&step)?,
            Value::Array(items) => {
                let i = index(&step, items.len()).ok()?;
                &mut items[i]
            }
            _ => return None,
        };
    }
    matches!(here, Value::Object(_) | Value::Array(_)).then(|| (here, unescape(key)))
}

fn unescape(step: &str) -> Str {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~").into() } else { step.into() }
}

/// An existing position.
fn index(key: &str, len: usize) -> Result<usize, String> {
    place(key, len).and_then(|(i, n)| if i < len { Ok(i) } else { Err(invalid_index(n)) })
}

/// A position counted from either end; may lie behind it.
fn place(key: &str, len: usize) -> Result<(usize, i64), String> {
    let n: i64 = key.parse().map_err(|_| format!("strconv.Atoi: parsing {key:?}: invalid syntax"))?;
    let at = if n < 0 { i64::try_from(len).unwrap_or(i64::MAX) + n } else { n };
    usize::try_from(at).map(|at| (at, n)).map_err(|_| invalid_index(n))
}

fn invalid_index(n: i64) -> String {
    format!("Unable to access invalid index: {n}: invalid index referenced")
}

fn get<'a>(at: &'a Value, key: &str) -> Result<Option<&'a Value>, String> {
    match at {
        Value::Array(items) => index(key, items.len()).map(|i| Some(&items[i])),
        other => Ok(other.get(key)),
    }
}

fn add(at: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match at {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let (i, n) = place(key, items.len() + 1).map_err(|e| {
                if e.starts_with("strconv") { format!("value was not a proper array index: '{key}': {e}") } else { e }
            })?;
            if i > items.len() {
                return Err(invalid_index(n));
            }
            items.insert(i, value);
        }
        Value::Object(map) => {
            map.insert(key, value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(at: &mut Value, key: &str) -> Result<Value, String> {
    match at {
        Value::Array(items) => index(key, items.len()).map(|i| items.remove(i)),
        other => other
            .as_object_mut()
            .and_then(|map| map.remove(key))
            .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
    }
}

#[cfg(test)]
mod tests;
